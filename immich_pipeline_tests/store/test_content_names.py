import random

import polars as pl
import pytest

from immich_pipeline.dedup.facts import with_content
from immich_pipeline.store import derived
from immich_pipeline.store.content_names import NAME_SCHEMA, names_now
from immich_pipeline.store.database import Database
from immich_pipeline_tests.store.hashed import Hashed, gone, hashed
from immich_pipeline_tests.store.rows import asset_id

A, B = b"\x01" * 32, b"\x02" * 32
SHA1_A, SHA1_B = b"\x09" * 20, b"\x00" * 20


def every_name(database: Database, *contents: bytes | None) -> list[tuple[bytes, bytes, bool]]:
    with database.frames() as frames:
        found = names_now(frames, pl.Series(contents, dtype=pl.Binary))
    assert dict(found.schema) == NAME_SCHEMA
    return found.rows()


def named(database: Database, *contents: bytes | None) -> dict[bytes, bytes]:
    return {content: name for content, name, is_first in every_name(database, *contents) if is_first}


def contents(database: Database) -> dict[str, bytes]:
    with database.frames() as frames:
        return dict(with_content(derived.file_hashes(frames)).select("asset_id", "content").drop_nulls().rows())


def test_what_is_not_known_keeps_its_name(database: Database) -> None:
    assert named(database) == {}
    assert named(database, A, SHA1_A, A, None) == {A: A, SHA1_A: SHA1_A}


def test_an_upload_that_was_read_is_called_by_its_sha256(database: Database) -> None:
    hashed(database, ("a.jpg", None, SHA1_A))
    assert named(database, SHA1_A, A) == {SHA1_A: SHA1_A, A: A}
    hashed(database, ("a.jpg", A, SHA1_A))
    assert named(database, SHA1_A, A, B) == {SHA1_A: A, A: A, B: B}


def test_an_upload_is_called_by_its_sha1_again_when_the_file_that_told_more_is_gone(database: Database) -> None:
    hashed(database, ("upload.jpg", None, SHA1_A), ("file.jpg", A, SHA1_A))
    assert named(database, A, SHA1_A) == {A: A, SHA1_A: A}
    gone(database, "file.jpg")
    assert named(database, A, SHA1_A) == {A: SHA1_A, SHA1_A: SHA1_A}
    gone(database, "upload.jpg")
    assert named(database, A, SHA1_A) == {A: A, SHA1_A: SHA1_A}, "nothing has it, so any name is as good"


def test_what_files_are_called_by_two_names_has_both(database: Database) -> None:
    hashed(database, ("gone.jpg", A, SHA1_A), ("file.jpg", A, None), ("upload.jpg", None, SHA1_A))
    gone(database, "gone.jpg")
    assert set(every_name(database, A, SHA1_A)) == {
        (A, A, True), (A, SHA1_A, False), (SHA1_A, SHA1_A, True), (SHA1_A, A, False)
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_whatever_becomes_known_every_file_is_found_by_its_former_name(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    pictures = [(dice.randbytes(32), dice.randbytes(20)) for _ in range(60)]

    def known(path: str, picture: tuple[bytes, bytes], sha1: bool, sha256: bool) -> Hashed:
        return path, picture[0] if sha256 else None, picture[1] if sha1 else None

    files = [
        (f"{number}.jpg", dice.choice(pictures), *dice.choice([(True, False), (False, True), (True, True)]))
        for number in range(150)
    ]
    hashed(database, *(known(*file) for file in files))
    before = contents(database)
    more = [
        (path, picture, sha1 or dice.random() < 0.3, sha256 or dice.random() < 0.3)
        for path, picture, sha1, sha256 in files
    ]
    hashed(database, *(known(*file) for file in more))
    # A copy that goes takes what it alone told with it; the others are still found.
    lost = {path for path, *_ in files if dice.random() < 0.2}
    after = contents(database)
    assert len(after) == len(files)
    assert before != after
    names = named(database, *before.values())
    assert {asset: names[content] for asset, content in before.items()} == after
    gone(database, *lost)
    remaining = contents(database)
    assert remaining.keys() == {asset_id(path) for path, *_ in files if path not in lost}
    names_of = {(content, name) for content, name, _ in every_name(database, *after.values())}
    assert {(after[asset], content) for asset, content in remaining.items()} <= names_of

import polars as pl
import pytest

from immich_pipeline.store.content import FILE_HASH, FILE_HASH_SCHEMA
from immich_pipeline.store.database import Database
from immich_pipeline.store.derived import CAPTURE_MEMBER, write
from immich_pipeline.store.frames import Changes
from immich_pipeline.store.library import (
    activate_sources,
    any_unsettled,
    known_assets,
    live_assets,
    mark_unsettled,
    returned_assets,
    take_over,
    write_assets,
)
from immich_pipeline.store.state import bump, fingerprint, is_current, mark_computed
from immich_pipeline_tests.store.rows import SOURCE, asset_id, assets


@pytest.fixture
def library(database: Database) -> Database:
    activate_sources(database, [SOURCE])
    with database.frames() as frames:
        write_assets(frames, assets("a.jpg", "b.jpg"), [])
    return database


def revision(database: Database, topic: str) -> int:
    with database.frames() as frames:
        return frames.scalar("SELECT number FROM pipeline.revision WHERE topic = $1", topic) or 0


def hashed(database: Database, path: str, content: bytes, mtime_ns: int = 1) -> None:
    row = {
        "asset_id": asset_id(path),
        "size": 10,
        "mtime_ns": mtime_ns,
        "code_version": "1",
        "sha256": content * 32,
        "attempts": 1,
    }
    with database.frames() as frames:
        frames.merge(FILE_HASH, pl.DataFrame([row], schema=FILE_HASH_SCHEMA))


def paths(database: Database) -> dict[str, str]:
    with database.frames() as frames:
        return dict(live_assets(frames).select("path", "asset_id").iter_rows())


def test_writing_the_same_rows_changes_nothing(library: Database) -> None:
    before = revision(library, "library")
    with library.frames() as frames:
        assert write_assets(frames, assets("a.jpg", "b.jpg"), []) == Changes()
    assert revision(library, "library") == before


def test_a_gone_asset_is_kept_and_comes_back_with_its_id(library: Database) -> None:
    with library.frames() as frames:
        assert write_assets(frames, assets().head(0), [asset_id("a.jpg")]).deleted == 1
    assert set(paths(library)) == {"b.jpg"}
    with library.frames() as frames:
        known = known_assets(frames, SOURCE.source_id)
        assert dict(known.select("path", "gone").iter_rows()) == {"a.jpg": True, "b.jpg": False}
        write_assets(frames, assets("a.jpg"), [])
    assert paths(library)["a.jpg"] == asset_id("a.jpg")


def test_marking_gone_what_is_gone_already_changes_nothing(library: Database) -> None:
    with library.frames() as frames:
        write_assets(frames, assets().head(0), [asset_id("a.jpg")])
        assert write_assets(frames, assets().head(0), [asset_id("a.jpg")]) == Changes()


def test_two_files_may_swap_their_names(library: Database) -> None:
    swapped = assets("a.jpg", "b.jpg").with_columns(pl.col("asset_id").reverse())
    with library.frames() as frames:
        assert write_assets(frames, swapped, []).updated == 2
    assert paths(library) == {"a.jpg": asset_id("b.jpg"), "b.jpg": asset_id("a.jpg")}


def test_two_live_assets_at_one_path_are_refused(library: Database) -> None:
    twin = assets("a.jpg").with_columns(asset_id=pl.lit(asset_id("twin")))
    with pytest.raises(Exception, match="one_asset_per_path"), library.frames() as frames:
        write_assets(frames, twin, [])


def test_another_source_takes_over_and_gives_back(library: Database) -> None:
    other = type(SOURCE)(**(vars(SOURCE) | {"source_id": asset_id("other"), "root": b"/other"}))
    activate_sources(library, [other])
    assert paths(library) == {}
    before = revision(library, "library")
    activate_sources(library, [other])
    assert revision(library, "library") == before
    activate_sources(library, [SOURCE])
    assert set(paths(library)) == {"a.jpg", "b.jpg"}


def test_content_that_came_back_elsewhere_keeps_its_id(library: Database) -> None:
    hashed(library, "a.jpg", b"a")
    with library.frames() as frames:
        write_assets(frames, assets("disk2/a.jpg", mtime_ns=5), [asset_id("a.jpg")])
    hashed(library, "disk2/a.jpg", b"a", mtime_ns=5)
    with library.frames() as frames:
        candidates = returned_assets(frames)
        assert candidates.select("new_id", "old_id").row(0) == (asset_id("disk2/a.jpg"), asset_id("a.jpg"))
        take_over(frames, [(asset_id("disk2/a.jpg"), asset_id("a.jpg"))])
    assert paths(library) == {"b.jpg": asset_id("b.jpg"), "disk2/a.jpg": asset_id("a.jpg")}
    with library.frames() as frames:
        assert returned_assets(frames).is_empty()
        known = known_assets(frames, SOURCE.source_id).filter(path="disk2/a.jpg")
        assert known["sha256"].to_list() == [b"a" * 32]


def test_a_copy_that_was_there_before_is_no_move(library: Database) -> None:
    hashed(library, "a.jpg", b"a")
    hashed(library, "b.jpg", b"a")
    with library.frames() as frames:
        write_assets(frames, assets().head(0), [asset_id("a.jpg")])
    with library.frames() as frames:
        assert returned_assets(frames).is_empty()


def test_taking_over_nothing_says_nothing_changed(library: Database) -> None:
    before = revision(library, "library")
    with library.frames() as frames:
        take_over(frames, [])
    assert revision(library, "library") == before


def test_unsettled_files_are_remembered(library: Database) -> None:
    assert not any_unsettled(library)
    with library.frames() as frames:
        mark_unsettled(frames)
    assert any_unsettled(library)


def test_results_are_current_until_an_input_changes(library: Database) -> None:
    with library.frames() as frames:
        inputs = fingerprint(frames, ["library"], {"radius": 8})
        assert not is_current(frames, "duplicate_groups", inputs)
        mark_computed(frames, "duplicate_groups", inputs)
        assert is_current(frames, "duplicate_groups", fingerprint(frames, ["library"], {"radius": 8}))
        assert not is_current(frames, "duplicate_groups", fingerprint(frames, ["library"], {"radius": 6}))
        bump(frames, "library")
        assert not is_current(frames, "duplicate_groups", fingerprint(frames, ["library"], {"radius": 8}))


def test_derived_tables_grow_a_revision_only_when_they_change(library: Database) -> None:
    member = {
        "group_id": "g",
        "asset_id": asset_id("a.jpg"),
        "kind": "burst",
        "role": "frame",
        "is_primary": True,
        "rule": "burst.id",
        "confidence": 1.0,
        "reason": "one burst",
    }
    with library.frames() as frames:
        assert write(frames, "captures", {CAPTURE_MEMBER: pl.DataFrame([member])}).inserted == 1
    first = revision(library, "captures")
    with library.frames() as frames:
        assert write(frames, "captures", {CAPTURE_MEMBER: pl.DataFrame([member])}) == Changes()
    assert revision(library, "captures") == first == 1

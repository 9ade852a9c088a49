"""Where copies lie: originals under the target's prefix, whatever their names; Immich's own files under the copy's id."""

import posixpath
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from immich_pipeline.sharing.paths import PathOutside, copied_path, path_checksum, remapped

SOURCE, TARGET = "/external/alice", "/external/bob/alice"
ALICE, BOB = "a" * 8 + "-1111-4111-8111-" + "a" * 12, "b" * 8 + "-2222-4222-8222-" + "b" * 12
ASSET, COPY = "12345678-3333-4333-8333-000000000001", "9abcdef0-4444-4444-8444-000000000002"

pieces = st.one_of(
    st.sampled_from(["..", ".", "", "/", "//", "alice", "external", "a.jpg", "...", "..a", "\0", "%", "\n"]), st.text()
)


@given(
    st.lists(pieces).map("/".join), st.sampled_from([f"{SOURCE}/", SOURCE, "", "/", f"{SOURCE}/../", "/external/alic"])
)
def test_b07_a_remapped_path_always_lies_under_the_target_prefix(rest: str, start: str) -> None:
    try:
        place = remapped(start + rest, SOURCE, TARGET)
    except PathOutside:
        return
    assert posixpath.commonpath([posixpath.normpath(place), TARGET]) == TARGET
    assert posixpath.normpath(place) == place != TARGET
    assert place.removeprefix(TARGET) == (start + rest).removeprefix(SOURCE)
    assert "\0" not in place


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0")).filter(lambda name: name not in {"", ".", ".."}), min_size=1
    )
)
def test_b07_whatever_a_file_may_be_called_is_remapped(names: list[str]) -> None:
    below = "/".join(names)
    assert remapped(f"{SOURCE}/{below}", SOURCE, TARGET) == f"{TARGET}/{below}"


@pytest.mark.parametrize(
    "path", ["/external/alice2/a.jpg", "/external/alice", "/external/alice/", "/external/alice/../bob/a.jpg", "external/alice/a.jpg"]
)  # fmt: skip
def test_b07_what_is_not_below_the_prefix_is_refused(path: str) -> None:
    with pytest.raises(PathOutside):
        remapped(path, SOURCE, TARGET)


def test_the_checksum_is_immichs() -> None:
    """The value is what an Immich computes for this path: SHA-1 of `path:/a`."""
    assert path_checksum("/a").hex() == "0c0171ecdae68b2b6e9bca62917d4afd6173d5d1"


@pytest.fixture
def connection(server_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_url) as opened:
        yield opened


def copied(connection: psycopg.Connection, path: str) -> str | None:
    literals = [sql.Literal(value) for value in (path, ALICE, BOB, ASSET, COPY)]
    row = connection.execute(sql.SQL("SELECT {}").format(copied_path(*literals))).fetchone()
    assert row is not None
    found: str | None = row[0]
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/data/thumbs/{ALICE}/12/34/{ASSET}_preview.jpeg", f"/data/thumbs/{BOB}/9a/bc/{COPY}_preview.jpeg"),
        (
            f"/data/thumbs/{ALICE}/12/34/{ASSET}_preview_edited.jpeg",
            f"/data/thumbs/{BOB}/9a/bc/{COPY}_preview_edited.jpeg",
        ),
        (f"/data/thumbs/{ALICE}/12/34/{ASSET}-preview.jpeg", f"/data/thumbs/{BOB}/9a/bc/{COPY}-preview.jpeg"),
        (f"/data/encoded-video/{ALICE}/12/34/{ASSET}.mp4", f"/data/encoded-video/{BOB}/9a/bc/{COPY}.mp4"),
        (f"/data/encoded-video/{ALICE}/12/34/{ASSET}-MP.mp4", f"/data/encoded-video/{BOB}/9a/bc/{COPY}-MP.mp4"),
        # not in folders of the id: those stay
        (f"/data/thumbs/{ALICE}/{ASSET}.webp", f"/data/thumbs/{BOB}/{COPY}.webp"),
        (f"/data/thumbs/{ALICE}/34/12/{ASSET}.webp", f"/data/thumbs/{BOB}/34/12/{COPY}.webp"),
        # components, not parts of them
        (f"/data/x{ALICE}/12/34/{ASSET}.webp", f"/data/x{ALICE}/9a/bc/{COPY}.webp"),
        (f"/data/12/34/y/12/34/{ASSET}.webp", f"/data/12/34/y/9a/bc/{COPY}.webp"),
        # of another asset, or of nobody
        (f"/data/thumbs/{ALICE}/12/34/{ASSET}0.webp", None),
        (f"/data/thumbs/{ALICE}/12/34/{ASSET}", None),
        (f"/data/thumbs/{ALICE}/12/34/x{ASSET}.webp", None),
        (f"/data/thumbs/{ALICE}/{ASSET}/preview.jpeg", None),
        ("", None),
    ],
)
def test_b13_exact_components_of_a_files_path_are_replaced(
    connection: psycopg.Connection, path: str, expected: str | None
) -> None:
    assert copied(connection, path) == expected

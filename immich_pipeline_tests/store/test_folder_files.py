"""Which sidecars go with files that are moved, and what is decided about these."""

from dataclasses import replace

import polars as pl
import pytest

from immich_pipeline.store.database import Database
from immich_pipeline.store.folder_files import is_looked_after, own_sidecars, roles_of, sidecar_marks
from immich_pipeline.store.library import activate_sources, write_assets
from immich_pipeline_tests.store.rows import ROOT, SOURCE, asset_id, assets

PATHS = ("a/one.jpg", "a/ONE.cr2", "a/two.jpg", "b/one.jpg")
SIDECARS = {
    "a/one.jpg.xmp": ("a/one.jpg", "full_name"),
    "a/one.xmp": ("a/one.jpg", "same_name"),
    "a/two.xmp": ("a/two.jpg", "same_name"),
    "b/one.xmp": ("b/one.jpg", "same_name"),
    "b/none.xmp": (None, None),
}


@pytest.fixture
def folder(database: Database) -> Database:
    activate_sources(database, [SOURCE])
    with database.frames() as frames:
        write_assets(frames, assets(*PATHS), [])
        for path, (owner, rule) in SIDECARS.items():
            frames.execute(
                "INSERT INTO library.sidecar VALUES ($1::uuid, $2, $3, 'xmp', 5, 7, $4::uuid, $5)",
                *(SOURCE.source_id, path.encode(), path, owner and asset_id(owner), rule),
            )
    return database


def sidecars(database: Database, *moved: tuple[str, str]) -> list[tuple[str, str]]:
    frame = pl.DataFrame(
        [(set_id, asset_id(path)) for set_id, path in moved], schema=["set_id", "asset_id"], orient="row"
    )
    with database.frames() as frames:
        found = own_sidecars(frames, frame)
    assert found.select("size", "mtime_ns").rows() == [(5, 7)] * found.height
    return sorted((set_id, path.decode()) for set_id, path in found.select("set_id", "real_path").iter_rows())


def test_a_sidecar_goes_with_the_files_that_are_all_moved(folder: Database) -> None:
    assert sidecars(folder, ("s", "a/one.jpg")) == [("s", "a/one.jpg.xmp")], "the raw file stays and needs one.xmp"
    both = [("s", "a/one.jpg"), ("s", "a/ONE.cr2")]
    assert sidecars(folder, *both) == [("s", "a/one.jpg.xmp"), ("s", "a/one.xmp")]
    apart = [("s", "a/one.jpg"), ("t", "a/ONE.cr2")]
    assert sidecars(folder, *apart) == [("s", "a/one.jpg.xmp")], "the other set may be left undone"
    assert sidecars(folder, ("s", "a/two.jpg"), ("t", "b/one.jpg")) == [("s", "a/two.xmp"), ("t", "b/one.xmp")]


def test_nothing_moved_has_no_sidecars(folder: Database) -> None:
    with folder.frames() as frames:
        assert own_sidecars(frames, pl.DataFrame(schema={"set_id": pl.String, "asset_id": pl.String})).is_empty()


def test_a_folder_is_its_owners_as_long_as_it_is_looked_after(folder: Database) -> None:
    with folder.frames() as frames:
        assert is_looked_after(frames, ROOT, "anna")
        assert not is_looked_after(frames, ROOT, "bob")
        assert not is_looked_after(frames, b"/elsewhere", "anna")
    activate_sources(folder, [replace(SOURCE, source_id=asset_id(""), root=b"/other")])
    with folder.frames() as frames:
        assert not is_looked_after(frames, ROOT, "anna")


def test_the_roles_of_files_in_all_decisions(folder: Database) -> None:
    one, two = asset_id("a/one.jpg"), asset_id("a/two.jpg")
    with folder.frames() as frames:
        for set_id, asset, role in (("s", one, "keeper"), ("s", two, "loser"), ("t", two, "keeper")):
            frames.execute("SET CONSTRAINTS ALL DEFERRED")
            frames.execute(
                "INSERT INTO duplicates.decision VALUES ($1, 'anna', 'exact', 1, 'certain', 'u', $2::uuid, 'bytes', '{}', 'trash', 2, 1, "
                "NULL, '{}', '[]', 'p') ON CONFLICT DO NOTHING",
                set_id,
                asset,
            )
            frames.execute(
                "INSERT INTO duplicates.decision_member VALUES ($1, 'u', $2::uuid, $3, 1, NULL)", set_id, asset, role
            )
    with folder.frames() as frames:
        assert roles_of(frames, [two, "no id at all"]) == {(two, "loser"), (two, "keeper")}
        assert roles_of(frames, []) == set()


def test_every_sidecar_of_a_file_is_told(folder: Database) -> None:
    one, two, raw = asset_id("a/one.jpg"), asset_id("a/two.jpg"), asset_id("a/ONE.cr2")
    with folder.frames() as frames:
        assert sidecar_marks(frames, [one, two, raw, "no id"]) == {(one, "xmp", 5), (two, "xmp", 5)}
        assert sidecar_marks(frames, []) == set()

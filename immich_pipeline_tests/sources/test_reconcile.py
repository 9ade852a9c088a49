import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.sources.reconcile import Reconciled, reconcile
from immich_pipeline_tests.sources.frames import SOURCE_ID, File, after, ids_by_path, nothing_known, paths, scan_of

A, B, C = ("a.jpg", 10, 100, 1), ("b.jpg", 20, 200, 2), ("c.jpg", 30, 300, 3)


def at(path: str, file: File) -> File:
    """The same version of a file at another path."""
    return (path, *file[1:])


def first(*files: File) -> pl.DataFrame:
    return after(nothing_known(), reconcile(nothing_known(), scan_of(*files), SOURCE_ID))


def step(known: pl.DataFrame, *files: File, unreadable: tuple[bytes, ...] = ()) -> tuple[Reconciled, pl.DataFrame]:
    found = reconcile(known, scan_of(*files), SOURCE_ID, unreadable)
    return found, after(known, found)


def nothing_to_do(found: Reconciled) -> bool:
    return found.rows.is_empty() and not found.gone


def test_everything_is_added_the_first_time_and_unchanged_the_second() -> None:
    known = first(A, B)
    assert known["asset_id"].n_unique() == 2
    again, _ = step(known, B, A)
    assert nothing_to_do(again)
    assert again.unchanged == 2


def test_fresh_runs_give_equal_ids() -> None:
    assert first(A, B).equals(first(B, A))


@pytest.mark.parametrize("version", [(11, 100, 1), (10, 101, 1), (11, 101, 9)], ids=["size", "touched", "replaced"])
def test_another_version_at_the_same_path_is_a_change_of_the_same_asset(version: tuple[int, int, int]) -> None:
    known = first(A, B)
    found, later = step(known, ("a.jpg", *version), B)
    assert paths(found.changed) == ["a.jpg"]
    assert ids_by_path(later) == ids_by_path(known)
    assert (found.unchanged, found.gone, found.added.height, found.moved.height) == (1, [], 0, 0)


def test_a_renamed_file_keeps_its_id() -> None:
    known = first(A, B)
    found, later = step(known, at("trip/a.jpg", A), B)
    assert found.moved.select("path", "folder", "old_path", "old_real_path").rows() == [
        ("trip/a.jpg", "trip", "a.jpg", b"a.jpg")
    ]
    assert ids_by_path(later)["trip/a.jpg"] == ids_by_path(known)["a.jpg"]
    assert not found.gone


def test_swapped_names_swap_the_assets() -> None:
    known = first(A, B)
    found, later = step(known, at("b.jpg", A), at("a.jpg", B))
    before = ids_by_path(known)
    assert ids_by_path(later) == {"a.jpg": before["b.jpg"], "b.jpg": before["a.jpg"]}
    assert found.moved.height == 2


def test_a_chain_of_renames_is_followed() -> None:
    known = first(A, B)
    found, later = step(known, at("b.jpg", A), at("c.jpg", B))
    before = ids_by_path(known)
    assert ids_by_path(later) == {"b.jpg": before["a.jpg"], "c.jpg": before["b.jpg"]}
    assert found.moved.height == 2


def test_a_file_renamed_over_another_leaves_that_one_gone() -> None:
    known = first(A, B)
    found, later = step(known, at("b.jpg", A))
    before = ids_by_path(known)
    assert ids_by_path(later) == {"b.jpg": before["a.jpg"]}
    assert found.gone == [before["b.jpg"]]
    assert found.changed.is_empty()


def test_a_new_file_at_a_path_that_was_left_gets_an_id_of_its_own() -> None:
    known = first(A)
    found, later = step(known, at("old/a.jpg", A), ("a.jpg", 99, 999, 9))
    assert paths(found.added) == ["a.jpg"]
    assert later["asset_id"].n_unique() == 2
    assert ids_by_path(later)["old/a.jpg"] == ids_by_path(known)["a.jpg"]


def test_a_new_file_where_one_is_gone_gets_an_id_of_its_own() -> None:
    known = first(A)
    _, empty = step(known)
    found, later = step(empty, ("a.jpg", 99, 999, 9))
    assert paths(found.added) == ["a.jpg"]
    assert ids_by_path(later)["a.jpg"] != ids_by_path(known)["a.jpg"]


def test_a_third_file_at_a_path_is_told_from_the_first_two() -> None:
    known = first(A)
    for number in (2, 3):
        _, empty = step(known)
        _, known = step(empty, ("a.jpg", number, number, number))
    assert known["asset_id"].n_unique() == 3


def test_a_file_that_comes_back_is_the_same_asset() -> None:
    known = first(A, B)
    found, without = step(known, B)
    assert found.gone == [ids_by_path(known)["a.jpg"]]
    back, later = step(without, A, B)
    assert paths(back.revived) == ["a.jpg"]
    assert ids_by_path(later) == ids_by_path(known)


def test_what_a_remount_brought_back_is_revived_whatever_its_inode() -> None:
    _, without = step(first(A))
    found, _ = step(without, ("a.jpg", 10, 100, 77))
    assert found.revived["inode"].to_list() == [77]


def test_of_two_gone_assets_at_a_path_the_one_with_the_inode_comes_back() -> None:
    known = first(A)
    wanted = ids_by_path(known)["a.jpg"]
    _, known = step(known)
    # A copy with the same size and time would be revived too, so let it change first.
    _, known = step(known, ("a.jpg", 11, 100, 5))
    _, known = step(known, ("a.jpg", 10, 100, 5))
    _, known = step(known)
    assert known.height == 2
    found, _ = step(known, A)
    assert found.revived["asset_id"].to_list() == [wanted]


def test_other_inodes_after_a_remount_are_written_down_and_nothing_else() -> None:
    known = first(A, B)
    found = reconcile(known, scan_of(("a.jpg", 10, 100, 51), ("b.jpg", 20, 200, 52), device=7), SOURCE_ID)
    assert paths(found.refreshed) == ["a.jpg", "b.jpg"]
    assert found.rows["inode"].to_list() == [51, 52]
    assert found.rows["asset_id"].to_list() == [ids_by_path(known)[path] for path in ("a.jpg", "b.jpg")]
    assert (found.changed.height, found.moved.height, found.added.height, found.gone, found.unchanged) == (
        0,
        0,
        0,
        [],
        0,
    )


def test_another_device_alone_is_written_down() -> None:
    found = reconcile(first(A), scan_of(A, device=7), SOURCE_ID)
    assert found.refreshed["device"].to_list() == [7]


def test_another_owner_is_written_down() -> None:
    found = reconcile(first(A), scan_of(A, owner="alice"), SOURCE_ID)
    assert found.refreshed["owner"].to_list() == ["alice"]
    assert found.changed.is_empty()


def test_what_is_known_may_lack_the_format() -> None:
    found = reconcile(first(A).drop("format"), scan_of(A), SOURCE_ID)
    assert found.unchanged == 1


def test_a_move_to_another_device_is_no_rename() -> None:
    found = reconcile(first(A), scan_of(at("b.jpg", A), device=7), SOURCE_ID)
    assert (found.moved.height, found.added.height, len(found.gone)) == (0, 1, 1)


def test_files_without_inodes_are_never_taken_for_renamed() -> None:
    known = first(("a.jpg", 10, 100, 0))
    found, _ = step(known, ("b.jpg", 10, 100, 0))
    assert (found.moved.height, found.added.height, len(found.gone)) == (0, 1, 1)


def test_a_new_hard_link_is_a_new_asset() -> None:
    known = first(A)
    found, later = step(known, A, at("link.jpg", A))
    assert paths(found.added) == ["link.jpg"]
    assert ids_by_path(later)["a.jpg"] == ids_by_path(known)["a.jpg"]


def test_hard_links_moved_together_are_paired_in_path_order() -> None:
    known = first(A, at("b.jpg", A), at("c.jpg", A))
    _, later = step(known, at("new/a.jpg", A), at("new/b.jpg", A), at("c.jpg", A))
    before = ids_by_path(known)
    assert ids_by_path(later) == {"new/a.jpg": before["a.jpg"], "new/b.jpg": before["b.jpg"], "c.jpg": before["c.jpg"]}


def test_of_hard_links_that_become_fewer_the_rest_is_gone() -> None:
    known = first(A, at("b.jpg", A))
    found, later = step(known, at("c.jpg", A))
    assert (found.moved.height, len(found.gone)) == (1, 1)
    assert ids_by_path(later)["c.jpg"] == ids_by_path(known)["a.jpg"]


def test_files_below_an_unreadable_folder_are_kept() -> None:
    known = first(at("x/a.jpg", A), at("x/deep/b.jpg", B), at("xy/c.jpg", C))
    found, later = step(known, unreadable=(b"x",))
    assert found.kept == 2
    assert found.gone == [ids_by_path(known)["xy/c.jpg"]]
    assert sorted(ids_by_path(later)) == ["x/a.jpg", "x/deep/b.jpg"]


def test_a_file_that_could_not_be_looked_at_is_kept() -> None:
    found, _ = step(first(A, B), unreadable=(b"a.jpg",))
    assert (found.kept, len(found.gone)) == (1, 1)


def test_nothing_is_gone_when_the_root_could_not_be_read() -> None:
    found, _ = step(first(A, at("x/b.jpg", B)), unreadable=(b"",))
    assert (found.kept, found.gone) == (2, [])


def test_a_file_that_left_an_unreadable_folder_is_followed() -> None:
    known = first(at("x/a.jpg", A))
    found, later = step(known, at("y/a.jpg", A), unreadable=(b"x",))
    assert found.kept == 0
    assert ids_by_path(later) == {"y/a.jpg": ids_by_path(known)["x/a.jpg"]}


def test_a_path_never_has_two_assets_even_if_its_folder_was_half_read() -> None:
    known = first(A, at("x/b.jpg", B))
    found, later = step(known, at("x/b.jpg", A), unreadable=(b"x",))
    assert (found.kept, found.gone) == (0, [ids_by_path(known)["x/b.jpg"]])
    assert list(ids_by_path(later)) == ["x/b.jpg"]


def test_very_deep_paths_are_no_trouble() -> None:
    deep = "d/" * 5000 + "a.jpg"
    found, _ = step(first(at(deep, A)), unreadable=(b"other",))
    assert len(found.gone) == 1


def test_rows_are_everything_to_write_in_path_order() -> None:
    known = first(A, B, C, ("e.jpg", 1, 1, 11))
    _, known = step(known, A, B, C)
    found, _ = step(
        known, ("a.jpg", 11, 100, 1), at("z.jpg", B), ("c.jpg", 30, 300, 33), ("d.jpg", 4, 4, 4), ("e.jpg", 1, 1, 11)
    )
    assert paths(found.rows) == ["a.jpg", "c.jpg", "d.jpg", "e.jpg", "z.jpg"]
    kinds = (found.changed, found.refreshed, found.added, found.revived, found.moved)
    assert [paths(kind) for kind in kinds] == [["a.jpg"], ["c.jpg"], ["d.jpg"], ["e.jpg"], ["z.jpg"]]


_names = st.sampled_from(["a.jpg", "b.jpg", "x/a.jpg", "x/b.jpg", "x/y/a.jpg", "é.jpg"])
_versions = st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(0, 3))
_libraries = st.dictionaries(_names, _versions, max_size=6).map(
    lambda d: [(name, *version) for name, version in d.items()]
)
_histories = st.lists(st.tuples(_libraries, st.sampled_from([(), (b"x",), (b"x/y",), (b"",)])), min_size=1, max_size=5)


@pytest.mark.unmeasured
@settings(max_examples=60, deadline=None)
@given(history=_histories, data=st.data())
def test_whatever_happens_to_a_folder(history: list[tuple[list[File], tuple[bytes, ...]]], data: st.DataObject) -> None:
    known = nothing_known()
    for files, unreadable in history:
        found, later = step(known, *files, unreadable=unreadable)
        shuffled = data.draw(st.permutations(files))
        order = data.draw(st.permutations(range(known.height)))
        other = reconcile(known[order], scan_of(*shuffled), SOURCE_ID, unreadable)
        assert other.rows.equals(found.rows)
        assert (other.gone, other.unchanged, other.kept) == (found.gone, found.unchanged, found.kept)
        living = later.filter(~pl.col("gone"))
        assert later["asset_id"].is_unique().all()
        assert living["real_path"].is_unique().all()
        assert living.height == len(files) + found.kept
        assert set(ids_by_path(later)) >= {file[0] for file in files}
        assert set(known["asset_id"]) <= set(later["asset_id"])
        again = reconcile(later, scan_of(*files), SOURCE_ID, unreadable)
        assert nothing_to_do(again)
        assert again.unchanged == len(files)
        known = later

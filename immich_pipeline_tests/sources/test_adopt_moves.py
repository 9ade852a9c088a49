import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.sources.reconcile import adopt_moves


def candidates(new: list[str], old: list[str]) -> pl.DataFrame:
    """Every pair of live and gone paths of one content; the ids are the paths with a prefix."""
    rows = [
        {
            "new_id": f"new {there}",
            "path": there,
            "folder": there.rpartition("/")[0],
            "name": there.rpartition("/")[2],
            "old_id": f"old {here}",
            "old_path": here,
            "old_folder": here.rpartition("/")[0],
            "old_name": here.rpartition("/")[2],
        }
        for there in new
        for here in old
    ]
    columns = ("new_id", "path", "folder", "name", "old_id", "old_path", "old_folder", "old_name")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))


def test_the_file_that_came_back_is_the_one_that_went() -> None:
    assert adopt_moves(candidates(["disk2/a.jpg"], ["disk1/a.jpg"])) == [("new disk2/a.jpg", "old disk1/a.jpg")]


def test_none() -> None:
    assert adopt_moves(candidates([], [])) == []


def test_one_name_goes_before_one_folder_before_path_order() -> None:
    pairs = adopt_moves(candidates(["y/b.jpg", "x/c.jpg", "z/d.jpg"], ["w/e.jpg", "x/a.jpg", "x/b.jpg"]))
    assert dict(pairs) == {"new y/b.jpg": "old x/b.jpg", "new x/c.jpg": "old x/a.jpg", "new z/d.jpg": "old w/e.jpg"}


def test_two_gone_and_one_back() -> None:
    assert adopt_moves(candidates(["c.jpg"], ["b.jpg", "a.jpg"])) == [("new c.jpg", "old a.jpg")]


_paths = st.lists(st.sampled_from(["a.jpg", "b.jpg", "x/a.jpg", "x/c.jpg", "y/a.jpg"]), unique=True)


@given(new=_paths, old=_paths, data=st.data())
def test_one_to_one_and_in_any_order(new: list[str], old: list[str], data: st.DataObject) -> None:
    frame = candidates(new, old)
    pairs = adopt_moves(frame)
    assert len(pairs) == min(len(new), len(old))
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)
    assert adopt_moves(frame[data.draw(st.permutations(range(frame.height)))]) == pairs

from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup.classes import default_classes
from immich_pipeline.dedup.schema import SET_SCHEMA
from immich_pipeline.dedup.sets import decision_sets
from immich_pipeline_tests.dedup.drawn_groups import captures_named, groups_named

NO_CAPTURES = captures_named()


def units_of(sets: pl.DataFrame) -> list[list[list[str]]]:
    """The sets as lists of units as lists of files, sorted."""
    by_set: dict[str, dict[str, list[str]]] = {}
    for row in sets.iter_rows(named=True):
        by_set.setdefault(row["set_id"], {}).setdefault(row["unit_id"], []).append(row["asset_id"])
    return sorted(sorted(units.values()) for units in by_set.values())


def counterparts(sets: pl.DataFrame) -> dict[str, str | None]:
    return dict(sets.select("asset_id", "group_id").iter_rows())


def test_single_files_of_a_group_are_a_set() -> None:
    groups, members = groups_named(("g", "exact", "a b c"), ("h", "edited", "d e"), diameters={"h": 5})
    sets = decision_sets(groups, members, NO_CAPTURES)
    assert dict(sets.schema) == SET_SCHEMA
    assert units_of(sets) == [[["a"], ["b"], ["c"]], [["d"], ["e"]]]
    (row,) = sets.filter(pl.col("asset_id") == "d").rows(named=True)
    assert len(row.pop("set_id")) == 32
    assert row == {
        "owner": "me", "unit_id": "d", "asset_id": "d", "group_id": "h", "class": "edited", "confidence": 0.6, "diameter": 5,
        "role": None,
    }  # fmt: skip


def test_nothing_found_nothing_to_decide() -> None:
    groups, members = groups_named()
    assert decision_sets(groups, members, captures_named(("c", "raw_jpeg", "a b"))).equals(
        pl.DataFrame(schema=SET_SCHEMA)
    )


def test_a_raw_file_and_its_jpeg_imported_twice_are_one_decision() -> None:
    groups, members = groups_named(("r", "exact", "r1 r2"), ("j", "reencoded", "j1 j2"), diameters={"j": 3})
    captures = captures_named(("c1", "raw_jpeg", "r1:raw j1:rendered"), ("c2", "raw_jpeg", "r2:raw j2:rendered"))
    sets = decision_sets(groups, members, captures)
    assert units_of(sets) == [[["j1", "r1"], ["j2", "r2"]]]
    assert counterparts(sets) == {"r1": "r", "r2": "r", "j1": "j", "j2": "j"}
    assert sets.select("class", "confidence", "diameter").unique().rows() == [("reencoded", 0.99, 3)], "the weakest"
    assert sets.select("unit_id", "asset_id", "role").rows() == [
        ("c1", "j1", "rendered"), ("c1", "r1", "raw"), ("c2", "j2", "rendered"), ("c2", "r2", "raw"),
    ]  # fmt: skip


def test_a_file_without_a_counterpart_is_told_apart() -> None:
    groups, members = groups_named(("j", "exact", "j1 j2"))
    captures = captures_named(("c1", "raw_jpeg", "r1:raw j1:rendered"))
    sets = decision_sets(groups, members, captures)
    assert units_of(sets) == [[["j1", "r1"], ["j2"]]]
    assert counterparts(sets) == {"r1": None, "j1": "j", "j2": "j"}


def test_a_raw_file_imported_twice_and_its_jpeg_thrice_are_one_decision() -> None:
    groups, members = groups_named(("r", "exact", "r1 r2"), ("j", "exact", "j1 j2 j3"))
    captures = captures_named(("c1", "raw_jpeg", "r1 j1"), ("c2", "raw_jpeg", "r2 j2"))
    sets = decision_sets(groups, members, captures)
    assert units_of(sets) == [[["j1", "r1"], ["j2", "r2"], ["j3"]]]
    assert counterparts(sets)["r1"] == "r"


def test_captures_are_not_chained() -> None:
    """x and y share a RAW file, y and z a JPEG: x and z share nothing, so z waits."""
    groups, members = groups_named(("r", "exact", "rx ry"), ("j", "reencoded", "jy jz"))
    captures = captures_named(("x", "raw_jpeg", "rx jx"), ("y", "raw_jpeg", "ry jy"), ("z", "raw_jpeg", "rz jz"))
    sets = decision_sets(groups, members, captures)
    assert units_of(sets) == [[["jx", "rx"], ["jy", "ry"]]], "of two pairs the stronger"
    assert counterparts(sets) == {"jx": None, "rx": "r", "jy": None, "ry": "r"}


def test_what_is_left_of_a_group_is_a_set_without_the_unit_that_left() -> None:
    groups, members = groups_named(("r", "exact", "r1 r2 r3"), ("j", "exact", "j1 k l"), ("z", "exact", "k m n"))
    captures = captures_named(("c1", "raw_jpeg", "r1 j1"), ("ck", "format_pair", "k kk"))
    found = units_of(decision_sets(groups, members, captures))
    assert sum(len(units) for units in found) == 7, "all are in a set"
    assert all(len(units) > 1 for units in found)


def test_what_is_certain_does_not_wait_for_a_person() -> None:
    """The RAW file is there twice, and its JPEG has two crops: the pair is done now, the crops are looked at later."""
    groups, members = groups_named(("r", "exact", "r1 r2"), ("j", "edited", "j1 crop1 crop2"))
    sets = decision_sets(groups, members, captures_named(("c1", "raw_jpeg", "r1:raw j1:rendered")))
    assert units_of(sets) == [[["crop1"], ["crop2"]], [["j1", "r1"], ["r2"]]]
    assert dict(sets.select("asset_id", "class").rows())["r1"] == "exact"


def test_a_live_photo_imported_twice_is_one_decision() -> None:
    groups, members = groups_named(("s", "exact", "s1 s2"), ("v", "exact", "v1 v2"))
    captures = captures_named(("c1", "live", "s1:still v1:video"), ("c2", "live", "s2:still v2:video"))
    sets = decision_sets(groups, members, captures)
    assert units_of(sets) == [[["s1", "v1"], ["s2", "v2"]]]


@pytest.mark.parametrize("kind", ["versions", "format_pair", "scan", "video_variant"])
def test_an_original_and_its_other_versions_are_one_unit(kind: str) -> None:
    groups, members = groups_named(("o", "exact", "o1 o2"), ("e", "reencoded", "e1 e2"))
    captures = captures_named(("c1", kind, "o1 e1"), ("c2", kind, "o2 e2"))
    assert units_of(decision_sets(groups, members, captures)) == [[["e1", "o1"], ["e2", "o2"]]]


@pytest.mark.parametrize("kind", ["burst", "bracket", "focus_stack", "panorama"])
def test_a_burst_imported_twice_is_one_decision_per_frame(kind: str) -> None:
    groups, members = groups_named(*((f"g{n}", "exact", f"a{n} b{n}") for n in range(3)))
    captures = captures_named(("a", kind, "a0 a1 a2"), ("b", kind, "b0 b1 b2"))
    sets = decision_sets(groups, members, captures)
    assert units_of(sets) == [[[f"a{n}"], [f"b{n}"]] for n in range(3)]
    assert sets["role"].unique().to_list() == ["frame"]


def test_a_live_video_of_a_burst_goes_with_its_frame_or_is_not_decided() -> None:
    groups, members = groups_named(
        ("f", "exact", "f1 f2"), ("v", "exact", "v1 v2"), ("w", "exact", "w1 w2"), ("h", "exact", "h1 h2")
    )
    captures = captures_named(
        ("a", "burst", "f1:frame h1:frame v1:video w1:video"), ("b", "burst", "f2:frame h2:frame v2:video w2:video")
    )
    live = pl.DataFrame({"still_id": ["f1", "f2", "elsewhere"], "video_id": ["v1", "v2", "w1"]})
    sets = decision_sets(groups, members, captures, live=live)
    assert units_of(sets) == [[["f1", "v1"], ["f2", "v2"]], [["h1"], ["h2"]]]
    assert sets.filter(pl.col("asset_id") == "v1")["unit_id"].to_list() == ["f1"]


def test_equal_files_in_one_capture_are_units_of_their_own() -> None:
    groups, members = groups_named(("j", "exact", "j1 j2"))
    sets = decision_sets(groups, members, captures_named(("c1", "raw_jpeg", "r1:raw j1:rendered j2:rendered")))
    assert units_of(sets) == [[["j1", "r1"], ["j2"]]]


def test_a_frame_is_its_own_unit_though_its_video_were_equal_to_it() -> None:
    groups, members = groups_named(("g", "exact", "a b"))
    live = pl.DataFrame({"still_id": ["b"], "video_id": ["a"]})
    captures = captures_named(("c", "burst", "a:video b:frame"))
    sets = decision_sets(groups, members, captures, live=live)
    assert sets.select("unit_id", "asset_id").rows() == [("a", "a"), ("b", "b")]


def test_captures_must_be_captures() -> None:
    groups, members = groups_named(("g", "exact", "a b"))
    twice = captures_named(("c1", "raw_jpeg", "a b"), ("c2", "raw_jpeg", "a d"))
    with pytest.raises(ValueError, match="in two captures"):
        decision_sets(groups, members, twice)
    with pytest.raises(ValueError, match="columns kind"):
        decision_sets(groups, members, twice.drop("kind"))


CLASSES = ["exact", "reencoded", "edited"]

libraries = st.lists(
    st.tuples(
        st.sampled_from([None, None, *range(7)]),
        st.sampled_from([None, *range(6)]),
        st.booleans(),
    ),
    max_size=24,
)
"""For each file: which group it is in, which capture, and whether it is a live video."""

kinds = st.lists(st.sampled_from(["raw_jpeg", "versions", "live", "burst"]), min_size=6, max_size=6)


@settings(deadline=None, max_examples=80)
@given(libraries, kinds, st.lists(st.sampled_from(CLASSES), min_size=7, max_size=7), st.randoms(use_true_random=False))
def test_what_holds_of_every_library(
    files: list[tuple[int | None, int | None, bool]], kind: list[str], strength: list[str], random: Any
) -> None:
    named = {f"{number:02}": file for number, file in enumerate(files)}
    by_group = [(n, [name for name, file in named.items() if file[0] == n]) for n in range(7)]
    groups, members = groups_named(
        *((f"g{n}", strength[n], " ".join(ids)) for n, ids in by_group if len(ids) > 1),
        diameters={f"g{n}": n for n in range(7)},
    )
    captures = captures_named(
        *(
            (
                f"c{n}",
                kind[n],
                " ".join(f"{name}:{'video' if f[2] else 'frame'}" for name, f in named.items() if f[1] == n),
            )
            for n in range(6)
        )
    )
    live = captures.filter(role="frame").join(captures.filter(role="video"), on="group_id", suffix="_video")
    live = live.select(still_id="asset_id", video_id="asset_id_video")
    sets = decision_sets(groups, members, captures, live=live)
    check_sets(sets, groups, members, captures)

    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        order = list(range(frame.height))
        random.shuffle(order)
        return frame[order]

    again = decision_sets(shuffled(groups), shuffled(members), shuffled(captures), live=shuffled(live))
    assert again.equals(sets)


def check_sets(sets: pl.DataFrame, groups: pl.DataFrame, members: pl.DataFrame, captures: pl.DataFrame) -> None:
    assert not sets["asset_id"].is_duplicated().any(), "an asset is in one set at most"
    group_of = dict(members.select("asset_id", "group_id").iter_rows())
    told = {row["group_id"]: row for row in groups.iter_rows(named=True)}
    order = default_classes().order()
    for of_set in sets.partition_by("set_id"):
        units = {unit: part.rows(named=True) for (unit,), part in of_set.partition_by("unit_id", as_dict=True).items()}
        assert len(units) >= 2
        shared = [{group_of.get(row["asset_id"]) for row in rows} - {None} for rows in units.values()]
        assert set.intersection(*shared), "one group that every unit has a file in"
        for rows in units.values():
            inside = [group_of[row["asset_id"]] for row in rows if row["asset_id"] in group_of]
            assert len(inside) == len(set(inside)), "of any group a unit has one file at most"
        for rows, mine in zip(units.values(), shared, strict=True):
            others = set.union(*(theirs for theirs in shared if theirs is not mine))
            for row in rows:
                group = group_of.get(row["asset_id"])
                assert row["group_id"] == (group if group in others else None)
        used = [told[group] for group in of_set["group_id"].drop_nulls().unique()]
        assert of_set["class"].unique().to_list() == [max((g["class"] for g in used), key=lambda name: order[name])]
        assert of_set["confidence"].unique().to_list() == [min(g["confidence"] for g in used)]
        assert of_set["diameter"].unique().to_list() == [max(g["diameter"] for g in used)]
    check_units(sets, members, captures)
    left = members.join(sets, on="asset_id", how="anti").join(captures, on="asset_id", how="left")
    free = left.filter(pl.col("role").is_null())
    for one, other in combinations(free.iter_rows(named=True), 2):
        assert one["group_id"] != other["group_id"], "two single files of one group are never both left over"


def check_units(sets: pl.DataFrame, members: pl.DataFrame, captures: pl.DataFrame) -> None:
    inside = sets.join(captures, on="asset_id", how="left", suffix="_capture")
    group_of = dict(members.select("asset_id", "group_id").iter_rows())
    whole = inside.filter(pl.col("unit_id") == pl.col("group_id_capture"))
    assert "burst" not in whole["kind"].to_list()
    for (capture,), part in whole.partition_by("unit_id", as_dict=True).items():
        missing = set(captures.filter(pl.col("group_id") == capture)["asset_id"]) - set(part["asset_id"])
        equal = {group_of[asset] for asset in part["asset_id"] if asset in group_of}
        assert {group_of.get(asset) for asset in missing} <= equal, "all files of a capture but second copies are there"
        assert part["role"].to_list() == part["role_capture"].to_list()
    burst = inside.filter(pl.col("kind") == "burst", pl.col("role_capture") == "frame")
    assert burst["unit_id"].to_list() == burst["asset_id"].to_list()

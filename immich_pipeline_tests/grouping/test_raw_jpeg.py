from datetime import datetime

import polars as pl
import pytest

from immich_pipeline.grouping import GroupingRules, group_captures
from immich_pipeline.grouping.rules import default_rules
from immich_pipeline_tests.grouping.library import NOON, asset, frame, grouped

PAIR = [("raw_jpeg", ["A.CR2", "A.JPG"], "A.JPG")]


def rule_and_confidence(*rows: dict[str, object]) -> dict[str, tuple[str, float]]:
    members = group_captures(frame(list(rows)))
    return {row["asset_id"]: (row["rule"], round(row["confidence"], 4)) for row in members.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("raw", "jpeg", "rule"),
    [
        ({}, {}, "same_time"),
        ({"seconds": 0.4}, {"seconds": 0.4}, "same_time"),
        ({"seconds": 0}, {"seconds": 2}, "near_time"),
        ({"seconds": 0, "subsec": "10"}, {"seconds": 0, "subsec": "11"}, "near_time"),
        ({"seconds": 0}, {"seconds": 0, "subsec": "999"}, "same_time"),
        ({"seconds": 0}, {"seconds": 7200}, "zone_shift"),
        ({"seconds": 0}, {"seconds": 0.7 + 3600}, "zone_shift"),
        ({"seconds": 0, "zone_shift": 0}, {"seconds": 7 * 3600 + 1, "zone_shift": -7 * 3600}, "near_time"),
        ({"seconds": 0}, {"seconds": None}, "name_only"),
        ({"seconds": None}, {"seconds": None}, "name_only"),
    ],
)
def test_times_that_agree_make_a_pair(raw: dict[str, object], jpeg: dict[str, object], rule: str) -> None:
    rows = asset("A.CR2", **raw), asset("A.JPG", **jpeg)
    assert grouped(*rows) == PAIR
    assert {found for found, _ in rule_and_confidence(*rows).values()} == {f"raw_jpeg.{rule}"}


@pytest.mark.parametrize(
    "jpeg",
    [
        {"seconds": 2, "subsec": "101"},
        {"seconds": 3 * 86400},
        {"seconds": 900, "subsec": "5"},
        {"seconds": 14 * 3600 + 900},
        {"model": "R6"},
        {"make": "Sony"},
        {"owner": "you"},
        {"source_id": "phone"},
        {"folder": "elsewhere"},
        {"folder": "jpg", "seconds": None},
    ],
)
def test_what_does_not_agree_stays_single(jpeg: dict[str, object]) -> None:
    assert grouped(asset("A.CR2", subsec="1"), asset("A.JPG", **{"subsec": "1", **jpeg})) == []


def test_instants_alone_are_enough() -> None:
    rows = [asset("A.CR2", zone_shift=0), asset("A.JPG", zone_shift=1)]
    assert grouped(*(row | {"taken_at_local": None} for row in rows)) == PAIR


def test_the_tolerance_is_configurable_and_inclusive() -> None:
    rows = asset("A.CR2"), asset("A.JPG", seconds=3)
    assert grouped(*rows, rules=default_rules().model_copy(update={"tolerance_ms": 3000})) == PAIR
    assert grouped(*rows, rules=default_rules().model_copy(update={"tolerance_ms": 2999})) == []


def test_neighbours_are_found_across_any_boundary() -> None:
    for start in range(20):
        assert grouped(asset("A.CR2", seconds=start / 4), asset("A.JPG", seconds=start / 4 + 1.9)) == PAIR


def test_the_parts_of_a_pixel_capture_may_be_seconds_apart() -> None:
    name = "PXL_20250126_164931991.RAW"
    rows = asset(f"{name}-01.COVER.jpg"), asset(f"{name}-02.ORIGINAL.dng", seconds=15)
    assert [primary for _, _, primary in grouped(*rows)] == [f"{name}-01.COVER.jpg"]
    assert grouped(rows[0], rows[1] | {"taken_at_local": NOON.replace(second=16)}) == []


def test_a_camera_splits_a_name_and_an_unknown_one_follows_its_time() -> None:
    rows = [
        asset("A.CR2"),
        asset("A.ARW", make="Sony", model="A7", seconds=600),
        asset("A.JPG", make=None, model=" "),
        asset("A.HEIC", make="SONY", model=None, seconds=600),
    ]
    assert grouped(*rows) == [
        ("raw_jpeg", ["A.ARW", "A.HEIC"], "A.HEIC"),
        ("raw_jpeg", ["A.CR2", "A.JPG"], "A.JPG"),
    ]
    assert rule_and_confidence(*rows)["A.CR2"] == ("raw_jpeg.same_time", round(0.99 * 0.95, 4))
    assert "camera is not known" in group_captures(frame(rows))["reason"][0]


def test_an_unknown_camera_among_several_belongs_to_none() -> None:
    rows = [asset("A.CR2"), asset("A.ARW", make="Sony", model="A7"), asset("A.JPG", make=None, model=None)]
    assert grouped(*rows) == []


def test_neighbours_through_another_cameras_file_are_no_neighbours() -> None:
    rows = [asset("A.CR2"), asset("A.PNG", make="Sony", seconds=2), asset("A.JPG", seconds=4)]
    assert grouped(*rows) == []


def test_a_file_without_time_joins_only_where_there_is_one_capture_to_join() -> None:
    pair = [asset("A.CR2"), asset("A.JPG")]
    stray = asset("A.PNG", seconds=None)
    assert grouped(*pair, stray) == [("raw_jpeg", ["A.CR2", "A.JPG", "A.PNG"], "A.JPG")]
    assert rule_and_confidence(*pair, stray) == {
        "A.CR2": ("raw_jpeg.same_time", 0.99),
        "A.JPG": ("raw_jpeg.same_time", 0.99),
        "A.PNG": ("raw_jpeg.name_only", 0.5),
    }
    assert grouped(*pair, stray, asset("A.HEIC", seconds=500)) == PAIR


def test_midnight_on_new_years_day_is_a_placeholder() -> None:
    midnight = NOON.replace(month=1, hour=0)
    rows = [asset("A.CR2", taken_at_local=midnight), asset("A.JPG", taken_at_local=midnight)]
    assert rule_and_confidence(*rows)["A.CR2"] == ("raw_jpeg.name_only", 0.5)
    assert rule_and_confidence(*(row | {"subsec": "01"} for row in rows))["A.CR2"] == ("raw_jpeg.same_time", 0.99)


@pytest.mark.parametrize("clock", ["2002-12-08T12:00:00", "1799-06-01T12:00:00"])
def test_what_cameras_write_when_they_do_not_know_is_no_time(clock: str) -> None:
    rows = [asset(f"A.{extension}", taken_at_local=datetime.fromisoformat(clock)) for extension in ("CR2", "JPG")]
    assert rule_and_confidence(*rows)["A.CR2"] == ("raw_jpeg.name_only", 0.5)


def test_a_subsecond_that_is_no_number_is_unknown() -> None:
    assert grouped(asset("A.CR2", subsec="<b>"), asset("A.JPG", subsec="9" * 400)) == PAIR


def test_roles() -> None:
    rows = [asset("A.PEF"), asset("A.DNG"), asset("A.JPG"), asset("B.DNG"), asset("B.HEIC")]
    members = group_captures(frame(rows))
    assert dict(members.select("asset_id", "role").rows()) == {
        "A.PEF": "raw",
        "A.DNG": "raw_converted",
        "A.JPG": "rendered",
        "B.DNG": "raw",
        "B.HEIC": "rendered",
    }


def test_two_rendered_pictures_of_unknown_size_are_no_pair() -> None:
    assert grouped(asset("A.JPG"), asset("A.HEIC"), asset("A.MOV")) == []


def test_frames_with_a_burst_name_pair_by_their_whole_name() -> None:
    rows = [asset(f"20231207_101605_00{n}.{e}", seconds=n) for n in (1, 2) for e in ("dng", "jpg")]
    assert [(kind, len(ids)) for kind, ids, _ in grouped(*rows)] == [("raw_jpeg", 2), ("raw_jpeg", 2)]


def test_rules_can_be_passed_explicitly() -> None:
    assert grouped(asset("A.CR2"), asset("A.JPG"), rules=GroupingRules.load()) == PAIR


def test_a_long_chain_of_neighbours_in_two_clocks_ends_as_one_set() -> None:
    """Every link is in another clock than the one before, so the smallest label takes several rounds to arrive."""
    rows = []
    for number in range(12):
        local, instant = 1000 * ((number + 1) // 2), 100_000 + 1000 * (number // 2)
        rows.append(asset(f"A{'.jpg' * number}.cr2", seconds=local, zone_shift=instant - local))
    rows.append(asset("A.jpg", seconds=6000, zone_shift=100_000 - 500))
    members = group_captures(frame(rows))
    assert members["group_id"].n_unique() == 1
    assert members.height == 13
    assert pl.Series(["raw_jpeg.zone_shift"]).is_in(members["rule"].implode()).all()

from datetime import datetime, timedelta
from typing import Any

import pytest

from immich_pipeline.dedup import VERIFIED_SCHEMA, near_candidates, verify
from immich_pipeline.dedup.classes import ClassTable, default_classes
from immich_pipeline_tests.dedup.pictures import NOON, captures_of, facts_of, picture, taken, verified_of


def class_of(left: dict[str, Any], right: dict[str, Any], radius: int = 8) -> str:
    verified = verified_of(picture("a", **left), picture("b", **right), radius=radius)
    assert dict(verified.schema) == VERIFIED_SCHEMA
    (row,) = verified.rows(named=True)
    assert row["confidence"] == default_classes().confidence()[row["class"]]
    assert row["reason"].endswith(".")
    return str(row["class"])


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"bits": 8, "bits256": 12}, "reencoded"),
        ({"width": 400, "height": 301}, "reencoded"),
        ({"width": 400, "height": 305}, "edited"),
        ({"width": 3000, "height": 4000}, "edited"),
        ({"width": None}, "edited"),
        ({"kind": "raw"}, "edited"),
        ({"bits256": 13}, "edited"),
        ({"bits256": 24}, "edited"),
        ({"bits256": 25}, "similar"),
        ({"phash256": None}, "similar"),
    ],
)
def test_pixels(right: dict[str, Any], expected: str) -> None:
    assert class_of({}, right) == expected
    assert class_of(right, {}) == expected


def test_equal_bytes() -> None:
    assert class_of({"sha256": b"s" * 32}, {"sha256": b"s" * 32}) == "exact"


def test_beyond_eight_bits_nothing_is_a_reencoding() -> None:
    assert class_of({}, {"bits": 10}, radius=10) == "edited"


def test_two_raw_files_may_be_reencoded() -> None:
    assert class_of({"kind": "raw"}, {"kind": "raw", "size": 5}) == "reencoded"


SECOND, QUARTER = timedelta(seconds=1), timedelta(minutes=15)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param(taken(), taken(), "reencoded", id="same second"),
        pytest.param(taken(), taken(NOON + SECOND), "reencoded", id="a rounded second"),
        pytest.param(taken(), taken(NOON + 2 * SECOND), "burst_neighbour", id="two seconds"),
        pytest.param(taken(), taken(NOON + 60 * SECOND), "burst_neighbour", id="a minute"),
        pytest.param(taken(), taken(NOON + 61 * SECOND), "similar", id="more than a minute"),
        pytest.param(taken(subsec="10"), taken(subsec="20"), "burst_neighbour", id="other subsecond"),
        pytest.param(taken(subsec="5"), taken(subsec="50"), "reencoded", id="subsecond cut short"),
        pytest.param(
            taken(subsec="10"), taken(NOON + SECOND, subsec="10"), "burst_neighbour", id="exact seconds differ"
        ),
        pytest.param(taken(subsec="10"), taken(), "reencoded", id="one without subsecond"),
        pytest.param(taken(NOON.replace(microsecond=100_000)), taken(subsec="20"), "burst_neighbour", id="micros"),
        pytest.param(taken(subsec="10"), taken(subsec="<20>"), "reencoded", id="subsecond no number"),
        pytest.param(taken(NOON, 2), taken(NOON - timedelta(hours=2), 0), "reencoded", id="one instant, two zones"),
        pytest.param(taken(NOON, 2), taken(NOON, 0), "reencoded", id="one clock, two zones"),
        pytest.param(taken(NOON, 2), taken(NOON + 5 * QUARTER), "reencoded", id="zone of one side unknown"),
        pytest.param(taken(NOON), taken(NOON + QUARTER), "similar", id="a quarter hour on one clock"),
        pytest.param(taken(NOON, 2), taken(NOON + QUARTER, 2), "similar", id="a quarter hour in one zone"),
        pytest.param(taken(NOON, 2), taken(NOON + timedelta(days=1)), "similar", id="further than any zone"),
        pytest.param(taken(), taken(NOON + 5 * SECOND, model="R6"), "similar", id="two cameras"),
        pytest.param(taken(), taken(make="Sony"), "similar", id="two makers"),
        pytest.param(taken(serial="1"), taken(serial="2"), "similar", id="two bodies"),
        pytest.param(taken(make="CANON ", serial="1"), taken(NOON + 5 * SECOND), "burst_neighbour", id="one camera"),
        pytest.param(taken(), taken(NOON + 5 * SECOND, model=None), "reencoded", id="unknown model"),
        pytest.param(taken(), taken(NOON + 5 * SECOND, make=" "), "reencoded", id="blank make"),
        pytest.param(taken(), {"make": "Canon", "model": "R5"}, "reencoded", id="no time"),
    ],
)
def test_metadata(left: dict[str, Any], right: dict[str, Any], expected: str) -> None:
    assert class_of(left, right) == expected
    assert class_of(right, left) == expected


def test_instants_alone_tell_moments_apart() -> None:
    one, other = taken(NOON, 0), taken(NOON + 5 * SECOND, 0)
    assert class_of(one | {"taken_at_local": None}, other | {"taken_at_local": None}) == "burst_neighbour"


def test_members_of_one_capture_are_no_duplicates_nor_are_their_copies() -> None:
    raw, jpeg = picture("c", kind="raw"), picture("b")
    copies = picture("a", sha256=raw["sha256"], kind="raw"), picture("d", sha256=jpeg["sha256"])
    assert verified_of(raw, jpeg)["class"].to_list() == ["edited"]
    assert verified_of(raw, jpeg, captures=captures_of(("b", "c"))).is_empty()
    together = verified_of(raw, jpeg, *copies, captures=captures_of(("b", "c"), ("a", "d")))
    assert together.select("left_id", "right_id", "class").rows() == [("a", "c", "exact"), ("b", "d", "exact")]
    assert verified_of(raw, jpeg, captures=captures_of(("b", "x"), ("c", "y"))).height == 1


def test_equal_bytes_in_one_capture_stay_a_pair() -> None:
    rows = picture("a"), picture("b", sha256=picture("a")["sha256"])
    assert verified_of(*rows, captures=captures_of(("a", "b")))["class"].to_list() == ["exact"]


def test_the_times_of_the_facts_may_be_on_either_side_of_a_year() -> None:
    assert (
        class_of(taken(datetime(2023, 12, 31, 23, 59, 59)), taken(datetime(2024, 1, 1, 0, 0, 5))) == "burst_neighbour"
    )


def test_the_class_table_explains_every_class() -> None:
    table = default_classes()
    assert table.grouped() == ["exact", "reencoded", "edited"]
    assert list(table.order().values()) == [0, 1, 2, 3, 4]
    for entry in table.classes:
        assert entry.explanation.endswith(".")
        assert entry.source


def test_a_class_table_must_name_the_classes() -> None:
    table = default_classes()
    with pytest.raises(ValueError, match="the classes must be exact"):
        ClassTable(classes=table.classes[1:], limits=table.limits)


def test_limits_can_be_changed() -> None:
    table = default_classes()
    strict = table.model_copy(update={"limits": table.limits.model_copy(update={"reencoded_distance256": 0})})
    facts = facts_of(picture("a"), picture("b", bits256=1))
    assert verify(near_candidates(facts), facts, classes=strict)["class"].to_list() == ["edited"]

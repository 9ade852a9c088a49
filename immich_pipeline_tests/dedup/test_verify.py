from datetime import datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup import CANDIDATE_SCHEMA, VERIFIED_SCHEMA, exact_pairs, near_candidates, verify
from immich_pipeline.dedup.classes import ClassTable, default_classes
from immich_pipeline_tests.dedup.pictures import (
    NOON,
    alike,
    captures_of,
    facts_of,
    groups_of,
    picture,
    taken,
    verified_of,
)


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
        ({"width": 800, "height": 602}, "reencoded"),
        ({"width": 800, "height": 610}, "edited"),
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
    assert table.grouped() == ["exact", "same_pixels", "reencoded", "edited"]
    assert list(table.order().values()) == [0, 1, 2, 3, 4, 5]
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


# ------------------------------------------------------------------------------------------------- having looked


def looked(left: dict[str, Any], right: dict[str, Any], **seen: Any) -> dict[str, Any]:
    """The verdict on two pictures of which this was seen."""
    facts = facts_of(picture("a", **left), picture("b", **right))
    candidates = near_candidates(facts)
    (row,) = verify(candidates, facts, looks=alike(candidates, facts, **seen)).rows(named=True)
    return row


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"correlation": 0.7, "colour": 6.0}, "reencoded"),
        ({"correlation": 0.69}, "edited"),
        ({"colour": 6.1}, "edited"),
        ({"spot": 12.0, "tint": 10.0}, "reencoded"),
        ({"spot": 12.1}, "edited"),
        ({"tint": 10.1}, "edited"),
        ({"same_pixels": True}, "same_pixels"),
        ({"same_pixels": True, "colour": 99.0}, "same_pixels"),
        ({"same_pixels": None}, "reencoded"),
        ({"correlation": None, "colour": None, "problem": "damaged"}, "edited"),
        ({"correlation": None}, "edited"),
        ({"spot": None}, "edited"),
    ],
)
def test_a_look_decides_what_the_hashes_leave(seen: dict[str, Any], expected: str) -> None:
    row = looked({}, {"bits": 2}, **seen)
    assert row["class"] == expected
    assert row["correlation"] == pytest.approx(seen.get("correlation", 1.0))
    assert ("damaged" in row["reason"]) == ("problem" in seen)
    # a look never makes a pair better than its hashes and its metadata do
    assert looked({}, {"kind": "raw"}, **seen)["class"] == "edited"
    assert looked(taken(), taken(NOON + 5 * SECOND), **seen)["class"] == "burst_neighbour"


@pytest.mark.parametrize(
    ("seen", "right", "confidence"),
    [
        ({"spot": 5.0, "tint": 4.0}, {"width": 700, "height": 525}, 0.99),
        ({"spot": 5.1}, {}, 0.9),
        ({"tint": 4.1}, {}, 0.9),
        ({}, {"width": 680, "height": 510}, 0.9),
        ({"same_pixels": True, "spot": 9.0}, {}, 0.999),
        ({"spot": 20.0}, {}, 0.6),
    ],
)
def test_how_sure_it_is_depends_on_how_closely_the_pictures_agree(
    seen: dict[str, Any], right: dict[str, Any], confidence: float
) -> None:
    assert looked({}, right | {"bits": 2}, **seen)["confidence"] == confidence


def test_without_a_look_nothing_is_better_than_edited() -> None:
    facts = facts_of(picture("a"), picture("b", bits=2))
    (row,) = verify(near_candidates(facts), facts).rows(named=True)
    assert (row["class"], row["correlation"], row["colour"]) == ("edited", None, None)
    assert "not been compared yet" in row["reason"]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (0.0, -2.0, "burst_neighbour"),
        (0.33, 1 / 3, "reencoded"),
        (0.0, 0.3, "burst_neighbour"),
        (2.0, None, "reencoded"),
    ],
)
def test_frames_of_a_bracket(left: float | None, right: float | None, expected: str) -> None:
    for one, other in ((left, right), (right, left)):
        assert class_of(taken(exposure_bias=one), taken(exposure_bias=other)) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (["anna"], ["bert"], "similar"),
        (["anna", "bert"], ["bert", "carl"], "similar"),
        (["anna", "bert"], ["anna"], "reencoded"),
        (["anna"], [], "reencoded"),
        (["anna"], None, "reencoded"),
    ],
)
def test_people(left: list[str] | None, right: list[str] | None, expected: str) -> None:
    facts = facts_of(picture("a"), picture("b"))
    candidates = near_candidates(facts)
    people = pl.DataFrame(
        {"asset_id": ["a", "b"], "people": [left, right]}, schema_overrides={"people": pl.List(pl.String)}
    )
    for named in (people, people.with_columns(people=pl.col("people").reverse())):
        verified = verify(candidates, facts, looks=alike(candidates, facts), people=named)
        assert verified["class"].to_list() == [expected]


def test_videos_are_never_alike_by_their_first_picture() -> None:
    clip = {"kind": "video", "extension": "mp4"}
    assert class_of(clip, clip) == "similar"
    assert class_of(clip, {}) == "similar"
    assert class_of(clip | {"sha256": b"s" * 32}, clip | {"sha256": b"s" * 32}) == "exact"
    rows = picture("a", **clip), picture("b", **clip), picture("c")
    assert groups_of(*rows).groups.is_empty()


def immich(left: str, right: str, distance: int | None = None) -> pl.DataFrame:
    return pl.DataFrame([("me", left, right, "immich", distance)], schema=CANDIDATE_SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("other", "distance", "expected"),
    [
        ({"bits": 2}, 2, "reencoded"),
        ({"bits": 12}, 12, "edited"),
        ({"bits": 12, "bits256": 25}, 12, "similar"),
        ({"usable": False}, None, "similar"),
        ({"phash": None}, None, "similar"),
    ],
)
def test_pairs_of_immich_are_judged_by_their_hashes(other: dict[str, Any], distance: int | None, expected: str) -> None:
    facts = facts_of(picture("a"), picture("b", **other))
    candidates = immich("a", "b")
    (row,) = verify(candidates, facts, looks=alike(candidates, facts)).rows(named=True)
    assert (row["class"], row["distance"], row["kind"]) == (expected, distance, "immich")
    assert verify(immich("a", "b", 7), facts)["distance"].to_list() == [7]


def test_equal_bytes_are_exact_whatever_immich_says() -> None:
    facts = facts_of(picture("a"), picture("b", sha256=picture("a")["sha256"]))
    assert verify(immich("a", "b"), facts).is_empty()


def test_pairs_of_unread_files_are_pairs() -> None:
    facts = facts_of(picture("a", sha256=None), picture("b", sha256=None))
    assert verify(near_candidates(facts), facts).height == 1


def test_a_dismissed_pair_stays_away_with_all_its_copies() -> None:
    rows = [picture("a"), picture("b"), picture("c"), picture("d", sha256=picture("b")["sha256"])]
    facts = facts_of(*rows)
    contents = {row["asset_id"]: row["content"] for row in rows}
    candidates = pl.concat([exact_pairs(facts), near_candidates(facts), immich("a", "d")])
    for left, right in (("a", "b"), ("b", "a")):
        told_apart = pl.DataFrame({"left_content": [contents[left]], "right_content": [contents[right]]})
        verified = verify(candidates, facts, dismissed=told_apart)
        assert verified.select("left_id", "right_id", "kind").rows() == [
            ("a", "c", "near"), ("b", "c", "near"), ("b", "d", "exact"),
        ]  # fmt: skip


@st.composite
def libraries(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(2, 7))
    rows = []
    for number in range(count):
        known: dict[str, Any] = {
            "bits": draw(st.integers(0, 8)),
            "bits256": draw(st.sampled_from([0, 5, 12, 13, 24, 30])),
            "kind": draw(st.sampled_from(["image", "image", "raw", "video"])),
            "width": draw(st.sampled_from([4000, 2000, None])),
            "exposure_bias": draw(st.sampled_from([None, 0.0, 1.0])),
        }
        if draw(st.booleans()):
            known |= taken(NOON + draw(st.integers(0, 3)) * SECOND, model=draw(st.sampled_from(["R5", "R6"])))
        if draw(st.booleans()):
            known["sha256"] = draw(st.sampled_from([b"s" * 32, b"t" * 32]))
        rows.append(picture("abcdefg"[number], **known))
    return rows


@given(libraries(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_verdicts_do_not_depend_on_the_order_of_anything(rows: list[dict[str, Any]], random: Random) -> None:
    facts = facts_of(*rows)
    candidates = pl.concat([exact_pairs(facts), near_candidates(facts)])
    looks = alike(candidates, facts).with_columns(
        correlation=pl.Series([random.random() for _ in range(alike(candidates, facts).height)], dtype=pl.Float32)
    )
    expected = verify(candidates, facts, looks=looks)
    seed = random.randrange(1000)
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (candidates, facts, looks)]
    assert verify(shuffled[0], shuffled[1], looks=shuffled[2]).equals(expected)
    # the other way round every pair gets the same class
    turned = {row["asset_id"]: f"{'gfedcba'['abcdefg'.index(row['asset_id'])]}" for row in rows}
    mirrored = facts.with_columns(pl.col("asset_id").replace_strict(turned))
    exact, near = exact_pairs(mirrored), near_candidates(mirrored)
    again = verify(pl.concat([exact, near]), mirrored, looks=looks)
    by_contents = dict.fromkeys(_classes(expected, facts))
    assert by_contents == dict.fromkeys(_classes(again, mirrored))


def _classes(verified: pl.DataFrame, facts: pl.DataFrame) -> list[tuple[Any, ...]]:
    """(content, content, class) of each near pair that has no copy: which copy speaks for a content depends on the ids."""
    alone = facts.filter(pl.len().over("content") == 1)
    content = dict(alone.select("asset_id", "content").rows())
    near = verified.filter(kind="near").select("left_id", "right_id", "class").rows()
    known = [(left, right, name) for left, right, name in near if left in content and right in content]
    return sorted((*sorted((content[left], content[right])), name) for left, right, name in known)


def test_what_may_be_resolved_unattended() -> None:
    table = default_classes()
    assert table.unattended() == ["exact", "same_pixels", "reencoded"]
    entries = [entry.model_copy(update={"unattended": True}) for entry in table.classes]
    with pytest.raises(ValueError, match="makes no groups"):
        ClassTable(classes=tuple(entries), limits=table.limits)

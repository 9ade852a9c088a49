"""What the kept one lacks, as values."""

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.actions.duplicate_fields import differences, merged, restored, strange, unmerged
from immich_pipeline.actions.duplicate_merge import FaceOf, Merge, lines_of, merge_wanted, metres_between, unmergeable
from immich_pipeline.actions.duplicate_steps import Change, Covering, Joining, Naming, Showing, Tagging, steps_between
from immich_pipeline.policies import DuplicateSettings

SETTINGS = DuplicateSettings()
ZOE, ANN = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def state(**values: Any) -> dict[str, Any]:
    """Of an asset of which nothing is known but when it was taken."""
    known: dict[str, Any] = {
        "owner": "me", "checksum": "x", "checksum_algorithm": None, "visibility": "timeline", "trashed": False, "offline": False,
        "edited": False, "type": "image", "library": None, "path": "/a", "name": "a", "size": 1, "favourite": False, "rating": None,
        "description": "", "latitude": None, "longitude": None, "date": "2024-05-01T10:00:00.000Z", "time_zone": "UTC+2",
        "local_date": "2024-05-01T12:00:00.000", "file_created": "2024-05-01T10:00:00.000Z",
        "file_modified": "2024-05-01T10:00:00.000Z", "tags": [], "albums": [], "covers": [], "links": [], "people": [],
        "unassigned_faces": 0, "live_video": None, "stack": None, "stack_primary": None, "duplicate": None,
    }  # fmt: skip
    return known | values


def person(who: str, name: str, *boxes: list[float]) -> dict[str, Any]:
    return {"person": who, "name": name, "faces": list(boxes)}


def test_what_the_kept_one_has_is_not_merged() -> None:
    full = state(
        favourite=True, rating=5, description="one\ntwo", latitude=1.0, longitude=2.0, tags=["a"], albums=["b"], links=["c"],
        people=[person(ZOE, "Zoe", [0.1, 0.1, 0.2, 0.2])], live_video="v",
    )  # fmt: skip
    assert merge_wanted(full, [full | {"rating": 4, "description": " two \n\n"}], SETTINGS) == Merge()
    assert Merge().as_json() == {}


def test_everything_that_is_lacking_is_merged() -> None:
    box = [0.1, 0.2, 0.3, 0.4]
    one = state(
        favourite=True,
        rating=3,
        description="b\nc",
        latitude=1.0,
        longitude=2.0,
        tags=["t"],
        albums=["a2"],
        covers=["a2"],
    )
    two = state(
        rating=4,
        description="c\nd",
        albums=["a1"],
        links=["l"],
        people=[person(ZOE, "Zoe", box), person(ANN, "", box)],
        live_video="v",
    )
    found = merge_wanted(state(description="a\nb\n", visibility="archive"), [one, two], SETTINGS)
    assert found == Merge(
        albums=("a1", "a2"), covers=("a2",), links=("l",), favourite=True, rating=4, description="a\nb\nc\nd", tags=("t",),
        position=(1.0, 2.0), visibility="timeline", faces=(FaceOf(ZOE, (0.1, 0.2, 0.3, 0.4)),), live_video="v",
    )  # fmt: skip
    assert Merge.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_merge_that_says_something_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="merging colour"):
        Merge.from_json({"colour": 1})


@pytest.mark.parametrize(
    ("kept", "losers", "wanted"),
    [(None, [None], None), (None, [-1], None), (None, [2, 5, None], 5), (3, [2], None), (-1, [1], 1), (5, [5], None)],
)
def test_the_highest_rating_counts(kept: int | None, losers: list[int | None], wanted: int | None) -> None:
    assert merge_wanted(state(rating=kept), [state(rating=one) for one in losers], SETTINGS).rating == wanted


def test_the_archive_is_left_only_if_the_settings_say_so() -> None:
    kept, loser = state(visibility="archive"), state()
    assert merge_wanted(kept, [loser], SETTINGS).visibility == "timeline"
    assert merge_wanted(kept, [loser], DuplicateSettings(visibility="keeper")).visibility is None
    assert merge_wanted(loser, [kept], SETTINGS).visibility is None


UNDATED = {"date": None, "time_zone": None}
SHIFTED = {"date": "2024-05-01T11:00:00.250Z", "time_zone": None, "local_date": "2024-05-01T12:00:00.250"}


@pytest.mark.parametrize(
    ("kept", "losers", "wanted"),
    [
        ({}, [{}], None),
        (UNDATED, [{}], "2024-05-01T12:00:00.000+02:00"),
        (UNDATED, [UNDATED], None),
        (UNDATED, [{"time_zone": None}, {}], "2024-05-01T12:00:00.000+02:00"),
        (UNDATED, [{"time_zone": None}], "2024-05-01T12:00:00.000+02:00"),
        (UNDATED, [{}, {"date": "2023-01-01T10:00:00.000Z", "local_date": "2023-01-01T11:00:00.000"}], None),
        (UNDATED, [{"local_date": "2024-05-03T12:00:00.000"}], None),
        ({"time_zone": None}, [{}], "2024-05-01T12:00:00.000+02:00"),
        ({"time_zone": None, "local_date": "2024-05-01T10:00:00.000"}, [{}], "2024-05-01T12:00:00.000+02:00"),
        (SHIFTED, [{}], "2024-05-01T12:00:00.250+02:00"),
        (SHIFTED, [{"date": "2024-04-01T10:00:00.000Z", "local_date": "2024-04-01T12:00:00.000"}], None),
    ],
)
def test_a_date_comes_with_its_zone(kept: dict[str, Any], losers: list[dict[str, Any]], wanted: str | None) -> None:
    assert merge_wanted(state(**kept), [state(**one) for one in losers], SETTINGS).date == wanted


def test_places_that_are_not_one_place_and_times_that_are_not_one_time_are_for_a_person() -> None:
    here, there = state(latitude=48.0, longitude=2.0), state(latitude=48.1, longitude=2.0)
    later = state(date="2025-01-01T10:00:00.000Z", local_date="2025-01-01T12:00:00.000")
    assert unmergeable(state(), [here, here]) == []
    assert unmergeable(here, [there]) == []
    assert "different places" in unmergeable(state(), [here, there])[0]
    assert unmergeable(state(), [here, there], DuplicateSettings(gps_tolerance_metres=20_000)) == []
    assert "different times" in unmergeable(state(**UNDATED), [state(), later])[0]
    assert "live video" in unmergeable(state(), [state(live_video="a"), state(live_video="b")])[0]
    assert unmergeable(state(), [state(live_video="a"), state(live_video="a")]) == []
    assert merge_wanted(state(), [here, there], SETTINGS).position is None


def test_metres() -> None:
    assert metres_between((0.0, 0.0), (0.0, 1.0)) == pytest.approx(111_195, abs=1)
    assert metres_between((89.9, 0.0), (89.9, 180.0)) == pytest.approx(22_239, abs=1)
    assert metres_between((10.0, 20.0), (10.0, 20.0)) == 0


def test_the_calls_lead_there_and_back() -> None:
    box = (0.1, 0.2, 0.3, 0.4)
    merge = Merge(
        albums=("a",), covers=("a",), links=("l",), favourite=True, rating=4, description="text", tags=("t",), position=(1.0, 2.0),
        date="2024-05-01T12:00:00.000+02:00", visibility="timeline", faces=(FaceOf(ZOE, box),), live_video="v",
    )  # fmt: skip
    before = state(visibility="archive", time_zone=None, latitude=3.0, longitude=3.0)
    there = merged(before, merge)
    changes = [
        ("is_favorite", True), ("rating", 4), ("description", "text"), ("visibility", "timeline"), ("live_video_id", "v"),
        ("latitude", 1.0), ("longitude", 2.0), ("date_time_original", "2024-05-01T12:00:00.000+02:00"),
    ]  # fmt: skip
    assert steps_between("k", before, there) == [
        Joining("k", "a"), Covering("k", "a"), Showing("k", "l"), Tagging("k", ("t",)), Naming("k", ZOE, box), Change("k", tuple(changes)),
    ]  # fmt: skip
    assert differences(there, there) == steps_between("k", there, there) == []
    back = unmerged(there, before, merge)
    assert steps_between("k", there, back)[1:] == [
        Naming("k", ZOE, box, off=True), Tagging("k", ("t",), off=True), Showing("k", "l", off=True), Joining("k", "a", off=True),
    ]  # fmt: skip
    assert set(differences(back, before)) == set()
    assert back["time_zone"] is not None, "no server takes a zone away"


def test_what_cannot_be_taken_away_makes_no_call() -> None:
    before = state(**UNDATED)
    merge = Merge(position=(1.0, 2.0), date="2024-05-01T12:00:00.000+02:00")
    there = merged(before, merge)
    assert steps_between("k", there, unmerged(there, before, merge)) == []
    assert steps_between("k", there, before) == []


def test_an_uploaded_file_gets_back_what_it_had() -> None:
    before = state(
        rating=2, latitude=1.0, longitude=2.0, people=[person(ZOE, "Zoe", [0.1, 0.1, 0.2, 0.2]), person(ANN, "", [0.5, 0.5, 0.6, 0.6])],
        tags=["t"], covers=["a"], albums=["a"],
    )  # fmt: skip
    again = state(**UNDATED)
    wanted = restored(again, before)
    assert differences(again, wanted) == ["tags", "albums", "covers", "faces", "rating", "position", "date"]
    assert [one["person"] for one in wanted["people"]] == [ZOE]


NAMES = st.sampled_from(["a", "b", "c"])
PLACES = st.sampled_from([None, (48.0, 2.0), (48.00001, 2.0)])


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    place = draw(PLACES)
    named = draw(st.lists(st.sampled_from([ZOE, ANN]), unique=True))
    return state(
        favourite=draw(st.booleans()),
        rating=draw(st.sampled_from([None, -1, 1, 5])),
        description=draw(st.sampled_from(["", "one", "one\ntwo", "  three\n\none "])),
        latitude=place and place[0],
        longitude=place and place[1],
        tags=sorted(draw(st.sets(NAMES))),
        albums=sorted(draw(st.sets(NAMES))),
        links=sorted(draw(st.sets(NAMES))),
        people=[person(one, one[-1], [0.1, 0.1, 0.2, 0.2]) for one in sorted(named)],
        visibility=draw(st.sampled_from(["timeline", "archive"])),
        time_zone=draw(st.sampled_from([None, "UTC+2"])),
        live_video=draw(st.sampled_from([None, "v"])),
    )


@settings(max_examples=150, deadline=None)
@given(states(), st.lists(states(), min_size=1, max_size=3))
def test_a_merge_loses_nothing_is_done_once_and_can_be_taken_back(
    kept: dict[str, Any], losers: list[dict[str, Any]]
) -> None:
    merge = merge_wanted(kept, losers, SETTINGS)
    after = merged(kept, merge)
    assert merge_wanted(after, losers, SETTINGS) == Merge()
    assert strange(after, kept, merge) == strange(kept, kept, merge) == []
    for one in (kept, *losers):
        assert all(set(one[name]) <= set(after[name]) for name in ("tags", "albums", "links"))
        assert set(lines_of(one["description"])) <= set(lines_of(after["description"]))
        assert {who["person"] for who in one["people"]} <= {who["person"] for who in after["people"]}
        assert (one["rating"] or 0) <= max(after["rating"] or 0, 0)
        assert not one["favourite"] or after["favourite"]
        assert one["latitude"] is None or after["latitude"] is not None
        assert one["time_zone"] is None or after["time_zone"] is not None
    back = unmerged(after, kept, merge)
    assert set(differences(back, kept)) <= ({"position"} if kept["latitude"] is None else set())
    for order in permutations(losers):
        other = merge_wanted(kept, order, SETTINGS)
        assert set(lines_of(other.description or "")) == set(lines_of(merge.description or ""))
        assert {**other.as_json(), "description": ""} == {**merge.as_json(), "description": ""}


def test_what_somebody_else_changed_is_strange() -> None:
    merge = Merge(tags=("t",), rating=4, faces=(FaceOf(ZOE, (0.1, 0.1, 0.2, 0.2)),))
    planned = state(tags=["a"], rating=1, people=[person(ANN, "Ann", [0.5, 0.5, 0.6, 0.6])])
    ours = merged(planned, merge)
    assert strange(ours, planned, merge) == []
    assert strange(ours | {"tags": ["t"]}, planned, merge) == ["tags"]
    assert strange(ours | {"tags": ["a", "x"]}, planned, merge) == ["tags"]
    assert strange(ours | {"rating": 3}, planned, merge) == ["rating"]
    assert strange(ours | {"people": []}, planned, merge) == ["people"]
    assert strange(planned | {"people": [person(ANN, "Anna", [0.5, 0.5, 0.6, 0.6])]}, planned, merge) == ["people"]
    assert strange(ours | {"covers": ["x"], "duplicate": "d"}, planned, merge) == []
    assert strange(ours | {"time_zone": "UTC"}, planned, merge) == ["time_zone"]
    assert strange(ours | {"size": 2, "live_video": "v"}, planned, merge) == ["size", "live_video"]

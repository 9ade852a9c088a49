"""Conflicts: why a person has to look, and that they never change which one is kept."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from immich_pipeline.dedup.conflict_kinds import KIND_NAMES, as_kinds, conflict_kinds
from immich_pipeline.dedup.decision_rules import DecisionRules, decision_rules
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decisions import (
    CAMERA,
    GPS,
    NOON,
    Row,
    asset,
    dated,
    decision,
    in_folder,
    obstacles,
)
from immich_pipeline_tests.dedup.test_decide import live

WIDE = {"width": 4000, "height": 2250}
SHOT = {**CAMERA, **dated(NOON, 2)}
LARGE = {"size": 9000}

# What the kept one is, what the other is, and the conflicts.
CASES: list[tuple[str, Row, Row, list[str]]] = [
    ("nothing", {}, {}, []),
    ("places within the tolerance", GPS, {"latitude": 52.50009, "longitude": 13.4}, []),
    ("places further apart", GPS, {"latitude": 52.5002, "longitude": 13.4}, ["gps"]),
    ("either side of the date line", {"latitude": 0.0, "longitude": 180.0}, {"latitude": 0.0, "longitude": -180.0}, []),
    ("only one knows the place", GPS, {}, []),
    ("equal moments", SHOT, SHOT, []),
    ("sub-seconds are left out", SHOT, CAMERA | dated(NOON + timedelta(microseconds=400_000), 2), []),
    ("zones are reconciled", SHOT, CAMERA | dated(NOON + timedelta(hours=5)), []),
    ("equal instants", dated(NOON, 2), dated(NOON - timedelta(hours=2), 0), []),
    ("other moments", dated(NOON, 2), dated(NOON + timedelta(seconds=5), 2), ["time"]),
    ("other moments without a zone", dated(NOON), dated(NOON + timedelta(minutes=15)), ["time"]),
    ("the date of a file is no moment", dated(NOON, 2), dated(NOON + timedelta(days=5), 2, source="server"), []),
    ("it is, of a known camera", CAMERA | dated(NOON, 2), CAMERA | dated(NOON + timedelta(days=5), 2, source=None), ["time"]),
    ("cameras", CAMERA, {"make": "Nikon", "model": "Z 8"}, ["camera"]),
    ("one camera in other letters", CAMERA, {"make": "CANON", "model": "r5 "}, []),
    ("bodies", CAMERA | {"serial": "1"}, CAMERA | {"serial": "2"}, ["camera"]),
    ("letterbox", SHOT, SHOT | WIDE, ["letterbox"]),
    ("letterbox the other way round", SHOT | WIDE | {"rating": 5}, SHOT | {"width": 3000, "height": 2250}, ["letterbox"]),
    ("letterbox of unknown cameras", dated(NOON, 2), dated(NOON, 2) | WIDE, []),
    ("edits on the server", {"rating": 5}, {"is_edited": True}, ["edits"]),
    ("both edited on the server", {"rating": 5, "is_edited": True}, {"is_edited": True}, []),
    ("the camera cannot be written", {"rating": 5}, CAMERA, ["cannot_merge"]),
    ("nor the lens", {"rating": 5}, {"lens": "50 mm"}, ["cannot_merge"]),
    ("but the rest can", {"rating": 5}, {**GPS, "description": "x", "tags": ["t"], "people": 1, "time_zone": "UTC"}, []),
    ("descriptions and ratings are no conflict", {"rating": 5, "description": "x"}, {"rating": 2, "description": "y"}, []),
    ("a favourite with fewer pixels", {"is_favorite": True, "width": 2000}, {}, ["lesser_picture"]),
    ("a favourite with about as many", {"is_favorite": True, "width": 3960}, {}, []),
    ("an edited favourite", {"is_favorite": True, "software": "gimp"}, {}, ["lesser_picture"]),
    ("a reference with fewer pixels was meant so", {"tags": ["keep"], "width": 2000}, {}, []),
    ("both favourites", {"is_favorite": True}, {"is_favorite": True, "width": 2000}, []),
]  # fmt: skip


EXACT_TIME = SHOT | {"subsec": "120"}
SMALL: Row = {"width": 2000, "height": 1500}
SIZES: list[tuple[str, Row, Row, list[str]]] = [
    ("two scans", {}, {}, ["unproven"]),
    ("a frame, and another without its metadata", EXACT_TIME, {}, ["unproven"]),
    ("within one second", SHOT, SHOT, ["unproven"]),
    ("one moment", EXACT_TIME, EXACT_TIME, []),
    ("one moment, once to a hundredth", EXACT_TIME, SHOT | {"subsec": "12"}, []),
    ("one second, two fractions", dated(NOON) | {"subsec": "120"}, dated(NOON) | {"subsec": "8"}, ["unproven"]),
    ("one second and one name", SHOT | {"name": "IMG_1.HEIC"}, SHOT | {"name": "img_1.jpg"}, []),
    ("one name alone", {"name": "scan.jpg"}, {"name": "scan.jpg"}, ["unproven"]),
    ("a small one without a date", EXACT_TIME, SMALL, ["unproven"]),
    ("a small one of the same moment", EXACT_TIME, EXACT_TIME | SMALL, []),
    ("a small one of the same second", SHOT, SHOT | SMALL, ["unproven"]),
    ("a camera that writes zeros", SHOT | {"subsec": "00"}, SHOT | {"subsec": "00"}, ["unproven"]),
    ("sizes that are not known", {}, {"width": None}, ["unproven"]),
    ("not quite the same", EXACT_TIME, EXACT_TIME | {"confidence": 0.9}, ["doubtful"]),
]


@pytest.mark.parametrize(("what", "kept", "other", "conflicts"), SIZES, ids=[case[0] for case in SIZES])
def test_pictures_that_only_look_alike_need_a_person(what: str, kept: Row, other: Row, conflicts: list[str]) -> None:
    rows = asset("a", **LARGE, **kept), asset("b", **other)
    row = decision(*(one | {"class": "reencoded"} for one in rows))
    assert (row["keeper_id"], row["conflicts"]) == ("a", conflicts), what
    assert row["verdict"] == ("review" if conflicts else "certain"), what
    assert decision(*(one | {"class": "same_pixels"} for one in rows))["conflicts"] == []


@pytest.mark.parametrize(("what", "kept", "other", "conflicts"), CASES, ids=[case[0] for case in CASES])
def test_each_conflict_is_named_and_needs_a_person(what: str, kept: Row, other: Row, conflicts: list[str]) -> None:
    row = decision(asset("a", **LARGE, **kept), asset("b", **other))
    assert row["keeper_id"] == "a", what
    assert row["conflicts"] == conflicts
    assert row["verdict"] == ("review" if conflicts else "certain")


def test_what_the_losers_disagree_on_is_a_conflict_even_if_the_kept_one_knows_nothing() -> None:
    far = {"latitude": -10.0, "longitude": 3.0}
    dear = asset("a", rating=5)
    assert decision(dear, asset("b", **GPS), asset("c", **far))["conflicts"] == ["gps"]
    when = dated(NOON, 2), dated(NOON + timedelta(days=1), 2)
    assert decision(dear, asset("b", **when[0]), asset("c", **when[1]))["conflicts"] == ["time"]


def test_a_camera_in_files_of_equal_bytes_is_in_both() -> None:
    exact = {"class": "exact"}
    assert decision(asset("a", rating=5, **exact), asset("b", **CAMERA, **exact))["verdict"] == "certain"


@pytest.mark.parametrize(
    "known", [GPS, dated(NOON), CAMERA, {"time_zone": "UTC"}, {"lens": "x"}, {"description": "x"}], ids=str
)
def test_nothing_can_be_written_into_a_folders_file(known: Row) -> None:
    large = {"width": 8000}
    row = decision(in_folder("a", **large), in_folder("b", **known))
    assert (row["keeper_id"], row["verdict"], row["conflicts"]) == ("a", "review", ["cannot_merge"])
    assert decision(in_folder("a", **large, **known), in_folder("b", **known))["verdict"] == "certain"
    mixed = decision(asset("a", **large), in_folder("b", **known))
    assert mixed["conflicts"] == ["cannot_merge"]


def folder_live(unit: str, group: str | None = None) -> list[Row]:
    video = in_folder(f"{unit}v", unit=unit, group=group, role="video", kind="video", size=300)
    return [in_folder(unit, role="still"), video]


def test_the_video_of_a_folders_still_cannot_go_to_another() -> None:
    row = decision(in_folder("a", **LARGE), *folder_live("b"))
    assert (row["keeper_unit"], row["decided_by"], row["conflicts"]) == ("b", "covers", [])
    rows = [in_folder("a", **LARGE, tags=["keep"]), *folder_live("b")]
    row = decision(*rows)
    assert (row["keeper_unit"], row["conflicts"]) == ("a", ["live_video"])
    assert row["verdict"] == "review"
    assert list(obstacles(*rows)) == ["bv"]
    both = decision(*folder_live("a"), *folder_live("b"))
    assert (both["verdict"], both["reclaimable_bytes"]) == ("certain", 1300)


def test_a_still_that_shares_its_video_would_take_it_along() -> None:
    row = decision(asset("a", live_video_id="v"), asset("b", live_video_id="v"))
    assert (row["verdict"], row["conflicts"]) == ("review", ["live_video"])


def test_a_video_moves_only_within_a_server() -> None:
    row = decision(in_folder("a", **LARGE, tags=["keep"]), *live("b"))
    assert "live_video" in row["conflicts"]


def test_metadata_that_contradicts_does_not_change_which_one_is_kept() -> None:
    first = asset("a", **GPS, **dated(NOON, 2), **CAMERA)
    for more in (
        {"latitude": 1.0, "longitude": 1.0},
        dated(NOON - timedelta(days=1), 2),
        {"make": "Nikon", "model": "Z"},
    ):
        row = decision(first, asset("b", **more))
        assert (row["keeper_id"], row["verdict"]) == ("a", "review")


def test_every_kind_of_conflict_is_explained() -> None:
    kinds = conflict_kinds()
    assert tuple(kinds) == KIND_NAMES == tuple(sorted(KIND_NAMES))
    assert all(kind.title and kind.explanation.endswith(".") for kind in kinds.values())
    with pytest.raises(ValueError, match="must be camera"):
        as_kinds([{"name": "gps", "title": "x", "explanation": "y"}])


@pytest.mark.parametrize(
    ("part", "wrong", "message"),
    [
        ("steps", {"protected": "x"}, "the steps must be"),
        ("editors", {"patterns": ["("]}, "not a regular expression"),
        ("folders", {"own": ["["]}, "not a regular expression"),
        ("time_sources", [{"name": "file", "title": "x", "true": False}], "the sources of times must be"),
    ],
)
def test_rules_that_say_what_cannot_be_are_refused(part: str, wrong: object, message: str) -> None:
    said = decision_rules().model_dump(by_alias=True)
    with pytest.raises(ValidationError, match=message):
        DecisionRules.model_validate(said | {part: wrong})
    assert DecisionRules.model_validate(said) == decision_rules()


def test_the_tolerance_of_places_is_a_setting() -> None:
    near = {"latitude": 52.5002, "longitude": 13.4}
    settings = DuplicateSettings(gps_tolerance_metres=30)
    assert decision(asset("a", **GPS), asset("b", **near), settings=settings)["conflicts"] == []

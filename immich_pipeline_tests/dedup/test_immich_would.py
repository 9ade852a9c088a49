"""What Immich would keep, and what would be lost then."""

from typing import Any

import pytest

from immich_pipeline_tests.dedup.decisions import CAMERA, GPS, NOON, Row, asset, dated, decision, in_folder

LARGE = {"size": 9000}
FAR = {"latitude": -10.0, "longitude": 3.0}


def immich(*rows: Row, **more: Any) -> tuple[str, list[str]]:
    row = decision(*rows, **more)
    return row["immich_keeps"], row["immich_loses"]


def test_immich_keeps_the_largest_file() -> None:
    rows = asset("a", **LARGE, width=2000, height=1500), asset("b")
    assert decision(*rows)["keeper_id"] == "b"
    assert immich(*rows) == ("a", ["pixels"])


def test_of_equally_large_ones_that_with_most_exif_fields_then_the_first() -> None:
    assert immich(asset("a"), asset("b", lens="50 mm"))[0] == "b"
    assert immich(asset("a", make="", lens=None), asset("b", rating=1))[0] == "b"
    assert immich(asset("a"), asset("b"))[0] == "a"
    assert immich(asset("a", size=None), asset("b", size=1))[0] == "b"


@pytest.mark.parametrize(
    ("known", "lost"),
    [
        (dated(NOON), ["date"]),
        (dated(NOON, 2), ["date", "time zone"]),
        (dated(NOON, source="server"), []),
        ({"time_zone": "Europe/Berlin"}, ["time zone"]),
        (CAMERA, ["camera"]),
        ({"lens": "50 mm"}, ["lens"]),
        ({"people": 2}, ["faces"]),
        ({"live_video_id": "v"}, ["live video"]),
        ({"is_edited": True}, ["edits"]),
        (GPS, []),
        ({"albums": 3, "tags": ["t"], "is_favorite": True, "rating": 5, "description": "x"}, []),
    ],
    ids=str,
)
def test_what_only_the_others_know_is_lost_unless_immich_merges_it(known: Row, lost: list[str]) -> None:
    assert immich(asset("a", **LARGE), asset("b", **known)) == ("a", lost)
    assert immich(asset("a", **LARGE, **known), asset("b", **known)) == ("a", [])


def test_places_that_differ_are_merged_by_nobody() -> None:
    assert immich(asset("a", **LARGE), asset("b", **GPS), asset("c", **FAR)) == ("a", ["GPS"])
    assert immich(asset("a", **LARGE), asset("b", **GPS), asset("c", **GPS)) == ("a", [])
    assert immich(asset("a", **LARGE, **GPS), asset("b", **GPS), asset("c", **FAR)) == ("a", [])


def test_more_people_than_the_kept_one_has_are_lost() -> None:
    assert immich(asset("a", **LARGE, people=1), asset("b", people=2)) == ("a", ["faces"])
    assert immich(asset("a", **LARGE, people=3), asset("b", people=2)) == ("a", [])


def test_an_export_may_be_larger_than_its_original() -> None:
    assert immich(asset("a", **LARGE, software="GIMP"), asset("b")) == ("a", ["original"])


def test_only_copies_of_the_kept_file_are_compared() -> None:
    raw = asset("r", kind="raw", unit="a", group=None, **LARGE)
    assert immich(asset("a"), raw, asset("b", lens="x"))[0] == "b"


def test_files_of_a_folder_are_judged_as_if_they_were_on_a_server() -> None:
    assert immich(in_folder("a", **LARGE), in_folder("b", **CAMERA)) == ("a", ["camera"])

from datetime import UTC, timedelta
from typing import Any

import polars as pl
import pytest

from immich_pipeline.dedup.decide import decide
from immich_pipeline.dedup.schema import (
    DECISION_FACTS_SCHEMA,
    DECISION_MEMBER_SCHEMA,
    DECISION_SCHEMA,
    SET_SCHEMA,
)
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decisions import (
    CAMERA,
    GPS,
    NOON,
    Row,
    asset,
    dated,
    decided,
    decision,
    facts_of,
    in_folder,
    keeper,
    members,
    obstacles,
    sets_of,
    word,
)

EXTERNAL = {"library_id": "ext"}
EARLY = NOON - timedelta(days=9)
SMALL = {"width": 1600, "height": 1200}


def policy(**said: Any) -> DuplicateSettings:
    return DuplicateSettings.model_validate(said)


# One scenario per line: what "a" is, what "b" is, who is kept, and by which step.
SCENARIOS: list[tuple[str, Row, Row, str, str]] = [
    ("all equal but the content", {}, {}, "a", "content"),
    ("a favourite stands before pixels", SMALL | {"is_favorite": True}, {}, "a", "protected"),
    ("a good rating protects", {"rating": 4}, {}, "a", "protected"),
    ("a low rating does not", {"rating": 3}, {"size": 2000}, "b", "bytes"),
    ("an album protects", {"albums": 1}, {"size": 2000}, "a", "protected"),
    ("the tag keep protects", {"tags": ["keep"]}, {"size": 2000}, "a", "protected"),
    ("and all below it", {"tags": ["Keep/for ever"]}, {"size": 2000}, "a", "protected"),
    ("another tag does not", {"tags": ["keeper"]}, {"tags": ["keeper"], "size": 2000}, "b", "bytes"),
    ("of two protected ones, the next steps decide", {"rating": 5}, {"is_favorite": True, "size": 2000}, "b", "bytes"),
    ("an original before an export", {"software": "Snapseed 2.0", "size": 9000}, {}, "b", "original"),
    ("firmware is no editor", {"software": "Ver.1.10"}, {"size": 2000}, "b", "bytes"),
    ("an edit in Immich", {"is_edited": True, "size": 9000}, {}, "b", "original"),
    ("a name that says edited", {"name": "IMG_1-edited.jpg", "size": 9000}, {}, "b", "original"),
    ("Apple's edited names", {"name": "IMG_E1234.HEIC", "size": 9000}, {}, "b", "original"),
    ("more pixels", SMALL | {"size": 9000}, {}, "b", "pixels"),
    ("within the tolerance pixels are equal", {"width": 3960}, {"size": 900}, "a", "bytes"),
    ("unknown pixels lose", {"width": None, "size": 9000}, SMALL, "b", "pixels"),
    ("all pixels unknown", {"width": None}, {"height": None, "size": 2000}, "b", "bytes"),
    ("HEIC before JPEG", {"format": "heif", "extension": "heic", "size": 10}, {}, "a", "format"),
    ("the format is known by name at least", {"format": None, "extension": "HEIC", "size": 10}, {}, "a", "format"),
    ("a RAW file before anything", {"kind": "raw"}, {"format": "heif"}, "a", "format"),
    ("a maker's RAW before DNG", {"kind": "raw", "format": "dng"}, {"kind": "raw"}, "b", "format"),
    ("an unknown format loses", {"format": "svg", "size": 9000}, {"format": "gif"}, "b", "format"),
    ("GPS before bytes", GPS, {"size": 9000}, "a", "completeness"),
    ("half a position is none", {"latitude": 1.0}, {"size": 9000}, "b", "bytes"),
    ("GPS is worth more than a camera", CAMERA, GPS, "b", "completeness"),
    ("a camera and a zone are worth more than GPS", CAMERA | {"time_zone": "UTC+2"}, GPS, "a", "completeness"),
    ("the earlier of two true dates", dated(NOON - timedelta(days=1)), dated() | {"size": 9000}, "a", "earliest"),
    ("a true date before an earlier one of the file", dated(source="exif_modified"), dated(EARLY, source="server"), "a", "earliest"),
    ("any date before that of the file", dated(source=None), {"mtime_ns": 1}, "a", "earliest"),
    ("a date of the file before none", {"mtime_ns": None}, {"mtime_ns": 1, "size": 10}, "b", "earliest"),
    ("of equal ones the larger file", {}, {"size": 1001}, "b", "bytes"),
    ("copies by name lose", {"name": "IMG_1 (1).jpg"}, {"name": "IMG_1.jpg"}, "b", "name"),
    ("in every language", {"name": "IMG_1 - Kopie (2).JPG"}, {"name": "IMG_1.JPG"}, "b", "name"),
    ("and a Mac's", {"name": "IMG_1 2.HEIC"}, {"name": "IMG_1.HEIC"}, "b", "name"),
    ("two copies are equally bad", {"name": "i copy.jpg"}, {"name": "i (3).jpg"}, "a", "content"),
    ("the folder of its year before an album's", {"path": "My trip/a.jpg"}, {"path": "T/Photos from 2023/a.jpg"}, "b", "folder"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "first", "second", "kept", "step"), SCENARIOS, ids=[row[0] for row in SCENARIOS])
def test_the_steps_decide_in_order(what: str, first: Row, second: Row, kept: str, step: str) -> None:
    assert keeper(asset("a", **first), asset("b", **second)) == (kept, step), what


def test_what_comes_out_has_the_documented_shape() -> None:
    found = decided(asset("b"), asset("a", size=500))
    assert dict(found.decisions.schema) == DECISION_SCHEMA
    assert dict(found.members.schema) == DECISION_MEMBER_SCHEMA
    assert found.members.rows() == [("s", "b", "b", "keeper", 0, None), ("s", "a", "a", "loser", 0, None)]
    row = decision(asset("b"), asset("a", size=500))
    assert len(row.pop("policy_hash")) == 64
    assert [step["step"] for step in row.pop("steps")][-1] == "bytes"
    assert row == {
        "set_id": "s", "owner": "me", "class": "same_pixels", "confidence": 0.99, "verdict": "certain", "keeper_unit": "b",
        "keeper_id": "b", "decided_by": "bytes", "conflicts": [], "becomes": "trash", "files": 2, "reclaimable_bytes": 500,
        "immich_keeps": "b", "immich_loses": [],
    }  # fmt: skip


def test_nothing_in_nothing_out() -> None:
    empty = decide(pl.DataFrame(schema=SET_SCHEMA), pl.DataFrame(schema=DECISION_FACTS_SCHEMA), DuplicateSettings())
    assert empty.decisions.is_empty()
    assert dict(empty.decisions.schema) == DECISION_SCHEMA
    assert dict(empty.members.schema) == DECISION_MEMBER_SCHEMA


def test_a_set_of_one_is_kept() -> None:
    row = decision(asset("a"))
    assert (row["verdict"], row["keeper_id"], row["decided_by"], row["steps"]) == ("keep", "a", "content", [])


def test_a_set_of_twelve_is_decided_like_any() -> None:
    rows = [asset(f"a{number:02}", size=1000 + number % 7) for number in range(12)]
    row = decision(*rows)
    assert (row["keeper_id"], row["decided_by"], row["files"]) == ("a06", "bytes", 12)
    assert row["reclaimable_bytes"] == sum(entry["size"] for entry in rows) - 1006


def test_each_step_says_what_it_compared_and_who_was_left() -> None:
    rows = (
        asset("a", **GPS, time_zone="x", **CAMERA),
        asset("b", software='"Snap\x00seed"'),
        asset("c", **SMALL),
        asset("d"),
    )
    assert decision(*rows)["steps"] == [
        {
            "step": "protected",
            "compared": dict.fromkeys("abcd", "not protected"),
            "left": list("abcd"),
            "decided": False,
        },
        {
            "step": "original",
            "compared": {"a": "original", "b": "original", "c": "original", "d": "original"},
            "left": list("abcd"),
            "decided": False,
        },
        {
            "step": "pixels",
            "compared": {"a": "12.0 MP", "b": "12.0 MP", "c": "1.9 MP", "d": "12.0 MP"},
            "left": ["a", "b", "d"],
            "decided": False,
        },
        {"step": "format", "compared": dict.fromkeys("abd", "JPEG"), "left": ["a", "b", "d"], "decided": False},
        {
            "step": "completeness",
            "compared": {"a": "GPS, time zone, camera: 65 points", "b": "nothing: 0 points", "d": "nothing: 0 points"},
            "left": ["a"],
            "decided": True,
        },
    ]


def test_hostile_text_stays_inside_its_json() -> None:
    row = decision(asset('a"', software='GIMP "\\\x00\n\U0001f600'), asset("b\\"))
    original = row["steps"][1]
    assert original["compared"] == {'a"': 'edited: written by GIMP "\\\x00\n\U0001f600', "b\\": "original"}
    assert original["left"] == ["b\\"]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"width": 20, "height": 10}, {"width": None}, {"a": "200 pixels", "b": "unknown"}),
        ({"size": 3_456_789}, {"size": 10}, {"a": "3.5 MB (3456789 bytes)", "b": "10 bytes"}),
        ({"extension": "zzz", "format": None}, {}, {"a": "unknown", "b": "JPEG"}),
        (dated(NOON, 2), {"mtime_ns": 0}, {"a": "2023-06-01 12:00:00 (EXIF)", "b": "1970-01-01 00:00:00 UTC (date of the file)"}),
        ({"is_favorite": True, "rating": 5, "albums": 2}, {}, {"a": "favourite, well rated, in an album", "b": "not protected"}),
    ],
)  # fmt: skip
def test_what_was_compared_is_told_in_words(first: Row, second: Row, told: dict[str, str]) -> None:
    settings = policy(weights={"capture_time": 0, "time_zone": 0})
    steps = decision(asset("a", **first), asset("b", **second), settings=settings)["steps"]
    assert told in [step["compared"] for step in steps]


def test_metadata_first_puts_what_is_known_before_pixels() -> None:
    rows = asset("a", **SMALL, **GPS), asset("b")
    assert keeper(*rows) == ("b", "pixels")
    assert keeper(*rows, settings=policy(policy="metadata_first")) == ("a", "completeness")
    assert keeper(*rows, settings=policy(order=["protected", "name", "bytes"])) == ("a", "content")


def test_weights_of_nothing_leave_completeness_out() -> None:
    nothing = dict.fromkeys(("gps", "time_zone", "camera", "capture_time", "lens", "place", "albums", "tags"), 0)
    nothing |= dict.fromkeys(("description", "faces", "live_video"), 0)
    row = decision(asset("a", **GPS), asset("b"), settings=policy(weights=nothing))
    assert row["decided_by"] == "content"
    assert row["steps"][4]["compared"] == {"a": "nothing: 0 points", "b": "nothing: 0 points"}


def test_folders_and_patterns_of_names_are_preferences() -> None:
    settings = policy(folders=["/best/", "good"], names=["*[x]?.jpg"])
    assert keeper(asset("a", path="good/a.jpg"), asset("b", path="/best/b.jpg"), settings=settings) == ("b", "folder")
    assert keeper(asset("a", path="other/a.jpg"), asset("b", path="good/b.jpg"), settings=settings) == ("b", "folder")
    assert keeper(asset("a", path="goodness/a.jpg"), asset("b"), settings=settings) == ("a", "content")
    assert keeper(asset("a", name="i[X]1.jpg"), asset("b"), settings=settings) == ("b", "name")


@pytest.mark.parametrize(("side", "kept"), [("upload", "b"), ("external", "c")])
def test_a_side_may_be_preferred(side: str, kept: str) -> None:
    rows = asset("b"), asset("c", **EXTERNAL, size=500), in_folder("d", size=800)
    settings = policy(prefer_library=side, delete_from=["ext"])
    assert keeper(*rows, settings=settings) == (kept, "library")
    assert decision(*rows, settings=settings)["steps"][1]["compared"] == {
        "b": "upload", "c": "external library", "d": "file of a folder",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "protect", "why"),
    [
        ({"path": "ref/b.jpg"}, {"folders": ["ref"]}, "in a reference folder"),
        ({"library_id": "L"}, {"libraries": ["L"]}, "in a reference library"),
        ({}, {"owners": ["Anna"]}, "of an owner of whom nothing is deleted"),
        ({}, {"owners": ["me"]}, "of an owner of whom nothing is deleted"),
        ({"tags": ["keep"]}, {}, "tagged to be kept"),
    ],
)
def test_references_are_never_given_up(more: Row, protect: Row, why: str) -> None:
    rows = asset("a", is_favorite=True, **GPS), asset("b", **more)
    settings = policy(protect=protect)
    owners = {"me": "anna"}
    row = decision(*rows, settings=settings, owners=owners)
    assert (row["keeper_id"], row["verdict"], row["conflicts"]) == ("a", "keep", ["not_deletable"])
    assert row["reclaimable_bytes"] == 0
    assert obstacles(*rows, settings=settings, owners=owners) == {"b": f"it is never given up: {why}"}


def test_a_favourite_may_be_given_up_for_another_protected_one() -> None:
    row = decision(asset("a", is_favorite=True), asset("b", albums=1, size=2000))
    assert (row["keeper_id"], row["verdict"]) == ("b", "certain")


def test_protection_can_be_switched_off() -> None:
    off = policy(protect={"favourites": False, "rating": None, "albums": False, "tags": []})
    dear = asset("a", is_favorite=True, rating=5, albums=3, tags=["keep"])
    settings = off.model_copy(update={"weights": off.weights.model_copy(update={"albums": 0, "tags": 0})})
    assert keeper(dear, asset("b", size=2000), settings=settings) == ("b", "bytes")


def test_external_libraries_must_be_allowed() -> None:
    rows = asset("a", size=2000), asset("b", **EXTERNAL)
    row = decision(*rows)
    assert (row["keeper_id"], row["verdict"], row["conflicts"]) == ("a", "keep", ["not_deletable"])
    assert "delete_from" in obstacles(*rows)["b"]
    allowed = decision(*rows, settings=policy(delete_from=["ext"]))
    assert (allowed["verdict"], allowed["conflicts"], allowed["reclaimable_bytes"]) == ("certain", [], 1000)


def test_where_there_is_no_trash_nothing_is_given_up() -> None:
    rows = asset("a", size=2000, trash_days=0), asset("b", trash_days=0)
    assert decision(*rows)["verdict"] == "keep"
    assert "deleted for good" in obstacles(*rows)["b"]
    assert decision(*rows, settings=policy(instead={"same_pixels": "stack"}))["verdict"] == "certain"
    assert decision(asset("a", size=2000, trash_days=30), asset("b", trash_days=30))["verdict"] == "certain"


def test_one_loser_that_has_to_stay_needs_a_person_for_the_others() -> None:
    row = decision(asset("a", size=2000), asset("b", **EXTERNAL), asset("c"))
    assert (row["verdict"], row["conflicts"], row["reclaimable_bytes"]) == ("review", ["not_deletable"], 1000)


@pytest.mark.parametrize(
    ("more", "why"),
    [({"readable": False}, "cannot be read"), ({"visibility": "locked"}, "locked"), ({"readable": None}, "")],
)
def test_what_cannot_be_backed_up_or_is_locked_stays(more: Row, why: str) -> None:
    rows = asset("a", size=2000), asset("b", **more)
    assert [why in text for text in obstacles(*rows).values()] == ([True] if why else [])


def test_without_a_backup_nothing_need_be_read() -> None:
    rows = asset("a", size=2000), asset("b", readable=False)
    assert obstacles(*rows, settings=policy(backup={"required": False})) == {}


def test_a_file_of_which_nothing_is_known_stays() -> None:
    rows = [asset("a"), asset("b")]
    found = decide(sets_of(rows), facts_of(rows[:1]), DuplicateSettings())
    assert found.decisions.select("keeper_id", "verdict").row(0) == ("a", "keep")
    assert found.members["obstacle"].to_list() == [None, "nothing is known of it any more"]
    nothing = decide(sets_of(rows), facts_of([]), DuplicateSettings())
    assert nothing.decisions["verdict"].to_list() == ["keep"]


def test_what_becomes_of_the_others_goes_by_class() -> None:
    settings = policy(instead={"same_pixels": "stack", "edited": "nothing"}, unattended=["exact"])
    stacked = decision(asset("a", size=2000), asset("b", **EXTERNAL), settings=settings)
    assert (stacked["becomes"], stacked["verdict"], stacked["reclaimable_bytes"]) == ("stack", "review", 0)
    left = decision(asset("a", **{"class": "edited"}), asset("b", **{"class": "edited"}), settings=settings)
    assert (left["becomes"], left["verdict"]) == ("nothing", "keep")
    exact = decision(asset("a", **{"class": "exact"}), asset("b", **{"class": "exact"}), settings=settings)
    assert (exact["becomes"], exact["verdict"]) == ("trash", "certain")
    rows = in_folder("a"), in_folder("b")
    assert decision(*rows, settings=settings)["verdict"] == "keep"
    assert "only on a server" in obstacles(*rows, settings=settings)["b"]


def test_edited_ones_always_need_a_person() -> None:
    rows = [asset(name, **{"class": "edited"}) for name in "ab"]
    assert decision(*rows)["verdict"] == "review"


def said(rows: list[Row], verdict: str, kept: str | None = None, asset_id: str | None = None) -> pl.DataFrame:
    content = next((row["content"] for row in rows if row["asset_id"] == kept), None)
    return word(verdict, *(row["content"] for row in rows), kept=content, asset_id=asset_id)


def test_what_a_person_says_holds_for_the_contents() -> None:
    rows = [asset(name, **{"class": "edited"}) for name in "ab"]
    accepted = decision(*rows, verdicts=said(rows, "accepted", "b"))
    assert (accepted["verdict"], accepted["keeper_id"], accepted["decided_by"]) == ("accepted", "b", "protected")
    assert accepted["steps"][0]["compared"]["b"] == "chosen by a person"
    assert decision(*rows, verdicts=said(rows, "accepted"))["keeper_id"] == "a"
    assert decision(*rows, verdicts=said(rows, "rejected"))["verdict"] == "keep"
    assert decision(*rows, verdicts=said(rows[:1], "accepted", "b"))["verdict"] == "review"
    assert decision(*rows, verdicts=said(rows, "accepted").clear())["verdict"] == "review"
    certain = [asset(name) for name in "ab"]
    assert decision(*certain, verdicts=said(certain, "accepted", "b"))["verdict"] == "certain"


def test_a_persons_choice_stands_before_favourites_and_obstacles_hold_against_it() -> None:
    rows = [asset("a", is_favorite=True, tags=["keep"]), asset("b")]
    row = decision(*rows, verdicts=said(rows, "accepted", "b"))
    assert (row["keeper_id"], row["verdict"]) == ("b", "keep")


def test_a_persons_word_does_not_reach_files_without_content() -> None:
    rows = [asset("a", content=None), asset("b", content=None)]
    row = decision(*rows, verdicts=said([asset("a")], "rejected"))
    assert row["verdict"] == "certain"
    assert row["decided_by"] == "content"


def test_a_yes_does_not_reach_a_set_with_a_file_of_unknown_content() -> None:
    rows = [asset(name, **{"class": "edited"}) for name in "ab"]
    row = decision(*rows, asset("c", content=None, **{"class": "edited"}), verdicts=said(rows, "accepted", "b"))
    assert (row["verdict"], row["keeper_id"]) == ("review", "a")


SAME = b"same".ljust(32)


def test_of_equal_copies_the_one_that_a_person_named_is_kept() -> None:
    rows = [asset(name, content=SAME, **{"class": "edited"}) for name in "abc"]
    assert decision(*rows, verdicts=said(rows, "accepted", "a", "b"))["keeper_id"] == "b"
    row = decision(*rows, verdicts=said(rows, "accepted", "a", "c"))
    assert (row["keeper_id"], row["decided_by"], row["verdict"]) == ("c", "protected", "accepted")
    compared = row["steps"][0]["compared"]
    assert [compared[name] == "chosen by a person" for name in "abc"] == [False, False, True]


def test_the_one_named_counts_only_with_its_content_and_in_its_set() -> None:
    rows = [asset("a", content=SAME), asset("b", content=SAME), asset("c", is_favorite=True)]
    assert decision(*rows, verdicts=said(rows, "accepted", "a", "gone"))["keeper_id"] == "a"
    assert decision(*rows, verdicts=said(rows, "accepted", "b", "c"))["keeper_id"] == "a", "c holds another content"
    assert decision(*rows, verdicts=said(rows, "accepted", "c", "c"))["keeper_id"] == "c"


def test_the_file_that_was_named_stands_for_its_capture() -> None:
    rows = [*pair("a"), *pair("b")]
    row = decision(*rows, verdicts=said(rows, "accepted", "braw", "bjpg"))
    assert (row["keeper_unit"], row["keeper_id"]) == ("b", "bjpg")
    row = decision(*rows, verdicts=said(rows, "accepted", "braw", "braw"))
    assert (row["keeper_unit"], row["keeper_id"]) == ("b", "braw")


def moving(unit: str, **more: Any) -> list[Row]:
    """A still and its video, in a folder."""
    return [
        in_folder(f"{unit}jpg", unit=unit, role="still", content=SAME),
        in_folder(f"{unit}mov", unit=unit, group=None, role="video", kind="video", **more),
    ]


@pytest.mark.parametrize("asset_id", ["bjpg", "bmov", None])
def test_a_capture_may_be_told_by_its_video_alone(asset_id: str | None) -> None:
    rows = [*moving("a"), *moving("b")]
    row = decision(*rows, verdicts=said(rows, "accepted", "bmov", asset_id))
    assert (row["keeper_unit"], row["keeper_id"]) == ("b", "bjpg")


def test_a_no_protects_every_set_with_two_of_its_files() -> None:
    rows = [asset(name) for name in "abcd"]
    no = said(rows[:3], "rejected")
    assert decision(*rows[:3], verdicts=no)["verdict"] == "keep"
    assert decision(*rows[:2], verdicts=no)["verdict"] == "keep", "it shrank"
    assert decision(*rows[1:], verdicts=no)["verdict"] == "review", "it grew: of the new one nothing was said"
    assert decision(*rows[2:], verdicts=no)["verdict"] == "certain", "one alone was rejected beside others"
    assert decision(rows[2], asset("copy", content=rows[2]["content"]), verdicts=no)["verdict"] == "keep"
    assert decision(*rows[:1], asset("x", content=None), verdicts=no)["verdict"] == "keep", "it may be one of them"


def test_a_yes_to_exactly_these_files_stands_before_a_no_to_some_of_them() -> None:
    rows = [asset(name, **{"class": "edited"}) for name in "abc"]
    words = pl.concat([said(rows[:2], "rejected"), said(rows, "accepted", "c")])
    row = decision(*rows, verdicts=words)
    assert (row["verdict"], row["keeper_id"]) == ("accepted", "c")
    assert decision(*rows[:2], verdicts=words)["verdict"] == "keep"
    assert decision(*rows[1:], verdicts=words)["verdict"] == "review"


def test_a_no_holds_for_every_name_of_a_content() -> None:
    rows = [asset("a", content=b"1" * 20), asset("b")]
    no = word("rejected", b"1" * 32, rows[1]["content"])
    assert decision(*rows, verdicts=no)["verdict"] == "certain"
    named = no.with_columns(contents=pl.Series([[b"1" * 20, b"1" * 32, rows[1]["content"]]], dtype=pl.List(pl.Binary)))
    assert decision(*rows, verdicts=named)["verdict"] == "keep"


def pair(unit: str, **more: Any) -> list[Row]:
    """A RAW file and its JPEG."""
    return [
        asset(f"{unit}raw", kind="raw", unit=unit, group="graw", role="raw", size=5000, **more),
        asset(f"{unit}jpg", unit=unit, group="gjpg", role="rendered", **more),
    ]


def test_a_pair_imported_twice_is_one_decision() -> None:
    rows = [*pair("a"), *pair("b", **GPS)]
    row = decision(*rows)
    assert (row["keeper_unit"], row["keeper_id"], row["decided_by"]) == ("b", "bjpg", "completeness")
    assert (row["verdict"], row["files"], row["reclaimable_bytes"]) == ("certain", 4, 6000)
    assert members(*rows) == {"bjpg": "keeper", "braw": "kept", "ajpg": "loser", "araw": "loser"}
    assert "covers" not in [step["step"] for step in row["steps"]]


def test_a_unit_with_every_file_stands_before_one_that_lacks_one() -> None:
    rows = [*pair("a"), asset("b", group="gjpg", size=90_000, **GPS)]
    row = decision(*rows)
    assert (row["keeper_unit"], row["keeper_id"], row["decided_by"]) == ("a", "ajpg", "covers")
    assert row["steps"][1]["compared"] == {"a": "2 of 2 files", "b": "1 of 2 files"}


def test_extra_files_of_a_loser_are_never_given_up() -> None:
    rows = [*pair("a"), asset("b", group="gjpg", size=90_000, is_favorite=True)]
    row = decision(*rows)
    assert (row["keeper_unit"], row["verdict"]) == ("b", "review")
    assert row["conflicts"] == ["extra_files", "not_deletable"]
    assert list(obstacles(*rows)) == ["araw"]
    assert row["reclaimable_bytes"] == 1000


def test_where_no_unit_has_every_file_a_person_decides() -> None:
    rows = [*pair("a"), asset("b", group="gjpg"), asset("be", unit="b", group=None, role="edit")]
    row = decision(*rows)
    assert (row["verdict"], row["conflicts"]) == ("review", ["extra_files", "not_deletable"])
    assert row["steps"][1]["left"] == ["a", "b"]
    assert list(obstacles(*rows)) == ["be"]


def test_hard_links_free_nothing_while_a_name_is_left() -> None:
    same = {"content": b"x" * 32, "inode": 7, "source_id": "photos"}
    row = decision(in_folder("a", **same), in_folder("b", **same), in_folder("c", content=b"x" * 32, inode=8))
    assert row["reclaimable_bytes"] == 1000
    assert decision(in_folder("a", **same), in_folder("b", **same))["reclaimable_bytes"] == 0
    linked = {**same, "inode": 9}
    assert (
        decision(in_folder("a", **same), in_folder("b", **linked), in_folder("c", **linked))["reclaimable_bytes"]
        == 1000
    )


def live(unit: str, **more: Any) -> list[Row]:
    """A live photo of a server and its hidden video."""
    video = asset(f"{unit}v", unit=unit, group=None, role="video", kind="video", visibility="hidden", size=300, **more)
    return [asset(unit, role="still", live_video_id=f"{unit}v", **more), video]


def test_a_live_photos_video_goes_with_its_still() -> None:
    rows = [*live("a"), *live("b")]
    assert members(*rows) == {"a": "keeper", "av": "kept", "b": "loser", "bv": "follows"}
    assert decision(*rows)["reclaimable_bytes"] == 1300
    external = [*live("a"), *live("b", library_id="ext")]
    assert obstacles(*external)["bv"] == obstacles(*external)["b"]


def test_on_a_server_the_kept_still_gets_the_video_it_lacks() -> None:
    rows = [asset("a", size=2000, is_favorite=True), *live("b"), *live("c")]
    assert members(*rows) == {"a": "keeper", "b": "loser", "c": "loser", "bv": "kept", "cv": "follows"}
    row = decision(*rows)
    assert (row["verdict"], row["conflicts"], row["reclaimable_bytes"]) == ("certain", [], 2300)


def test_videos_outside_the_set_follow_too() -> None:
    video = asset("v", kind="video", size=300)
    rows = [asset("a", live_video_id="w"), asset("b", live_video_id="v")]
    found = decide(sets_of(rows), facts_of([*rows, video]), DuplicateSettings())
    assert dict(found.members.select("asset_id", "role").rows()) == {"a": "keeper", "b": "loser", "v": "follows"}
    assert found.decisions["reclaimable_bytes"].to_list() == [1300]
    given = [asset("a", is_favorite=True), asset("b", live_video_id="v")]
    found = decide(sets_of(given), facts_of([*given, video]), DuplicateSettings())
    assert dict(found.members.select("asset_id", "role").rows()) == {"a": "keeper", "b": "loser"}


def test_a_unit_of_videos_only_has_no_still_to_follow() -> None:
    rows = [asset(name, kind="video", role="video") for name in "ab"]
    assert members(*rows) == {"a": "keeper", "b": "loser"}


def test_pixels_known_of_one_copy_are_known_of_all() -> None:
    same = {"content": b"x" * 32, "class": "exact"}
    row = decision(asset("a", **same, width=None, **GPS), asset("b", **same))
    assert (row["keeper_id"], row["decided_by"]) == ("a", "completeness")


def test_the_earliest_goes_by_the_instant_where_zones_are_known() -> None:
    settings = policy(weights={"time_zone": 0})
    east, west = dated(NOON, 9), dated(NOON - timedelta(hours=3), -5)
    assert keeper(asset("a", **west), asset("b", **east), settings=settings) == ("b", "earliest")


def test_an_unknown_source_of_a_time_is_worth_a_servers() -> None:
    rows = (
        asset("a", **dated(NOON, source="crystal ball")),
        asset("b", file_created_at=NOON.replace(tzinfo=UTC, year=2020)),
    )
    assert keeper(*rows) == ("a", "earliest")


@pytest.mark.parametrize("frame", ["sets", "facts"])
def test_frames_that_lack_something_are_refused(frame: str) -> None:
    rows = [asset("a"), asset("b")]
    frames = {"sets": sets_of(rows), "facts": facts_of(rows)}
    column = "role" if frame == "sets" else "readable"
    with pytest.raises(ValueError, match=f"the {frame} lack the columns {column}"):
        decide(**{**frames, frame: frames[frame].drop(column)}, settings=DuplicateSettings())
    with pytest.raises(ValueError, match=f"twice in the {frame}"):
        decide(**{**frames, frame: pl.concat([frames[frame], frames[frame]])}, settings=DuplicateSettings())

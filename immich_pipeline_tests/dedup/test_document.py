import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema
import polars as pl
import pytest

from immich_pipeline.dedup import document as subject
from immich_pipeline.dedup.decide import decide
from immich_pipeline.dedup.document import OPINION_SCHEMA, document_text, duplicate_document, read_document
from immich_pipeline.dedup.document_schema import json_schema
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.dedup.review_file import ReviewProblemsError
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decided import Plan, a_set, content_of, file, many, plan_of

STORED_SCHEMA = json.loads(files("immich_pipeline.dedup").joinpath("duplicates.schema.json").read_text())


def small() -> Plan:
    keeper = file("a", latitude=48.8583, longitude=2.2944, place="Paris", server_asset=True, is_favorite=True, tags=["x"], albums=2,
                  taken_at=datetime(2023, 6, 1, 10, 0, 0, 500_000, UTC), live_video_id="v", utc_offset_minutes=120)  # fmt: skip
    external = file(
        "b",
        latitude=48.8593,
        longitude=2.2944,
        server_asset=True,
        library_id="lib",
        size=400,
        obstacle="protected: favourite",
    )
    raw = file("a2", unit="a", capture_role="raw", format="dng", name="a.dng", size=9000)
    lost = file("c", size=50, name="c\u202e\n.jpg")
    return plan_of(
        a_set("s1", keeper, raw, external),
        a_set("s2", lost, file("d", size=7000), verdict="review", immich_loses=["GPS"]),
    )


def text_of(plan: Plan, change: Any = None) -> str:
    document = plan.document()
    if change:
        change(document)
    return document_text(document)


def test_the_stored_schema_is_the_models() -> None:
    assert json_schema() == STORED_SCHEMA, "write it anew: see docs/duplicate-plan.md"


@pytest.mark.parametrize("plan", [small(), many(9), plan_of()])
def test_documents_are_valid_and_come_back_as_they_are(plan: Plan) -> None:
    document = plan.document()
    jsonschema.validate(document, STORED_SCHEMA)
    text = document_text(document)
    assert json.loads(text) == document
    review = read_document(text)
    assert [choice.choice for choice in review.choices] == [None] * plan.decisions.height
    assert (review.policy, review.fingerprint) == (document["plan"]["policy"], "f" * 64)


def test_it_does_not_depend_on_the_order_of_rows() -> None:
    plan = many(9)
    shuffled = Plan(*(frame.sample(fraction=1, shuffle=True, seed=3) for frame in plan))
    assert shuffled.document() == plan.document()


def test_sets_come_by_saving_and_files_the_kept_ones_first() -> None:
    document = small().document()
    assert [part["id"] for part in document["sets"]] == ["s1", "s2"]
    first = document["sets"][0]
    assert [entry["asset_id"] for entry in first["files"]] == ["a", "a2", "b"]
    assert (first["keeper"], first["kept"], first["losers"], first["follows"]) == ("a", ["a2"], ["b"], [])
    assert [entry["capture_role"] for entry in first["files"]] == [None, "raw", None]
    assert document["totals"] == {
        "sets": 2, "files": 5, "bytes": 17450, "reclaimable_bytes": 16400, "needs_review": 1, "immich_would_lose": 1,
    }  # fmt: skip


def test_positions_are_told_as_distances_only() -> None:
    text = text_of(small())
    assert "48.8" not in text
    assert "Paris" not in text
    keeper, raw, external = json.loads(text)["sets"][0]["files"]
    assert (keeper["has_position"], keeper["metres_from_keeper"], keeper["has_place"]) == (True, None, True)
    assert (external["has_position"], external["metres_from_keeper"], external["has_place"]) == (True, 111, False)
    assert (raw["has_position"], raw["metres_from_keeper"]) == (False, None)


def test_a_file_is_told_in_full() -> None:
    keeper, raw, external = small().document()["sets"][0]["files"]
    assert keeper["content"] == content_of("a").hex()
    assert (keeper["folder"], keeper["name"]) == ("2023", "a.jpg")
    assert (keeper["taken_at"], keeper["taken_at_local"]) == ("2023-06-01T10:00:00.500Z", "2023-06-01T12:00:00")
    assert (keeper["stored"], external["stored"], raw["stored"]) == ("upload", "external", "folder")
    assert (keeper["live_video"], keeper["favourite"], keeper["tags"], keeper["albums"]) == (True, True, ["x"], 2)
    assert external["obstacle"] == "protected: favourite"


def test_what_cannot_be_seen_is_escaped_and_comes_back() -> None:
    text = text_of(small())
    assert "\u202e" not in text
    assert json.loads(text)["sets"][1]["files"][0]["name"] == "c\u202e\n.jpg"


def test_a_second_opinion_stands_beside_its_file() -> None:
    plan = small()
    rows = [
        ("group s1", "b", True, 0.12345),
        ("group s1", "a2", None, float("nan")),
        ("another group", "a", False, 0.5),
    ]
    opinions = pl.DataFrame(rows, schema=OPINION_SCHEMA, orient="row")
    document = duplicate_document(*plan, opinions, library="x", fingerprint="")
    told = {
        entry["asset_id"]: (entry["immich_agrees"], entry["clip_distance"]) for entry in document["sets"][0]["files"]
    }
    assert told == {"a": (None, None), "a2": (None, None), "b": (True, 0.1235)}


def test_real_decisions_are_told() -> None:
    plan = small()
    made = decide(plan.sets, plan.facts, DuplicateSettings())
    document = duplicate_document(*made, plan.sets, plan.facts, library="x", fingerprint="")
    jsonschema.validate(document, STORED_SCHEMA)
    assert {step["step"] for part in document["sets"] for step in part["steps"]} >= {"protected", "original"}
    assert document["plan"]["policy"] == policy_hash(DuplicateSettings())


def test_an_asset_that_is_gone_is_told_by_its_id() -> None:
    plan = small()
    document = plan._replace(facts=plan.facts.filter(pl.col("asset_id") != "b")).document()
    jsonschema.validate(document, STORED_SCHEMA)
    gone = document["sets"][0]["files"][2]
    assert (gone["asset_id"], gone["name"], gone["content"], gone["has_position"], gone["stored"]) == (
        "b",
        None,
        None,
        False,
        None,
    )


def test_what_a_person_wrote_is_read() -> None:
    def change(document: dict[str, Any]) -> None:
        document["sets"][0]["review"] = "accept"
        document["sets"][0]["keeper"] = "b"
        document["sets"][1]["review"] = "dismiss"

    one, other = read_document(text_of(small(), change)).choices
    assert (one.place, one.set_id, one.choice, one.keeper) == ("sets[0]", "s1", "accept", "b")
    assert one.contents == {content_of(name) for name in ("a", "a2", "b")}
    assert (other.choice, other.keeper) == ("dismiss", "c")


def test_all_that_is_wrong_is_named_with_its_place() -> None:
    def change(document: dict[str, Any]) -> None:
        document["schema_version"] = 1
        document["sets"][0]["review"] = "yes"
        document["sets"][0]["files"][1]["content"] = "xyz"
        document["sets"][1]["reveiw"] = "accept"
        document["sets"][1]["files"][0]["size"] = "50"
        del document["sets"][1]["keeper"]

    with pytest.raises(ReviewProblemsError) as raised:
        read_document(text_of(small(), change))
    places = [problem.partition(": ")[0] for problem in raised.value.problems]
    assert places == [
        "schema_version", "sets[0].review", "sets[0].files[1].content", "sets[1].keeper", "sets[1].files[0].size", "sets[1].reveiw",
    ]  # fmt: skip
    assert all(problem in str(raised.value) for problem in raised.value.problems)


def test_what_contradicts_itself_is_named_with_its_place() -> None:
    def change(document: dict[str, Any]) -> None:
        document["sets"][0]["keeper"] = "nobody"
        document["sets"][0]["losers"] = ["b", "c"]
        document["sets"][1]["review"] = "reject"
        for entry in document["sets"][1]["files"]:
            entry["content"] = None
        document["sets"].append(document["sets"][0])

    with pytest.raises(ReviewProblemsError) as raised:
        read_document(text_of(small(), change))
    assert list(raised.value.problems) == [
        "sets[0].keeper: nobody is no file of this set",
        "sets[0].losers: c is no file of this set",
        "sets[1].files: no content of any file is named",
        "sets[2].keeper: nobody is no file of this set",
        "sets[2].losers: c is no file of this set",
        "sets[2].id: sets[0] is the same set",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"schema": "immich-pipeline/review"}'])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(ReviewProblemsError):
        read_document(text)


def test_a_document_of_any_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_BYTES", 10)
    with pytest.raises(ReviewProblemsError, match="more than 10 bytes"):
        read_document(text_of(small()))

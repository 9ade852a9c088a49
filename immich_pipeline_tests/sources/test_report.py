import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from immich_pipeline.sources import report as subject
from immich_pipeline.sources.report import ReportOutcome, write_report
from immich_pipeline.store import derived
from immich_pipeline.store.database import Database
from immich_pipeline_tests.dedup.decided import a_set
from immich_pipeline_tests.dedup.pictures import groups_of, picture
from immich_pipeline_tests.sources.decided import Decided, decided, two_sets


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Decided:
    return decided(database, tmp_path)


def written(library: Decided, inputs: str = "1") -> ReportOutcome:
    return write_report(library.database, library.settings, inputs, now=datetime(2024, 2, 3, tzinfo=UTC))


def test_decisions_are_written_as_page_document_and_table(library: Decided) -> None:
    two_sets(library)
    outcome = written(library)
    assert (outcome.groups, outcome.shown, outcome.unchanged) == (3, 3, False)
    document = json.loads(outcome.json.read_text())
    assert {part["id"]: part["verdict"] for part in document["sets"]} == {
        "s1": "certain",
        "s2": "review",
        "s3": "certain",
    }
    assert document["sets"][0]["steps"][1]["decided"] is True
    contents = {entry["name"]: entry["content"] for part in document["sets"] for entry in part["files"]}
    assert contents == {name: content.hex() for name, content in library.contents.items()}
    assert outcome.csv.read_bytes().count(b"\r\n") == 7
    html = outcome.html.read_text()
    assert html.count("data:image/") == 6
    assert set(outcome.captions.values()) == set(library.contents)
    assert outcome.samples.keys() == outcome.captions.keys()
    assert not list(outcome.html.parent.glob("*.new"))


def test_the_same_inputs_write_nothing(library: Decided) -> None:
    two_sets(library)
    first = written(library)
    before = {path: path.stat().st_mtime_ns for path in (first.html, first.json, first.csv)}
    again = written(library)
    assert (again.unchanged, again.groups) == (True, 3)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    again.csv.unlink()
    assert not written(library).unchanged
    assert not written(library, "2").unchanged


def test_those_with_most_to_save_and_those_in_doubt_are_pictured(
    library: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "SETS_PICTURED", 2)
    library.write(
        *(
            a_set(f"s{n}", library.file(f"{n}a.png"), library.file(f"{n}b.png"), reclaimable_bytes=100 - n)
            for n in range(3)
        ),
        a_set("doubt", library.file("xa.png"), library.file("xb.png"), reclaimable_bytes=1, verdict="review"),
    )
    assert list(written(library).captions.values()) == ["0a.png", "0b.png", "xa.png", "xb.png", "1a.png", "1b.png"]


def test_groups_are_shown_before_anything_is_decided(library: Decided) -> None:
    for name in ("a.png", "b.png"):
        library.file(name, same_as="a.png")
    library.write()
    rows = [picture(library.asset(name), sha256=b"s" * 32) for name in library.contents]
    found = groups_of(*rows)
    with library.database.frames() as frames:
        frames.execute("DELETE FROM pipeline.computed")
        derived.write(
            frames, "duplicates", {derived.DUPLICATE_GROUP: found.groups, derived.DUPLICATE_MEMBER: found.members}
        )
    (part,) = json.loads(written(library).json.read_text())["sets"]
    assert (part["verdict"], part["steps"], {entry["name"] for entry in part["files"]}) == (
        "review",
        [],
        {"a.png", "b.png"},
    )


def test_nothing_found_is_a_report_too(library: Decided) -> None:
    library.file("a.png")
    library.write()
    outcome = written(library)
    assert "No duplicates" in outcome.html.read_text()
    assert (outcome.groups, dict(outcome.samples)) == (0, {})

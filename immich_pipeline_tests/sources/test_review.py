import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from immich_pipeline.dedup import document, review_file
from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.errors import UserError
from immich_pipeline.sources.duplicates import compute_decisions
from immich_pipeline.sources.report import write_report
from immich_pipeline.sources.review import Imported, import_review
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames
from immich_pipeline_tests.browser import browsing, needs_chromium
from immich_pipeline_tests.dedup.decided import a_set
from immich_pipeline_tests.sources.decided import Decided, decided, two_sets


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Decided:
    made = decided(database, tmp_path)
    two_sets(made)
    return made


def verdicts(library: Decided) -> set[tuple[Any, ...]]:
    return set(
        library.query(
            "SELECT contents_key, verdict, keeper_content, keeper_asset::text FROM duplicates.verdict WHERE active"
        )
    )


def dismissed(library: Decided) -> set[tuple[Any, ...]]:
    return set(library.query("SELECT left_content, right_content FROM duplicates.dismissed WHERE active"))


def key(library: Decided, *names: str) -> str:
    return contents_key(library.contents[name] for name in names)


def pair(library: Decided, *names: str) -> tuple[bytes, ...]:
    return tuple(sorted(library.contents[name] for name in names))


def imported(library: Decided, text: str) -> Imported:
    path = library.photos.parent / "review.json"
    path.write_text(text, encoding="utf-8")
    return import_review(library.database, library.settings, path, "me")


def chosen(library: Decided, *choices: tuple[str, str, str, str | None]) -> Imported:
    """Import choices of (set, choice, names of its files, name of the keeper)."""
    listed = [
        {"set": set_id, "choice": choice, "contents": sorted({library.contents[name].hex() for name in names.split()}),
         "keeper": keeper and library.asset(keeper)}
        for set_id, choice, names, keeper in choices
    ]  # fmt: skip
    plan = {"policy": "p", "fingerprint": "f"}
    return imported(
        library, json.dumps({"schema": "immich-pipeline/review", "version": 1, "plan": plan, "choices": listed})
    )


def test_what_a_person_said_is_remembered_once(library: Decided) -> None:
    choices = (
        ("s1", "accept", "a.png b.png", "b.png"),
        ("s2", "dismiss", "c.png d.png", None),
        ("s3", "reject", "e.png f.png", None),
    )
    assert chosen(library, *choices) == Imported(accepted=1, rejected=1, dismissed=1)
    assert verdicts(library) == {
        (key(library, "a.png", "b.png"), "accepted", library.contents["b.png"], library.asset("b.png")),
        (key(library, "e.png"), "rejected", None, None),
    }
    assert dismissed(library) == {pair(library, "c.png", "d.png")}
    before = library.query("SELECT topic, number FROM pipeline.revision ORDER BY topic")
    assert chosen(library, *choices) == Imported(unchanged=3)
    assert library.query("SELECT topic, number FROM pipeline.revision ORDER BY topic") == before


def test_the_last_word_holds(library: Decided) -> None:
    chosen(library, ("s1", "accept", "a.png b.png", "a.png"))
    assert chosen(library, ("s1", "dismiss", "a.png b.png", None)) == Imported(dismissed=1)
    assert verdicts(library) == set()
    assert chosen(library, ("s1", "reject", "a.png b.png", None)) == Imported(rejected=1)
    assert dismissed(library) == set()
    assert chosen(library, ("s1", "accept", "a.png b.png", "a.png")) == Imported(accepted=1)
    assert {row[1] for row in verdicts(library)} == {"accepted"}


def test_what_is_not_there_any_more_is_stale_and_the_rest_is_taken(library: Decided) -> None:
    library.contents["gone"] = b"g" * 32
    result = chosen(
        library,
        ("s1", "accept", "a.png gone", "a.png"),
        ("s9", "dismiss", "gone", None),
        ("s2", "accept", "c.png d.png", "c.png"),
        ("s3", "accept", "e.png", "a.png"),
    )
    assert (result.accepted, len(result.stale), len(result.problems)) == (1, 2, 1)
    assert result.stale[0] == "choices[0]: the files of s1 are gone, changed or no set any more"
    assert "choices[3].keeper" in result.problems[0]


def test_a_set_that_went_because_of_the_import_is_no_news(library: Decided) -> None:
    choices = (
        ("s1", "accept", "a.png b.png", "a.png"),
        ("s2", "dismiss", "c.png d.png", None),
        ("s3", "reject", "e.png f.png", None),
    )
    chosen(library, *choices)
    library.write()
    assert chosen(library, *choices) == Imported(unchanged=3)
    assert len(chosen(library, ("s1", "reject", "a.png b.png", None)).stale) == 1


def test_of_equal_copies_another_one_can_be_kept(library: Decided) -> None:
    choice = ("s3", "accept", "e.png", "f.png")
    assert chosen(library, choice) == Imported(accepted=1)
    held = (key(library, "e.png"), "accepted", library.contents["e.png"])
    assert verdicts(library) == {(*held, library.asset("f.png"))}
    assert chosen(library, choice) == Imported(unchanged=1)
    assert chosen(library, ("s3", "accept", "e.png", "e.png")) == Imported(accepted=1)
    assert verdicts(library) == {(*held, library.asset("e.png"))}


def redecided(library: Decided) -> dict[str, tuple[str, str]]:
    """Verdict and kept file of each set, decided by what is in the database."""
    with library.database.frames() as frames:
        found = compute_decisions(frames, library.settings).decisions
    return {
        set_id: (verdict, keeper)
        for set_id, verdict, keeper in found.select("set_id", "verdict", "keeper_id").iter_rows()
    }


def test_the_next_decision_goes_by_what_was_said(library: Decided) -> None:
    before = redecided(library)
    (kept,) = {library.asset("e.png"), library.asset("f.png")} - {before["s3"][1]}
    name = "e.png" if kept == library.asset("e.png") else "f.png"
    chosen(library, ("s1", "reject", "a.png b.png", None), ("s3", "accept", "e.png", name))
    after = redecided(library)
    assert (after["s1"][0], after["s2"], after["s3"]) == ("keep", before["s2"], (before["s3"][0], kept))


def test_a_no_holds_although_contents_get_other_names_and_a_copy_comes(library: Decided) -> None:
    content, sha1 = library.contents["a.png"], b"1" * 20
    with library.database.connect() as connection:
        connection.execute("UPDATE content.file_hash SET sha1 = %s, sha256 = NULL WHERE sha256 = %s", (sha1, content))
    library.contents["a.png"] = sha1
    assert chosen(library, ("s1", "reject", "a.png b.png", None)) == Imported(rejected=1)
    assert redecided(library)["s1"][0] == "keep"
    library.contents["a.png"] = content
    with library.database.connect() as connection:
        connection.execute(
            "UPDATE content.file_hash SET sha256 = %s WHERE asset_id = %s", (content, library.asset("a.png"))
        )
    assert redecided(library)["s1"][0] == "keep"
    library.write(a_set("s1", library.file("a.png"), library.file("b.png"), library.file("c.png")))
    assert redecided(library)["s1"][0] == "review"


def test_a_file_that_contradicts_itself_keeps_what_is_most_careful(library: Decided) -> None:
    library.write(
        a_set("s1", library.file("a.png"), library.file("b.png")),
        a_set("s2", library.file("anna-a.png", same_as="a.png"), library.file("anna-b.png", same_as="b.png")),
    )
    names = "a.png b.png"
    choices = (("s1", "accept", names, "a.png"), ("s2", "reject", names, None))
    for counts in (Imported(rejected=1), Imported(unchanged=1)):
        result = chosen(library, *choices)
        assert result.problems == ("choices[0]: choices[1] says something else of the same contents, and that holds",)
        assert replace(result, problems=()) == counts
    assert chosen(library, *choices[:1]) == Imported(accepted=1)


def test_what_is_dismissed_in_a_file_is_not_taken_back_by_it(library: Decided) -> None:
    library.write(
        a_set("s1", library.file("a.png"), library.file("b.png"), library.file("c.png")),
        a_set("s2", library.file("anna-a.png", same_as="a.png"), library.file("anna-b.png", same_as="b.png")),
    )
    choices = (("s1", "accept", "a.png b.png c.png", "a.png"), ("s2", "dismiss", "a.png b.png", None))
    assert chosen(library, *choices) == Imported(accepted=1, dismissed=1)
    assert chosen(library, *choices) == Imported(unchanged=2)
    assert dismissed(library) == {pair(library, "a.png", "b.png")}


def test_a_review_holds_although_a_content_got_another_name_since(library: Decided) -> None:
    sha1 = b"1" * 20
    content = library.contents["a.png"]
    with library.database.connect() as connection:
        connection.execute("UPDATE content.file_hash SET sha1 = %s WHERE sha256 = %s", (sha1, content))
    library.contents["a.png"] = sha1
    choice = ("s1", "accept", "a.png b.png", None)
    assert chosen(library, choice) == Imported(accepted=1)
    library.contents["a.png"] = content
    assert {row[0] for row in verdicts(library)} == {key(library, "a.png", "b.png")}
    assert chosen(library, choice) == Imported(unchanged=1)


def many_sets(library: Decided, count: int) -> list[dict[str, Any]]:
    """Sets of two files that are only in the database, and a choice about each: yes, another one, no, no copies."""
    digests = [f"{number:064x}" for number in range(2 * count)]
    with library.database.connect() as connection:
        source = library.source_id
        connection.execute(
            "INSERT INTO library.asset (asset_id, source_id, owner, real_path, path, folder, name, extension, kind, format, size, "
            "mtime_ns, inode, device) SELECT md5(n::text)::uuid, %s, 'me', n::text::bytea, n::text, '', n::text, 'png', 'image', 'png', "
            "1, 1, n, 1 FROM generate_series(0, %s) n",
            (source, 2 * count - 1),
        )
        connection.execute(
            "INSERT INTO content.file_hash (asset_id, size, mtime_ns, code_version, sha256) "
            "SELECT md5(n::text)::uuid, 1, 1, '1', decode(lpad(to_hex(n), 64, '0'), 'hex') FROM generate_series(0, %s) n",
            (2 * count - 1,),
        )
        connection.execute(
            "INSERT INTO duplicates.decided_set (set_id, owner, unit_id, asset_id, class, confidence, diameter) "
            "SELECT 'many' || n / 2, 'me', md5(n::text), md5(n::text)::uuid, 'reencoded', 1, 0 FROM generate_series(0, %s) n",
            (2 * count - 1,),
        )
        ids = [row[0] for row in connection.execute(
            "SELECT md5(n::text)::uuid::text FROM generate_series(0, %s) n", (2 * count - 1,)
        ).fetchall()]  # fmt: skip
    said = ["accept", "accept", "reject", "dismiss"]
    return [
        {"set": f"many{n}", "choice": said[n % 4], "contents": digests[2 * n : 2 * n + 2], "keeper": ids[2 * n + 1] if n % 4 == 1 else None}
        for n in range(count)
    ]  # fmt: skip


def test_however_many_choices_are_a_few_statements(library: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    choices = many_sets(library, 2000)
    text = json.dumps(
        {
            "schema": "immich-pipeline/review",
            "version": 1,
            "plan": {"policy": "", "fingerprint": ""},
            "choices": choices,
        }
    )
    statements: list[str] = []
    run = Frames.read

    def counted(frames: Frames, query: str, *parameters: object) -> pl.DataFrame:
        statements.append(query)
        return run(frames, query, *parameters)

    monkeypatch.setattr(Frames, "read", counted)
    assert imported(library, text) == Imported(accepted=1000, rejected=500, dismissed=500)
    assert len(statements) < 30
    assert imported(library, text) == Imported(unchanged=2000)
    assert len(verdicts(library)) == 1500
    assert len(dismissed(library)) == 500


def report(library: Decided) -> tuple[Path, Path]:
    outcome = write_report(library.database, library.settings, "inputs", now=datetime(2024, 2, 3, tzinfo=UTC))
    return outcome.html, outcome.json


def test_the_json_plan_can_be_edited_by_hand(library: Decided) -> None:
    plan = json.loads(report(library)[1].read_text())
    by_id = {part["id"]: part for part in plan["sets"]}
    assert imported(library, json.dumps(plan)) == Imported(), "nothing was said"
    by_id["s1"] |= {"review": "accept", "keeper": library.asset("b.png")}
    by_id["s2"] |= {"review": "dismiss"}
    by_id["s3"] |= {"keeper": library.asset("f.png")}
    result = imported(library, "\ufeff" + json.dumps(plan))
    assert (result.accepted, result.dismissed, len(result.problems)) == (1, 1, 1)
    assert verdicts(library) == {
        (key(library, "a.png", "b.png"), "accepted", library.contents["b.png"], library.asset("b.png"))
    }
    by_id["s1"]["files"][0]["content"] = "00" * 32
    plan["sets"].append(by_id["s2"] | {"id": "unknown", "files": by_id["s3"]["files"], "keeper": library.asset("e.png"),
                                           "losers": [], "kept": []})  # fmt: skip
    del by_id["s3"]["keeper"]
    with pytest.raises(UserError, match=r"sets\[2\].keeper"):
        imported(library, json.dumps(plan))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not UTF-8"),
        (lambda path: path.write_text("x" * 101), "more than 100 bytes"),
        (lambda path: path.write_text("nonsense"), "nothing was taken"),
        (lambda path: path.write_text("[" * 100), "nothing was taken"),
        (lambda path: path.write_text('{"schema": "immich-pipeline/duplicates"}'), "schema_version"),
    ],
)
def test_what_is_no_review_file_is_refused(
    library: Decided, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], message: str
) -> None:
    monkeypatch.setattr(document, "MOST_BYTES", 100)
    monkeypatch.setattr(review_file, "MOST_BYTES", 100)
    path = library.photos.parent / "x.json"
    write(path)
    with pytest.raises(UserError, match=message):
        import_review(library.database, library.settings, path, "me")


@needs_chromium
@pytest.mark.xdist_group("chromium")
def test_from_the_page_through_the_file_into_the_tables(database: Database, tmp_path: Path) -> None:
    library = decided(database, tmp_path)
    name = "<script>document.title = 'x'<img src=x onerror=alert(1)>.png"
    library.write(
        a_set("s1", library.file(name), library.file("b.png"), reclaimable_bytes=3000),
        a_set("s2", library.file("c.png"), library.file("d.png"), verdict="review", reclaimable_bytes=2000),
        a_set("s3", library.file("e.png"), library.file("f.png"), reclaimable_bytes=1000),
        a_set("s4", library.file("g.png"), library.file("h.png", same_as="g.png"), reclaimable_bytes=500),
    )
    html, _ = report(library)
    with browsing(tmp_path / "profile") as browser:
        browser.open(html)
        for key_pressed in "jajsjdjs":
            browser.press(key_pressed)
        assert browser.run("document.querySelector('h3').textContent") == name
        assert browser.run("document.querySelector('img').decode().then(() => true)") is True
        saved = browser.download("#download", tmp_path)
        assert browser.complaints() == []
    assert import_review(library.database, library.settings, saved, "me") == Imported(accepted=3, dismissed=1)
    assert verdicts(library) == {
        (key(library, name, "b.png"), "accepted", library.contents[name], library.asset(name)),
        (key(library, "c.png", "d.png"), "accepted", library.contents["d.png"], library.asset("d.png")),
        (key(library, "g.png"), "accepted", library.contents["g.png"], library.asset("h.png")),
    }
    assert dismissed(library) == {pair(library, "e.png", "f.png")}

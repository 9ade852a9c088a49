import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from immich_pipeline import cli
from immich_pipeline.actions import kinds
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.shelf import fill, labels, relabel
from immich_pipeline_tests.actions.test_apply import library

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(kinds, "_MODULES", {"labels": ("immich_pipeline_tests.actions.a_kind", "LABELS")})
    monkeypatch.setenv("PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(home))
    monkeypatch.setenv("LOGNAME", "anna")
    monkeypatch.delenv("IMMICH_PIPELINE_CONFIG", raising=False)
    monkeypatch.setattr(cli, "speak_on_stderr", lambda: None)
    library(database, 100)
    fill(database, ["a", "b", "c", "d"])
    return lambda *arguments: CliRunner().invoke(cli.main, arguments)


def planned(run: Run) -> tuple[str, list[str]]:
    document = json.loads(run("plan", "labels", "--json").output)
    return document["plan_id"], [action["action_id"] for action in document["actions"]]


def run_of(result: Result) -> str:
    found = re.search(r"run (\w+):", result.output)
    assert found, result.output
    return found[1]


def test_plan_shows_what_would_be_done_and_does_nothing(run: Run, database: Database) -> None:
    before = labels(database)
    shown = run("plan", "labels")
    assert shown.exit_code == 0
    assert "4 actions on 4 assets, relabel 4" in shown.output
    assert "next: 'immich-pipeline approve" in shown.output
    assert labels(database) == before
    assert planned(run)[0] in run("plans").output


def test_from_plan_to_undo(run: Run, database: Database) -> None:
    before = labels(database)
    plan_id, ids = planned(run)
    assert "4 waiting" in run("apply", plan_id).output
    assert run("approve", plan_id, ids[0][:8]).output == "1 actions approved\n"
    assert "approved" in run("plan", "labels").output
    applied = run("apply", plan_id[:14])
    assert (applied.exit_code, "1 done, 3 waiting" in applied.output) == (0, True)
    assert run("approve", plan_id, "--all").exit_code == 0
    assert run("approve", plan_id, ids[3], "--reject").exit_code == 0
    second = run("apply", plan_id)
    assert "2 done, 1 already, 1 rejected" in second.output
    assert "1 already, 1 rejected" not in run("plans").output
    undone = run("undo", "--run", run_of(second))
    assert (undone.exit_code, "2 undone" in undone.output) == (0, True)
    assert "1 undone, 2 already" in run("undo", plan_id).output
    assert labels(database) == before
    refused = run("apply", plan_id)
    assert (refused.exit_code, "--again" in refused.output) == (2, True)
    assert "3 done" in run("apply", plan_id, "--again").output


def test_the_brakes_stop_it_until_a_person_says_so(run: Run, database: Database) -> None:
    plan_id, _ = planned(run)
    run("approve", plan_id, "--all")
    stopped = run("apply", plan_id)
    assert stopped.exit_code == 2
    assert "--yes-over-brake" in stopped.output
    assert "stopped" in run("plans").output
    assert "4 done" in run("apply", plan_id, "--yes-over-brake").output


def test_what_is_not_all_well_ends_with_one(run: Run, database: Database) -> None:
    plan_id, ids = planned(run)
    run("approve", plan_id, *ids[:2])
    relabel(database, "b", "somebody's")
    applied = run("apply", plan_id)
    assert (applied.exit_code, "b is somebody's by now" in applied.output) == (1, True)
    relabel(database, "a", "somebody's")
    undone = run("undo", plan_id)
    assert (undone.exit_code, "somebody made a somebody's" in undone.output) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "nonsense"),
        ("apply", "nonsense"),
        ("undo", "nonsense"),
        ("undo", "--run", "nonsense"),
        ("undo",),
        ("undo", "some", "--run", "some"),
        ("approve", "nonsense"),
        ("approve", "nonsense", "--all"),
        ("approve", "nonsense", "some", "--all"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_line_and_ends_with_two(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


def test_who_has_no_name_is_called_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr(cli.getpass, "getuser", unknown)
    assert cli._person() == f"user {os.getuid()}"


def test_a_choice_is_remembered_and_taken_back(run: Run, database: Database) -> None:
    with database.connect() as connection:
        pair = [str(row[0]) for row in connection.execute("SELECT asset_id FROM library.asset LIMIT 2")]
    assert "remembered" in run("choose", "not-together", *pair).output
    with database.connect() as connection:
        held = connection.execute("SELECT kind, active, made_by FROM captures.constraint_choice").fetchall()
    assert held == [("not_together", True, "anna")]
    assert "taken back" in run("choose", "not-together", *reversed(pair), "--take-back").output
    assert "no such choice" in run("choose", "not-together", *pair, "--take-back").output
    refused = run("choose", "set-primary", *pair)
    assert refused.exit_code == 2
    assert "needs one asset" in refused.output


def test_what_stands_out_about_captures_is_listed(run: Run, database: Database) -> None:
    assert run("noticed").output == "nothing\n"
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO captures.finding SELECT asset_id, 'RAW without a JPEG', '' FROM library.asset WHERE path IN ('7', '8')"
        )
    lines = run("noticed").output.splitlines()
    assert [line.split() for line in lines] == [
        ["finding", "path", "detail"],
        *([*["RAW", "without", "a", "JPEG"], n] for n in "78"),
    ]

"""The small parts: brakes, patience, what a reader sees, the kinds."""

import json
from typing import Any

import polars as pl
import pytest

from immich_pipeline.actions import engine, kinds
from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.model import Action, Kind
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.shelf import OPEN, Shelf, fill, pairs, plan_of


@pytest.mark.parametrize(
    ("touched", "library", "stops"),
    [(0, 0, False), (50, 1000, False), (51, 1000, True), (1000, 100_000, False), (1001, 100_000, True), (1, 0, True)],
)
def test_brakes_hold_by_share_and_by_number(touched: int, library: int, stops: bool) -> None:
    assert (Brakes().stop(touched, library) is not None) == stops
    assert Brakes().released().stop(touched, library) is None


def test_markdown_shows_numbers_and_the_first_actions_and_nothing_is_markup() -> None:
    wild = Action("make_it", "anna", ("a",), {}, {}, "<img src=x>|[link](y)\nnext `line` " + "long " * 50)
    text = engine.as_markdown(plan_of([*pairs(60), wild]))
    assert "61 actions, 121 assets (make it 1, relabel 60)" in text
    assert "and 11 more" in text
    assert text.count("\n| relabel | anna | 2 |") + text.count("\n| make\\_it | anna | 1 |") == 50
    shown = engine.as_markdown(plan_of([wild])).splitlines()[-1]
    assert "\\<img src=x\\>\\|\\[link\\](y) next \\`line\\`" in shown
    assert shown.endswith("… |")
    assert engine.as_markdown(plan_of([])).count("\n") == 0


def test_json_holds_the_whole_plan() -> None:
    plan = plan_of(pairs(60))
    document = json.loads(engine.as_json(plan))
    assert document["plan_id"] == plan.plan_id
    assert [action["subjects"] for action in document["actions"]] == [list(action.subjects) for action in plan.actions]
    assert document["actions"][0]["action_id"] == plan.actions[0].action_id("labels")


def test_the_table_shows_verdicts_and_what_became_of_it(database: Database) -> None:
    fill(database, ["a0", "b0"])
    plan = engine.save_plan(database, plan_of(pairs(60)))
    engine.review(database, plan.plan_id, [plan.actions[1].action_id("labels")], "rejected", "anna")
    engine.apply_plan(database, plan.plan_id, Shelf(database.url), brakes=OPEN, run_id="run")
    frame = engine.plan_frame(database, plan.plan_id)
    lines = engine.as_table(frame).splitlines()
    assert lines[0].split() == ["action", "operation", "assets", "review", "outcome", "reason"]
    assert lines[1].split()[1:5] == ["relabel", "2", "open", "done"]
    assert lines[2].split()[3] == "rejected"
    assert lines[-1] == "and 10 more"
    assert engine.as_table(frame.head(2)).count("\n") == 2
    assert isinstance(frame, pl.DataFrame)


def test_an_unknown_kind_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="no kind of plan named nonsense; there are: stacks"):
        kinds.kind_of("nonsense")


@pytest.mark.parametrize("name", ["stacks", "duplicates", "sharing:anna-to-ben"])
def test_every_kind_is_there(name: str) -> None:
    kind = kinds.kind_of(name)
    assert isinstance(kind, Kind)
    assert kind.name == name
    assert name.partition(":")[0] in kinds.KINDS


def test_there_is_a_kind_for_each_job() -> None:
    job = {"source_user": "a", "target_user": "b", "target_library": "l", "source_prefix": "/a", "target_prefix": "/b"}
    jobs = [job | {"name": "one"}, job | {"name": "two"}]
    settings = Settings.model_validate({"sharing": {"database_url": "x", "jobs": jobs}})
    assert kinds.names_of("sharing", settings) == ["sharing:one", "sharing:two"]
    assert kinds.names_of("sharing", settings, "two") == ["sharing:two"]
    assert kinds.names_of("stacks", settings) == ["stacks"]
    with pytest.raises(UserError, match="not made by jobs"):
        kinds.names_of("stacks", settings, "one")
    with pytest.raises(UserError, match="no kind of plan named sharing;"):
        kinds.kind_of("sharing")


def test_something_else_is_no_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    table: dict[str, Any] = {"odd": ("immich_pipeline.actions.kinds", "KINDS")}
    monkeypatch.setattr(kinds, "_MODULES", table)
    with pytest.raises(TypeError, match="is no kind"):
        kinds.kind_of("odd")

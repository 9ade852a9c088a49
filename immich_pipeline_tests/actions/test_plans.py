import random
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from immich_pipeline.actions import engine
from immich_pipeline.actions.model import Action, Plan
from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.shelf import OPEN, Shelf, fill, names_of, pairs, plan_of, relabelling, rows


def status(database: Database, plan: Plan) -> str:
    return engine.load_plan(database, plan.plan_id).status


def test_the_id_of_a_plan_does_not_depend_on_the_order_of_its_actions() -> None:
    actions, plans = pairs(20), []
    for seed in range(5):
        random.Random(seed).shuffle(actions)
        plans.append(plan_of(actions))
    assert all(plan == plans[0] for plan in plans)


@pytest.mark.parametrize(
    "other",
    [
        Plan.of("other", "auto", "policy", "inputs", pairs(2)),
        Plan.of("labels", "approve", "policy", "inputs", pairs(2)),
        Plan.of("labels", "auto", "other", "inputs", pairs(2)),
        Plan.of("labels", "auto", "policy", "other", pairs(2)),
        Plan.of("labels", "auto", "policy", "inputs", pairs(3)),
    ],
)
def test_anything_else_about_it_makes_another_plan(other: Plan) -> None:
    assert other.plan_id != plan_of(pairs(2)).plan_id


def test_the_wording_of_a_reason_is_no_part_of_an_action() -> None:
    action = relabelling("a")
    reworded = Action(action.operation, action.owner_id, action.subjects, action.payload, action.preconditions, "x", 3)
    assert reworded.action_id("labels") == action.action_id("labels")
    assert reworded.action_id("labels") != action.action_id("other")


def test_a_lower_phase_comes_first() -> None:
    late, early = relabelling("a"), relabelling("b")
    late = Action(late.operation, late.owner_id, late.subjects, late.payload, late.preconditions, "late", phase=1)
    assert [action.subjects for action in plan_of([late, early]).actions] == [("b",), ("a",)]


@pytest.mark.parametrize(
    ("actions", "error"),
    [
        ([relabelling("a"), relabelling("a")], ValueError),
        ([Action("x", "anna", (), {}, {}, "")], ValueError),
        ([Action("x", "anna", ("a",), {"key": SecretStr("s3cret")}, {}, "")], TypeError),
        ([Action("x", "anna", ("a",), {}, {"at": float("nan")}, "")], ValueError),
    ],
)
def test_what_cannot_be_a_plan_is_refused(actions: list[Action], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        plan_of(actions)
    assert "s3cret" not in str(raised.value)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode"):
        Plan.of("labels", "always", "", "", [])  # type: ignore[arg-type]


def test_a_plan_comes_back_as_it_was_saved(database: Database) -> None:
    awkward = Action("x", "anna", ("a", "b"), {"text": "NUL \0 \ud800 ü", "list": (1, [None])}, {}, "because | `why`")
    plan = plan_of([*pairs(3), awkward])
    engine.save_plan(database, plan)
    saved = engine.load_plan(database, plan.plan_id[:12])
    assert saved.plan == plan
    assert (saved.status, set(saved.reviews.values())) == ("open", {"open"})
    assert saved.plan.summary == {"relabel": 3, "x": 1}
    assert list(saved.keyed.values()) == list(plan.actions)


def test_the_same_plan_saved_twice_is_one_row(database: Database) -> None:
    fill(database, [])
    engine.save_plan(database, plan_of(pairs(5)))
    before = rows(database)
    engine.save_plan(database, plan_of(reversed(pairs(5))))
    assert rows(database) == before
    assert len(before["actions.plan"]) == 1


@pytest.mark.parametrize("plan_id", ["", "labels-none", "labels"])
def test_a_plan_that_is_not_meant_is_not_found(database: Database, plan_id: str) -> None:
    engine.save_plan(database, plan_of(pairs(1)))
    engine.save_plan(database, plan_of(pairs(2)))
    with pytest.raises(UserError, match="plan"):
        engine.load_plan(database, plan_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE actions.journal SET event = 'failed'",
        "DELETE FROM actions.journal",
        "TRUNCATE actions.journal",
        "DELETE FROM actions.plan_action",
        "TRUNCATE actions.plan CASCADE",
        "UPDATE actions.plan SET mode = 'plan'",
        "UPDATE actions.plan_action SET payload = '{}'",
    ],
)
def test_what_was_planned_and_done_stays_written(database: Database, statement: Any) -> None:
    fill(database, names_of(pairs(1)))
    plan = engine.save_plan(database, plan_of(pairs(1)))
    engine.apply_plan(database, plan.plan_id, Shelf(database.url), brakes=OPEN, run_id="one")
    before = rows(database)
    with (
        pytest.raises(psycopg.errors.RaiseException, match=r"stays"),
        database.connect() as connection,
    ):
        connection.execute(statement)
    assert rows(database) == before


def test_a_newer_plan_supersedes_one_that_nobody_began(database: Database) -> None:
    first = engine.save_plan(database, plan_of(pairs(1)))
    second = engine.save_plan(database, plan_of(pairs(2)))
    assert (status(database, first), status(database, second)) == ("superseded", "open")
    with pytest.raises(UserError, match="newer plan"):
        engine.apply_plan(database, first.plan_id, Shelf(database.url), brakes=OPEN, run_id="one")
    with pytest.raises(UserError, match="newer plan"):
        engine.review(database, first.plan_id, None, "approved", "anna")
    engine.save_plan(database, first)
    assert (status(database, first), status(database, second)) == ("open", "superseded")


def test_a_plan_that_was_begun_and_one_of_another_kind_are_not_superseded(database: Database) -> None:
    fill(database, ["a0", "b0"])
    begun = engine.save_plan(database, plan_of(pairs(1)))
    engine.apply_plan(database, begun.plan_id, Shelf(database.url), brakes=OPEN, run_id="one")
    other = engine.save_plan(database, Plan.of("other", "auto", "", "", pairs(1)))
    engine.save_plan(database, plan_of(pairs(2)))
    assert (status(database, begun), status(database, other)) == ("applied", "open")


def test_an_empty_plan_is_applied_from_the_start(database: Database) -> None:
    first = engine.save_plan(database, plan_of(pairs(1)))
    empty = engine.save_plan(database, plan_of([], mode="plan"))
    assert (status(database, first), status(database, empty)) == ("superseded", "applied")
    applied = engine.apply_plan(database, empty.plan_id, Shelf(database.url), brakes=OPEN, run_id="one")
    assert (applied.status, applied.calls) == ("applied", 0)


def test_verdicts_hold_in_the_next_plan(database: Database) -> None:
    first = engine.save_plan(database, plan_of(pairs(3), "approve"))
    ids = [action.action_id("labels") for action in first.actions]
    assert engine.review(database, first.plan_id, [ids[0][:8]], "approved", "anna") == 1
    assert engine.review(database, first.plan_id, [ids[1]], "rejected", "bert") == 1
    assert engine.review(database, first.plan_id, [ids[1]], "rejected", "bert") == 0
    second = engine.save_plan(database, plan_of(pairs(4), "approve"))
    frame = engine.plan_frame(database, second.plan_id)
    assert frame["review"].to_list() == ["approved", "rejected", "open", "open"]
    assert frame["reviewed_by"].to_list() == ["anna", "bert", None, None]


def test_an_approval_is_used_up_when_the_action_is_done(database: Database) -> None:
    fill(database, ["a0", "b0"])
    first = engine.save_plan(database, plan_of(pairs(1), "approve"))
    engine.review(database, first.plan_id, None, "approved", "anna")
    engine.apply_plan(database, first.plan_id, Shelf(database.url), brakes=OPEN, run_id="one")
    second = engine.save_plan(database, plan_of(pairs(1), "approve", inputs="later"))
    assert engine.plan_frame(database, second.plan_id)["review"].to_list() == ["open"]
    assert engine.review(database, first.plan_id, None, "rejected", "anna") == 0, "what is done stays as it was judged"


def test_only_actions_of_the_plan_are_reviewed(database: Database) -> None:
    plan = engine.save_plan(database, plan_of(pairs(3)))
    for text in ("", "zz"):
        with pytest.raises(UserError, match="action"):
            engine.review(database, plan.plan_id, [text], "approved", "anna")


def test_plans_are_listed_the_newest_first(database: Database) -> None:
    first, second = (engine.save_plan(database, plan_of(pairs(count))) for count in (1, 2))
    engine.review(database, second.plan_id, None, "rejected", "anna")
    frame = engine.plans_frame(database)
    assert frame["plan_id"].to_list() == [second.plan_id, first.plan_id]
    assert frame.select("actions", "approved", "rejected", "done").row(0) == (2, 0, 2, 0)
    assert engine.plans_frame(database, "other").height == 0
    assert "superseded" in engine.plans_as_table(frame)

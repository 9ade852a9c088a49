from typing import Any

import pytest

from immich_pipeline.actions import engine
from immich_pipeline.actions.model import Action, Plan
from immich_pipeline.errors import UserError
from immich_pipeline.immich.errors import Unreachable
from immich_pipeline.progress import Progress
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import Busy, open_journal
from immich_pipeline_tests.actions.shelf import (
    KIND,
    Shelf,
    check_agreement,
    events,
    fill,
    journal,
    labels,
    names_of,
    pairs,
    plan_of,
    relabel,
    rows,
)
from immich_pipeline_tests.actions.test_apply import apply, failing, save


def undo(database: Database, plan: Plan, shelf: Shelf | None = None, **more: Any) -> engine.Undone:
    options = {"plan_id": plan.plan_id, "run_id": "undo"} | more
    return engine.undo(database, shelf or Shelf(database.url), **options)


def status(database: Database, plan: Plan) -> str:
    return engine.load_plan(database, plan.plan_id).status


def test_undo_restores_exactly_the_last_change_first(database: Database) -> None:
    plan, progress = save(database, pairs(3)), Progress("undoing", 3, "actions")
    before = labels(database)
    apply(database, plan)
    undone = undo(database, plan, progress=progress)
    assert (undone.undone, undone.calls, progress.done) == (3, 3, 3)
    assert labels(database) == before
    assert [subject for subject, event in journal(database) if event == "undone"] == ["a2", "a1", "a0"]
    assert status(database, plan) == "undone"
    check_agreement(database, done="undone")


def test_undoing_twice_writes_nothing_and_calls_nothing(database: Database) -> None:
    plan = save(database, pairs(3))
    apply(database, plan)
    undo(database, plan)
    before = rows(database)
    undone = undo(database, plan)
    assert (undone.undone, undone.already, undone.calls) == (0, 3, 0)
    assert rows(database) == before


def test_what_was_never_begun_needs_no_undo(database: Database) -> None:
    plan = save(database, pairs(2))
    before = rows(database)
    assert undo(database, plan) == engine.Undone("undo")
    assert rows(database) == before


def test_what_somebody_else_has_changed_since_is_left_alone(database: Database) -> None:
    plan = save(database, pairs(3))
    apply(database, plan)
    relabel(database, "b1", "somebody's")
    undone = undo(database, plan)
    assert (undone.undone, undone.refused, undone.calls) == (2, 1, 2)
    assert undone.problems[0][1] == "somebody made b1 somebody's"
    shown = labels(database)
    assert (shown["a1"], shown["b1"]) == ("new a1", "somebody's")
    before = rows(database)
    assert undo(database, plan).refused == 1
    assert rows(database) == before, "refused for the same reason as before"
    relabel(database, "b1", "new b1")
    assert undo(database, plan).undone == 1
    assert labels(database)["b1"] == "old b1"


def test_what_was_so_before_us_stays_so(database: Database) -> None:
    plan = save(database, pairs(2))
    relabel(database, "a0", "new a0")
    relabel(database, "b0", "new b0")
    apply(database, plan)
    undone = undo(database, plan)
    assert (undone.undone, undone.calls) == (2, 1)
    assert labels(database) == {"a0": "new a0", "b0": "new b0", "a1": "old a1", "b1": "old b1"}


def test_what_somebody_has_put_back_needs_no_call(database: Database) -> None:
    plan = save(database, pairs(1))
    apply(database, plan)
    relabel(database, "a0", "old a0")
    relabel(database, "b0", "old b0")
    undone = undo(database, plan)
    assert (undone.undone, undone.calls) == (1, 0)


def test_only_one_run_is_undone(database: Database) -> None:
    plan = save(database, pairs(3), "approve")
    for number, action in enumerate(plan.actions):
        engine.review(database, plan.plan_id, [action.action_id(KIND)], "approved", "anna")
        apply(database, plan, run_id=f"run {number}")
    undone = undo(database, plan, plan_id=None, of_run="run 1")
    assert undone.undone == 1
    assert {name: label for name, label in labels(database).items() if label.startswith("old")}.keys() == {"a1", "b1"}
    assert status(database, plan) == "partly"
    for run in ("run 0", "run 2"):
        undo(database, plan, plan_id=None, of_run=run)
    assert status(database, plan) == "undone"


def test_a_run_over_two_plans_is_undone_backwards(database: Database) -> None:
    fill(database, names_of(pairs(2)))
    before = labels(database)
    for count in (1, 2):
        plan = engine.save_plan(database, plan_of(pairs(count)))
        apply(database, plan, run_id="both")
    assert engine.kinds_of(database, of_run="both") == [KIND]
    assert undo(database, plan, plan_id=None, of_run="both").undone == 3
    assert labels(database) == before


def test_what_was_undone_is_not_applied_again_unless_a_person_says_so(database: Database) -> None:
    plan = save(database, pairs(2))
    apply(database, plan)
    undo(database, plan)
    engine.save_plan(database, plan)
    with pytest.raises(UserError, match="--again"):
        apply(database, plan)
    applied = apply(database, plan, again=True)
    assert (applied.done, applied.status) == (2, "applied")
    assert undo(database, plan).undone == 2
    check_agreement(database, done="undone")


def test_what_one_run_undid_is_held_when_the_rest_is_applied(database: Database) -> None:
    plan = save(database, pairs(2))
    apply(database, plan, Shelf(database.url, failing(Unreachable("cut"), "before", "a1")), run_id="one")
    assert apply(database, plan, run_id="two").done == 1
    undo(database, plan, plan_id=None, of_run="one")
    applied = apply(database, plan)
    assert (applied.held, applied.already, applied.status) == (1, 1, "partly")


@pytest.mark.parametrize("moment", ["read", "before", "between"])
def test_an_undo_that_fails_is_tried_again_and_leaves_the_rest_alone(database: Database, moment: str) -> None:
    plan = save(database, pairs(3))
    before = labels(database)
    apply(database, plan)
    undone = undo(database, plan, Shelf(database.url, failing(Unreachable("cut"), moment, "a1")))
    assert (undone.undone, undone.failed) == (2, 1)
    undone = undo(database, plan)
    assert (undone.undone, undone.already) == (1, 2)
    assert labels(database) == before


def test_an_undo_whose_answer_got_lost_is_done(database: Database) -> None:
    plan = save(database, pairs(1))
    apply(database, plan)
    assert undo(database, plan, Shelf(database.url, failing(Unreachable("cut"), "after"))).undone == 1


def test_an_undo_that_has_no_effect_is_found_out_and_holds_its_action(database: Database) -> None:
    class Lazy(Shelf):
        def undo(self, action: Action, before: Any, made: Any, now: Any) -> None:
            return None

    plan = save(database, pairs(1))
    apply(database, plan)
    undone = undo(database, plan, Lazy(database.url))
    assert (undone.failed, undone.problems[0][1]) == (1, "the server has not put it back")
    assert apply(database, plan, again=True).held == 1


def test_an_undo_during_which_the_server_goes_away_is_unclear_until_the_next(database: Database) -> None:
    class Leaving(Shelf):
        def undo(self, action: Action, before: Any, made: Any, now: Any) -> None:
            self.trouble = failing(Unreachable("gone"), "read")

    plan = save(database, pairs(1))
    apply(database, plan)
    assert undo(database, plan, Leaving(database.url)).failed == 1
    assert events(database)[-1] == "undo_failed"
    assert undo(database, plan).undone == 1


def test_an_owner_whose_undos_all_fail_alike_is_left_alone(database: Database) -> None:
    plan = save(database, pairs(7))
    apply(database, plan)
    undone = undo(database, plan, Shelf(database.url, failing(Unreachable("gone"), "before")))
    assert (undone.failed, undone.held, set(undone.stopped_owners)) == (5, 2, {"anna"})
    assert undo(database, plan).undone == 7


def test_what_was_done_in_half_is_undone_too(database: Database) -> None:
    plan = save(database, pairs(2))
    before = labels(database)
    apply(database, plan, Shelf(database.url, failing(Unreachable("cut"), "between", "a1")))
    assert labels(database)["a1"] == "new a1"
    assert undo(database, plan).undone == 2
    assert labels(database) == before


def test_what_failed_without_effect_is_not_touched(database: Database) -> None:
    plan = save(database, pairs(1))
    apply(database, plan, Shelf(database.url, failing(Unreachable("cut"), "before")))
    relabel(database, "a0", "somebody's")
    before = rows(database)
    assert undo(database, plan) == engine.Undone("undo")
    assert rows(database) == before


def test_an_undo_does_not_run_beside_another(database: Database) -> None:
    plan = save(database, pairs(1))
    with open_journal(database, KIND, "first"), pytest.raises(Busy):
        undo(database, plan)


def test_a_run_or_plan_that_is_not_there_is_said_to_be_none(database: Database) -> None:
    plan = save(database, pairs(1))
    with pytest.raises(UserError, match="no run nonsense"):
        undo(database, plan, plan_id=None, of_run="nonsense")
    with pytest.raises(UserError, match="no plan nonsense"):
        undo(database, plan, plan_id="nonsense")
    with pytest.raises(ValueError, match="name a plan or a run"):
        undo(database, plan, plan_id=None)
    with pytest.raises(ValueError, match="executor of other"):
        undo(database, plan, Shelf(database.url, kind="other"))

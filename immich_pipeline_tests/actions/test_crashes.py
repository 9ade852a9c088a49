"""Broken off anywhere, by whatever: the next run ends where an undisturbed one would."""

import json
import multiprocessing
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from immich_pipeline.actions import engine
from immich_pipeline.actions.model import Plan
from immich_pipeline.immich.errors import ApiError, Unreachable
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import Journal
from immich_pipeline_tests.actions.shelf import (
    OPEN,
    Crash,
    Fuse,
    Shelf,
    at_random,
    check_agreement,
    events,
    fill,
    labels,
    plan_of,
    relabelling,
    rows,
)
from immich_pipeline_tests.thorough import THOROUGH, times

pytestmark = pytest.mark.unmeasured
ROUNDS = times(8, 25)
ACTIONS, STEPS = 3, 2 + 4 + 2  # of a plan; of an action: entry begun, two statements, entry done
# usually each step of an action once, of the first, second and third in turn; on request each of all actions
PLACES = [STEPS * (step % ACTIONS) + step + 1 for step in range(STEPS)]
AT = range(1, ACTIONS * STEPS + 1) if THOROUGH else PLACES
Work = Callable[[Database, str, Shelf], None]


def do_apply(database: Database, plan_id: str, shelf: Shelf) -> None:
    engine.apply_plan(database, plan_id, shelf, brakes=OPEN, run_id="run")


def do_undo(database: Database, plan_id: str, shelf: Shelf) -> None:
    engine.undo(database, shelf, plan_id=plan_id, run_id="undo")


class Rounds:
    """A fresh plan of three actions, of things that no other round has, each time."""

    def __init__(self, database: Database, rounds: int) -> None:
        self.database = database
        fill(database, [name for number in range(rounds) for name in self.names(number)])
        self.before = labels(database)

    @staticmethod
    def names(number: int) -> list[str]:
        return [f"{letter}{number}" for letter in "abcdef"]

    def plan(self, number: int) -> Plan:
        names = self.names(number)
        actions = [relabelling(*names[place : place + 2]) for place in (0, 2, 4)]
        return engine.save_plan(self.database, plan_of(actions))

    def check(self, number: int, plan: Plan, *, undone: bool) -> None:
        """The server shows what was wanted, the journal says so, and another run has nothing to do."""
        shown = {name: labels(self.database)[name] for name in self.names(number)}
        assert shown == {name: self.before[name] if undone else f"new {name}" for name in self.names(number)}
        frame = engine.plan_frame(self.database, plan.plan_id)
        assert frame["outcome"].to_list() == ["undone" if undone else "done"] * 3
        before, shelf = rows(self.database), Shelf(self.database.url)
        (do_undo if undone else do_apply)(self.database, plan.plan_id, shelf)
        assert shelf.calls == 0
        assert rows(self.database) == before


@pytest.fixture
def fuse(monkeypatch: pytest.MonkeyPatch) -> Fuse:
    """Steps before and after each entry of the journal."""
    fuse, write = Fuse(), Journal.write

    def stepping(journal: Journal, *args: Any, **options: Any) -> None:
        fuse.step()
        write(journal, *args, **options)
        fuse.step()

    monkeypatch.setattr(Journal, "write", stepping)
    return fuse


def steps_of(fuse: Fuse, work: Work, database: Database, plan: Plan) -> int:
    fuse.at = fuse.steps = 0
    work(database, plan.plan_id, Shelf(database.url, fuse=fuse))
    return fuse.steps


def crash(fuse: Fuse, at: int, work: Work, database: Database, plan: Plan) -> bool:
    """Whether there was a step at which it could crash."""
    fuse.at, fuse.steps = at, 0
    try:
        work(database, plan.plan_id, Shelf(database.url, fuse=fuse))
    except Crash:
        return True
    finally:
        fuse.at = 0
    return False


def test_a_crash_at_any_step_of_applying_and_then_of_the_repair_changes_nothing_in_the_end(
    database: Database, fuse: Fuse
) -> None:
    rounds, dice = Rounds(database, 30), random.Random(1)
    plan = rounds.plan(0)
    steps = steps_of(fuse, do_apply, database, plan)
    assert steps == ACTIONS * STEPS
    for number in AT:
        plan = rounds.plan(number)
        assert crash(fuse, number, do_apply, database, plan)
        crash(fuse, dice.randint(1, 8), do_apply, database, plan)
        do_apply(database, plan.plan_id, Shelf(database.url))
        rounds.check(number, plan, undone=False)
        do_undo(database, plan.plan_id, Shelf(database.url))
        rounds.check(number, plan, undone=True)


def test_a_crash_at_any_step_of_undoing_and_then_of_the_repair_changes_nothing_in_the_end(
    database: Database, fuse: Fuse
) -> None:
    rounds, dice = Rounds(database, 30), random.Random(2)
    plan = rounds.plan(0)
    do_apply(database, plan.plan_id, Shelf(database.url))
    steps = steps_of(fuse, do_undo, database, plan)
    assert steps == ACTIONS * STEPS
    for number in AT:
        plan = rounds.plan(number)
        do_apply(database, plan.plan_id, Shelf(database.url))
        assert crash(fuse, number, do_undo, database, plan)
        crash(fuse, dice.randint(1, 8), do_undo, database, plan)
        do_undo(database, plan.plan_id, Shelf(database.url))
        rounds.check(number, plan, undone=True)


def test_a_crash_while_applying_is_undone_exactly(database: Database, fuse: Fuse) -> None:
    rounds = Rounds(database, 30)
    for number in AT:
        plan = rounds.plan(number)
        assert crash(fuse, number, do_apply, database, plan)
        do_undo(database, plan.plan_id, Shelf(database.url))
        assert labels(database) == rounds.before
        assert set(engine.plan_frame(database, plan.plan_id)["outcome"].to_list()) <= {None, "undone", "failed"}


def test_what_an_older_plan_left_unclear_is_settled_before_the_next_is_applied(database: Database, fuse: Fuse) -> None:
    rounds = Rounds(database, 30)
    for number in range(1, 9):
        broken = rounds.plan(number)
        assert crash(fuse, number, do_apply, database, broken)
        newer = rounds.plan(number + 10)
        do_apply(database, newer.plan_id, Shelf(database.url))
        shown, frame = labels(database), engine.plan_frame(database, broken.plan_id)
        for subjects, outcome in frame.select("subjects", "outcome").iter_rows():
            is_new = all(shown[name] == f"new {name}" for name in json.loads(subjects))
            assert (outcome == "done") == is_new
            assert outcome != "begun"
        do_undo(database, broken.plan_id, Shelf(database.url))
        assert all(labels(database)[name] == rounds.before[name] for name in rounds.names(number))


def in_child(url: str, plan_id: str, undoing: bool, began: Any) -> None:
    began.set()
    (do_undo if undoing else do_apply)(Database(url), plan_id, Shelf(url, pause=0.02))


@pytest.mark.parametrize("undoing", [False, True])
def test_a_process_killed_at_any_moment_changes_nothing_in_the_end(database: Database, undoing: bool) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    rounds, dice, killed, unfinished = Rounds(database, ROUNDS), random.Random(3), 0, 0
    for number in range(ROUNDS):
        plan, began = rounds.plan(number), context.Event()
        if undoing:
            do_apply(database, plan.plan_id, Shelf(database.url))
        child = context.Process(target=in_child, args=(database.url, plan.plan_id, undoing, began))
        child.start()
        assert began.wait(60)
        time.sleep(dice.uniform(0, 0.2))
        child.kill()
        child.join()
        assert child.exitcode in {0, -9}
        killed += child.exitcode == -9
        last = engine.plan_frame(database, plan.plan_id)["outcome"].to_list()
        unfinished += last != ["undone" if undoing else "done"] * 3
        (do_undo if undoing else do_apply)(database, plan.plan_id, Shelf(database.url))
        rounds.check(number, plan, undone=undoing)
        child.close()
    assert min(killed, unfinished) >= ROUNDS // 2, (killed, unfinished)
    check_agreement(database, done="undone" if undoing else "done")


@pytest.mark.parametrize("make", [lambda: ApiError("PUT /labels", 500, "oh"), lambda: Unreachable("cut")])
def test_a_server_that_fails_now_and_then_is_caught_up_with(database: Database, make: Callable[[], Exception]) -> None:
    rounds, dice = Rounds(database, ROUNDS), random.Random(4)
    for number in range(ROUNDS):
        plan = rounds.plan(number)
        for work, undone in ((do_apply, False), (do_undo, True)):
            for _ in range(dice.randint(1, 3)):
                work(database, plan.plan_id, Shelf(database.url, at_random(dice, 0.2, make)))
                if not undone and dice.random() < 0.3:
                    break
            work(database, plan.plan_id, Shelf(database.url))
            rounds.check(number, plan, undone=undone)
    assert {"failed", "undo_failed"} <= set(events(database))

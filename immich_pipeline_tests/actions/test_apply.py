import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.actions import engine
from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.model import Action, Plan
from immich_pipeline.errors import UserError
from immich_pipeline.immich.errors import ApiError, ImmichError, ReadOnlyServer, Unreachable
from immich_pipeline.progress import Progress
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import Busy, open_journal
from immich_pipeline_tests.actions.shelf import (
    KIND,
    OPEN,
    Crash,
    Fuse,
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
    relabelling,
    rows,
)


def save(database: Database, actions: list[Action], mode: Any = "auto") -> Plan:
    fill(database, names_of(actions))
    return engine.save_plan(database, plan_of(actions, mode))


def apply(database: Database, plan: Plan, shelf: Shelf | None = None, **more: Any) -> engine.Applied:
    options = {"brakes": OPEN, "run_id": "run"} | more
    return engine.apply_plan(database, plan.plan_id, shelf or Shelf(database.url), **options)


def failing(error: Exception, moment: str, *names: str) -> Callable[[str, Action], None]:
    def trouble(now: str, action: Action) -> None:
        if now == moment and (not names or action.subjects[0] in names):
            raise error

    return trouble


def test_what_is_planned_is_done_and_journalled(database: Database) -> None:
    plan, progress = save(database, pairs(3)), Progress("applying", 3, "actions")
    applied = apply(database, plan, progress=progress)
    assert (applied.done, applied.calls, applied.status, progress.done) == (3, 3, "applied", 3)
    assert set(labels(database).values()) == {f"new {name}" for name in names_of(plan.actions)}
    assert events(database) == ["begun", "done"] * 3
    check_agreement(database, done="done")
    with database.connect() as connection:
        entry = connection.execute(
            "SELECT run_id, before, after, made, detail FROM actions.journal WHERE event = 'done' ORDER BY entry"
        ).fetchone()
    old, new = {"a0": "old a0", "b0": "old b0"}, {"a0": "new a0", "b0": "new b0"}
    made = {"a0": ["old a0", "new a0"], "b0": ["old b0", "new b0"]}
    assert entry == ("run", {"labels": old}, {"labels": new}, made, "changed: 2")


def test_applying_an_applied_plan_writes_nothing_and_calls_nothing(database: Database) -> None:
    plan = save(database, pairs(3))
    apply(database, plan)
    before, shelf = rows(database), Shelf(database.url)
    applied = apply(database, plan, shelf, run_id="another")
    assert (applied.already, applied.done, shelf.calls, applied.calls) == (3, 0, 0, 0)
    assert rows(database) == before


def test_what_is_so_already_needs_no_call(database: Database) -> None:
    plan = save(database, pairs(2))
    relabel(database, "a0", "new a0")
    relabel(database, "b0", "new b0")
    applied = apply(database, plan)
    assert (applied.already, applied.done, applied.calls, applied.status) == (1, 1, 1, "applied")
    assert journal(database) == [("a0", "done"), ("a1", "begun"), ("a1", "done")]


def test_a_plan_that_is_only_shown_is_not_applied(database: Database) -> None:
    plan = save(database, pairs(2), "plan")
    with pytest.raises(UserError, match=r"set labels\.mode to approve or auto"):
        apply(database, plan)
    assert events(database) == []


@pytest.mark.parametrize(("mode", "options"), [("approve", {}), ("auto", {"only_approved": True})])
def test_only_what_was_approved_is_applied(database: Database, mode: Any, options: dict[str, Any]) -> None:
    plan = save(database, pairs(3), mode)
    waiting = apply(database, plan, **options)
    assert (waiting.waiting, waiting.done, waiting.status) == (3, 0, "open")
    ids = [action.action_id(KIND) for action in plan.actions]
    engine.review(database, plan.plan_id, [ids[1]], "approved", "anna")
    engine.review(database, plan.plan_id, [ids[2]], "rejected", "anna")
    applied = apply(database, plan, **options)
    assert (applied.done, applied.waiting, applied.rejected, applied.status) == (1, 1, 1, "partly")
    assert labels(database)["a1"] == "new a1"
    engine.review(database, plan.plan_id, [ids[0]], "approved", "anna")
    applied = apply(database, plan, **options)
    assert (applied.done, applied.already, applied.rejected, applied.status) == (1, 1, 1, "applied")
    assert labels(database)["a2"] == "old a2"


def test_a_rejected_action_is_not_done_whatever_the_mode(database: Database) -> None:
    plan = save(database, pairs(2))
    engine.review(database, plan.plan_id, [plan.actions[0].action_id(KIND)], "rejected", "anna")
    applied = apply(database, plan)
    assert (applied.done, applied.rejected, applied.status) == (1, 1, "applied")
    assert labels(database)["a0"] == "old a0"


def test_a_stale_action_is_skipped_and_the_rest_is_done(database: Database) -> None:
    plan = save(database, pairs(3))
    relabel(database, "b1", "somebody's")
    applied = apply(database, plan)
    assert (applied.done, applied.skipped, applied.status) == (2, 1, "partly")
    assert applied.problems[0][1] == "b1 is somebody's by now"
    assert labels(database)["a1"] == "old a1"
    before = rows(database)
    assert apply(database, plan).skipped == 1
    assert rows(database) == before, "it is stale for the same reason as before"
    relabel(database, "b1", "old b1")
    assert apply(database, plan).status == "applied"


@pytest.mark.parametrize("moment", ["read", "check", "before", "between"])
def test_one_failure_leaves_the_rest_alone_and_is_tried_again(database: Database, moment: str) -> None:
    plan = save(database, pairs(3))
    refused = ApiError("PUT /labels", 500, "out of ink")
    applied = apply(database, plan, Shelf(database.url, failing(refused, moment, "a1")))
    assert (applied.done, applied.failed, applied.status) == (2, 1, "partly")
    assert "out of ink" in applied.problems[0][1]
    applied = apply(database, plan)
    assert (applied.done, applied.already, applied.status) == (1, 2, "applied")
    check_agreement(database, done="done")


def test_a_call_that_was_done_though_the_answer_got_lost_is_done(database: Database) -> None:
    plan = save(database, pairs(1))
    applied = apply(database, plan, Shelf(database.url, failing(Unreachable("cut"), "after")))
    assert (applied.done, applied.failed) == (1, 0)


def test_an_answer_that_is_not_true_is_found_out(database: Database) -> None:
    class Lazy(Shelf):
        def _change(self, action: Action, labels: Any) -> None:
            self.calls += 1

    plan = save(database, pairs(1))
    applied = apply(database, plan, Lazy(database.url))
    assert (applied.failed, applied.calls) == (1, 1)
    assert "did not complain" in applied.problems[0][1]


def test_a_mistake_of_an_executor_fails_one_action_and_its_words_are_not_written_down(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    plan = save(database, pairs(2))
    applied = apply(database, plan, Shelf(database.url, failing(KeyError("s3cret"), "before", "a0")))
    assert (applied.done, applied.failed) == (1, 1)
    assert applied.problems[0][1] == "unexpected KeyError; see the log"
    assert "nobody thought of" in caplog.text
    with database.connect() as connection:
        assert "s3cret" not in str(connection.execute("SELECT * FROM actions.journal").fetchall())


def test_an_executor_that_cannot_tell_what_it_made_fails_nothing(database: Database) -> None:
    class Silent(Shelf):
        def made(self, action: Action, before: Any, after: Any) -> Any:
            raise RuntimeError

    assert apply(database, save(database, pairs(1)), Silent(database.url)).done == 1


def test_a_secret_in_a_state_is_not_written_down(database: Database) -> None:
    class Careless(Shelf):
        def read(self, action: Action) -> Any:
            return dict(super().read(action)) | {"key": Path("/s3cret")}

    applied = apply(database, save(database, pairs(1)), Careless(database.url))
    assert applied.problems[0][1] == "unexpected TypeError; see the log"


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (ApiError("PUT /labels", 401, ""), 5),
        (ApiError("PUT /labels", 403, "", "label.update"), 5),
        (Unreachable("no answer"), 5),
        (ReadOnlyServer("too new"), 1),
        (ImmichError("other"), 8),
    ],
)
def test_an_owner_whose_actions_all_fail_alike_is_left_alone(database: Database, error: Exception, tried: int) -> None:
    bert = [relabelling(f"c{number}", owner="bert") for number in range(2)]
    plan = save(database, [*pairs(8), *bert])
    anna = [f"a{number}" for number in range(8)]
    applied = apply(database, plan, Shelf(database.url, failing(error, "before", *anna)))
    assert (applied.failed, applied.held, applied.done) == (tried, 8 - tried, 2)
    assert set(applied.stopped_owners) == ({"anna"} if tried < 8 else set())
    assert apply(database, plan).status == "applied"


def test_failures_with_a_success_between_stop_nobody(database: Database) -> None:
    plan = save(database, pairs(9))
    names = [f"a{number}" for number in range(9) if number != 4]
    applied = apply(database, plan, Shelf(database.url, failing(Unreachable("gone"), "before", *names)))
    assert (applied.failed, applied.done, applied.held) == (8, 1, 0)


def library(database: Database, assets: int) -> None:
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO library.source (source_id, kind, name, owner, root, active) VALUES "
            "('00000000-0000-0000-0000-000000000001', 'folder', 'photos', 'anna', '/photos', true)"
        )
        connection.execute(
            "INSERT INTO library.asset (asset_id, source_id, owner, real_path, path, folder, name, extension, kind, format, size, "
            "mtime_ns, inode, device) SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'anna', n::text::bytea, "
            "n::text, '', n::text, '', 'image', 'jpeg', 1, 1, 1, 1 FROM generate_series(1, %s) n",
            (assets,),
        )


@pytest.mark.parametrize(
    ("assets", "brakes", "words"),
    [
        (100, Brakes(0.05, 1000), r"6 of the library's 100 assets \(6\.0%\)"),
        (100, Brakes(0.5, 5), "the brakes allow 5 and"),
        (0, Brakes(), "an unknown share"),
    ],
)
def test_a_plan_over_the_brakes_stops_whole_and_asks(
    database: Database, assets: int, brakes: Brakes, words: str
) -> None:
    library(database, assets)
    plan = save(database, pairs(3))
    stopped = apply(database, plan, brakes=brakes)
    assert (stopped.done, stopped.held, stopped.status) == (0, 3, "stopped")
    assert re.search(words, stopped.stopped or "")
    saved = engine.load_plan(database, plan.plan_id)
    assert saved.status == "stopped"
    assert saved.stopped_because == stopped.stopped
    assert events(database) == []
    applied = apply(database, plan, brakes=brakes.released())
    assert (applied.done, applied.status) == (3, "applied")
    assert engine.load_plan(database, plan.plan_id).stopped_because is None
    assert apply(database, plan, brakes=brakes).status == "applied", "nothing is left that the brakes could stop"


def test_a_plan_within_the_brakes_is_applied(database: Database) -> None:
    library(database, 120)
    assert apply(database, save(database, pairs(3)), brakes=Brakes(0.05, 6)).done == 3


def test_of_two_appliers_one_refuses(database: Database) -> None:
    plan = save(database, pairs(1))
    with open_journal(database, KIND, "first"), pytest.raises(Busy, match="just being applied"):
        apply(database, plan)
    assert apply(database, plan).done == 1


def test_of_two_appliers_one_waits_and_finds_all_done(database: Database) -> None:
    plan, results = save(database, pairs(5)), []

    def work() -> None:
        results.append(apply(database, plan, Shelf(database.url, pause=0.02), wait=True))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((applied.done, applied.already) for applied in results) == [(0, 5), (0, 5), (5, 0)]
    assert events(database) == ["begun", "done"] * 5


def test_a_lost_lock_ends_the_run_before_it_changes_anything_more(database: Database) -> None:
    plan = save(database, pairs(3))

    def cut(moment: str, action: Action) -> None:
        if moment == "check" and action.subjects[0] == "a1":
            with database.connect(autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")

    shelf = Shelf(database.url, cut)
    with pytest.raises(Exception, match=r"terminating|closed"):
        apply(database, plan, shelf)
    assert shelf.calls == 1
    assert apply(database, plan).status == "applied"


def test_an_executor_of_another_kind_is_a_mistake(database: Database) -> None:
    with pytest.raises(ValueError, match="executor of other"):
        apply(database, save(database, pairs(1)), Shelf(database.url, kind="other"))


def half_done(database: Database) -> Plan:
    """One action, of whose two things the first is changed, and nobody saw what became of it."""
    plan = save(database, pairs(1))
    with pytest.raises(Crash):
        apply(database, plan, Shelf(database.url, fuse=Fuse(2)))
    assert labels(database) == {"a0": "new a0", "b0": "old b0"}
    return plan


def test_what_was_done_in_half_and_then_changed_by_somebody_is_not_forced(database: Database) -> None:
    plan = half_done(database)
    relabel(database, "b0", "somebody's")
    applied = apply(database, plan)
    assert (applied.failed, applied.calls) == (1, 0)
    assert applied.problems[0][1] == "begun, and then something changed: b0 is somebody's by now"
    before = rows(database)
    apply(database, plan)
    assert rows(database) == before
    undone = engine.undo(database, Shelf(database.url), plan_id=plan.plan_id, run_id="undo")
    assert (undone.refused, labels(database)) == (1, {"a0": "new a0", "b0": "somebody's"})


def test_what_is_unclear_stays_so_while_the_server_is_away(database: Database) -> None:
    plan = half_done(database)
    newer = engine.save_plan(database, plan_of([], inputs="later"))
    apply(database, newer, Shelf(database.url, failing(Unreachable("gone"), "read")))
    assert events(database) == ["begun"]
    apply(database, newer)
    assert events(database) == ["begun", "failed"]
    assert engine.undo(database, Shelf(database.url), plan_id=plan.plan_id, run_id="undo").undone == 1
    assert set(labels(database).values()) == {"old a0", "old b0"}


def test_what_is_unclear_is_not_undone_while_the_server_is_away(database: Database) -> None:
    plan = half_done(database)
    away = Shelf(database.url, failing(Unreachable("gone"), "read"))
    assert engine.undo(database, away, plan_id=plan.plan_id, run_id="undo").failed == 1
    assert events(database) == ["begun"]


def test_what_cannot_be_looked_at_is_written_down_once(database: Database) -> None:
    plan = half_done(database)
    for _ in range(2):
        assert apply(database, plan, Shelf(database.url, failing(Unreachable("gone"), "read"))).failed == 1
    assert events(database) == ["begun", "failed"]
    assert apply(database, plan).done == 1
    check_agreement(database, done="done")

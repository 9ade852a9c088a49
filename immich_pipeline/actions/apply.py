"""Apply a plan: each action on its own, journalled before and after, safe to break off and to repeat."""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from immich_pipeline.actions.attempt import Attempt, Ended
from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.model import Action, Executor
from immich_pipeline.actions.patience import Patience
from immich_pipeline.actions.plans import SavedPlan, Status, load_plan
from immich_pipeline.actions.standing import Standing, standings
from immich_pipeline.errors import UserError
from immich_pipeline.progress import Progress
from immich_pipeline.store import actions as rows
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import Journal, open_journal


@dataclass(frozen=True)
class Applied:
    """What became of a plan's actions; each is counted once.

    Attributes:
        plan_id: the plan.
        run_id: what the journal calls this run; `undo` takes it.
        done: done now.
        already: nothing to do: done by an earlier run, or found as wanted.
        skipped: stale: what they were planned for is no longer so.
        failed: went wrong; applying again tries them again.
        waiting: not approved.
        rejected: rejected.
        held: left alone: they were undone, or their owner's actions were stopped.
        calls: how often the executor was told to change something.
        status: the plan's, now.
        stopped: why the brakes stopped all of it that is not harmless; None: they did not.
        stopped_owners: owners of whom nothing more was tried, and why.
        problems: action id and reason of each that was skipped or failed.
    """

    plan_id: str
    run_id: str
    done: int = 0
    already: int = 0
    skipped: int = 0
    failed: int = 0
    waiting: int = 0
    rejected: int = 0
    held: int = 0
    calls: int = 0
    status: Status = "open"
    stopped: str | None = None
    stopped_owners: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()


def apply_plan(
    database: Database,
    plan_id: str,
    executor: Executor,
    *,
    brakes: Brakes,
    run_id: str,
    only_approved: bool = False,
    again: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
) -> Applied:
    """Do what a plan says, as far as its mode and the verdicts on its actions let it.

    An action that is done is never done again, so that applying an applied plan reads the journal and writes nothing. What a killed
    process left unclear is looked at first, that of older plans of the kind included.

    Args:
        database: the pipeline's.
        plan_id: the plan, or the beginning of its id.
        executor: how it is done.
        brakes: how much may be touched without a person's word.
        run_id: a name for this run, in the journal.
        only_approved: leave out what nobody approved, whatever the mode.
        again: do anew what was undone.
        wait: wait for another process that applies or undoes plans of the kind.
        progress: told of each action.

    Raises:
        Busy: another process does so, and we do not wait.
        UserError: there is no such plan; its mode is `plan`; a newer one has taken its place; it was undone.
    """
    kind = load_plan(database, plan_id).plan.kind
    _check_kind(kind, executor)
    with open_journal(database, kind, run_id, wait=wait) as journal:
        saved = load_plan(database, plan_id)
        _check_may_be_applied(saved, again=again)
        run = _Run(database, saved, executor, journal, again=again, only_approved=only_approved)
        settle(database, journal, executor, without={(saved.plan.plan_id, action_id) for action_id in run.chosen})
        reason = brakes.stop(len(run.touched(brakes.harmless)), run.whole(brakes.whole))
        if reason is not None:
            run.hold(brakes.harmless)
        run.go(progress)
        return run.end(reason)


def settle(database: Database, journal: Journal, executor: Executor, *, without: set[tuple[str, str]]) -> None:
    """Write down what came of attempts of this kind that were broken off, `without` those that are about to be tried again."""
    unfinished = standings(journal.unfinished(executor.kind))
    plans: dict[str, SavedPlan] = {}
    for (plan_id, action_id), standing in unfinished.items():
        if standing.is_open_question and (plan_id, action_id) not in without:
            saved = plans.setdefault(plan_id, load_plan(database, plan_id))
            Attempt(plan_id, action_id, saved.keyed[action_id], standing, executor, journal).settle()
    for plan_id, saved in plans.items():
        if saved.status == "open":
            with database.frames() as frames:
                rows.set_status(frames, plan_id, "partly")


class _Run:
    """One application of one plan."""

    def __init__(
        self,
        database: Database,
        saved: SavedPlan,
        executor: Executor,
        journal: Journal,
        *,
        again: bool,
        only_approved: bool,
    ) -> None:
        self.database, self.saved, self.executor, self.journal = database, saved, executor, journal
        self.plan_id = saved.plan.plan_id
        self.counts: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []
        self.patience = Patience()
        self.calls = self.left = 0
        self.standings = standings(journal.of_plan(self.plan_id))
        self.chosen: dict[str, Action] = {}
        needs_approval = only_approved or saved.plan.mode == "approve"
        for action_id, action in saved.keyed.items():
            why_not = _why_not(
                self._standing(action_id), saved.reviews[action_id], needs_approval=needs_approval, again=again
            )
            if why_not is None:
                self.chosen[action_id] = action
            else:
                self.counts[why_not] += 1

    def touched(self, harmless: Set[str]) -> set[str]:
        """The assets that the chosen actions are about, harmless operations aside."""
        counted = [action for action in self.chosen.values() if action.operation not in harmless]
        return {subject for action in counted for subject in action.subjects}

    def whole(self, number: str | None) -> int:
        """What the brakes' share is a share of: a number of the plan's summary, or all assets of the library."""
        if number is not None:
            return self.saved.plan.summary.get(number, 0)
        with self.database.frames() as frames:
            return rows.library_assets(frames)

    def hold(self, harmless: Set[str]) -> None:
        """Leave alone what is not harmless."""
        held = [action_id for action_id, action in self.chosen.items() if action.operation not in harmless]
        for action_id in held:
            del self.chosen[action_id]
        self.left = len(held)

    def _standing(self, action_id: str) -> Standing:
        return self.standings.get((self.plan_id, action_id), Standing())

    def go(self, progress: Progress | None) -> None:
        """Try every chosen action."""
        for action_id, action in self.chosen.items():
            if action.owner_id in self.patience.stopped:
                self.counts["held"] += 1
            else:
                self._try(action_id, action)
            if progress is not None:
                progress.advance(1)

    def _try(self, action_id: str, action: Action) -> None:
        attempt = Attempt(self.plan_id, action_id, action, self._standing(action_id), self.executor, self.journal)
        ended: Ended = attempt.apply()
        self.calls += attempt.calls
        self.counts[ended.outcome] += 1
        self.patience.note(action.owner_id, ended.error)
        if ended.outcome in {"skipped", "failed"}:
            self.problems.append((action_id, ended.reason))

    def end(self, stopped: str | None) -> Applied:
        """Give the plan its status."""
        status = "stopped" if stopped else self._status()
        with self.database.frames() as frames:
            rows.set_status(frames, self.plan_id, status, stopped)
        counts = {name: self.counts[name] for name in ("done", "already", "skipped", "failed", "waiting", "rejected")}
        return Applied(
            self.plan_id,
            self.journal.run_id,
            **counts,
            held=self.counts["held"] + self.left,
            calls=self.calls,
            status=status,
            stopped=stopped,
            stopped_owners=dict(self.patience.stopped),
            problems=tuple(self.problems),
        )

    def _status(self) -> Status:
        if not any(self.counts[name] for name in ("skipped", "failed", "waiting", "held")):
            return "applied"
        tried = any(self.counts[name] for name in ("done", "already", "skipped", "failed"))
        return "partly" if tried or self.saved.status == "partly" else "open"


def _why_not(standing: Standing, review: str, *, needs_approval: bool, again: bool) -> str | None:
    """Under what an action is counted that is not to be tried; None: it is."""
    if standing.is_done:
        return "already"
    if standing.is_being_undone or (standing.last == "undone" and not again):
        return "held"
    if review == "rejected":
        return "rejected"
    return "waiting" if needs_approval and review != "approved" else None


def _check_kind(kind: str, executor: Executor) -> None:
    if executor.kind != kind:
        raise ValueError(f"a plan of {kind} cannot be applied or undone by an executor of {executor.kind}")


def _check_may_be_applied(saved: SavedPlan, *, again: bool) -> None:
    plan = saved.plan
    if plan.mode == "plan" and plan.actions:
        setting = f"{plan.kind.partition(':')[0]}.mode"
        raise UserError(
            f"plans of {plan.kind} are only shown: set {setting} to approve or auto in immich-pipeline.yaml, and plan again"
        )
    if saved.status == "superseded":
        raise UserError(
            f"a newer plan has taken the place of {plan.plan_id}: apply that one ('immich-pipeline plans' lists them)"
        )
    if saved.status == "undone" and not again:
        raise UserError(f"{plan.plan_id} was undone: apply it with --again to do it anew")

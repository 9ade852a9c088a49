"""Undo what a plan or a run has changed, and nothing else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from immich_pipeline.actions.apply import settle
from immich_pipeline.actions.attempt import Attempt
from immich_pipeline.actions.model import Executor
from immich_pipeline.actions.patience import Patience
from immich_pipeline.actions.plans import SavedPlan, Status, load_plan
from immich_pipeline.actions.standing import Standing, standings
from immich_pipeline.errors import UserError
from immich_pipeline.progress import Progress
from immich_pipeline.store import actions as rows
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import Journal, open_journal, plans_of_run


@dataclass(frozen=True)
class Undone:
    """What became of the actions that had been begun; each is counted once.

    Attributes:
        run_id: what the journal calls this run.
        undone: put back now.
        already: had been undone before.
        refused: left as they are, since somebody else has changed them since.
        failed: went wrong; undoing again tries them again.
        held: not tried, since their owner's actions were stopped.
        calls: how often the executor was told to put something back.
        stopped_owners: owners of whom nothing more was tried, and why.
        problems: action id and reason of each that was refused or failed.
    """

    run_id: str
    undone: int = 0
    already: int = 0
    refused: int = 0
    failed: int = 0
    held: int = 0
    calls: int = 0
    stopped_owners: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()


def undo(
    database: Database,
    executor: Executor,
    *,
    plan_id: str | None = None,
    of_run: str | None = None,
    run_id: str,
    wait: bool = False,
    progress: Progress | None = None,
) -> Undone:
    """Put back what the journal says we changed, the last change first.

    What somebody else has changed since is left alone and reported. An undone plan is not applied again unless a person says so.

    Args:
        database: the pipeline's.
        executor: how it is done.
        plan_id: undo this plan (or the one whose id begins so), whichever runs applied it.
        of_run: undo what this run did, of whichever plans of the executor's kind.
        run_id: a name for this run, in the journal.
        wait: wait for another process that applies or undoes plans of the kind.
        progress: told of each action.

    Raises:
        Busy: another process does so, and we do not wait.
        UserError: there is no such plan or run.
        ValueError: not exactly one of plan and run is named, or the executor is of another kind.
    """
    wanted = _wanted_plans(database, executor, plan_id, of_run)
    with open_journal(database, executor.kind, run_id, wait=wait) as journal:
        settle(database, journal, executor, without=set())
        run = _Undoing(database, wanted, executor, journal, of_run)
        run.go(progress)
        return run.end()


def kinds_of(database: Database, *, plan_id: str | None = None, of_run: str | None = None) -> list[str]:
    """The kinds of the plans that an undo is about: each needs its executor.

    Raises:
        UserError: there is no such plan or run.
    """
    return sorted({saved.plan.kind for saved in _plans(database, plan_id, of_run)})


def _plans(database: Database, plan_id: str | None, of_run: str | None) -> list[SavedPlan]:
    if (plan_id is None) == (of_run is None):
        raise ValueError("name a plan or a run to undo")
    plan_ids = [plan_id] if plan_id is not None else plans_of_run(database, of_run or "")
    if not plan_ids:
        raise UserError(f"there is no run {of_run} in the journal")
    return [load_plan(database, wanted) for wanted in plan_ids]


def _wanted_plans(
    database: Database, executor: Executor, plan_id: str | None, of_run: str | None
) -> dict[str, SavedPlan]:
    found = _plans(database, plan_id, of_run)
    of_kind = {saved.plan.plan_id: saved for saved in found if saved.plan.kind == executor.kind}
    if not of_kind:
        raise ValueError(f"a plan of {found[0].plan.kind} cannot be undone by an executor of {executor.kind}")
    return of_kind


class _Undoing:
    """One undo, of one plan or of one run."""

    def __init__(
        self,
        database: Database,
        plans: dict[str, SavedPlan],
        executor: Executor,
        journal: Journal,
        of_run: str | None,
    ) -> None:
        self.database, self.plans, self.executor, self.journal, self.of_run = (
            database,
            plans,
            executor,
            journal,
            of_run,
        )
        self.counts: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []
        self.patience = Patience()
        self.calls = 0

    def go(self, progress: Progress | None) -> None:
        """Try every action that has an effect of ours, the last one first."""
        known = {key: standing for plan_id in self.plans for key, standing in self._standings(plan_id).items()}
        self.left.update(plan_id for (plan_id, _), standing in known.items() if standing.before is not None)
        self.counts["already"] = sum(standing.last == "undone" for standing in known.values())
        chosen = [(key, standing) for key, standing in known.items() if self._is_chosen(standing)]
        for (plan_id, action_id), standing in sorted(chosen, key=lambda item: -item[1].entry):
            self._try(plan_id, action_id, standing)
            if progress is not None:
                progress.advance(1)

    def _standings(self, plan_id: str) -> dict[tuple[str, str], Standing]:
        return standings(self.journal.of_plan(plan_id))

    def _is_chosen(self, standing: Standing) -> bool:
        return standing.before is not None and (self.of_run is None or self.of_run in standing.runs)

    def _try(self, plan_id: str, action_id: str, standing: Standing) -> None:
        action = self.plans[plan_id].keyed[action_id]
        if action.owner_id in self.patience.stopped:
            self.counts["held"] += 1
            return
        attempt = Attempt(plan_id, action_id, action, standing, self.executor, self.journal)
        ended = attempt.undo()
        self.calls += attempt.calls
        self.counts[ended.outcome] += 1
        self.patience.note(action.owner_id, ended.error)
        if ended.outcome == "undone":
            self.left[plan_id] -= 1
        else:
            self.problems.append((action_id, ended.reason))

    def end(self) -> Undone:
        """Give the plans their status; one of which nothing was ever begun keeps its own."""
        for plan_id in self.plans if any(self.counts.values()) else ():
            status: Status = "undone" if self.of_run is None or self.left[plan_id] == 0 else "partly"
            with self.database.frames() as frames:
                rows.set_status(frames, plan_id, status)
        counts = {name: self.counts[name] for name in ("undone", "already", "refused", "failed", "held")}
        return Undone(
            self.journal.run_id,
            **counts,
            calls=self.calls,
            stopped_owners=dict(self.patience.stopped),
            problems=tuple(self.problems),
        )

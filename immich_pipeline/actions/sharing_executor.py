"""Do and undo what a plan of sharing says: each action is one operation of a cycle over one job, on exactly the assets that it names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from immich_pipeline.actions.model import Action, State
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.progress import logger
from immich_pipeline.sharing.backup_age import require_backup
from immich_pipeline.sharing.cycle import look, run_cycle
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.opening import open_share, removal_brake
from immich_pipeline.sharing.reports import CycleReport, Operation
from immich_pipeline.sharing.runs import runs_labelled
from immich_pipeline.sharing.undo import undo_run

FAMILY = "sharing"


class ShareExecutor:
    """Implements `model.Executor` for one job.

    What an action still has to do follows from a look at both libraries, so an action that was broken off goes on from where it stands.
    The runs in Immich's database carry the action's id: by it they are found again, whatever became of the process that began them.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        """Take over the settings; every method opens what it needs, so that a lost connection costs one action at most."""
        self._settings, self._name = settings, name

    @property
    def kind(self) -> str:
        """The kind of plan that this executes."""
        return f"{FAMILY}:{self._name}"

    def read(self, action: Action) -> State:
        """How much of the action is still to be done.

        Returns:
            `left`: how many of its assets; `which`: a digest of their ids; `runs`: the runs that worked on it and are not undone;
            `job`: a digest of the job as it is now.

        Raises:
            UserError: the job cannot be carried out at the moment.
        """
        with open_share(self._settings, self._name) as share:
            released = removal_brake(self._settings, released=True)
            planned = (
                look(share.connection, share.job, share.media, brake=released).planned[_operation(action)].subjects
            )
            left = sorted(set(action.subjects) & set(planned))
            runs = runs_labelled(share.connection, self._label(action))
            return {"left": len(left), "which": _digest(left), "runs": runs, "job": job_digest(share.job)}

    def check(self, action: Action, state: State) -> str | None:
        """The job is the one that was planned for."""
        if state["job"] != action.preconditions["job"]:
            return f"the job '{self._name}' is not as it was when the plan was made"
        return None

    def is_done(self, action: Action, state: State) -> bool:
        """Nothing of it would be planned any more: it is done, or was put off with a reason."""
        return bool(state["left"] == 0 and self.check(action, state) is None)

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        """Run the one operation on the assets; returns the number of the run and what it wrote.

        Raises:
            UserError: there is no recent backup, another run is writing, or something of it did not go through.
        """
        with open_share(self._settings, self._name) as share:
            require_backup(share.media, self._settings.sharing.backup_age)
            report = run_cycle(
                share.connection,
                share.job,
                share.media,
                label=self._label(action),
                operations=(_operation(action),),
                only=action.subjects,
                brake=removal_brake(self._settings, released=True),  # the brake was asked about the whole plan
                progress=logger.info,
            )
        if report.failures:
            raise UserError(_failures(report))
        return {"share_run": report.run, "rows": report.written}

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        """The runs that there were not before (`runs`)."""
        return {"runs": sorted(set(after["runs"]) - set(before["runs"]))}

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        """Take the runs back, the newest first; what somebody has changed since stays as it is, and is the reason that is returned."""
        refused: list[str] = []
        with open_share(self._settings, self._name) as share:
            for run in sorted(set(made["runs"]) & set(now["runs"]), reverse=True):
                refused += undo_run(share.connection, run, share.media).refused
        return "; ".join(["everything else is taken back", *refused]) if refused else None

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        """No run of ours is left that there was not before."""
        return set(now["runs"]) <= set(before["runs"])

    def _label(self, action: Action) -> str:
        return action.action_id(self.kind)


def job_digest(job: Job) -> str:
    """Identity of a job, in ids: differs when anything of it does."""
    return _digest(asdict(job))


def _operation(action: Action) -> Operation:
    return cast(Operation, action.operation)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _failures(report: CycleReport) -> str:
    told: Sequence[str] = [f"{one.phase}: {one.reason}" for one in report.failures[:3]]
    more = len(report.failures) - len(told)
    return "; ".join([*told, *([f"and {more:,} more"] if more else [])]) + " (what went through is kept)"

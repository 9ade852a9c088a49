"""The kind of change that carries one job's assets into another user's library: its plan from a look at both, its executor, its brakes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.model import Action, Kind, Plan
from immich_pipeline.actions.render import LEFT_OUT
from immich_pipeline.actions.sharing_executor import FAMILY, ShareExecutor, job_digest
from immich_pipeline.config import Settings
from immich_pipeline.progress import logger
from immich_pipeline.sharing.cycle import look
from immich_pipeline.sharing.model import Job, RemovalBrake
from immich_pipeline.sharing.opening import open_share
from immich_pipeline.sharing.reports import OPERATIONS, Operation, Outlook, Planned
from immich_pipeline.store.database import Database

HARMLESS: frozenset[str] = frozenset({"copy", "follow"})
"""Operations that take nothing away from anybody."""

COPIES = "copies there are"
_SAMPLES = 20


@dataclass(frozen=True)
class ShareBrakes(Brakes):
    """What is removed counts, as a share of the job's copies; a handful may always go. Copies are made and followed all the same."""

    harmless: frozenset[str] = HARMLESS
    whole: str | None = COPIES

    def stop(self, touched: int, library: int) -> str | None:
        """Why so many of so many copies must not be removed; None when they may."""
        reason = RemovalBrake(self.max_share, self.max_number, released=self.confirmed).stop(touched, library)
        return reason and f"{reason} (--yes-over-brake)"


@dataclass(frozen=True)
class SharePlan:
    """A plan, and what was seen when it was made."""

    plan: Plan
    outlook: Outlook
    job: Job


def share_outlook(settings: Settings, name: str) -> SharePlan:
    """Look at both libraries of a job and plan what would bring them together; nothing is written.

    What would leave is planned however much it is; the brakes are asked when the plan is applied.

    Raises:
        UserError: the job cannot be carried out as it is written, or the database is not as it must be.
    """
    with open_share(settings, name) as share:
        job = share.job
        outlook = look(share.connection, job, share.media, brake=RemovalBrake(released=True))
    for problem in outlook.problems:
        logger.warning("job '%s': %s", name, problem)
    digest = job_digest(job)
    actions = [
        _action(job, operation, outlook.planned[operation], phase, digest)
        for phase, operation in enumerate(OPERATIONS)
        if outlook.planned[operation].subjects
    ]
    plan = Plan.of(
        f"{FAMILY}:{name}",
        mode=settings.sharing.mode,
        policy_hash=hashlib.sha256(settings.sharing.model_dump_json(exclude={"database_url"}).encode()).hexdigest()[
            :32
        ],
        input_fingerprint=digest,
        actions=actions,
        summary=_summary(outlook),
    )
    return SharePlan(plan, outlook, job)


def kind_of_job(name: str) -> Kind:
    """The kind of one job: each has plans of its own, which do not take the place of another's."""
    return Kind(f"{FAMILY}:{name}", partial(_plan, name), partial(_open_executor, name), brakes_of)


def brakes_of(settings: Settings) -> Brakes:
    """How many copies one plan may remove."""
    return ShareBrakes(max_share=settings.sharing.brakes.max_share, max_number=settings.sharing.brakes.max_number)


def _plan(name: str, _database: Database, settings: Settings) -> Plan:
    return share_outlook(settings, name).plan


@contextmanager
def _open_executor(name: str, _database: Database, settings: Settings) -> Iterator[ShareExecutor]:
    yield ShareExecutor(settings, name)


def _action(job: Job, operation: Operation, planned: Planned, phase: int, digest: str) -> Action:
    return Action(
        operation,
        job.target_owner,
        tuple(sorted(planned.subjects)),
        {"job": job.name, "counts": dict(planned.counts), "samples": list(planned.samples[:_SAMPLES])},
        {"job": digest},
        _reason(job, operation, planned),
        phase,
    )


def _reason(job: Job, operation: Operation, planned: Planned) -> str:
    number = len(planned.subjects)
    becomes = {"delete": "are deleted", "trash": "go into the trash", "keep": "stay"}[job.policy.on_source_delete]
    why = {
        "copy": f"{number:,} assets are not in the target's library yet",
        "follow": f"{number:,} copies are not as their source is now",
        "remove": f"{number:,} copies whose source is gone, or shared no longer: they {becomes}",
    }
    counts = ", ".join(f"{table} {count:,}" for table, count in sorted(planned.counts.items()) if count)
    return f"{why[operation]} ({counts})" if counts else why[operation]


def _summary(outlook: Outlook) -> dict[str, int]:
    numbers: dict[str, int] = {operation: len(outlook.planned[operation].subjects) for operation in OPERATIONS}
    skipped = {f"{LEFT_OUT} ({reason})": count for reason, count in sorted(outlook.skips.items())}
    waiting = {f"{LEFT_OUT} (not ready)": outlook.backlog.count} if outlook.backlog.count else {}
    return {**numbers, COPIES: outlook.copies, **waiting, **skipped}

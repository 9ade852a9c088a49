"""How a job stands, for a person: its copies, its last runs, what waits, what is left out and why, what the next run would do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from immich_pipeline.sharing.cycle import look
from immich_pipeline.sharing.model import Job, RemovalBrake
from immich_pipeline.sharing.opening import OpenShare
from immich_pipeline.sharing.reports import OPERATIONS, LeftOut, Outlook
from immich_pipeline.sharing.runs import is_prepared
from immich_pipeline.sharing.session import Connection

_RUNS = 5
_EXAMPLES = 3

_STATES = "SELECT state, count(*) FROM immich_pipeline_sharing.copy WHERE job = %s GROUP BY state ORDER BY state"
_LAST_RUNS = """
SELECT id, started_at, ended_at, undone_at, coalesce((SELECT sum(value::bigint) FROM jsonb_each(counts) AS part (operation, tables),
  jsonb_each_text(tables) AS row (name, value)), 0)
FROM immich_pipeline_sharing.run WHERE job = %s ORDER BY id DESC LIMIT %s
"""


@dataclass(frozen=True)
class Run:
    """One run: when, and how many rows and files it wrote."""

    run: int
    started_at: datetime
    ended_at: datetime | None
    undone_at: datetime | None
    written: int


@dataclass(frozen=True)
class JobStatus:
    """Everything that is told of one job.

    Attributes:
        job: the job.
        states: state of a copy (live, trashed, kept, refused, ...) to their number.
        runs: the last ones, the newest first.
        outlook: what the next run would do.
    """

    job: Job
    states: dict[str, int]
    runs: tuple[Run, ...]
    outlook: Outlook


def job_status(share: OpenShare) -> JobStatus:
    """Look at one job; nothing is written.

    Raises:
        UserError: the database is not as it must be.
    """
    outlook = look(share.connection, share.job, share.media, brake=RemovalBrake(released=True))
    known = is_prepared(share.connection)
    return JobStatus(
        share.job,
        dict(share.connection.execute(_STATES, [share.job.name]).fetchall()) if known else {},
        tuple(runs_of(share.connection, share.job.name)) if known else (),
        outlook,
    )


def runs_of(connection: Connection, job: str) -> Iterator[Run]:
    """The last runs of a job, the newest first."""
    for row in connection.execute(_LAST_RUNS, [job, _RUNS]).fetchall():
        yield Run(*row)


def as_text(status: JobStatus) -> str:
    """The status as lines of text."""
    return "\n".join(_lines(status))


def _lines(status: JobStatus) -> Iterator[str]:
    job, outlook = status.job, status.outlook
    yield f"{job.name}: {job.source_prefix} -> {job.target_prefix}"
    copies = ", ".join(f"{count:,} {state}" for state, count in status.states.items())
    yield f"  copies: {copies or 'none yet'}"
    next_run = ", ".join(f"{operation} {len(outlook.planned[operation].subjects):,}" for operation in OPERATIONS)
    yield f"  next run: {'nothing to do' if outlook.is_quiet else next_run}"
    if outlook.backlog.count:
        since = f", the first since {outlook.backlog.oldest:%Y-%m-%d}" if outlook.backlog.oldest else ""
        yield f"  waiting for Immich: {outlook.backlog.count:,} assets are not processed yet{since}"
    for reason, count in outlook.skips.items():
        examples = [_example(one) for one in outlook.left_out if one.reason == reason][:_EXAMPLES]
        yield f"  left out, {reason}: {count:,}" + (f" ({'; '.join(examples)})" if examples else "")
    for problem in outlook.problems:
        yield f"  note: {problem}"
    for run in status.runs:
        end = "undone" if run.undone_at else "ended" if run.ended_at else "broken off"
        yield f"  run {run.run}: {run.started_at:%Y-%m-%d %H:%M} UTC, {end}, {run.written:,} rows and files"


def _example(one: LeftOut) -> str:
    there = f"there is {one.blocking_asset}" if one.blocking_asset else ""
    return ", ".join(part for part in (one.path, there, one.detail) if part)

"""How a job stands, for a person: its copies, its last runs, what waits, what is left out and why, what the next run would do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from immich_pipeline.sharing.cycle import look
from immich_pipeline.sharing.model import Job, RemovalBrake
from immich_pipeline.sharing.opening import OpenShare
from immich_pipeline.sharing.reports import OPERATIONS, Outlook
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
_SKIPS = """
SELECT reason, coalesce(asset."originalPath", skip.source_id::text), skip.blocking_asset::text, skip.detail, skip.retry_at
FROM immich_pipeline_sharing.skip LEFT JOIN asset ON asset.id = skip.source_id
WHERE skip.job = %s ORDER BY reason, skip.noted_at DESC
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
class Skip:
    """A source asset that is not copied.

    Attributes:
        reason: owned_content, owned_name, failed.
        path: of the original, as Immich sees it.
        blocking_asset: the target's own asset that stands in the way.
        detail: what was said of a failure.
        retry_at: when it is tried again.
    """

    reason: str
    path: str
    blocking_asset: str | None
    detail: str
    retry_at: datetime | None


@dataclass(frozen=True)
class JobStatus:
    """Everything that is told of one job.

    Attributes:
        job: the job.
        states: state of a copy (live, trashed, kept, refused, ...) to their number.
        runs: the last ones, the newest first.
        skips: every asset that is left out.
        outlook: what the next run would do.
    """

    job: Job
    states: dict[str, int]
    runs: tuple[Run, ...]
    skips: tuple[Skip, ...]
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
        tuple(skips_of(share.connection, share.job.name)) if known else (),
        outlook,
    )


def runs_of(connection: Connection, job: str) -> Iterator[Run]:
    """The last runs of a job, the newest first."""
    for row in connection.execute(_LAST_RUNS, [job, _RUNS]).fetchall():
        yield Run(*row)


def skips_of(connection: Connection, job: str) -> Iterator[Skip]:
    """What is left out, by reason, the newest first."""
    for row in connection.execute(_SKIPS, [job]).fetchall():
        yield Skip(*row)


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
        examples = [_example(skip) for skip in status.skips if skip.reason == reason][:_EXAMPLES]
        yield f"  left out, {reason}: {count:,}" + (f" ({'; '.join(examples)})" if examples else "")
    for problem in outlook.problems:
        yield f"  note: {problem}"
    for run in status.runs:
        end = "undone" if run.undone_at else "ended" if run.ended_at else "broken off"
        yield f"  run {run.run}: {run.started_at:%Y-%m-%d %H:%M} UTC, {end}, {run.written:,} rows and files"


def _example(skip: Skip) -> str:
    parts = [
        skip.path,
        f"there is {skip.blocking_asset}" if skip.blocking_asset else "",
        skip.detail,
        f"again after {skip.retry_at:%Y-%m-%d %H:%M} UTC" if skip.retry_at else "",
    ]
    return ", ".join(part for part in parts if part)

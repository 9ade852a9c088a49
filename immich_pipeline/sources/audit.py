"""The integrity audit: read files again whose content is known, and say which no longer hold it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.progress import Progress
from immich_pipeline.sources.ingest import reading_slot
from immich_pipeline.store.audits import audit_tasks, write_findings
from immich_pipeline.store.database import Database


@dataclass
class AuditOutcome:
    """What an audit found."""

    files: int = 0
    bytes: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    samples: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"path": pl.String, "kind": pl.String, "detail": pl.String})
    )


def audit(database: Database, settings: Settings, month: str) -> AuditOutcome:
    """Read every file of the audit's month again and compare its SHA-256 with the one on record.

    A finding is `bit_rot` (size and time are as before, the bytes are not), `missing`, or `unreadable`. A file that was changed since
    the last snapshot is no finding: the next snapshot takes it up.

    Args:
        database: where the hashes are.
        settings: workers, memory, time limits.
        month: `YYYY-MM`; files taken in that calendar month of any year belong to it, undated ones are spread evenly.
    """
    with database.frames() as frames:
        tasks = audit_tasks(frames, month)
    outcome = AuditOutcome(files=tasks.height)
    findings = []
    with reading_slot(database):
        for result in _measured(tasks, settings, Progress(f"audit of {month}", tasks.height)):
            outcome.bytes += result.size or 0
            findings.append(result)
    table = _findings(findings, tasks)
    with database.frames() as frames:
        write_findings(frames, month, table.select("asset_id", "kind", "detail"))
    outcome.findings.update(table["kind"].to_list())
    outcome.samples = table.select("path", "kind", "detail").head(20)
    return outcome


def _measured(tasks: pl.DataFrame, settings: Settings, progress: Progress) -> Iterator[FileMeasurement]:
    if tasks.is_empty():
        return
    options = MeasureOptions(
        worker_memory_mb=settings.worker_memory_mb,
        formats_extra=settings.formats,
        hash=True,
        metadata=False,
        pictures=False,
    )
    files = (FileTask(*row) for row in tasks.select("asset_id", "root", "real_path", "extension").iter_rows())
    with MeasurePool(options, workers=settings.workers, file_timeout=settings.file_timeout_seconds) as pool:
        for part in pool.measure(files):
            progress.advance(len(part))
            yield from part


def _findings(results: list[FileMeasurement], tasks: pl.DataFrame) -> pl.DataFrame:
    """Compare what was read with what is on record: asset_id, path, kind, detail; one row per finding."""
    read = pl.DataFrame(
        [
            (result.asset_id, result.size, result.mtime_ns, result.sha256, result.error_kind, result.error)
            for result in results
        ],
        schema={
            "asset_id": pl.String,
            "size_now": pl.Int64,
            "mtime_now": pl.Int64,
            "sha256_now": pl.Binary,
            "error_kind": pl.String,
            "error": pl.String,
        },
        orient="row",
    )
    # a server's record of a file's time is not the file's own: its size alone says whether it is the same version
    same_time = (pl.col("mtime_now") == pl.col("mtime_ns")) | (pl.col("source_kind") != "folder")
    same_file = (pl.col("size_now") == pl.col("size")) & same_time
    rotten = pl.col("sha256_now").is_not_null() & same_file & (pl.col("sha256_now") != pl.col("sha256"))
    kind = (
        pl.when(rotten)
        .then(pl.lit("bit_rot"))
        .when(pl.col("error_kind") == "missing")
        .then(pl.lit("missing"))
        .when(pl.col("error_kind").is_not_null() & (pl.col("error_kind") != "changed_while_reading"))
        .then(pl.lit("unreadable"))
    )
    detail = (
        pl.when(rotten)
        .then(pl.lit("size and time are as before, but the bytes are not: restore it from a backup"))
        .otherwise("error")
    )
    judged = tasks.join(read, on="asset_id").with_columns(kind=kind, detail=detail)
    return (
        judged.filter(pl.col("kind").is_not_null())
        .select("asset_id", "path", "kind", "detail")
        .sort("path", "asset_id")
    )

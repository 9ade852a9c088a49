"""Is the snapshot whole, and is no work lost?"""

import dagster as dg
import polars as pl

from immich_pipeline.defs.jobs import SET_UP_CHECK
from immich_pipeline.defs.library.assets import ingest_batches, library_snapshot
from immich_pipeline.defs.metadata import markdown_table
from immich_pipeline.defs.partitions import ingest_batches as ingest_batches_def
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sharing.doctor import look_at_sharing
from immich_pipeline.sources.doctor import cheap_findings
from immich_pipeline.store import checks
from immich_pipeline.store.readings import active_readings


@dg.asset_check(asset=library_snapshot, blocking=True)
def row_counts_agree(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """As many live assets as the scan saw files. If not, run library_snapshot again; if it stays, report a bug."""
    with pipeline.database().frames() as frames:
        scanned, stored = checks.scanned_and_stored(frames)
    return dg.AssetCheckResult(passed=scanned == stored, metadata={"files_scanned": scanned, "assets_stored": stored})


@dg.asset_check(asset=library_snapshot)
def scan_reached_every_folder(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """No folder was unreadable. If one was, its photos are kept as last seen; check its permissions and the mount."""
    with pipeline.database().frames() as frames:
        unreadable = checks.unreadable_folders(frames)
    return dg.AssetCheckResult(
        passed=not unreadable, severity=dg.AssetCheckSeverity.WARN, metadata={"unreadable_folders": len(unreadable)}
    )


@dg.asset_check(asset=library_snapshot)
def every_part_of_the_server_was_read(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """No user's assets are older than they should be. Else read the problem; `immich-pipeline doctor` says what to do."""
    with pipeline.database().frames() as frames:
        parts = active_readings(frames)
    failed = parts.filter(pl.col("problem").is_not_null()).select("owner", "by", "problem")
    return dg.AssetCheckResult(
        passed=failed.is_empty(),
        metadata={"parts": parts.height, "failed": failed.height, "problems": markdown_table(failed)},
    )


@dg.asset_check(asset=library_snapshot)
def as_many_assets_as_the_server_counts(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """The server's own statistics agree with what is stored. If not, changes came in between: the next full look settles it."""
    with pipeline.database().frames() as frames:
        parts = active_readings(frames).filter(pl.col("server_assets").is_not_null())
    counts = parts.select("owner", "server_assets", "stored_assets")
    differ = counts.filter(pl.col("server_assets") != pl.col("stored_assets"))
    return dg.AssetCheckResult(
        passed=differ.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata={"counts": markdown_table(counts)}
    )


@dg.asset_check(asset=library_snapshot, name=SET_UP_CHECK)
def everything_configured_works(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Server, keys, database, mounts and folders are as the features need them. Each finding says what to do about it."""
    report = cheap_findings(pipeline.settings(), sharing=look_at_sharing)
    wrong = [row for row in report.rows if row.state != "ok"]
    lines = pl.DataFrame([vars(row) for row in wrong], schema=["area", "subject", "state", "detail", "remedy"])
    features = pl.DataFrame([vars(feature) for feature in report.features])
    return dg.AssetCheckResult(
        passed=report.exit_code == 0,
        metadata={"findings": markdown_table(lines), "what_will_work": markdown_table(features)},
    )


@dg.asset_check(asset=ingest_batches, blocking=True)
def no_batch_lost(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Every open batch is a partition that can be run, and every file with work to do is in one of them."""
    with pipeline.database().frames() as frames:
        open_keys, unassigned = checks.open_batches_and_unassigned(frames)
    known = set(context.instance.get_dynamic_partitions(str(ingest_batches_def.name)))
    lost = sorted(set(open_keys) - known)
    return dg.AssetCheckResult(
        passed=not lost and unassigned == 0,
        metadata={"open_batches": len(open_keys), "without_partition": len(lost), "files_without_batch": unassigned},
    )

"""Is the snapshot whole, and is no work lost?"""

import dagster as dg

from immich_pipeline.defs.library.assets import ingest_batches, library_snapshot
from immich_pipeline.defs.partitions import ingest_batches as ingest_batches_def
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store import checks


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

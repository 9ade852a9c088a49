"""Did a batch's run leave a row for each of its files? Scoped to the partition: other batches may still be at work."""

import dagster as dg

from immich_pipeline.defs.partitions import ingest_batches
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store import checks

_TABLES = {"file_hashes": "file_hash", "photo_metadata": "photo_metadata", "perceptual_hashes": "perceptual_hash"}


def _every_file_has_a_row(asset: str, table: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="every_file_has_a_row",
        blocking=True,
        partitions_def=ingest_batches,
        description="Each file of the batch has a row: a result, or the reason why there is none. If not, run the partition again.",
    )
    def check(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        with pipeline.database().frames() as frames:
            missing = checks.files_without_row(frames, context.partition_key, table)
        return dg.AssetCheckResult(passed=missing == 0, metadata={"files_without_row": missing})

    return check


every_file_has_a_row = [_every_file_has_a_row(asset, table) for asset, table in _TABLES.items()]


@dg.asset_check(asset="file_hashes", partitions_def=ingest_batches)
def few_files_fail(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """At most a fifth of a batch could not be read. More points at the disk or the mount, not at the files."""
    with pipeline.database().frames() as frames:
        files, failed = checks.failed_files(frames, context.partition_key)
    return dg.AssetCheckResult(
        passed=failed * 5 <= files, severity=dg.AssetCheckSeverity.WARN, metadata={"files": files, "failed": failed}
    )

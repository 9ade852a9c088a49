"""Did the audit find every file as it was?"""

import dagster as dg

from immich_pipeline.defs.partitions import capture_months
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store.audits import findings_of


@dg.asset_check(asset="integrity_audits", partitions_def=capture_months)
def every_file_is_as_it_was(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """No file rotted, vanished or became unreadable. If one did, the audit's metadata names it: restore it from a backup."""
    with pipeline.database().frames() as frames:
        findings = findings_of(frames, context.partition_key[:7])
    return dg.AssetCheckResult(
        passed=findings == 0, severity=dg.AssetCheckSeverity.ERROR, metadata={"findings": findings}
    )

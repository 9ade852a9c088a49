"""Jobs of the settings become partitions by themselves."""

import dagster as dg

from immich_pipeline.defs.partitions import share_jobs
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError

_PARTITIONS = str(share_jobs.name)


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def share_jobs_configured(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource
) -> dg.SensorResult | dg.SkipReason:
    """Make every share job of the settings a partition, and take away those of jobs that are no longer there."""
    try:
        wanted = {job.name for job in pipeline.settings().sharing.jobs}
    except UserError as error:
        return dg.SkipReason(f"the settings cannot be used: {error}")
    known = set(context.instance.get_dynamic_partitions(_PARTITIONS))
    if wanted == known:
        return dg.SkipReason(f"{len(known)} jobs, as the settings say")
    added, gone = sorted(wanted - known), sorted(known - wanted)
    requests = [share_jobs.build_add_request(added)] if added else []
    return dg.SensorResult(
        dynamic_partitions_requests=[*requests, *([share_jobs.build_delete_request(gone)] if gone else [])]
    )

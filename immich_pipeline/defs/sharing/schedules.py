"""A schedule for each share job, which a person switches on."""

from collections.abc import Iterator, Sequence

import dagster as dg

from immich_pipeline.config import Settings, load_settings
from immich_pipeline.defs.jobs import share_photos
from immich_pipeline.defs.partitions import share_jobs
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.progress import logger
from immich_pipeline.share_settings import ShareJob

_NIGHTLY = "15 3 * * *"


def schedules_of(jobs: Sequence[ShareJob]) -> list[dg.ScheduleDefinition]:
    """A schedule for each job, switched off until a person switches it on; nightly where the job says no other time."""
    return [_schedule_of(job) for job in jobs]


@dg.definitions
def share_schedules() -> dg.Definitions:
    """The schedules of the jobs that the settings have while the code location is loaded: reload it after a change."""
    return dg.Definitions(schedules=schedules_of(_settings().sharing.jobs))


def _settings() -> Settings:
    try:
        return load_settings()
    except UserError as error:  # told by everything else that reads them; the code location must load all the same
        logger.warning("share jobs get no schedules, since the settings cannot be used: %s", error)
        return Settings()


def _schedule_of(job: ShareJob) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=share_photos,
        cron_schedule=job.schedule or _NIGHTLY,
        name=f"share_{job.identifier}",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=(
            f"Runs the share job {job.name}: plans, and applies as far as the settings' sharing.mode and a person's approval allow. "
            "Off until it is switched on here."
        ),
    )
    def scheduled(
        context: dg.ScheduleEvaluationContext, pipeline: PipelineResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        sharing = pipeline.settings().sharing
        if job.name not in {one.name for one in sharing.jobs}:
            yield dg.SkipReason(f"the settings have no job {job.name} any more")
            return
        context.instance.add_dynamic_partitions(str(share_jobs.name), [job.name])
        only_shown = [dg.AssetKey("share_plan")] if sharing.mode == "plan" else None
        yield dg.RunRequest(partition_key=job.name, asset_selection=only_shown)

    return scheduled

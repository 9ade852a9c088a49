"""When stacks are made without a person at hand: only where the settings say so."""

from collections.abc import Iterator

import dagster as dg

from immich_pipeline.defs.jobs import apply_stacks
from immich_pipeline.defs.resources import PipelineResource


@dg.schedule(job=apply_stacks, cron_schedule="45 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def daily_stacks(
    context: dg.ScheduleEvaluationContext, pipeline: PipelineResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Applies the stack plan once a day where the settings say `stacks: {mode: auto}`, and never otherwise."""
    mode = pipeline.settings().stacks.mode
    if mode != "auto":
        yield dg.SkipReason(f"stacks are made when a person says so (mode: {mode})")
        return
    yield dg.RunRequest()

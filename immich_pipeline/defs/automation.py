"""When whole-library assets are computed anew, and the job that does everything at once."""

from typing import Any

import dagster as dg

from immich_pipeline.defs.first_pass import run_pass
from immich_pipeline.defs.resources import PipelineResource

# Any: the library's annotations do not let its own conditions be combined
_INPUTS_NEW: Any = dg.AutomationCondition.any_deps_updated().since_last_handled()
_EVERY_HOUR: Any = dg.AutomationCondition.cron_tick_passed("0 * * * *")

AFTER_THE_BURST = _INPUTS_NEW & ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()
"""Once behind a burst of batches, not once per batch."""

WHEN_INPUTS_CHANGE = AFTER_THE_BURST | (
    _INPUTS_NEW & _EVERY_HOUR.since_last_handled() & ~dg.AutomationCondition.in_progress()
)
"""The same, and once an hour while a burst does not end."""

inputs_changed = dg.AutomationConditionSensorDefinition(
    "inputs_changed",
    target=dg.AssetSelection.groups("captures", "duplicates"),
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)


@dg.op
def everything(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Snapshot, every batch, groups, duplicates, report: each as a recorded run, one after the other."""
    from immich_pipeline.definitions import defs  # noqa: PLC0415 - this module is part of the definitions

    done = run_pass(defs(), context.instance, pipeline.database(), pipeline.settings(), supervised=False)
    context.log.info(
        f"{done.hashed:,} files hashed, {done.rows_changed:,} rows changed, {done.failed_batches} batches failed"
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description="Do everything once, in order, as the first pass of `immich-pipeline run` does.",
)
def process_library() -> None:
    """Do everything once."""
    everything()

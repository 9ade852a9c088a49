"""When batches are worked on: as soon as they are planned, and again when their run failed."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from immich_pipeline.defs.jobs import measure_batch
from immich_pipeline.defs.library.automation import PASS_UNDER_WAY, alive_runs, pass_under_way
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store.batches import unfinished_batches

MOST_REQUESTS = 25
"""Run requests per tick: more would outlast the tick's time limit."""
MOST_RUNS = 3
PARTITION_TAG = "dagster/partition"


def batches_to_request(unfinished: Sequence[tuple[str, int]], alive: set[str]) -> list[str]:
    """Batches never begun that no run waits for, oldest first, at most MOST_REQUESTS."""
    return [key for key, attempts in unfinished if attempts == 0 and key not in alive][:MOST_REQUESTS]


def batches_to_retry(unfinished: Sequence[tuple[str, int]], alive: set[str], tick: str) -> Mapping[str, str]:
    """Run keys of batches that are not completed and that no run works on; each is begun at most MOST_RUNS times."""
    again = [key for key, attempts in unfinished if attempts < MOST_RUNS and key not in alive]
    return {f"{key}:{tick}": key for key in again[:MOST_REQUESTS]}


def _alive_batches(instance: dg.DagsterInstance) -> set[str]:
    return {run.tags.get(PARTITION_TAG, "") for run in alive_runs(instance, measure_batch.name)}


@dg.sensor(job=measure_batch, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def ingest_batches_planned(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests a run for each planned batch."""
    database = pipeline.database()
    if pass_under_way(database):
        yield PASS_UNDER_WAY
        return
    keys = batches_to_request(unfinished_batches(database), _alive_batches(context.instance))
    known = set(context.instance.get_dynamic_partitions("ingest_batches"))
    for key in keys:
        if key in known:
            yield dg.RunRequest(run_key=key, partition_key=key)
    if not keys:
        yield dg.SkipReason("no batch waits to be worked on")


@dg.schedule(job=measure_batch, cron_schedule="*/10 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def retry_failed_batches(
    context: dg.ScheduleEvaluationContext, pipeline: PipelineResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests batches again whose run failed or was lost, up to three times in all."""
    database = pipeline.database()
    if pass_under_way(database):
        yield PASS_UNDER_WAY
        return
    tick = context.scheduled_execution_time.strftime("%Y%m%dT%H%M")
    again = batches_to_retry(unfinished_batches(database), _alive_batches(context.instance), tick)
    known = set(context.instance.get_dynamic_partitions("ingest_batches"))
    for run_key, key in again.items():
        if key in known:
            yield dg.RunRequest(run_key=run_key, partition_key=key)
    if not again:
        yield dg.SkipReason("no batch failed")

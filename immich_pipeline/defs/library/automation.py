"""When the library is looked at: whenever a folder changes, and once a day from end to end."""

from collections.abc import Iterator

import dagster as dg
from dagster import DagsterRunStatus

from immich_pipeline.defs.jobs import examine_set_up, snapshot_library
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.immich.server import open_server
from immich_pipeline.sources.immich.watch import server_news
from immich_pipeline.sources.watch import look_for_changes
from immich_pipeline.store.batches import SENSORS_WAIT
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import any_unsettled, folder_times

ALIVE = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]


def alive_runs(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    """Runs of a job that are waiting or under way."""
    return list(instance.get_runs(filters=dg.RunsFilter(job_name=job, statuses=ALIVE)))


PASS_UNDER_WAY = dg.SkipReason("a first pass over the library is under way")


def pass_under_way(database: Database) -> bool:
    """Whether a pass works on everything anyway, so that sensors should wait."""
    return database.is_locked(SENSORS_WAIT)


def _under_way(instance: dg.DagsterInstance, database: Database) -> dg.SkipReason | None:
    """Why no snapshot is to be asked for now; None if one may be."""
    if pass_under_way(database):
        return PASS_UNDER_WAY
    return dg.SkipReason("a snapshot is under way") if alive_runs(instance, snapshot_library.name) else None


@dg.sensor(job=snapshot_library, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def folder_changed(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Takes a new snapshot when a folder of the library was changed since the last one."""
    database = pipeline.database()
    if pipeline.settings().folder is None:
        yield dg.SkipReason("no folder of photos is looked after")
        return
    if wait := _under_way(context.instance, database):
        yield wait
        return
    folders = folder_times(database)
    if folders.is_empty():
        yield dg.SkipReason("the library was never scanned: materialise library_snapshot, or start immich-pipeline run")
        return
    look = look_for_changes(folders, start=int(context.cursor or 0) % folders.height)
    context.update_cursor(str(look.next_start))
    if look.changed:
        yield dg.RunRequest()
    elif any_unsettled(database):
        yield dg.RunRequest(tags={"immich_pipeline/why": "files were still being written"})
    else:
        yield dg.SkipReason(f"no change in {look.looked_at:,} folders")


@dg.sensor(job=snapshot_library, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def server_changed(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Takes a new snapshot when something changed on the Immich server since it was last read.

    Where the last reading ended is kept in the database with the rows that it found, so that no change can fall between the two.
    """
    database = pipeline.database()
    server = open_server(pipeline.settings())
    if server is None:
        yield dg.SkipReason("no Immich server is configured")
        return
    if wait := _under_way(context.instance, database):
        yield wait
        return
    why = server_news(database, server)
    yield dg.RunRequest(tags={"immich_pipeline/why": why}) if why else dg.SkipReason("nothing changed on the server")


@dg.schedule(job=examine_set_up, cron_schedule="15 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def daily_examination(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Looks once a day whether the keys, the database and the mounts are still as the features need them."""
    return dg.RunRequest()


@dg.schedule(job=snapshot_library, cron_schedule="30 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def daily_reconcile(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Scans the whole library once a day: finds files overwritten in place, and tries unreadable ones again."""
    return dg.RunRequest(
        run_config={
            "ops": {
                "library_snapshot": {"config": {"full": True}},
                "ingest_batches": {"config": {"retry_failures": True}},
            }
        },
        tags={"immich_pipeline/kind": "reconcile"},
    )

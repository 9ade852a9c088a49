"""The monthly audit, the folding of old batches, and migrations."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from immich_pipeline.defs.jobs import audit_month, measure_batch
from immich_pipeline.defs.library.automation import alive_runs
from immich_pipeline.defs.partitions import ingest_batches
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store.batches import archived_batches, fold_batches
from immich_pipeline.store.migrate import migrate

KEEP_DAYS = 90
_CONTENT = ("file_hashes", "photo_metadata", "perceptual_hashes")

monthly_audit = dg.build_schedule_from_partitioned_job(
    audit_month,
    name="monthly_audit",
    day_of_month=2,
    hour_of_day=4,
    minute_of_hour=15,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 2nd of each month, reads again the files taken in the month before, of every year.",
)


@dg.op
def fold_old_batches(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Fold completed batches of more than 90 days into one partition per month, so that live partitions stay few."""
    if alive_runs(context.instance, measure_batch.name):
        context.log.info("batches are being worked on; folding waits for the next time")
        return
    name = str(ingest_batches.name)
    with pipeline.database().frames() as frames:
        fold_batches(frames, datetime.now(UTC) - timedelta(days=KEEP_DAYS))
        archived = archived_batches(frames)
    live = set(context.instance.get_dynamic_partitions(name))
    folded = {key: archive for key, archive in archived.items() if key in live}
    for archive in sorted(set(folded.values())):
        context.instance.add_dynamic_partitions(name, [archive])
        for asset in _CONTENT:
            context.log_event(dg.AssetMaterialization(asset, partition=archive))
    for key in folded:
        context.instance.delete_dynamic_partition(name, key)
    context.log.info(f"{len(folded)} batches folded into {len(set(folded.values()))} archive partitions")


@dg.job(executor_def=dg.in_process_executor, description="Fold old ingest batches into one partition per month.")
def archive_batches() -> None:
    """Fold old batches."""
    fold_old_batches()


@dg.schedule(job=archive_batches, cron_schedule="45 4 1 * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def monthly_archive() -> dg.RunRequest:
    """Folds old batches on the first of each month."""
    return dg.RunRequest()


@dg.op
def migrate_tables(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Run the migrations that are missing."""
    before, after = migrate(pipeline.database())
    context.log.info(f"tables were at {before}, are at {after}")


@dg.job(executor_def=dg.in_process_executor, description="Bring the pipeline's tables up to date with this version.")
def migrate_database() -> None:
    """Migrate."""
    migrate_tables()

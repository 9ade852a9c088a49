"""The library as it is now, and the batches its new content is worked on in."""

from datetime import UTC, datetime

import dagster as dg

from immich_pipeline.defs.metadata import changed, counts_table
from immich_pipeline.defs.partitions import ingest_batches as ingest_batches_def
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.progress import logger
from immich_pipeline.sources.library import open_library
from immich_pipeline.sources.snapshot import take_snapshot
from immich_pipeline.sources.versions import cured_kinds, versions
from immich_pipeline.store.batches import AGAIN_AND_AGAIN, MOST_ATTEMPTS, forget_attempts, plan_batches
from immich_pipeline.store.library import activate_sources


class SnapshotConfig(dg.Config):
    """How thorough a snapshot is."""

    retry_failures: bool = False
    """Also try files again that could not be read several times (a permission may have been put right)."""


@dg.asset(
    group_name="library",
    kinds={"postgres", "polars"},
    owners=["team:immich-pipeline"],
    code_version="1",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def library_snapshot(pipeline: PipelineResource) -> dg.MaterializeResult:
    """One row per photo or video of the library: identity, owner, path, size, times of the file.

    Every run scans the whole folder and writes only what differs. A file that moved keeps its asset id; one that is no longer there
    is marked gone, not deleted. Sidecars are kept beside the media file that they belong to.
    """
    settings, database = pipeline.settings(), pipeline.database()
    try:
        library = open_library(settings)
        activate_sources(database, [library.row])
        outcome = take_snapshot(database, library, allow_empty=settings.allow_empty)
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    logger.info(outcome.sentence())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": outcome.files,
            **outcome.counts(),
            **changed(outcome.changes),
            "skipped": counts_table(outcome.skipped, "reason"),
            "seconds": round(outcome.seconds, 2),
        }
    )


@dg.asset(
    group_name="library",
    kinds={"postgres"},
    owners=["team:immich-pipeline"],
    code_version="1",
    deps=[library_snapshot],
)
def ingest_batches(
    context: dg.AssetExecutionContext, config: SnapshotConfig, pipeline: PipelineResource
) -> dg.MaterializeResult:
    """Which batch works on which file: every file whose current content has no current result is in exactly one open batch.

    Each batch is a partition of the content assets. Planning an unchanged library assigns nothing; a batch that was interrupted
    stays open and is taken up again.
    """
    database = pipeline.database()
    with database.lock("planning batches"), database.frames() as frames:
        if config.retry_failures:
            forget_attempts(frames)
        plan = plan_batches(
            frames,
            versions(),
            cured=cured_kinds(),
            now=datetime.now(UTC),
            most_attempts=AGAIN_AND_AGAIN if config.retry_failures else MOST_ATTEMPTS,
        )
    known = set(context.instance.get_dynamic_partitions(str(ingest_batches_def.name)))
    missing = [key for key in plan.open_batches if key not in known]
    if missing:
        context.instance.add_dynamic_partitions(str(ingest_batches_def.name), missing)
    return dg.MaterializeResult(
        metadata={
            "files_to_do": plan.pending,
            "new_batches": len(plan.new_batches),
            "open_batches": len(plan.open_batches),
            "dagster/row_count": plan.assigned,
        }
    )

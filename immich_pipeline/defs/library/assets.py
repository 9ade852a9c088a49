"""The library as it is now, and the batches its new content is worked on in."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from immich_pipeline.defs.metadata import changed, counts_table, markdown_table
from immich_pipeline.defs.partitions import ingest_batches as ingest_batches_def
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.progress import logger
from immich_pipeline.sources.look import LibraryOutcome, look_at_library
from immich_pipeline.sources.versions import cured_kinds, versions
from immich_pipeline.store.batches import AGAIN_AND_AGAIN, MOST_ATTEMPTS, forget_attempts, plan_batches


class LookConfig(dg.Config):
    """How thorough a snapshot is."""

    full: bool = False
    """Compare everything with the server, not only what changed there since the last snapshot. A folder is always scanned as a whole."""


class SnapshotConfig(dg.Config):
    """Which work is planned."""

    retry_failures: bool = False
    """Also try files again that could not be read several times (a permission may have been put right)."""


@dg.asset(
    group_name="library",
    kinds={"postgres", "polars"},
    owners=["team:immich-pipeline"],
    code_version="2",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def library_snapshot(config: LookConfig, pipeline: PipelineResource) -> dg.MaterializeResult:
    """One row per photo or video of the library: identity, owner, path, size, times, and what an Immich server says of it.

    A folder is scanned as a whole, a server is asked what changed; only what differs is written. A file that moved keeps its asset id;
    what is no longer there is marked gone, not deleted. A folder's file that a server's asset is made of is that asset.
    """
    try:
        outcome = look_at_library(pipeline.database(), pipeline.settings(), full=config.full)
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for sentence in outcome.sentences():
        logger.info(sentence)
    return dg.MaterializeResult(metadata=_numbers(outcome))


def _numbers(outcome: LibraryOutcome) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "dagster/row_count": outcome.assets,
        "seconds": round(outcome.seconds, 2),
        "one_file_twice_in_the_library": outcome.same_files,
        **changed(outcome.changes),
    }
    if outcome.folder:
        numbers |= {**outcome.folder.counts(), "skipped": counts_table(outcome.folder.skipped, "reason")}
    if outcome.server:
        server = outcome.server
        numbers |= {
            "server_read_by": server.by,
            "server_complete": not server.problems,
            "server_problems": markdown_table(
                pl.DataFrame({"part": server.problems.keys(), "problem": server.problems.values()})
            ),
            "server_news": counts_table(server.counts(), "what"),
            "server_news_samples": markdown_table(server.samples()),
            "server_left_out": counts_table(server.left_out(), "reason"),
        }
    if outcome.problem:
        numbers["server_problem"] = outcome.problem
    return numbers


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
            cured=cured_kinds(pipeline.settings()),
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

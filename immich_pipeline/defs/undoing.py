"""A plan, or a run, undone: as `immich-pipeline undo`."""

from typing import Any

import dagster as dg
import polars as pl

from immich_pipeline.actions.by_settings import undo_saved
from immich_pipeline.defs.metadata import markdown_table
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError

_COUNTS = ("undone", "already", "refused", "failed", "held")


class UndoConfig(dg.Config):
    """What is to be undone: one of the two."""

    plan: str = ""
    """A plan: its id, or the beginning of it."""

    run: str = ""
    """A run of `stacks` or another asset that applied plans, or of `immich-pipeline apply`."""


@dg.op(pool="immich_write")
def undo(context: dg.OpExecutionContext, config: UndoConfig, pipeline: PipelineResource) -> None:
    """Put back what the journal says we changed, the last change first; what somebody else has changed since is left alone."""
    if bool(config.plan) == bool(config.run):
        raise dg.Failure("name a plan or a run to undo, and not both", allow_retries=False)
    try:
        done = list(
            undo_saved(
                pipeline.database(),
                pipeline.settings(),
                plan_id=config.plan or None,
                of_run=config.run or None,
                run_id=context.run.run_id,
            )
        )
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    problems = [problem for one in done for problem in one.problems]
    metadata: dict[str, Any] = {name: sum(getattr(one, name) for one in done) for name in _COUNTS}
    metadata["problems"] = markdown_table(pl.DataFrame(problems, schema=["action", "reason"], orient="row"))
    if problems or metadata["held"]:
        raise dg.Failure("not all of it is undone: see the problems", metadata=metadata, allow_retries=False)
    context.add_output_metadata(metadata)


@dg.job(
    executor_def=dg.in_process_executor,
    description="Undo a plan, or what a run did, and nothing else: name one of the two in the launchpad.",
)
def undo_changes() -> None:
    """Undo a plan or a run."""
    undo()

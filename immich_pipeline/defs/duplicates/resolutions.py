"""Duplicates resolved: what would become of them, and what was done."""

import dagster as dg
import polars as pl

from immich_pipeline.actions import engine
from immich_pipeline.actions.duplicate_plan import DUPLICATES, duplicate_outlook
from immich_pipeline.defs.applying import ApplyConfig, apply_as_asset
from immich_pipeline.defs.automation import WHEN_INPUTS_CHANGE
from immich_pipeline.defs.duplicates.assets import duplicate_decisions
from immich_pipeline.defs.metadata import counts_table, markdown_table
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.progress import byte_size
from immich_pipeline.store import checks

_OWNERS = ["team:immich-pipeline"]


@dg.asset(
    group_name="duplicates",
    kinds={"postgres", "polars"},
    owners=_OWNERS,
    code_version="1",
    deps=[duplicate_decisions],
    automation_condition=WHEN_INPUTS_CHANGE,
)
def duplicate_plan(pipeline: PipelineResource) -> dg.MaterializeResult:
    """What would become of the copies that are not kept: what is merged into the kept one first, and where they go; nothing is changed.

    Only what is certain, and what a person accepted, is planned. The same plan, made again, is the same plan.
    """
    database = pipeline.database()
    outlook = duplicate_outlook(database, pipeline.settings())
    plan = engine.save_plan(database, outlook.plan)
    left_out = (
        outlook.left_out.group_by("reason", "class")
        .len("sets")
        .sort("sets", "reason", "class", descending=[True, False, False])
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(plan.actions),
            "plan": plan.plan_id,
            "mode": plan.mode,
            "would_change": counts_table(
                {name: count for name, count in plan.summary.items() if not name.startswith(("bytes", "left"))}, "what"
            ),
            "would_free": byte_size(plan.summary["bytes_freed"]),
            "actions": dg.MetadataValue.md(engine.as_markdown(plan)),
            "left_out": markdown_table(left_out.head(20)),
            "next": "look at the report, then materialise `duplicate_resolutions`, or: immich-pipeline approve, apply",
        }
    )


@dg.asset(
    group_name="duplicates",
    kinds={"immich"},
    owners=_OWNERS,
    code_version="1",
    deps=[duplicate_plan],
    pool="immich_write",
)
def duplicate_resolutions(
    context: dg.AssetExecutionContext, config: ApplyConfig, pipeline: PipelineResource
) -> dg.MaterializeResult:
    """What was backed up, merged, verified and put into the trash, or moved to the quarantine of a folder.

    Launched by a person, or once a day where the settings say `mode: auto`. Each group is read again first, is written to the journal
    before and after, and fails by itself: a copy goes into the trash only when a verified backup of it is there and the kept one has
    everything. Applying twice does nothing the second time; `immich-pipeline undo` takes it back.
    """
    return apply_as_asset(
        DUPLICATES, pipeline.database(), pipeline.settings(), run_id=context.run.run_id, over_brake=config.over_brake
    )


@dg.asset_check(asset=duplicate_resolutions)
def no_resolution_failed(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Every action of the newest plan is done, waits for a person, or needs nothing. Else read the reason, and launch it again."""
    newest = engine.plans_frame(pipeline.database(), DUPLICATES.name).head(1)
    partly = newest.filter(pl.col("status").is_in(["partly", "stopped"]))
    return dg.AssetCheckResult(
        passed=partly.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata={"plan": markdown_table(partly)}
    )


@dg.asset_check(asset=duplicate_resolutions)
def every_kept_file_is_there(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """The kept one of every resolved group is live and shown. If one is not, `immich-pipeline undo` brings its copies back."""
    with pipeline.database().frames() as frames:
        lost = checks.keepers_not_there(frames)
    return dg.AssetCheckResult(
        passed=lost.is_empty(), metadata={"kept_files_not_there": lost.height, "samples": markdown_table(lost.head(20))}
    )

"""Captures as stacks on the server: what would change, and what was done."""

import dagster as dg
import polars as pl

from immich_pipeline.actions import engine
from immich_pipeline.actions.stack_plan import STACKS, stack_outlook
from immich_pipeline.defs.applying import ApplyConfig, apply_as_asset, plan_shown
from immich_pipeline.defs.automation import WHEN_INPUTS_CHANGE
from immich_pipeline.defs.captures.assets import capture_groups
from immich_pipeline.defs.metadata import counts_table, markdown_table
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError

_OWNERS = ["team:immich-pipeline"]


@dg.asset(
    group_name="captures",
    kinds={"postgres", "polars"},
    owners=_OWNERS,
    code_version="1",
    deps=[capture_groups],
    automation_condition=WHEN_INPUTS_CHANGE,
)
def stack_plan(pipeline: PipelineResource) -> dg.MaterializeResult:
    """Which stacks an Immich server would get, extend, change or lose, so that it shows each capture as one; nothing is changed there.

    The captures are compared with the stacks as they were last read. Stacks that a person made are left alone. The same plan, made
    again, is the same plan; a newer one takes the place of one that nothing was done of.
    """
    database = pipeline.database()
    try:
        outlook = stack_outlook(database, pipeline.settings())
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    plan = engine.save_plan(database, outlook.plan)
    operations = pl.Series([action.operation for action in plan.actions], dtype=pl.String).value_counts(name="count")
    outcomes = {name: count for name, count in plan.summary.items() if name != "suggestions"}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(plan.actions),
            "plan": plan.plan_id,
            "mode": plan.mode,
            "would_change": counts_table(dict(operations.iter_rows()), "operation", of="actions"),
            "captures": counts_table(outcomes, "outcome", of="captures"),
            "suggestions": markdown_table(outlook.suggestions.head(20)),
            "next": "materialise `stacks`, or: immich-pipeline approve, apply",
            **plan_shown(plan),
        }
    )


@dg.asset(
    group_name="captures",
    kinds={"immich"},
    owners=_OWNERS,
    code_version="1",
    deps=[stack_plan],
    pool="immich_write",
)
def stacks(context: dg.AssetExecutionContext, config: ApplyConfig, pipeline: PipelineResource) -> dg.MaterializeResult:
    """What was done of the stack plan on the server: launched by a person, or once a day where the settings say `mode: auto`.

    Each action reads the server again first, is written to the journal before and after, and fails by itself. Applying twice does
    nothing the second time; `immich-pipeline undo` takes it back.
    """
    return apply_as_asset(
        STACKS, pipeline.database(), pipeline.settings(), run_id=context.run.run_id, over_brake=config.over_brake
    )


@dg.asset_check(asset=stacks)
def no_action_failed(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Every action of the newest plan is done, waits for a person, or needs nothing. Else read the reason, and launch `stacks` again."""
    newest = engine.plans_frame(pipeline.database(), STACKS.name).head(1)
    partly = newest.filter(pl.col("status").is_in(["partly", "stopped"]))
    return dg.AssetCheckResult(
        passed=partly.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata={"plan": markdown_table(partly)}
    )

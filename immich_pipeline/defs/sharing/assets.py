"""One user's photos in another's library: what would be written, and what was."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg
import polars as pl

from immich_pipeline.actions import engine
from immich_pipeline.actions.sharing_plan import SharePlan, kind_of_job, share_outlook
from immich_pipeline.defs.applying import ApplyConfig, apply_as_asset, plan_shown
from immich_pipeline.defs.metadata import counts_table, markdown_table
from immich_pipeline.defs.partitions import share_jobs
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.progress import byte_size
from immich_pipeline.sharing.contract import CannotShare
from immich_pipeline.sharing.reports import Operation, Planned

_OWNERS = ["team:immich-pipeline"]
_COUNTED = {"operation": pl.String(), "table": pl.String(), "rows": pl.Int64()}
_LEFT_OUT = {"reason": pl.String(), "path": pl.String(), "blocking_asset": pl.String(), "detail": pl.String()}
_SHOWN = 20
_SAMPLED = {"operation": pl.String(), "which": pl.String()}


@dg.asset(
    group_name="sharing",
    kinds={"immich", "postgres"},
    owners=_OWNERS,
    code_version="1",
    partitions_def=share_jobs,
)
def share_plan(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult:
    """What a job would write into Immich's database, link and remove, so that the target has what the source shares; nothing is written.

    One partition per job of the settings. Where Immich's tables are not as they must be, nothing is planned, and a check says why. The
    same plan, made again, is the same plan; a newer one takes the place of one that nothing was done of.
    """
    name = context.partition_key
    try:
        seen = share_outlook(pipeline.settings(), name)
    except CannotShare as error:
        return dg.MaterializeResult(metadata={"dagster/row_count": 0, "refused": "\n".join(error.problems)})
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    plan = engine.save_plan(pipeline.database(), seen.plan)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(plan.subjects),
            "plan": plan.plan_id,
            "mode": plan.mode,
            **plan_shown(plan),
            **_shown(seen),
            "run_id": context.run.run_id,
            "next": f"materialise `shared_records`, or: immich-pipeline approve {plan.plan_id} --all, apply",
        }
    )


@dg.asset(
    group_name="sharing",
    kinds={"immich", "postgres"},
    owners=_OWNERS,
    code_version="1",
    partitions_def=share_jobs,
    deps=[share_plan],
    pool="immich_write",
)
def shared_records(
    context: dg.AssetExecutionContext, config: ApplyConfig, pipeline: PipelineResource
) -> dg.MaterializeResult:
    """What was done of a job's plan: copies made, changes carried over, copies removed; as far as mode and approval allow.

    Launched by a person, or by the job's schedule once that is switched on. Never two at a time. Each run can be undone, exactly.
    """
    name = context.partition_key
    return apply_as_asset(
        kind_of_job(name),
        pipeline.database(),
        pipeline.settings(),
        run_id=context.run.run_id,
        over_brake=config.over_brake,
    )


def _shown(seen: SharePlan) -> dict[str, Any]:
    """What a person looks for beside the actions."""
    outlook = seen.outlook
    counted = [
        (operation, table, rows)
        for operation, planned in outlook.planned.items()
        for table, rows in sorted(planned.counts.items())
        if rows
    ]
    backlog: dict[str, Any] = {"waiting_for_immich": outlook.backlog.count}
    if outlook.backlog.oldest is not None:
        backlog["waiting_since"] = outlook.backlog.oldest.isoformat(timespec="seconds")
    if outlook.space is not None:
        backlog["space"] = "hard links: none" if outlook.space.linkable else byte_size(outlook.space.needed)
    return {
        "copies": outlook.copies,
        "would_write": markdown_table(pl.DataFrame(counted, schema=_COUNTED, orient="row")),
        "samples": markdown_table(_samples(outlook.planned)),
        **backlog,
        "left_out": counts_table(dict(outlook.skips), "reason"),
        "left_out_samples": markdown_table(
            pl.DataFrame([asdict(one) for one in outlook.left_out[:_SHOWN]], schema=_LEFT_OUT)
        ),
        "notes": "\n".join(outlook.problems) or "none",
    }


def _samples(planned: Mapping[Operation, Planned]) -> pl.DataFrame:
    rows = [(operation, sample) for operation, one in planned.items() for sample in one.samples]
    return pl.DataFrame(rows, schema=_SAMPLED, orient="row")

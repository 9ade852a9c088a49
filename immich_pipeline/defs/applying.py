"""A plan applied as an asset, and once a day where the settings say so: the same for every kind of change."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from immich_pipeline.actions import engine
from immich_pipeline.actions.by_settings import apply_saved
from immich_pipeline.actions.model import Kind, Plan
from immich_pipeline.config import Settings
from immich_pipeline.defs.metadata import markdown_table
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database


class ApplyConfig(dg.Config):
    """What a person says when they launch it."""

    over_brake: bool = False
    """Apply the plan although it touches more of the library than the brakes allow."""


_SHOWN = 20  # the whole plan is told by `immich-pipeline plan KIND --json`


def plan_shown(plan: Plan) -> dict[str, Any]:
    """Metadata that shows a plan's first actions: as Markdown, as a table, and as JSON."""
    document = json.loads(engine.as_json(plan))
    actions = document["actions"] = document["actions"][:_SHOWN]
    rows = [
        dg.TableRecord(
            {"operation": action["operation"], "assets": len(action["subjects"]), "reason": action["reason"]}
        )
        for action in actions
    ]
    for action in actions:  # one of a share job names every asset that it copies
        action["subjects"] = action["subjects"][:_SHOWN]
    return {
        "actions": dg.MetadataValue.md(engine.as_markdown(plan)),
        "actions_as_table": dg.MetadataValue.table(rows, _TABLE),
        "actions_as_json": dg.MetadataValue.json(document),
    }


_TABLE = dg.TableSchema([dg.TableColumn("operation"), dg.TableColumn("assets", "int"), dg.TableColumn("reason")])


def apply_as_asset(
    kind: Kind, database: Database, settings: Settings, *, run_id: str, over_brake: bool
) -> dg.MaterializeResult:
    """Plan and apply; what a person has to see to becomes a failure without a retry.

    Args:
        kind: the kind of change.
        database: the pipeline's.
        settings: what decides.
        run_id: Dagster's, which is the journal's too.
        over_brake: as in `ApplyConfig`.
    """
    try:
        plan: Plan = engine.save_plan(database, kind.planner(database, settings))
        applied = apply_saved(database, settings, plan.plan_id, run_id=run_id, over_brake=over_brake)
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    if applied.stopped:
        raise dg.Failure(applied.stopped, allow_retries=False)
    names = ("done", "already", "skipped", "failed", "waiting", "rejected", "held")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": applied.done,
            "plan": plan.plan_id,
            "undo_with": f"immich-pipeline undo --run {applied.run_id}, or the job undo_changes with run: {applied.run_id}",
            **{name: getattr(applied, name) for name in names},
            "problems": markdown_table(pl.DataFrame(list(applied.problems), schema=["action", "reason"], orient="row")),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )


def daily_where_auto(name: str, job: Any, kind: str, cron: str) -> dg.ScheduleDefinition:
    """A schedule that launches the job once a day where the settings say `mode: auto`, and never otherwise.

    Args:
        name: the schedule's.
        job: what plans and applies; the library does not export the type of an asset job.
        kind: the kind of change, which is also the name of its settings.
        cron: when.
    """

    @dg.schedule(
        job=job,
        cron_schedule=cron,
        name=name,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Applies the plan of {kind} once a day where the settings say `{kind}: {{mode: auto}}`, and never otherwise.",
    )
    def daily(
        context: dg.ScheduleEvaluationContext, pipeline: PipelineResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        mode = getattr(pipeline.settings(), kind).mode
        if mode != "auto":
            yield dg.SkipReason(f"{kind} are changed when a person says so (mode: {mode})")
            return
        yield dg.RunRequest()

    return daily

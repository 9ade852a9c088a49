"""Everything that is done with plans, in one place: for the command line, for Dagster, for tests."""

from immich_pipeline.actions.apply import Applied, apply_plan
from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.plans import SavedPlan, load_plan, plan_frame, plans_frame, review, save_plan
from immich_pipeline.actions.render import as_json, as_markdown, as_table, plans_as_table
from immich_pipeline.actions.undo import Undone, kinds_of, undo

__all__ = [
    "Applied",
    "Brakes",
    "SavedPlan",
    "Undone",
    "apply_plan",
    "as_json",
    "as_markdown",
    "as_table",
    "kinds_of",
    "load_plan",
    "plan_frame",
    "plans_as_table",
    "plans_frame",
    "review",
    "save_plan",
    "undo",
]

"""Plans in the store: saved once, read back, approved or rejected action by action."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import polars as pl

from immich_pipeline.actions.model import Action, Mode, Plan
from immich_pipeline.errors import UserError
from immich_pipeline.store import actions as rows
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import read_plan

Review = Literal["open", "approved", "rejected"]
Status = Literal["open", "applied", "partly", "superseded", "stopped", "undone"]


@dataclass(frozen=True)
class SavedPlan:
    """A plan as it is stored.

    Attributes:
        plan: what was planned; the actions in the order in which they are done.
        status: open; applied: nothing is left to do; partly: some of it is done; superseded by a newer plan before anything was begun;
            stopped by the brakes; undone by a person.
        stopped_because: what the brakes said.
        created_at: when it was first saved.
        reviews: the verdict on each action, by action id, in the order of the actions.
    """

    plan: Plan
    status: Status
    stopped_because: str | None
    created_at: datetime
    reviews: dict[str, Review]

    @property
    def keyed(self) -> dict[str, Action]:
        """The actions by action id, in their order."""
        return dict(zip(self.reviews, self.plan.actions, strict=True))


def save_plan(database: Database, plan: Plan) -> Plan:
    """Store a plan, unless it is stored already; open plans of its kind of which nothing was begun give way to it.

    Verdicts on the same action in earlier plans hold: a rejection until it is taken back, an approval until the action is done.
    """
    head = {
        "plan_id": plan.plan_id,
        "kind": plan.kind,
        "mode": plan.mode,
        "policy_hash": plan.policy_hash,
        "input_fingerprint": plan.input_fingerprint,
        "actions": len(plan.actions),
        "summary": json.dumps(dict(plan.summary)),
    }
    with database.frames() as frames:
        rows.insert_plan(frames, head, _action_rows(plan))
    return plan


def load_plan(database: Database, plan_id: str) -> SavedPlan:
    """The plan of this id, or the one whose id begins so.

    Raises:
        UserError: there is none, or more than one.
    """
    head, actions = read_plan(database, plan_id)
    plan = Plan(
        head["plan_id"],
        head["kind"],
        cast(Mode, head["mode"]),
        head["policy_hash"],
        head["input_fingerprint"],
        tuple(_action(row) for row in actions),
        head["summary"],
    )
    reviews = {row["action_id"]: cast(Review, row["review"]) for row in actions}
    return SavedPlan(plan, head["status"], head["stopped_because"], head["created_at"], reviews)


def review(
    database: Database,
    plan_id: str,
    action_ids: Sequence[str] | None,
    verdict: Literal["approved", "rejected"],
    by: str,
) -> int:
    """Approve or reject actions of a plan; what is begun or done stays as it was judged.

    Args:
        database: where it is stored.
        plan_id: the plan, or the beginning of its id.
        action_ids: which actions, by id or beginning of it; None: all.
        verdict: what the person says.
        by: who says it.

    Returns:
        How many verdicts changed.

    Raises:
        UserError: there is no such plan or action, or the plan was superseded.
    """
    saved = load_plan(database, plan_id)
    if saved.status == "superseded":
        raise UserError(f"a newer plan has taken the place of {saved.plan.plan_id}: look at 'immich-pipeline plans'")
    chosen = None if action_ids is None else [_one_of(saved, text) for text in action_ids]
    with database.frames() as frames:
        return rows.review_actions(frames, saved.plan.plan_id, chosen, verdict, by)


def plan_frame(database: Database, plan_id: str) -> pl.DataFrame:
    """A plan's actions in their order, with reviews and what became of each.

    Columns: position, action_id, operation, owner_id, subjects, payload, preconditions (JSON), reason, review, reviewed_by, reviewed_at,
    outcome (the journal's last event, null: nothing yet), detail, run_id, at.
    """
    with database.frames() as frames:
        return rows.actions_of(frames, plan_id)


def plans_frame(database: Database, kind: str | None = None) -> pl.DataFrame:
    """All plans, the newest first.

    Columns: plan_id, kind, mode, created_at, status, actions, summary (JSON), stopped_because, and how many actions are approved,
    rejected, done.
    """
    with database.frames() as frames:
        return rows.plans(frames, kind)


def _one_of(saved: SavedPlan, text: str) -> str:
    found = [action_id for action_id in saved.reviews if text and action_id.startswith(text)]
    if len(found) != 1:
        what = "no action" if not found else "more than one action"
        raise UserError(f"{what} of the plan {saved.plan.plan_id} has an id that begins with '{text}'")
    return found[0]


def _action_rows(plan: Plan) -> pl.DataFrame:
    actions = [
        {
            "action_id": action.action_id(plan.kind),
            "position": position,
            "operation": action.operation,
            "owner_id": action.owner_id,
            "subjects": json.dumps(action.subjects),
            "payload": json.dumps(dict(action.payload)),
            "preconditions": json.dumps(dict(action.preconditions)),
            "reason": action.reason,
        }
        for position, action in enumerate(plan.actions, start=1)
    ]
    return pl.DataFrame(actions, schema=rows.ACTION_SCHEMA)


def _action(row: dict[str, Any]) -> Action:
    return Action(
        row["operation"], row["owner_id"], tuple(row["subjects"]), row["payload"], row["preconditions"], row["reason"]
    )

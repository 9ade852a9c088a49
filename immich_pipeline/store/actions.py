"""Plans as rows: written once, reviewed, and given a status."""

from collections.abc import Mapping, Sequence

import polars as pl

from immich_pipeline.store.frames import Frames, Table

PLAN = Table("actions", "plan", ("plan_id",))
PLAN_ACTION = Table("actions", "plan_action", ("plan_id", "action_id"))

ACTION_SCHEMA: dict[str, pl.DataType] = {
    "action_id": pl.String(),
    "position": pl.Int32(),
    "operation": pl.String(),
    "owner_id": pl.String(),
    "subjects": pl.String(),
    "payload": pl.String(),
    "preconditions": pl.String(),
    "reason": pl.String(),
}
"""Actions of one plan as they are stored; subjects, payload and preconditions are JSON."""

_SUPERSEDE = """
    UPDATE actions.plan p SET status = 'superseded', stopped_because = NULL
    WHERE p.kind = $1 AND p.plan_id <> $2 AND p.status IN ('open', 'stopped')
      AND NOT EXISTS (SELECT 1 FROM actions.journal j WHERE j.plan_id = p.plan_id AND j.event = 'begun')"""

# A rejection holds until a person takes it back; an approval is used up when the action is done.
_CARRY_REVIEWS = """
    UPDATE actions.plan_action t SET review = o.review, reviewed_by = o.reviewed_by, reviewed_at = o.reviewed_at
    FROM (SELECT DISTINCT ON (a.action_id) a.* FROM actions.plan_action a JOIN actions.plan p USING (plan_id)
          WHERE p.kind = $1 AND a.plan_id <> $2 AND a.review <> 'open'
            AND a.action_id IN (SELECT action_id FROM actions.plan_action WHERE plan_id = $2)
          ORDER BY a.action_id, a.reviewed_at DESC) o
    WHERE t.plan_id = $2 AND t.action_id = o.action_id AND (o.review = 'rejected' OR NOT EXISTS (
        SELECT 1 FROM actions.journal j WHERE (j.plan_id, j.action_id) = (o.plan_id, o.action_id) AND j.event = 'done'))"""

_ACTIONS = """
    SELECT a.position, a.action_id, a.operation, a.owner_id, a.subjects::text AS subjects, a.payload::text AS payload,
           a.preconditions::text AS preconditions, a.reason, a.review, a.reviewed_by, a.reviewed_at,
           j.event AS outcome, j.detail, j.run_id, j.at
    FROM actions.plan_action a
    LEFT JOIN LATERAL (SELECT * FROM actions.journal j WHERE (j.plan_id, j.action_id) = (a.plan_id, a.action_id)
                       ORDER BY j.entry DESC LIMIT 1) j ON true
    WHERE a.plan_id = $1 ORDER BY a.position"""


def applier_lock(kind: str) -> str:
    """The name whose hash is the advisory lock of whoever applies or undoes plans of a kind."""
    return f"immich-pipeline: applying {kind}"


def insert_plan(frames: Frames, plan: Mapping[str, object], actions: pl.DataFrame) -> bool:
    """Store a plan that is not stored yet, and let it take the place of those of its kind that nobody has begun.

    Args:
        frames: the transaction.
        plan: plan_id, kind, mode, policy_hash, input_fingerprint, actions, summary (JSON).
        actions: `ACTION_SCHEMA`.

    Returns:
        Whether it is new. One that is known keeps its reviews and its status, except that a superseded one is open again.
    """
    kind, plan_id = str(plan["kind"]), str(plan["plan_id"])
    frames.scalar("SELECT 1 AS held FROM pg_advisory_xact_lock(hashtextextended($1, 0))", f"saving {kind}")
    is_new = frames.scalar("SELECT 1 AS known FROM actions.plan WHERE plan_id = $1", plan_id) is None
    if is_new:
        status = "open" if actions.height else "applied"
        frames.merge(PLAN, pl.DataFrame([dict(plan) | {"status": status}]))
        frames.merge(PLAN_ACTION, actions.with_columns(plan_id=pl.lit(plan_id)))
        frames.execute(_CARRY_REVIEWS, kind, plan_id)
    else:
        frames.execute("UPDATE actions.plan SET status = 'open' WHERE plan_id = $1 AND status = 'superseded'", plan_id)
    # A plan that is just being applied may not have begun its first action yet; the next plan supersedes it if need be.
    if frames.scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free", applier_lock(kind)):
        frames.execute(_SUPERSEDE, kind, plan_id)
    return is_new


def actions_of(frames: Frames, plan_id: str) -> pl.DataFrame:
    """The actions of a plan in their order, with their review and the last thing that became of each (`outcome`, `detail`, ...)."""
    return frames.read(_ACTIONS, plan_id)


def plans(frames: Frames, kind: str | None = None) -> pl.DataFrame:
    """Every plan, the newest first: what it is, how many actions it has, how many are approved, rejected and done."""
    return frames.read(
        """
        SELECT p.plan_id, p.kind, p.mode, p.created_at, p.status, p.actions, p.summary::text AS summary, p.stopped_because,
               count(a.*) FILTER (WHERE a.review = 'approved') AS approved,
               count(a.*) FILTER (WHERE a.review = 'rejected') AS rejected,
               count(a.*) FILTER (WHERE j.event IN ('done', 'undo_refused', 'undo_failed')) AS done
        FROM actions.plan p LEFT JOIN actions.plan_action a USING (plan_id)
        LEFT JOIN LATERAL (SELECT event FROM actions.journal j WHERE (j.plan_id, j.action_id) = (a.plan_id, a.action_id)
                           ORDER BY j.entry DESC LIMIT 1) j ON true
        WHERE $1::text IS NULL OR p.kind = $1 GROUP BY p.plan_id ORDER BY p.created_at DESC, p.plan_id""",
        kind,
    )


def set_status(frames: Frames, plan_id: str, status: str, stopped_because: str | None = None) -> None:
    """Give a plan its status; writes nothing when it has it."""
    frames.execute(
        "UPDATE actions.plan SET status = $2, stopped_because = $3 WHERE plan_id = $1 "
        "AND (status, stopped_because) IS DISTINCT FROM ($2, $3::text)",
        plan_id,
        status,
        stopped_because,
    )


def review_actions(frames: Frames, plan_id: str, action_ids: Sequence[str] | None, verdict: str, by: str) -> int:
    """Approve or reject actions (None: all) that nothing was begun of; returns how many verdicts are new."""
    return frames.change(
        "UPDATE actions.plan_action a SET review = $2, reviewed_by = $3, reviewed_at = clock_timestamp() "
        "WHERE a.plan_id = $1 AND a.review <> $2 AND ($4::text[] IS NULL OR a.action_id = ANY($4::text[])) AND NOT EXISTS ("
        "SELECT 1 FROM actions.journal j WHERE (j.plan_id, j.action_id) = (a.plan_id, a.action_id) AND j.event IN ('begun', 'done'))",
        plan_id,
        verdict,
        by,
        None if action_ids is None else list(action_ids),
    )


def library_assets(frames: Frames) -> int:
    """How many assets the library has: what a plan's share is a share of."""
    return int(frames.scalar("SELECT count(*) AS assets FROM library.live_asset WHERE same_as IS NULL"))

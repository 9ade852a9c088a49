"""Stacks as the pipeline's database knows them: what the server showed, which captures there are, what we did."""

from collections.abc import Collection, Iterator

import polars as pl

from immich_pipeline.store.frames import Frames
from immich_pipeline.store.state import bump

_MEMBERS = """
    SELECT group_id, asset_id::text AS asset_id, kind, role, is_primary, rule, confidence, reason
    FROM captures.capture_member WHERE kind = ANY($1) ORDER BY group_id, asset_id"""

_PRESENT = """
    SELECT r.asset_id::text AS asset_id, r.owner_id::text AS owner_id, r.checksum, r.visibility, r.is_trashed, r.is_offline,
           r.stack_id::text AS stack_id, r.stack_primary_id::text AS stack_primary_id
    FROM library.immich_record r JOIN library.asset a USING (asset_id) JOIN library.source s USING (source_id)
    WHERE a.gone_at IS NULL AND s.active ORDER BY r.asset_id"""

_SEEN = """
    UPDATE library.immich_record r SET stack_id = s.stack_id::uuid, stack_primary_id = s.stack_primary_id::uuid
    FROM {stage} s WHERE r.asset_id = s.asset_id::uuid
      AND (r.stack_id, r.stack_primary_id) IS DISTINCT FROM (s.stack_id::uuid, s.stack_primary_id::uuid)"""

_JOURNAL = """
    SELECT j.entry, j.plan_id, j.action_id, j.event, p.payload::text AS payload, j.before::text AS before, j.after::text AS after,
           j.made::text AS made
    FROM actions.journal j JOIN actions.plan_action p USING (plan_id, action_id) JOIN actions.plan USING (plan_id)
    WHERE plan.kind = 'stacks' AND j.event IN ('done', 'failed', 'undone', 'undo_failed') ORDER BY j.entry"""


def capture_members(frames: Frames, kinds: Collection[str]) -> pl.DataFrame:
    """The members of the captures of these kinds: the columns of `grouping.schema.CAPTURE_SCHEMA`."""
    return frames.read(_MEMBERS, list(kinds))


def captures_are_known(frames: Frames) -> bool:
    """Whether captures were ever looked for."""
    return bool(frames.scalar("SELECT true FROM pipeline.computed WHERE asset = 'capture_groups'"))


def existing_groups(frames: Frames, group_ids: Collection[str]) -> set[str]:
    """Which of these captures there are."""
    found = frames.read(
        "SELECT DISTINCT group_id FROM captures.capture_member WHERE group_id = ANY($1)", list(group_ids)
    )
    return set(found["group_id"])


def present_assets(frames: Frames) -> pl.DataFrame:
    """Every asset that the active servers have, those in the trash included.

    Returns:
        asset_id, owner_id, checksum, visibility, is_trashed, is_offline, stack_id, stack_primary_id.
    """
    return frames.read(_PRESENT)


def note_stacks(frames: Frames, seen: pl.DataFrame) -> int:
    """Take note of the stacks of some assets (asset_id, stack_id, stack_primary_id), read just now; returns how many were others.

    A server does not say of an asset that it changed when its stack gets another primary asset: no later reading would tell.
    """
    with frames.staged(seen) as stage:
        changed = frames.change(_SEEN.format(stage=stage))
    if changed:
        bump(frames, "library")
    return changed


def journalled(frames: Frames) -> Iterator[dict[str, str | int | None]]:
    """What was done and undone, in order: entry, plan_id, action_id, event, and as JSON payload, before, after, made."""
    return frames.read(_JOURNAL).iter_rows(named=True)

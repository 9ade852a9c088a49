"""Decisions about duplicates as the pipeline's database holds them: written by the asset, read by the planner and by the executor."""

import json
from collections.abc import Collection

import polars as pl

from immich_pipeline.store.frames import Frames

_PLANNED = """
    WITH stacked AS (
        SELECT r.stack_id, count(*) AS shown FROM library.immich_record r JOIN library.live_asset USING (asset_id)
        WHERE r.stack_id IS NOT NULL GROUP BY 1)
    SELECT d.set_id, d.owner, d.class, d.verdict, d.keeper_id::text AS keeper_id, d.becomes, d.decided_by,
           d.reclaimable_bytes,
           m.unit_id, m.asset_id::text AS asset_id, m.role, m.obstacle, a.visibility, r.owner_id::text AS owner_id,
           r.live_video_id::text AS live_video_id, r.stack_id::text AS stack_id, s.shown AS stack_size,
           f.source_kind, f.root, f.real_path, a.path, a.size, a.mtime_ns, a.inode, t.detail::text AS detail, d.policy_hash,
           coalesce(t.updated_at > r.updated_at, false) AS changed_since
    FROM duplicates.decision d JOIN duplicates.decision_member m USING (set_id) JOIN library.live_asset a USING (asset_id)
    JOIN library.asset_file f USING (asset_id) LEFT JOIN library.immich_record r USING (asset_id)
    LEFT JOIN library.immich_detail t USING (asset_id) LEFT JOIN stacked s USING (stack_id)
    WHERE d.verdict = ANY($1)
    ORDER BY d.reclaimable_bytes DESC, d.set_id, m.asset_id"""

_STILL = """
    SELECT count(*) = $3 FROM duplicates.decision d JOIN duplicates.decision_member m USING (set_id)
    WHERE d.set_id = $1 AND d.keeper_id = $2::uuid AND d.verdict IN ('certain', 'accepted')
      AND m.role = 'loser' AND m.asset_id::text = ANY($4) AND ($5::text IS NULL OR d.policy_hash = $5)
      AND NOT EXISTS (SELECT 1 FROM library.asset a WHERE a.asset_id = m.asset_id AND a.same_as IS NOT NULL)"""


_BROUGHT_BACK = """
    WITH given_up AS (
        SELECT l.asset_id::uuid AS asset_id, max(j.at) AS at
        FROM actions.journal j JOIN actions.plan p USING (plan_id) JOIN actions.plan_action a USING (plan_id, action_id)
        CROSS JOIN LATERAL jsonb_array_elements_text(a.payload -> 'losers') AS l(asset_id)
        WHERE p.kind = 'duplicates' AND j.event = 'done' AND a.operation IN ('resolve', 'quarantine')
        GROUP BY 1)
    SELECT g.asset_id::text AS asset_id, g.at FROM given_up g JOIN library.live_asset USING (asset_id) ORDER BY 1"""

_HEARD = "SELECT inputs FROM pipeline.computed WHERE asset IN ('duplicate_groups', 'duplicate_decisions')"


def members_to_plan(frames: Frames, verdicts: Collection[str]) -> pl.DataFrame:
    """The files of the sets with these verdicts, those of the set with the most to save first.

    Columns: of the set set_id, owner, class, verdict, keeper_id, becomes, decided_by, reclaimable_bytes, policy_hash; of the file unit_id,
    asset_id, role, obstacle, visibility, owner_id (null: in a folder), live_video_id, stack_id, stack_size (how many it shows; both null
    where it is in none), source_kind, root, real_path (Binary), path, size, mtime_ns, inode, detail (JSON of its state on the server, null
    where it was not read), changed_since (that state is newer than what was decided by).
    """
    return frames.read(_PLANNED, list(verdicts))


def still_decided(
    frames: Frames, set_id: str, keeper_id: str, loser_ids: Collection[str], policy: str | None = None
) -> bool:
    """Whether this set is still decided like this: the same one kept, and each of the others given up; by `policy`, if one is named.

    Not when a person has said anything since it was decided: it may be about this set, and is taken into account by the next decisions.
    Not when one that is given up has turned out to be the very file of a server's asset.
    """
    same = frames.scalar(_STILL, set_id, keeper_id, len(loser_ids), list(loser_ids), policy)
    return bool(same) and every_word_was_heard(frames)


def brought_back(frames: Frames) -> pl.DataFrame:
    """Live assets that were given up as duplicates before and are here again, by an undo or by a person: asset_id, at (given up last)."""
    return frames.read(_BROUGHT_BACK)


def accepted_sets(frames: Frames) -> pl.DataFrame:
    """What people accepted: contents_key of the set, made_at."""
    return frames.read(
        "SELECT contents_key, made_at FROM duplicates.verdict WHERE active AND verdict = 'accepted' ORDER BY contents_key"
    )


def every_word_was_heard(frames: Frames) -> bool:
    """Whether groups and decisions were made after the last thing that a person said of duplicates and captures."""
    said = words_said(frames)
    heard = [_choices_of(inputs) for inputs in frames.read(_HEARD)["inputs"]]
    return all(number is None or number == said for number in heard)


def words_said(frames: Frames) -> int:
    """How often people said something of duplicates and captures until now."""
    return int(frames.scalar("SELECT number FROM pipeline.revision WHERE topic = 'choices'") or 0)


def _choices_of(inputs: str) -> int | None:
    """How much of what people said was known to what was computed from these inputs; None where that is not told."""
    try:
        return int(json.loads(inputs)["inputs"]["choices"])
    except (ValueError, KeyError, TypeError):
        return None


def owner_ids(frames: Frames) -> dict[str, str]:
    """The ids on the server of owners, by what they are called here: settings may name either."""
    rows = frames.read(
        "SELECT DISTINCT a.owner, r.owner_id::text AS owner_id FROM library.immich_record r JOIN library.asset a USING (asset_id)"
    )
    return dict(rows.iter_rows())


def decisions_are_known(frames: Frames) -> bool:
    """Whether it was ever decided about duplicates."""
    return bool(frames.scalar("SELECT true FROM pipeline.computed WHERE asset = 'duplicate_decisions'"))

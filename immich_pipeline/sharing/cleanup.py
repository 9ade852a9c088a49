"""What becomes of copies whose source left: removed for good, put into the trash, or kept, as the policy says; and what of them comes back.

A copy goes into the trash as a file does that a library scan no longer finds: offline, never with the status `trashed`. Of an asset with
that status Immich deletes the original when the time in the trash is over or the trash is emptied, and the original of a copy is the
source's. An offline one is only dropped from the database. What the target's owner put into the trash is made such a one.
"""

from dataclasses import dataclass

from psycopg import sql

from immich_pipeline.sharing import journal, people, scope
from immich_pipeline.sharing.work import Counts, Seen, Work

COPY = "immich_pipeline_sharing.copy"

# Copies whose source is gone, in its owner's trash, or no longer what the job shares. One that is offline is none of these.
_LEAVING = """
WITH leaving AS MATERIALIZED (
  SELECT copy.target_id FROM immich_pipeline_sharing.copy LEFT JOIN asset AS source ON source.id = copy.source_id
  WHERE copy.job = %(job)s AND copy.state = ANY (%(states)s) AND {among}
    AND (source.id IS NULL OR source.status <> 'active' OR NOT {shared})
)
SELECT target_id::text FROM leaving JOIN asset AS own ON own.id = target_id WHERE {own} ORDER BY target_id
"""
# The target's assets that are in the trash, offline, or just being deleted: few.
_AWAY = """
WITH away AS MATERIALIZED (
  SELECT id, status, "deletedAt", "isOffline" FROM asset
  WHERE "ownerId" = %(target_owner)s AND ("deletedAt" IS NOT NULL OR "isOffline" OR status <> 'active')
)
"""
# Copies whose source is there again.
_BACK = """
SELECT copy.target_id FROM immich_pipeline_sharing.copy JOIN asset AS source ON source.id = copy.source_id
WHERE copy.job = %(job)s AND copy.state IN ('trashed', 'kept') AND {among} AND source."deletedAt" IS NULL AND {shared}
  AND EXISTS (SELECT FROM asset AS own WHERE own.id = copy.target_id)
"""
_LOOK_AGAIN = """
INSERT INTO immich_pipeline_sharing.unfollowed (target_id, job, reason, detail)
SELECT target_id, %(job)s, 'back', 'was not followed for a while' FROM ({}) AS back ON CONFLICT DO NOTHING
"""
# Copies that a scan of the target's library took offline: its exclusion pattern hides them from it.
_OFFLINE = """
{away} SELECT copy.target_id FROM away AS own JOIN immich_pipeline_sharing.copy ON copy.target_id = own.id
JOIN asset AS source ON source.id = copy.source_id
WHERE copy.job = %(job)s AND copy.state = 'live' AND {among} AND own."isOffline" AND own.status = 'active'
  AND source."deletedAt" IS NULL AND NOT source."isOffline"
"""
# Copies in the trash, or already out of it, whose original Immich would delete.
_UNSAFE = """
{away} SELECT copy.target_id FROM away AS own JOIN immich_pipeline_sharing.copy ON copy.target_id = own.id
WHERE copy.job = %(job)s AND copy.state IN ('live', 'trashed', 'kept', 'declined') AND {among}
  AND (own.status <> 'active' OR own."deletedAt" IS NOT NULL AND NOT own."isOffline")
"""
# Copies in the trash that the target's owner took out again: of those that we put there, theirs to keep.
_TAKEN_OUT = """
SELECT copy.target_id FROM immich_pipeline_sharing.copy JOIN asset AS own ON own.id = copy.target_id
WHERE copy.job = %(job)s AND copy.state = %(state)s AND {among} AND own."deletedAt" IS NULL AND NOT own."isOffline"
"""
# Copies that are no longer there. Only what the target's owner deleted is not made again.
_GONE = """
SELECT copy.target_id FROM immich_pipeline_sharing.copy
WHERE copy.job = %(job)s AND copy.state IN ('live', 'trashed', 'kept', 'declined')
  AND NOT EXISTS (SELECT FROM asset WHERE asset.id = copy.target_id)
"""
_REFUSED = (
    """row.state IN ('live', 'declined') AND EXISTS (SELECT FROM asset AS source WHERE source.id = row.source_id)"""
)
_FORGOTTEN = """
row.job = %(job)s AND row.state = 'refused' AND (%(again)s OR NOT EXISTS (SELECT FROM asset WHERE asset.id = row.source_id))
"""
# What is known of a copy that is no longer there.
_LEFTOVERS = {
    "face": "row.target_asset",
    "unfollowed": "row.target_id",
    "tagging": "row.asset_id",
    "album_entry": "row.asset_id",
}
_UNKNOWN_COPY = """
NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = {asset})
OR EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = {asset} AND copy.state = 'refused')
"""
# A stack or a tag that the target's owner deleted is remembered as long as the source has it.
_STALE_STACK = """
NOT EXISTS (SELECT FROM stack WHERE stack.id = row.target_id) AND NOT EXISTS (SELECT FROM stack WHERE stack.id = row.source_id)
"""
_STALE_TAG = "NOT EXISTS (SELECT FROM tag WHERE tag.id = row.target_id)"


@dataclass(frozen=True)
class Leaving:
    """Copies whose source left.

    Attributes:
        removed: they are to be removed for good.
        trashed: they are to be put into the trash.
        kept: they stay, and are followed no more.
    """

    removed: tuple[str, ...] = ()
    trashed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def prune(work: Work) -> Counts:
    """Take note of what the target did: copies that are no longer there, people that it merged. Writes nothing of Immich's.

    By policy, copies that are gone are not made again, or may be.
    """
    again = work.job.policy.on_target_delete == "again"
    gone = work.connection.execute(_GONE, work.values).fetchall()
    values = {"again": again, "gone": [copy for (copy,) in gone]}
    is_gone = "row.target_id = ANY (%(gone)s)"
    if gone and not again:
        journal.update(work, COPY, sql.SQL("state = 'refused'"), sql.SQL(f"{is_gone} AND {_REFUSED}"), values=values)
    forgotten = sql.SQL(f"{is_gone} AND row.state <> 'refused' OR {_FORGOTTEN}")
    if journal.delete(work, COPY, forgotten, values=values) or gone or work.full:
        for table, asset in _LEFTOVERS.items():
            unknown = sql.SQL(_UNKNOWN_COPY).format(asset=sql.SQL(asset))
            journal.delete(work, f"immich_pipeline_sharing.{table}", unknown)
    journal.delete(work, "immich_pipeline_sharing.stack", sql.SQL(_STALE_STACK))
    journal.delete(work, "immich_pipeline_sharing.tag", sql.SQL(_STALE_TAG))
    people.adopt_survivors(work)
    return {}


def leaving(work: Work) -> Leaving:
    """The copies whose source left, by what the policy wants of them. One in the trash already is left there."""
    policy = work.job.policy.on_source_delete
    statement = sql.SQL(_LEAVING).format(
        among=_among(work),
        shared=scope.in_scope(work.job, work.layout, sql.Identifier("source")),
        own=sql.SQL('own."deletedAt" IS NULL' if policy == "trash" else "TRUE"),
    )
    states = ["live", "trashed", "declined"] if policy == "delete" else ["live"]
    rows = work.connection.execute(statement, {**scope.parameters(work), "states": states})
    found = tuple(copy for (copy,) in rows)
    if policy == "delete":
        return Leaving(removed=found)
    return Leaving(trashed=found) if policy == "trash" else Leaving(kept=found)


def trash(work: Work, ids: tuple[str, ...]) -> Counts:
    """Put copies into the trash of the target, as files that are not found."""
    values = {"ids": list(ids)}
    trashed = journal.update(
        work,
        "asset",
        sql.SQL('"isOffline" = TRUE, "deletedAt" = now()'),
        sql.SQL('row.id = ANY (%(ids)s::uuid[]) AND row."deletedAt" IS NULL'),
        values=values,
    )
    journal.update(
        work, COPY, sql.SQL("state = 'trashed'"), sql.SQL("row.target_id = ANY (%(ids)s::uuid[])"), values=values
    )
    return {"asset": trashed}


def keep(work: Work, ids: tuple[str, ...]) -> Counts:
    """Leave copies as they are from now on."""
    journal.update(
        work,
        COPY,
        sql.SQL("state = 'kept'"),
        sql.SQL("row.target_id = ANY (%(ids)s::uuid[])"),
        values={"ids": list(ids)},
    )
    return {}


def guard(work: Work) -> Counts:
    """Make copies in the target's trash safe, where the policy says so: what becomes of them there must not reach the original."""
    unsafe = _unsafe(work)
    if not unsafe:
        return {}
    values = {"ids": unsafe}
    guarded = journal.update(
        work,
        "asset",
        sql.SQL("""status = 'active', "isOffline" = TRUE, "deletedAt" = coalesce(row."deletedAt", now())"""),
        sql.SQL("row.id = ANY (%(ids)s::uuid[])"),
        values=values,
    )
    declined = sql.SQL("row.target_id = ANY (%(ids)s::uuid[]) AND row.state <> 'declined'")
    journal.update(work, COPY, sql.SQL("state = 'declined'"), declined, values=values)
    return {"asset": guarded}


def guard_outlook(work: Work) -> Seen:
    """Which copies would be made safe."""
    unsafe = _unsafe(work)
    return Seen({"asset": len(unsafe)}, tuple(unsafe)) if unsafe else Seen()


def bring_back(work: Work) -> Counts:
    """Bring back copies whose source is there again, and those that a scan took offline; the target's own trash is left alone."""
    taken_out = sql.SQL("row.target_id IN ({})").format(sql.SQL(_TAKEN_OUT).format(among=_among(work)))
    journal.update(work, COPY, sql.SQL("state = 'kept'"), taken_out, values={"state": "trashed"})
    journal.update(work, COPY, sql.SQL("state = 'live'"), taken_out, values={"state": "declined"})
    back = _back(work)
    values = scope.parameters(work)
    shown = journal.update(
        work,
        "asset",
        sql.SQL('"isOffline" = FALSE, "deletedAt" = NULL'),
        sql.SQL("""row.id IN ({offline}) OR row."isOffline" AND row.status = 'active' AND row.id IN ({back})""").format(
            offline=_offline(work), back=back
        ),
        values=values,
    )
    if work.job.policy.follow:
        work.connection.execute(sql.SQL(_LOOK_AGAIN).format(back), values)
    journal.update(work, COPY, sql.SQL("state = 'live'"), sql.SQL("row.target_id IN ({})").format(back), values=values)
    return {"asset": shown}


def bring_back_outlook(work: Work) -> Seen:
    """Which copies would be brought back."""
    query = sql.SQL("({}) UNION ({})").format(_offline(work), _back(work))
    found = [str(copy) for (copy,) in work.connection.execute(query, scope.parameters(work))]
    return Seen({"asset": len(found)}, tuple(found)) if found else Seen()


def _unsafe(work: Work) -> list[str]:
    if not work.job.policy.guard_originals:
        return []
    query = sql.SQL(_UNSAFE).format(among=_among(work), away=sql.SQL(_AWAY))
    return [str(copy) for (copy,) in work.connection.execute(query, work.values)]


def _back(work: Work) -> sql.Composed:
    shared = scope.in_scope(work.job, work.layout, sql.Identifier("source"))
    return sql.SQL(_BACK).format(among=_among(work), shared=shared)


def _offline(work: Work) -> sql.Composed:
    return sql.SQL(_OFFLINE).format(among=_among(work), away=sql.SQL(_AWAY))


def _among(work: Work) -> sql.Composable:
    return work.among(sql.SQL("copy.source_id"), sql.SQL("copy.target_id"))

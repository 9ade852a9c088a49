"""Which copies have to be looked at: those of which anything changed, at the source or at the target, since the last cycle.

Every table is read once, for rows that were written by a transaction that the last cycle could not see; no stamp of Immich's is needed,
so tables without one are followed too, and what was committed late is not missed. What is gone is found by what is left of it in the copy.
The result is the temporary table `changed`, which every later step reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from immich_pipeline.sharing.session import Connection
from immich_pipeline.sharing.tables import copied_tables
from immich_pipeline.sharing.work import Work

_PREPARE = """
CREATE TEMPORARY TABLE IF NOT EXISTS changed (
  source_id uuid PRIMARY KEY,
  target_id uuid NOT NULL UNIQUE,
  fresh boolean NOT NULL   -- copied in this very run: its rows are as they must be, only what it is in is not
);
CREATE TEMPORARY TABLE IF NOT EXISTS touched (id uuid NOT NULL);  -- assets of which anything is new or gone, shared or not
"""
_COLLECT = """
INSERT INTO changed (source_id, target_id, fresh)
SELECT copy.source_id, copy.target_id, copy.run = %(run)s AND NOT copy.adopted
FROM immich_pipeline_sharing.copy
WHERE copy.job = %(job)s AND copy.state = 'live' AND {among} AND {which}
  AND EXISTS (SELECT FROM asset WHERE id = copy.source_id)
  AND EXISTS (SELECT FROM asset WHERE id = copy.target_id AND "deletedAt" IS NULL)
"""
_LIMIT = """
SELECT age(pg_snapshot_xmin(seen)::xid) FROM immich_pipeline_sharing.watermark
WHERE job = %s AND subject = %s AND cluster = (SELECT system_identifier::text FROM pg_control_system())
"""
_SAVE = """
INSERT INTO immich_pipeline_sharing.watermark (job, subject, seen, cluster)
SELECT %s, %s, %s::pg_snapshot, system_identifier FROM pg_control_system()
ON CONFLICT (job, subject) DO UPDATE SET seen = excluded.seen, cluster = excluded.cluster, taken_at = clock_timestamp()
"""

# Rows of the source that have no asset's id of their own: whose assets they are about.
_INDIRECT = {
    "face_search": 'SELECT face."assetId" FROM face_search JOIN asset_face AS face ON face.id = "faceId" WHERE {new}',
    "stack": 'SELECT "primaryAssetId" FROM stack WHERE {new}',
    "tag": 'SELECT "assetId" FROM tag JOIN tag_asset ON "tagId" = tag.id WHERE {new}',
}
# Whoever is in a stack with such an asset.
_IN_STACKS = """
INSERT INTO touched (id) SELECT other.id FROM touched JOIN asset ON asset.id = touched.id
JOIN asset AS other ON other."stackId" = asset."stackId" AND other.id <> asset.id
"""
# Copies that could not be followed when they were last looked at (places.py, pictures.py).
_UNFOLLOWED = """
SELECT source_id FROM immich_pipeline_sharing.unfollowed JOIN immich_pipeline_sharing.copy USING (target_id) WHERE copy.job = %(job)s
"""
_NOW_FOLLOWED = """
DELETE FROM immich_pipeline_sharing.unfollowed USING changed
WHERE changed.target_id = unfollowed.target_id AND unfollowed.reason = %(reason)s AND unfollowed.target_id <> ALL (%(ids)s::uuid[])
"""
_NOTE_UNFOLLOWED = """
INSERT INTO immich_pipeline_sharing.unfollowed (target_id, job, reason, detail)
SELECT id, %(job)s, %(reason)s, detail FROM unnest(%(ids)s::uuid[], %(details)s::text[]) AS found (id, detail) ON CONFLICT DO NOTHING
"""
# Rows of a copy whose counterpart is gone.
_GONE_FACES = """
SELECT copy.source_id FROM immich_pipeline_sharing.face
JOIN immich_pipeline_sharing.copy ON copy.target_id = face.target_asset
WHERE copy.job = %(job)s AND copy.state = 'live' AND EXISTS (SELECT FROM asset_face WHERE id = face.target_id)
  AND NOT EXISTS (SELECT FROM asset_face WHERE id = face.source_id)
"""
_GONE_TAGGINGS = """
SELECT copy.source_id FROM immich_pipeline_sharing.tagging
JOIN immich_pipeline_sharing.copy ON copy.target_id = tagging.asset_id JOIN tag ON tag.id = tagging.tag_id
WHERE copy.job = %(job)s AND copy.state = 'live' AND NOT EXISTS (
  SELECT FROM tag_asset JOIN tag AS source_tag ON source_tag.id = "tagId"
  WHERE "assetId" = copy.source_id AND source_tag.value = tag.value)
"""
_GONE_ROWS = """
SELECT copy.source_id FROM immich_pipeline_sharing.copy JOIN {table} AS row ON row.{asset} = copy.target_id
WHERE copy.job = %(job)s AND copy.state = 'live'
  AND NOT EXISTS (SELECT FROM {table} AS source WHERE source.{asset} = copy.source_id AND {same})
"""


@dataclass(frozen=True)
class Marks:
    """Snapshots of the database: what they could not see is new next time.

    Attributes:
        sources: taken before anything of this cycle was read.
        targets: taken when the copies were looked at: what this cycle itself copied before is not new.
    """

    sources: str
    targets: str


def prepare(connection: Connection) -> None:
    """Make the table `changed`, empty. Not in a transaction that may only read."""
    connection.execute(_PREPARE)
    connection.execute("TRUNCATE changed, touched")


def begin(connection: Connection) -> str:
    """The snapshot to keep for the sources: call it before anything is read."""
    return _snapshot(connection)


def collect(work: Work) -> str:
    """Fill `changed`, in a transaction; returns the snapshot to keep for the targets."""
    connection = work.connection
    seen = _snapshot(connection)
    connection.execute("DELETE FROM changed")
    connection.execute("DELETE FROM touched")
    sources, targets = _limit(work, "sources"), _limit(work, "targets")
    values = {**work.values, "sources": sources, "targets": targets}
    which: sql.Composable = sql.SQL("TRUE")
    # without a mark, or with one so old that numbers of transactions have come round, all is compared
    if not work.full and sources is not None and targets is not None and min(sources, targets) >= 0:
        which = sql.SQL("(copy.target_id IN (SELECT id FROM asset WHERE age(xmin) <= %(targets)s) {})").format(
            sql.SQL("OR copy.source_id IN (SELECT id FROM touched)" if work.job.policy.follow else "")
        )
        _touch(work, values)
    statement = sql.SQL(_COLLECT).format(
        among=work.among(sql.SQL("copy.source_id"), sql.SQL("copy.target_id")), which=which
    )
    connection.execute(statement, values)
    connection.execute("ANALYZE changed")
    return seen


def _touch(work: Work, values: Mapping[str, Any]) -> None:
    """Find the assets of which anything is new or gone."""
    parts = sql.SQL(" UNION ").join([*_changed(work), sql.SQL(_UNFOLLOWED)])
    work.connection.execute(sql.SQL("INSERT INTO touched (id) {}").format(parts), values)
    work.connection.execute("ANALYZE touched")
    work.connection.execute(_IN_STACKS)


def note_unfollowed(work: Work, reason: str, found: Mapping[str, str]) -> None:
    """Write down which copies could not be followed for a reason, each with a detail; those that could are forgotten."""
    values = {**work.values, "reason": reason, "ids": list(found), "details": list(found.values())}
    work.connection.execute(_NOW_FOLLOWED, values)
    work.connection.execute(_NOTE_UNFOLLOWED, values)


def settle(work: Work, marks: Marks) -> None:
    """Keep how far was read. Only when every step went through, over everything: else the next cycle must look again."""
    for subject, seen in (("sources", marks.sources), ("targets", marks.targets)):
        work.connection.execute(_SAVE, [work.job.name, subject, seen])


def _snapshot(connection: Connection) -> str:
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    return str(row[0]) if row else ""


def _limit(work: Work, subject: str) -> int | None:
    """How old a transaction may be to count as new: in transactions, counted as `age` does. None: nothing was kept.

    The oldest transaction that was running then is where it begins, not the snapshot itself: savepoints have numbers of their own, which
    a snapshot does not list.
    """
    row = work.connection.execute(_LIMIT, [work.job.name, subject]).fetchone()
    return None if row is None else int(row[0])


def _changed(work: Work) -> Iterator[sql.Composable]:
    """Ids of source assets of which something is new, or something gone."""
    new = sql.SQL("age({}.xmin) <= %(sources)s")
    tables = [table for table in copied_tables(work.layout) if table.follow]
    for name, asset in [*((table.name, table.asset) for table in tables), ("asset_face", "assetId")]:
        yield sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.Identifier(asset), sql.Identifier(name), new.format(sql.Identifier(name))
        )
    for indirect, query in _INDIRECT.items():
        yield sql.SQL(query).format(new=new.format(sql.Identifier(indirect)))
    if work.job.policy.tags == "copy":
        yield sql.SQL('SELECT "assetId" FROM tag_asset WHERE {}').format(new.format(sql.Identifier("tag_asset")))
        yield sql.SQL(_GONE_TAGGINGS)
    yield sql.SQL(_GONE_FACES)
    for table in tables:
        if table.name != "asset" and not table.unless_null:
            yield sql.SQL(_GONE_ROWS).format(
                table=sql.Identifier(table.name), asset=sql.Identifier(table.asset), same=_same(table.key or ())
            )


def _same(columns: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(" AND ").join(
        [sql.SQL("TRUE"), *(sql.SQL("source.{0} = row.{0}").format(sql.Identifier(column)) for column in columns)]
    )

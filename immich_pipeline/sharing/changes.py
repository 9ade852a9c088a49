"""Which copies have to be looked at: those of which anything changed, at the source or at the target, since the last cycle.

Every table is read once, for rows that were written by a transaction that the last cycle could not see; no stamp of Immich's is needed,
so tables without one are followed too, and what was committed late is not missed. What is gone is found by what is left of it in the copy.
The result is the temporary table `changed`, which every later step reads.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

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
CREATE TEMPORARY TABLE IF NOT EXISTS put_off (LIKE changed);      -- what would have to be looked at, and is not among the chosen ones
"""
# Those found are few, and PostgreSQL takes them for many: with EXISTS it would read all assets twice.
_COLLECT = """
WITH found AS MATERIALIZED (
  SELECT copy.source_id, copy.target_id, copy.run = %(run)s AND NOT copy.adopted AS fresh FROM immich_pipeline_sharing.copy
  WHERE copy.job = %(job)s AND copy.state = 'live' AND {which}
)
INSERT INTO changed (source_id, target_id, fresh) SELECT source_id, target_id, fresh FROM found
WHERE (SELECT id FROM asset WHERE id = found.source_id) IS NOT NULL
  AND (SELECT id FROM asset WHERE id = found.target_id AND "deletedAt" IS NULL) IS NOT NULL
"""
_PUT_OFF = """
WITH others AS (DELETE FROM changed WHERE NOT {among} RETURNING source_id, target_id, fresh)
INSERT INTO put_off (source_id, target_id, fresh) SELECT source_id, target_id, fresh FROM others
"""
_LIMITS = """
SELECT subject, age(pg_snapshot_xmin(seen)::xid) FROM immich_pipeline_sharing.watermark
WHERE job = %s AND settings = %s AND cluster = (SELECT system_identifier::text FROM pg_control_system())
"""
_SAVE = """
INSERT INTO immich_pipeline_sharing.watermark (job, subject, seen, settings, cluster, deletions)
SELECT %s, %s, %s::pg_snapshot, %s, system_identifier, %s FROM pg_control_system()
ON CONFLICT (job, subject) DO UPDATE SET seen = excluded.seen, settings = excluded.settings, cluster = excluded.cluster,
  deletions = excluded.deletions, taken_at = clock_timestamp()
"""
# PostgreSQL counts what is deleted, some seconds late. When it began to count is part of what is kept, since it begins anew after a crash;
# so is the day: up to PostgreSQL 14 a count may get lost, and once a day nothing is taken from counts.
_DELETIONS = """
SELECT relname::text, concat_ws(' ', n_tup_del, current_date, whole.stats_reset, own.stats_reset)
FROM pg_stat_user_tables, pg_stat_bgwriter AS whole, pg_stat_database AS own
WHERE schemaname = 'public' AND own.datname = current_database() AND current_setting('track_counts')::boolean
"""
_DELETIONS_SEEN = """
SELECT deletions FROM immich_pipeline_sharing.watermark
WHERE job = %s AND subject = 'sources' AND settings = %s AND deletions IS NOT NULL
"""

# Rows of the source that have no asset's id of their own: whose assets they are about.
_INDIRECT = {
    "face_search": 'WITH new AS MATERIALIZED (SELECT "faceId" FROM face_search WHERE {new}) '
    'SELECT "assetId" FROM new JOIN asset_face ON id = "faceId"',
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
WITH gone AS MATERIALIZED (
  SELECT face.target_id, face.target_asset FROM immich_pipeline_sharing.face
  WHERE NOT EXISTS (SELECT FROM asset_face WHERE asset_face.id = face.source_id)
)
SELECT copy.source_id FROM gone JOIN immich_pipeline_sharing.copy ON copy.target_id = gone.target_asset
WHERE copy.job = %(job)s AND copy.state = 'live' AND EXISTS (SELECT FROM asset_face WHERE asset_face.id = gone.target_id)
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
# Of a table in which nearly every asset has its row.
_GONE_ROW = """
WITH lacking AS MATERIALIZED (
  SELECT copy.source_id, copy.target_id FROM immich_pipeline_sharing.copy
  WHERE copy.job = %(job)s AND copy.state = 'live' AND NOT EXISTS (SELECT FROM {table} AS source WHERE source.{asset} = copy.source_id)
)
SELECT source_id FROM lacking WHERE EXISTS (SELECT FROM {table} AS row WHERE row.{asset} = lacking.target_id)
"""


@dataclass(frozen=True)
class Marks:
    """How far was read: what these snapshots of the database could not see is new next time.

    Attributes:
        sources: taken before anything of this cycle was read.
        targets: taken when the copies were looked at: what this cycle itself copied before is not new.
        deletions: table to how many of its rows were ever deleted, counted before anything of this cycle was read.
    """

    sources: str
    targets: str = ""
    deletions: Mapping[str, str] = field(default_factory=dict)


def prepare(connection: Connection) -> None:
    """Make the table `changed`, empty. Not in a transaction that may only read."""
    connection.execute(_PREPARE)
    connection.execute("TRUNCATE changed, touched, put_off")


def begin(connection: Connection) -> Marks:
    """What to keep of the sources: call it before anything is read, in no transaction."""
    return Marks(_snapshot(connection), deletions=dict(connection.execute(_DELETIONS).fetchall()))


def collect(work: Work, marks: Marks) -> Marks:
    """Fill `changed`, in a transaction; `marks` are those of `begin`. Returns what to keep of sources and targets."""
    connection = work.connection
    seen = _snapshot(connection)
    for table in ("changed", "touched", "put_off"):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    limits: dict[str, int] = dict(connection.execute(_LIMITS, [work.job.name, _settings(work)]).fetchall())
    which: sql.Composable = sql.SQL("TRUE")
    values = dict(work.values)
    # without a mark, or with one so old that numbers of transactions have come round, all is compared
    if not work.full and {"sources", "targets"} <= limits.keys() and min(limits.values()) >= 0:
        which = sql.SQL("(copy.target_id IN (SELECT id FROM asset WHERE age(xmin) <= %(targets)s) {})").format(
            sql.SQL("OR copy.source_id IN (SELECT id FROM touched)" if work.job.policy.follow else "")
        )
        values |= limits
        _touch(work, values, _without_deletions(work, marks))
    connection.execute(sql.SQL(_COLLECT).format(which=which), values)
    if work.only is not None:
        among = work.among(sql.Identifier("source_id"), sql.Identifier("target_id"))
        connection.execute(sql.SQL(_PUT_OFF).format(among=among))
    connection.execute("ANALYZE changed")
    return replace(marks, targets=seen)


def is_quiet(work: Work, *, later: bool = False) -> bool:
    """Whether there is nothing to follow: no copy that was not made just now. `later`: among those that were put off, too."""
    tables = ["changed", *(["put_off"] if later else [])]
    query = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT FROM {} WHERE NOT fresh").format(sql.Identifier(table)) for table in tables
    )
    return work.connection.execute(sql.SQL("SELECT NOT EXISTS ({})").format(query)).fetchone() == (True,)


def take_up(work: Work) -> bool:
    """Put what was put off into `changed` in place of what was looked at; whether there is any."""
    work.connection.execute("DELETE FROM changed")
    return work.connection.execute("INSERT INTO changed SELECT * FROM put_off").rowcount > 0


def _without_deletions(work: Work, marks: Marks) -> frozenset[str]:
    """The tables of which nothing was deleted since the last cycle, as far as PostgreSQL has counted.

    A deletion of the last seconds may not be counted yet: then the count differs at the next cycle, which finds what is gone.
    """
    row = work.connection.execute(_DELETIONS_SEEN, [work.job.name, _settings(work)]).fetchone()
    seen: Mapping[str, str] = row[0] if row else {}
    return frozenset(table for table, count in marks.deletions.items() if seen.get(table) == count)


def _touch(work: Work, values: Mapping[str, Any], intact: frozenset[str]) -> None:
    """Find the assets of which anything is new or gone; `intact` are tables of which nothing is gone."""
    # read apart from what is written, so that PostgreSQL may share the work out
    gone = [query for tables, query in _gone(work) if not intact.issuperset(tables)]
    for part in (*_new(work), *gone, sql.Composed([sql.SQL(_UNFOLLOWED)])):
        found = [asset for (asset,) in work.connection.execute(part, values)]
        if found:
            work.connection.execute("INSERT INTO touched (id) SELECT unnest(%s::uuid[])", [found])
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
        work.connection.execute(_SAVE, [work.job.name, subject, seen, _settings(work), Jsonb(marks.deletions)])


def _settings(work: Work) -> str:
    """What decides about what is carried over: with other settings all has to be looked at."""
    job = work.job
    return repr((job.source_prefix, job.target_prefix, job.target_library, job.policy.follow, job.policy.tags))


def _snapshot(connection: Connection) -> str:
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    return str(row[0]) if row else ""


def _new(work: Work) -> Iterator[sql.Composed]:
    """Ids of source assets of which something is new.

    The oldest transaction that was running then is where new begins, not the snapshot itself: savepoints have numbers of their own, which
    a snapshot does not list.
    """
    new = sql.SQL("age({}.xmin) <= %(sources)s")
    tables = [(table.name, table.asset) for table in copied_tables(work.layout) if table.follow]
    if work.job.policy.tags == "copy":
        tables.append(("tag_asset", "assetId"))
    for name, asset in [*tables, ("asset_face", "assetId")]:
        yield sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.Identifier(asset), sql.Identifier(name), new.format(sql.Identifier(name))
        )
    for indirect, query in _INDIRECT.items():
        yield sql.SQL(query).format(new=new.format(sql.Identifier(indirect)))


def _gone(work: Work) -> Iterator[tuple[Collection[str], sql.Composed]]:
    """Ids of source assets of which something is gone, each query with the tables that something must be deleted from for that."""
    if work.job.policy.tags == "copy":
        yield ("tag", "tag_asset"), sql.Composed([sql.SQL(_GONE_TAGGINGS)])
    yield ("asset_face",), sql.Composed([sql.SQL(_GONE_FACES)])
    for table in copied_tables(work.layout):
        if table.follow and table.name != "asset" and not table.unless_null:
            yield (
                (table.name,),
                sql.SQL(_GONE_ROW if table.usual else _GONE_ROWS).format(
                    table=sql.Identifier(table.name), asset=sql.Identifier(table.asset), same=_same(table.key or ())
                ),
            )


def _same(columns: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(" AND ").join(
        [sql.SQL("TRUE"), *(sql.SQL("source.{0} = row.{0}").format(sql.Identifier(column)) for column in columns)]
    )

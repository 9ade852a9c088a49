"""What the journal says of some runs, taken together, and put back.

Per row only two things count: what it was before the first of the runs, and what the last of them left. The temporary table `undoing`
holds both; `fits` says whether the row still is as it was left. Of a row that was changed only the columns that we changed count.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from immich_pipeline.sharing.journal import table_name
from immich_pipeline.sharing.media_folder import Link
from immich_pipeline.sharing.work import Counts, Work

_STAMPS = ("updatedAt", "updateId")
"""The database gives them anew at every change; what is made again must be new to those who ask what is new."""
_DERIVED = {"asset": {"isEdited"}}
_LINKS = {"asset": ("stackId", "livePhotoVideoId"), "person": ("faceAssetId",)}
"""Columns that refer to rows which refer back: set when both are there."""
_FIRST = ("tag", "asset", "stack", "person", "asset_face", "album_asset")
"""Others refer to them: made first, in this order, deleted last."""

_NET = """
CREATE TEMPORARY TABLE undoing ON COMMIT DROP AS
SELECT table_name, key, (array_agg(before ORDER BY id))[1] AS before, (array_agg(after ORDER BY id DESC))[1] AS after,
  (array_agg(target_asset ORDER BY id))[1] AS target_asset, true AS fits
FROM immich_pipeline_sharing.journal WHERE run = ANY (%(runs)s) GROUP BY table_name, key
"""
# What a copy of these runs was before is nothing: it goes as a whole.
_MADE = """
DELETE FROM undoing WHERE target_asset IN (
  SELECT target_id FROM immich_pipeline_sharing.copy WHERE run = ANY (%(runs)s) AND NOT adopted
  UNION ALL SELECT (before ->> 'target_id')::uuid FROM undoing AS removed
  WHERE removed.table_name = 'immich_pipeline_sharing.copy' AND (removed.before ->> 'run')::bigint = ANY (%(runs)s)
    AND NOT (removed.before ->> 'adopted')::boolean)
"""
# Rows that were made and removed by these runs are nobody's.
_PASSING = """
DELETE FROM undoing WHERE before IS NULL AND after IS NULL
  OR before - %(stamps)s::text[] = after - %(stamps)s::text[]
  OR after IS NULL AND table_name IN ('person', 'tag', 'stack') AND EXISTS (
    SELECT FROM undoing AS known WHERE known.table_name = 'immich_pipeline_sharing.' || undoing.table_name AND known.after IS NULL
      AND (known.before ->> 'run')::bigint = ANY (%(runs)s) AND coalesce((known.before ->> 'made')::boolean, true)
      AND known.before ->> 'target_id' IN (undoing.before ->> 'id', undoing.before ->> 'personGroupId'))
  OR table_name LIKE 'immich\\_pipeline\\_sharing.%%' AND after IS NULL AND (before ->> 'run')::bigint = ANY (%(runs)s)
"""
# Copies that were deleted for good since, by whomever: nothing of theirs is put back.
_LOST = """
DELETE FROM undoing WHERE target_asset IS NOT NULL AND NOT EXISTS (SELECT FROM asset WHERE asset.id = undoing.target_asset)
  AND NOT EXISTS (SELECT FROM undoing AS removed WHERE removed.table_name = 'asset' AND removed.target_asset = undoing.target_asset)
"""
# A source that has been copied anew since has its copy.
_ANEW = """
WITH anew AS (
  SELECT removed.target_asset FROM undoing AS removed JOIN immich_pipeline_sharing.copy
    ON copy.source_id = (removed.before ->> 'source_id')::uuid AND copy.target_owner = (removed.before ->> 'target_owner')::uuid
  WHERE removed.table_name = 'immich_pipeline_sharing.copy' AND removed.after IS NULL
)
UPDATE undoing SET fits = false FROM anew WHERE anew.target_asset = undoing.target_asset
"""
_UNCHANGED = """
UPDATE undoing SET fits = EXISTS (
  SELECT FROM {table} AS row, jsonb_populate_record(NULL::{table}, undoing.key) AS key WHERE {same} AND CASE
    WHEN undoing.before IS NULL THEN to_jsonb(row) - %(stamps)s::text[] = undoing.after - %(stamps)s::text[]
    ELSE NOT EXISTS (
      SELECT FROM jsonb_each(undoing.before) AS old WHERE old.key <> ALL (%(stamps)s) AND old.value <> undoing.after -> old.key
        AND to_jsonb(row) -> old.key <> undoing.after -> old.key) END)
WHERE fits AND table_name = %(table)s AND after IS NOT NULL
"""
_FREE = """
UPDATE undoing SET fits = NOT EXISTS (
  SELECT FROM {table} AS row, jsonb_populate_record(NULL::{table}, undoing.key) AS key WHERE {same})
WHERE fits AND table_name = %(table)s AND after IS NULL
"""
_DELETE = """
DELETE FROM {table} AS row USING undoing, jsonb_populate_record(NULL::{table}, undoing.key) AS key
WHERE undoing.table_name = %(table)s AND undoing.fits AND undoing.before IS NULL AND {same}
"""
_INSERT = """
INSERT INTO {table} ({columns}) SELECT {values} FROM undoing, jsonb_populate_record(NULL::{table}, undoing.before) AS old
WHERE undoing.table_name = %(table)s AND undoing.fits AND undoing.after IS NULL AND {which}
"""
_UPDATE = """
UPDATE {table} AS row SET {assignments}
FROM undoing, jsonb_populate_record(NULL::{table}, undoing.before) AS old, jsonb_populate_record(NULL::{table}, undoing.key) AS key
WHERE undoing.table_name = %(table)s AND undoing.fits AND undoing.before IS NOT NULL AND {which} AND {same}
"""
_REFUSED = """
SELECT table_name, count(*), (array_agg(key::text ORDER BY key::text))[1:3]
FROM undoing WHERE NOT fits GROUP BY table_name ORDER BY table_name
"""

# Whose copy an asset is, or was.
_SOURCE_OF = """
(SELECT target_id, source_id FROM immich_pipeline_sharing.copy
 UNION SELECT (before ->> 'target_id')::uuid, (before ->> 'source_id')::uuid FROM undoing
 WHERE table_name = 'immich_pipeline_sharing.copy' AND before IS NOT NULL) AS known
"""
_WANTED_FILES = f"""
SELECT source.path, undoing.before ->> 'path' FROM undoing JOIN {_SOURCE_OF} ON known.target_id = undoing.target_asset
  LEFT JOIN asset_file AS source ON source."assetId" = known.source_id AND source.type = undoing.before ->> 'type'
    AND source."isEdited" = (undoing.before ->> 'isEdited')::boolean
WHERE undoing.table_name = 'asset_file' AND undoing.fits AND undoing.before ->> 'type' <> 'sidecar'
  AND undoing.before ->> 'path' IS DISTINCT FROM undoing.after ->> 'path'
UNION ALL
SELECT source."originalPath", undoing.before ->> 'originalPath' FROM undoing JOIN {_SOURCE_OF} ON known.target_id = undoing.target_asset
  LEFT JOIN asset AS source ON source.id = known.source_id
WHERE undoing.table_name = 'asset' AND undoing.fits AND undoing.after IS NULL
  AND starts_with(regexp_replace(undoing.before ->> 'originalPath', '^.*/', ''), undoing.target_asset::text)
"""  # noqa: S608 - of constants
_WITHOUT_FILES = """
DELETE FROM undoing WHERE table_name = 'asset_file' AND after IS NULL AND before ->> 'path' = ANY (%s)
"""
_SUPERFLUOUS = """
INSERT INTO immich_pipeline_sharing.file (path, run)
SELECT DISTINCT path, %(run)s::bigint FROM (
  SELECT after ->> 'path' AS path FROM undoing
  WHERE table_name = 'asset_file' AND fits AND after ->> 'type' <> 'sidecar' AND after ->> 'path' IS DISTINCT FROM before ->> 'path'
  UNION ALL SELECT after ->> 'thumbnailPath' FROM undoing
  WHERE table_name = 'person' AND fits AND after ->> 'thumbnailPath' IS DISTINCT FROM before ->> 'thumbnailPath'
) AS left_over WHERE path <> '' ON CONFLICT DO NOTHING
"""


def gather(work: Work, runs: Sequence[int]) -> None:
    """Make `undoing`, in the caller's transaction."""
    values = {"runs": list(runs), "stamps": list(_STAMPS)}
    for statement in (_NET, _MADE, _PASSING, _LOST, "ANALYZE pg_temp.undoing", _ANEW):
        work.connection.execute(statement, values)
    for table in _tables(work):
        for query in (_UNCHANGED, _FREE):
            work.connection.execute(_about(work, query, table), {"table": table, "stamps": list(_STAMPS)})


def wanted_files(work: Work) -> tuple[list[Link], list[str]]:
    """Files that rows will name again and that are not there: those that the source still has, and the paths of the others."""
    missing = [
        (source, path)
        for source, path in work.connection.execute(_WANTED_FILES).fetchall()
        if work.media.covers(path) and not work.media.exists(path)
    ]
    links = [Link(source, path) for source, path in missing if source is not None and work.media.exists(source)]
    there = {link.target for link in links}
    return links, [path for _, path in missing if path not in there]


def do_without(work: Work, paths: Sequence[str]) -> None:
    """Leave out rows of files that are gone everywhere: Immich makes them anew."""
    work.connection.execute(_WITHOUT_FILES, [list(paths)])


def put_back(work: Work) -> Counts:
    """Make `undoing` true, as far as it fits; returns rows per table."""
    tables = _tables(work)
    later = [table for table in tables if table not in _FIRST]
    ordered = [*(table for table in _FIRST if table in tables), *later]
    counts: Counts = {}
    for query, order in ((_DELETE, later), (_INSERT, ordered), (_UPDATE, ordered), (_DELETE, ordered[::-1])):
        for table in order:
            rows = _insert(work, table) if query is _INSERT else _apply(work, query, table)
            counts[table] = counts.get(table, 0) + rows
        if query is _INSERT:
            _tie(work)
    work.connection.execute(_SUPERFLUOUS, work.values)
    return {table: rows for table, rows in counts.items() if rows and "." not in table}


def refused(work: Work) -> list[str]:
    """What is left as it is, a sentence per table."""
    return [
        f"{count:,} rows of {table} were changed since and stay as they are, such as {', '.join(keys)}"
        if count > 1
        else f"a row of {table} was changed since and stays as it is: {keys[0]}"
        for table, count, keys in work.connection.execute(_REFUSED)
    ]


def _tables(work: Work) -> list[str]:
    """Tables of `undoing` that are still there."""
    found = work.connection.execute("SELECT DISTINCT table_name FROM undoing ORDER BY 1").fetchall()
    return [table for (table,) in found if table in work.layout.columns]


def _apply(work: Work, query: str, table: str) -> int:
    assignments = sql.SQL(", ").join(
        sql.SQL("{0} = CASE WHEN undoing.before -> {1} <> undoing.after -> {1} THEN old.{0} ELSE row.{0} END").format(
            sql.Identifier(column), sql.Literal(column)
        )
        for column in _written(work, table)
        if column not in work.layout.keys[table]
    )
    if query is _UPDATE and not assignments.as_string(None):
        return 0
    statement = _about(work, query, table, assignments=assignments, which=sql.SQL("undoing.after IS NOT NULL"))
    return work.connection.execute(statement, {"table": table}).rowcount


def _insert(work: Work, table: str) -> int:
    """Insert what was deleted, all at once; where that fails, row by row: what something else has the place of is left."""
    columns = _written(work, table)
    parts: dict[str, sql.Composable] = {
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "values": sql.SQL(", ").join(
            sql.SQL("NULL") if column in _LINKS.get(table, ()) else sql.SQL("old.{}").format(sql.Identifier(column))
            for column in columns
        ),
    }
    try:
        with work.connection.transaction():
            statement = _about(work, _INSERT, table, which=sql.SQL("TRUE"), **parts)
            return work.connection.execute(statement, {"table": table}).rowcount
    except psycopg.IntegrityError:
        return sum(_insert_one(work, table, key, parts) for key in _deleted_keys(work, table))


def _insert_one(work: Work, table: str, key: str, parts: dict[str, sql.Composable]) -> int:
    statement = _about(work, _INSERT, table, which=sql.SQL("undoing.key = %(key)s::jsonb"), **parts)
    try:
        with work.connection.transaction():
            return work.connection.execute(statement, {"table": table, "key": key}).rowcount
    except psycopg.IntegrityError:
        work.connection.execute(
            "UPDATE undoing SET fits = false WHERE table_name = %s AND key = %s::jsonb", [table, key]
        )
        return 0


def _deleted_keys(work: Work, table: str) -> list[str]:
    rows = work.connection.execute(
        "SELECT key::text FROM undoing WHERE table_name = %s AND fits AND after IS NULL", [table]
    )
    return [key for (key,) in rows.fetchall()]


def _tie(work: Work) -> None:
    """Set the columns of inserted rows that refer to rows which refer back, where those are there."""
    for table, columns in _LINKS.items():
        for column in columns:
            other = {"stackId": "stack", "livePhotoVideoId": "asset", "faceAssetId": "asset_face"}[column]
            statement = _about(
                work,
                _UPDATE,
                table,
                assignments=sql.SQL("{0} = old.{0}").format(sql.Identifier(column)),
                which=sql.SQL(
                    "undoing.after IS NULL AND EXISTS (SELECT FROM {} AS other WHERE other.id = old.{})"
                ).format(table_name(other), sql.Identifier(column)),
            )
            work.connection.execute(statement, {"table": table})


def _written(work: Work, table: str) -> list[str]:
    unwritten = {*_STAMPS, *_DERIVED.get(table, ())}
    return [column for column in work.layout.columns[table] if column not in unwritten]


def _about(work: Work, query: str, table: str, **parts: sql.Composable) -> sql.Composed:
    same = sql.SQL(" AND ").join(
        sql.SQL("row.{0} = key.{0}").format(sql.Identifier(column)) for column in work.layout.keys[table]
    )
    return sql.SQL(query).format(table=table_name(table), same=same, **parts)

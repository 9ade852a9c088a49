"""Files of Immich's own that came, went or were made anew at the source: rows of asset_file, with a file of the copy's behind each."""

from collections.abc import Sequence

from psycopg import sql

from immich_pipeline.sharing.changes import is_quiet, note_unfollowed
from immich_pipeline.sharing.following import PAIRS, follow_table, table_outlook
from immich_pipeline.sharing.media_folder import Link
from immich_pipeline.sharing.people import leave_files
from immich_pipeline.sharing.tables import CopiedTable, copied_tables
from immich_pipeline.sharing.work import Counts, Seen, Work

# Rows as they are to be, with the source's path and what the copy's row says now.
_WANTED = """
SELECT wanted.*, source.path AS source, own.path AS there
FROM ({rows}) AS wanted ({columns}) JOIN {pairs} AS pair ON pair.target_id = wanted."assetId"
JOIN asset_file AS source ON source."assetId" = pair.source_id AND source.type = wanted.type AND source."isEdited" = wanted."isEdited"
LEFT JOIN asset_file AS own ON own."assetId" = wanted."assetId" AND own.type = wanted.type AND own."isEdited" = wanted."isEdited"
"""
_FIND = """
CREATE TEMPORARY TABLE wanted_file ON COMMIT DROP AS WITH wanted AS MATERIALIZED ({wanted})
SELECT wanted.*, type = 'sidecar' OR path IS NOT DISTINCT FROM there OR path = ANY (%(paths)s::text[]) AS ready FROM wanted
"""
_READY = "SELECT {} FROM wanted_file WHERE ready"
_MISSING = 'SELECT "assetId"::text, min(source) FROM wanted_file WHERE NOT ready GROUP BY 1'
# Files that lose their row. Sidecars lie beside originals and are nobody's to remove; only what is called after the copy is its own.
_LEAVING = """
SELECT row.path FROM asset_file AS row JOIN changed AS pair ON pair.target_id = row."assetId"
WHERE NOT pair.fresh AND row.type <> 'sidecar' AND starts_with(regexp_replace(row.path, '^.*/', ''), pair.target_id::text)
"""


def files(work: Work) -> list[Link]:
    """The files of copies that are looked at and that are not there, or are another file than the source's is now."""
    rows = work.connection.execute(
        sql.SQL("SELECT source, path, there FROM ({}) AS wanted WHERE type <> 'sidecar'").format(_wanted(work)),
        work.values,
    )
    return [
        Link(source, target)
        for source, target, there in rows
        if target != there or not work.media.has(Link(source, target))
    ]


def give_files(work: Work, paths: Sequence[str]) -> Counts:
    """Make the rows what the source's are, as far as their files are there: `paths`. Files without a row are left to be removed."""
    if is_quiet(work):
        return {}
    table, before = _table(work), _leaving(work)
    work.connection.execute("DROP TABLE IF EXISTS pg_temp.wanted_file")
    work.connection.execute(sql.SQL(_FIND).format(wanted=_wanted(work)), {**work.values, "paths": list(paths)})
    work.connection.execute("ANALYZE wanted_file")
    written = follow_table(work, table, rows=sql.SQL(_READY).format(table.column_list()))
    leave_files(work, sorted(before - _leaving(work)))
    note_unfollowed(work, "file_missing", dict(work.connection.execute(_MISSING).fetchall()))
    return {"asset_file": written} if written else {}


def give_files_outlook(work: Work) -> Seen:
    """Which rows would be written."""
    found = table_outlook(work, _table(work))
    return Seen({"asset_file": len(found)}, tuple(dict.fromkeys(found))) if found else Seen()


def _table(work: Work) -> CopiedTable:
    (table,) = (table for table in copied_tables(work.layout) if table.name == "asset_file")
    return table


def _wanted(work: Work) -> sql.Composed:
    table = _table(work)
    return sql.SQL(_WANTED).format(rows=table.rows(PAIRS), columns=table.column_list(), pairs=PAIRS)


def _leaving(work: Work) -> set[str]:
    return {path for (path,) in work.connection.execute(_LEAVING)}

"""Files of Immich's own that came, went or were made anew at the source: rows of asset_file, with a file of the copy's behind each."""

from collections.abc import Sequence
from dataclasses import replace

from psycopg import sql

from immich_pipeline.sharing.changes import is_quiet, note_unfollowed
from immich_pipeline.sharing.following import PAIRS, follow_table, table_outlook
from immich_pipeline.sharing.media_folder import Link
from immich_pipeline.sharing.people import leave_files
from immich_pipeline.sharing.tables import CopiedTable, copied_tables, file_path
from immich_pipeline.sharing.work import Counts, Seen, Work

_LINKS = """
SELECT source.path, {path} FROM {pairs} AS batch JOIN asset_file AS source ON source."assetId" = batch.source_id
WHERE source.type <> 'sidecar' AND {path} IS NOT NULL
"""
# Files that the source's rows name and that could not be made.
_MISSING = """
SELECT DISTINCT ON (batch.target_id) batch.target_id::text, source.path
FROM {pairs} AS batch JOIN asset_file AS source ON source."assetId" = batch.source_id
WHERE {path} IS NOT NULL AND NOT {there} ORDER BY batch.target_id, source.path
"""
# Files that lose their row. Sidecars lie beside originals and are nobody's to remove; only what is called after the copy is its own.
_LEAVING = """
SELECT row.path FROM asset_file AS row JOIN changed AS pair ON pair.target_id = row."assetId"
WHERE NOT pair.fresh AND row.type <> 'sidecar' AND starts_with(regexp_replace(row.path, '^.*/', ''), pair.target_id::text)
"""


def files(work: Work) -> list[Link]:
    """The files of copies that are looked at. Most are there; one that was replaced at the source is another file now."""
    query = sql.SQL(_LINKS).format(path=file_path(), pairs=PAIRS)
    return [Link(source, target) for source, target in work.connection.execute(query, work.values)]


def lacking(work: Work) -> list[Link]:
    """Those of `files` that are not there."""
    return [link for link in files(work) if not work.media.exists(link.target)]


def give_files(work: Work, paths: Sequence[str]) -> Counts:
    """Make the rows what the source's are, as far as their files are there: `paths`. Files without a row are left to be removed."""
    if is_quiet(work):
        return {}
    values = {"paths": list(paths)}
    before = _leaving(work)
    table = replace(_table(work), where=sql.SQL("{} AND {}").format(_table(work).where, _is_there()))
    written = follow_table(work, table, values=values)
    leave_files(work, sorted(before - _leaving(work)))
    missing = sql.SQL(_MISSING).format(pairs=PAIRS, path=file_path(), there=_is_there())
    found = work.connection.execute(missing, {**work.values, **values}).fetchall()
    note_unfollowed(work, "file_missing", dict(found))
    return {"asset_file": written} if written else {}


def give_files_outlook(work: Work) -> Seen:
    """Which rows would be written."""
    found = table_outlook(work, _table(work))
    return Seen({"asset_file": len(found)}, tuple(dict.fromkeys(found))) if found else Seen()


def _table(work: Work) -> CopiedTable:
    (table,) = (table for table in copied_tables(work.layout) if table.name == "asset_file")
    return table


def _is_there() -> sql.Composed:
    return sql.SQL("(source.type = 'sidecar' OR {} = ANY (%(paths)s::text[]))").format(file_path())


def _leaving(work: Work) -> set[str]:
    return {path for (path,) in work.connection.execute(_LEAVING)}

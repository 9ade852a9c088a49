"""Copies are removed: first it is written down that they go, then their files, then every row of theirs in one transaction."""

from collections.abc import Iterator, Sequence

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.journal import table_name
from immich_pipeline.sharing.session import SCHEMA
from immich_pipeline.sharing.work import Counts, Work

BATCH = 1000

_LEAVING = (
    "CREATE TEMPORARY TABLE leaving (target_id uuid PRIMARY KEY) ON COMMIT DROP",
    "INSERT INTO leaving SELECT target_id FROM immich_pipeline_sharing.copy WHERE target_id = ANY (%(ids)s::uuid[])",
    "ANALYZE pg_temp.leaving",
)
_IS_LEAVING = sql.SQL("IN (SELECT target_id FROM leaving)")

# Only files that are called after the copy are its own.
_FILES = """
SELECT path FROM (
  SELECT "assetId" AS id, path FROM asset_file WHERE type <> 'sidecar' AND "assetId" = ANY (%(ids)s::uuid[])
  UNION ALL SELECT id, "originalPath" FROM asset WHERE id = ANY (%(ids)s::uuid[])
) AS file WHERE starts_with(regexp_replace(path, '^.*/', ''), id::text)
"""
_UNDER_WAY = "SELECT target_id::text FROM immich_pipeline_sharing.copy WHERE state = 'removing'"

# Whom the rest of a stack is shown by when its first goes; null when not two are left.
_HEIRS = """
(SELECT stack.id, CASE WHEN count(member.id) > 1 THEN (array_agg(member.id ORDER BY member."localDateTime", member.id))[1] END AS heir
 FROM stack LEFT JOIN asset AS member ON member."stackId" = stack.id AND member.id NOT IN (SELECT target_id FROM leaving)
 WHERE stack."primaryAssetId" IN (SELECT target_id FROM leaving)
   OR EXISTS (SELECT FROM asset AS gone WHERE gone."stackId" = stack.id AND gone.id IN (SELECT target_id FROM leaving))
 GROUP BY stack.id) AS inheritance
"""
_OUR_OWN = {
    "face": "target_asset",
    "tagging": "asset_id",
    "album_entry": "asset_id",
    "unfollowed": "target_id",
    "copy": "target_id",
}


def remove_copies(work: Work, ids: Sequence[str], *, journalled: bool = True) -> Counts:
    """Remove copies for good, with everything that hangs on them; what they were goes into the journal, unless that is not wanted.

    Transactions are opened here. Returns rows per table, files as "files".
    """
    counts: Counts = {}
    for start in range(0, len(ids), BATCH):
        some = list(ids[start : start + BATCH])
        with work.connection.transaction():
            _mark(work, some)
        paths = [path for (path,) in work.connection.execute(_FILES, {"ids": some})]
        removed = {"files": work.media.remove_all(path for path in paths if work.media.covers(path))}
        with work.connection.transaction():
            for part in (removed, _delete_rows(work, some, journalled=journalled)):
                for table, rows in part.items():
                    counts[table] = counts.get(table, 0) + rows
    return {table: rows for table, rows in counts.items() if rows}


def finish_removals(work: Work) -> Counts:
    """Remove what an earlier run had begun to remove."""
    return remove_copies(work, [copy for (copy,) in work.connection.execute(_UNDER_WAY).fetchall()])


def _mark(work: Work, ids: Sequence[str]) -> None:
    journal.update(
        work,
        f"{SCHEMA}.copy",
        sql.SQL("state = 'removing'"),
        sql.SQL("row.target_id = ANY (%(ids)s::uuid[]) AND row.state <> 'removing'"),
        values={"ids": list(ids)},
    )


def _delete_rows(work: Work, ids: Sequence[str], *, journalled: bool) -> Counts:
    """Delete every row of copies, in the caller's transaction; returns how many there were per table of Immich's."""
    for statement in _LEAVING:
        work.connection.execute(statement, {"ids": list(ids)})
    _let_go(work)
    note = journal.note_deleted if journalled else journal.count_rows
    counts: Counts = {}
    for table, rows in _rows_of_leaving(work):
        counts[table] = counts.get(table, 0) + note(work, table, rows, sql.SQL("leaving.target_id"))
    counts["stack"] = _dissolve_stacks(work)
    work.connection.execute("DELETE FROM asset USING leaving WHERE leaving.target_id = asset.id")
    for table, column in _OUR_OWN.items():
        journal.delete(work, f"{SCHEMA}.{table}", sql.SQL("row.{} {}").format(sql.Identifier(column), _IS_LEAVING))
    return {table: rows for table, rows in counts.items() if rows}


def _rows_of_leaving(work: Work) -> Iterator[tuple[str, sql.Composable]]:
    """Rows that go with their asset: the table and what follows FROM, with the table as `row`."""
    yield "asset", sql.SQL("asset AS row JOIN leaving ON leaving.target_id = row.id")
    yield (
        "face_search",
        sql.SQL(
            'face_search AS row JOIN asset_face ON asset_face.id = row."faceId" JOIN leaving ON leaving.target_id = asset_face."assetId"'
        ),
    )
    for table, columns in work.layout.referring.items():
        for column in (name for name, cascades in columns.items() if cascades and table != "asset"):
            yield (
                table,
                sql.SQL("{} AS row JOIN leaving ON leaving.target_id = row.{}").format(
                    table_name(table), sql.Identifier(column)
                ),
            )


def _let_go(work: Work) -> None:
    """What other rows say of copies that leave."""
    journal.update(
        work,
        "album",
        sql.SQL('"albumThumbnailAssetId" = NULL'),
        sql.SQL('row."albumThumbnailAssetId" {}').format(_IS_LEAVING),
    )
    journal.update(
        work,
        "person",
        sql.SQL('"faceAssetId" = NULL'),
        sql.SQL(
            'row."faceAssetId" IN (SELECT face.id FROM asset_face AS face JOIN leaving ON leaving.target_id = face."assetId")'
        ),
    )
    journal.update(
        work,
        "asset",
        sql.SQL('"livePhotoVideoId" = NULL'),
        sql.SQL('row."livePhotoVideoId" {0} AND NOT row.id {0}').format(_IS_LEAVING),
    )
    journal.update(
        work,
        "stack",
        sql.SQL('"primaryAssetId" = inheritance.heir'),
        sql.SQL('row.id = inheritance.id AND inheritance.heir IS NOT NULL AND row."primaryAssetId" {}').format(
            _IS_LEAVING
        ),
        using=sql.SQL(_HEIRS),
    )


def _dissolve_stacks(work: Work) -> int:
    """Stacks of which not two assets stay; the one that does is no longer in a stack."""
    dissolved = sql.SQL("SELECT inheritance.id FROM {} WHERE inheritance.heir IS NULL").format(sql.SQL(_HEIRS))
    journal.update(
        work,
        "asset",
        sql.SQL('"stackId" = NULL'),
        sql.SQL('row."stackId" IN ({}) AND NOT row.id {}').format(dissolved, _IS_LEAVING),
    )
    # what is left in them are copies that leave, and those that lead them
    ids = [stack for (stack,) in work.connection.execute(dissolved).fetchall()]
    values = {"stacks": ids}
    journal.delete(work, f"{SCHEMA}.stack", sql.SQL("row.target_id = ANY (%(stacks)s)"), values=values)
    return journal.delete(work, "stack", sql.SQL("row.id = ANY (%(stacks)s)"), values=values)

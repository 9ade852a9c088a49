"""The assets that a cycle copies: found once, kept in a temporary table, each with the place of its copy; and those that are left out.

`candidate` holds what will be copied, `left_out` what was in scope and will not, with the reason; `planned_file` the files of candidates.
"""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from immich_pipeline.sharing import scope
from immich_pipeline.sharing.paths import PathOutside, copied_path, path_checksum, remapped
from immich_pipeline.sharing.session import Connection
from immich_pipeline.sharing.tables import file_path
from immich_pipeline.sharing.work import Work

# rank: the order of copying. linked: the original is a file of Immich's own, which gets a second name. adopted: the asset is there.
_TABLES = """
CREATE TEMPORARY TABLE candidate (
  source_id uuid PRIMARY KEY, target_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), rank integer,
  path text, checksum bytea, linked boolean NOT NULL DEFAULT false, adopted boolean NOT NULL DEFAULT false
) WITH (fillfactor = 25);  -- each row is filled in later, and finds room on its page
CREATE TEMPORARY TABLE left_out (source_id uuid PRIMARY KEY, reason text NOT NULL, blocking_asset uuid, detail text NOT NULL);
CREATE TEMPORARY TABLE placed (source_id uuid PRIMARY KEY, path text NOT NULL, checksum bytea NOT NULL);
CREATE TEMPORARY TABLE planned_file (source_id uuid NOT NULL, file_id uuid, source_path text NOT NULL, path text, linked boolean NOT NULL);
"""
_DROP = "DROP TABLE IF EXISTS pg_temp.candidate, pg_temp.left_out, pg_temp.placed, pg_temp.planned_file"

# A skip holds while what stands in the way is there; one that failed, until its time.
_NOT_SKIPPED = """
NOT EXISTS (SELECT FROM immich_pipeline_sharing.skip WHERE skip.source_id = asset.id AND skip.target_owner = %(target_owner)s::uuid
  AND CASE WHEN skip.blocking_asset IS NULL THEN skip.retry_at > now()
      ELSE NOT %(full)s AND EXISTS (SELECT FROM asset AS blocking WHERE blocking.id = skip.blocking_asset) END)
"""

_OWNED = """
INSERT INTO left_out (source_id, reason, blocking_asset, detail)
SELECT DISTINCT ON (source.id) source.id, 'owned_content', own.id, own."originalPath"
FROM candidate JOIN asset AS source ON source.id = candidate.source_id JOIN asset AS own ON own.checksum = source.checksum
WHERE own."ownerId" = %(target_owner)s::uuid AND own."checksumAlgorithm" = 'sha1' AND source."checksumAlgorithm" = 'sha1'
  AND source.visibility <> 'hidden'
  AND NOT candidate.adopted AND NOT EXISTS (SELECT FROM candidate AS copied WHERE copied.target_id = own.id)
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = own.id)
ORDER BY source.id, own."createdAt", own.id
"""

# Two shots of one second must not be taken for one: only a time with a fraction tells.
_OWNED_BY_NAME = """
INSERT INTO left_out (source_id, reason, blocking_asset, detail)
SELECT DISTINCT ON (source.id) source.id, 'owned_name', own.id, own."originalPath"
FROM candidate JOIN asset AS source ON source.id = candidate.source_id JOIN asset_exif AS exif ON exif."assetId" = source.id
  JOIN asset_exif AS own_exif ON own_exif."dateTimeOriginal" = exif."dateTimeOriginal"
    AND own_exif.make = exif.make AND own_exif.model = exif.model
  JOIN asset AS own ON own.id = own_exif."assetId"
WHERE own."ownerId" = %(target_owner)s::uuid AND own.type = source.type AND source.visibility <> 'hidden'
  AND exif."dateTimeOriginal" <> date_trunc('second', exif."dateTimeOriginal")
  AND lower(regexp_replace(own."originalFileName", '\\.[^.]*$', '')) = lower(regexp_replace(source."originalFileName", '\\.[^.]*$', ''))
  AND NOT candidate.adopted AND NOT EXISTS (SELECT FROM candidate AS copied WHERE copied.target_id = own.id)
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = own.id)
ORDER BY source.id, own."createdAt", own.id
ON CONFLICT DO NOTHING
"""

_FORGET_LEFT_OUT = "DELETE FROM candidate USING left_out WHERE left_out.source_id = candidate.source_id"

# A half comes with its still, or after it.
_LONELY_HALVES = """
DELETE FROM candidate USING asset AS half
WHERE half.id = candidate.source_id AND half.visibility = 'hidden' AND NOT EXISTS (
  SELECT FROM asset AS still WHERE still."livePhotoVideoId" = half.id AND still."ownerId" = half."ownerId" AND (
    EXISTS (SELECT FROM candidate AS other WHERE other.source_id = still.id)
    OR EXISTS (SELECT FROM immich_pipeline_sharing.copy
               WHERE copy.source_id = still.id AND copy.target_owner = %(target_owner)s::uuid AND copy.state IN ('live', 'trashed'))))
"""

_PLACES = """
SELECT candidate.source_id::text, asset."originalPath", asset.visibility = 'hidden', {own_path}
FROM candidate JOIN asset ON asset.id = candidate.source_id
"""

_RANK = """
UPDATE candidate SET path = placed.path, checksum = placed.checksum, rank = numbered.rank,
  linked = NOT starts_with(placed.path, %(target_prefix)s || '/')
FROM placed, (
  SELECT candidate.source_id, row_number() OVER (ORDER BY asset."localDateTime", asset.id) AS rank
  FROM candidate JOIN placed USING (source_id) JOIN asset ON asset.id = candidate.source_id
) AS numbered
WHERE placed.source_id = candidate.source_id AND numbered.source_id = candidate.source_id
"""

# An asset that is there at the place of the copy: it is the copy, unless it is one of another source; of two that want one place the first.
_TAKEN = """
INSERT INTO left_out (source_id, reason, blocking_asset, detail)
SELECT DISTINCT ON (candidate.source_id) candidate.source_id, 'same_path', coalesce(first.target_id, own.id), candidate.path
FROM candidate
  LEFT JOIN asset AS own ON own."originalPath" = candidate.path AND own."libraryId" = %(target_library)s::uuid
    AND own."ownerId" = %(target_owner)s::uuid
    AND EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = own.id)
  LEFT JOIN candidate AS first ON first.path = candidate.path AND first.rank < candidate.rank
WHERE own.id IS NOT NULL OR first.rank IS NOT NULL
ORDER BY candidate.source_id, first.rank
ON CONFLICT DO NOTHING
"""
_ADOPT = """
UPDATE candidate SET target_id = own.id, adopted = true
FROM asset AS own
WHERE own."originalPath" = candidate.path AND own."libraryId" = %(target_library)s::uuid AND own."ownerId" = %(target_owner)s::uuid
"""
# A video that lies in Immich's own folder is called after itself: it is the one that the copy of its still has.
_ADOPT_FILMS = """
UPDATE candidate SET target_id = film.id, path = film."originalPath", checksum = film.checksum, adopted = true
FROM asset AS source JOIN candidate AS still ON still.source_id = source.id AND still.adopted JOIN asset AS own ON own.id = still.target_id
  JOIN asset AS film ON film.id = own."livePhotoVideoId" AND film."libraryId" = %(target_library)s::uuid
WHERE candidate.linked AND NOT candidate.adopted AND source."livePhotoVideoId" = candidate.source_id
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = film.id)
"""

# A sidecar lies beside the original: its row is copied, the file is not touched.
_PLAN_FILES = """
INSERT INTO planned_file (source_id, file_id, source_path, path, linked)
SELECT batch.source_id, source.id, source.path, {file_path}, source.type <> 'sidecar'
FROM candidate AS batch JOIN asset_file AS source ON source."assetId" = batch.source_id
WHERE NOT batch.adopted AND {which}
UNION ALL
SELECT batch.source_id, NULL, asset."originalPath", batch.path, true
FROM candidate AS batch JOIN asset ON asset.id = batch.source_id WHERE batch.linked AND NOT batch.adopted AND {which}
"""


class PlannedFile(NamedTuple):
    """A file that a copy is to have.

    Attributes:
        source_id: the source asset.
        source: path of its file.
        target: path of the copy's; None: it has no place.
    """

    source_id: str
    source: str
    target: str | None


def make_tables(connection: Connection) -> None:
    """Make the temporary tables, empty."""
    connection.execute(_DROP)
    connection.execute(_TABLES)


def find(work: Work) -> int:
    """Fill `candidate` and `left_out`; returns how many candidates there are. Writes nothing else."""
    connection, values = work.connection, {**scope.parameters(work), "full": work.full}
    found = connection.execute(
        sql.SQL("INSERT INTO candidate (source_id) SELECT asset.id FROM ({}) AS asset WHERE {}").format(
            scope.candidates(work), sql.SQL(_NOT_SKIPPED)
        ),
        values,
    ).rowcount
    if not found:
        return 0
    connection.execute("ANALYZE pg_temp.candidate")
    _place(work)
    # a copy that is there already must not be taken for something of the target's own
    for statement in (_RANK, _TAKEN, _FORGET_LEFT_OUT, _ADOPT, _ADOPT_FILMS):
        connection.execute(statement, values)
    find_owned(work)
    for statement in (_FORGET_LEFT_OUT, _LONELY_HALVES):
        connection.execute(statement, values)
    # what is left out is told of all, whatever was chosen
    chosen = work.among(sql.SQL("candidate.source_id"))
    connection.execute(sql.SQL("DELETE FROM candidate WHERE NOT {}").format(chosen))
    connection.execute("ANALYZE pg_temp.candidate")
    row = connection.execute("SELECT count(*) FROM candidate").fetchone()
    return row[0] if row else 0


def find_owned(work: Work) -> None:
    """Put into `left_out` which of the candidates the target has of its own, by content or by name, time and camera."""
    for statement in (_OWNED, _OWNED_BY_NAME):
        work.connection.execute(statement, work.values)


def plan_files(work: Work, which: sql.Composable = sql.SQL("TRUE")) -> list[PlannedFile]:  # noqa: B008 - a constant
    """Fill `planned_file` with the files of the candidates that meet a condition; returns those that are to be linked."""
    connection = work.connection
    connection.execute("DELETE FROM planned_file")
    connection.execute(sql.SQL(_PLAN_FILES).format(file_path=file_path(), which=which), work.values)
    rows = connection.execute("SELECT source_id::text, source_path, path FROM planned_file WHERE linked").fetchall()
    return [PlannedFile(*row) for row in rows]


def _place(work: Work) -> None:
    """Work out the path of each copy and its checksum; what has no place is left out."""
    own_path = copied_path(
        sql.SQL('asset."originalPath"'),
        sql.SQL("%(source_owner)s::text"),
        sql.SQL("%(target_owner)s::text"),
        sql.SQL("candidate.source_id::text"),
        sql.SQL("candidate.target_id::text"),
    )
    placed: list[tuple[str, str, bytes]] = []
    outside: list[tuple[str, str, None, str]] = []
    rows = work.connection.execute(sql.SQL(_PLACES).format(own_path=own_path), work.values).fetchall()
    for source_id, path, is_half, own in rows:
        try:
            place = _place_of(work, path, own if is_half else None)
        except PathOutside as error:
            outside.append((source_id, "outside", None, str(error)))
        else:
            placed.append((source_id, place, path_checksum(place)))
    _copy_in(work.connection, "placed (source_id, path, checksum)", placed)
    _copy_in(work.connection, "left_out (source_id, reason, blocking_asset, detail)", outside)
    work.connection.execute(_FORGET_LEFT_OUT)


def _place_of(work: Work, path: str, own: str | None) -> str:
    """Under the target's prefix; the video that Immich cut out of a motion photo lies in its media folder, and so does the copy's.

    Raises:
        PathOutside: there is no place for it.
    """
    prefix = work.job.source_prefix
    if own is not None and not path.startswith(f"{prefix}/") and work.media.covers(path):
        return own
    return remapped(path, prefix, work.job.target_prefix)


def _copy_in(connection: Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.SQL(table))) as copy:
        for row in rows:
            copy.write_row(row)

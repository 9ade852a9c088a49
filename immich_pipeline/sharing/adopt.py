"""Copies that the sidecar immich-shared-library made are taken over: its mapping becomes ours, its tables are only read.

Its tables lie in the schema public and have been of four versions (`_face_sync_meta`, key schema_version; without that table it is the
first): 1 mapped each source asset once; 2 maps it once per target user; 3, for Immich 3.2, has no map of people any more; 4 made the
copied faces `manual` and took their embeddings away. What of it is not said of a run of ours is left as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from immich_pipeline.errors import UserError
from immich_pipeline.sharing import journal
from immich_pipeline.sharing.contract import check_job, read_layout
from immich_pipeline.sharing.directory import has_column
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.session import Connection, prepare, writing
from immich_pipeline.sharing.work import Work

LABEL = "adopted from immich-shared-library"

# A mapping whose source is itself a copy would make a copy of a copy; one whose copy is elsewhere is not this job's.
_COPIES = """
INSERT INTO immich_pipeline_sharing.copy (target_id, source_id, source_owner, target_owner, job, run, state, adopted)
SELECT map.target_asset_id, map.source_asset_id, map.source_user_id, map.target_user_id, %(job)s, %(run)s, 'live', true
FROM public._face_sync_asset_map AS map JOIN asset AS target ON target.id = map.target_asset_id
WHERE map.source_user_id = %(source_owner)s AND map.target_user_id = %(target_owner)s
  AND target."ownerId" = %(target_owner)s AND target."libraryId" = %(target_library)s
  AND starts_with(target."originalPath", %(target_prefix)s || '/')
  AND NOT EXISTS (SELECT FROM public._face_sync_asset_map AS other WHERE other.target_asset_id = map.source_asset_id)
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = map.source_asset_id)
ON CONFLICT DO NOTHING
"""
_OF_THESE_USERS = """
SELECT count(*) FROM public._face_sync_asset_map WHERE source_user_id = %(source_owner)s AND target_user_id = %(target_owner)s
"""
# It gave its people the source's names: where they are equal still, it was the last to write them.
_PEOPLE = """
INSERT INTO immich_pipeline_sharing.person (source_id, target_owner, target_id, run, made, name)
SELECT map.source_person_id, map.target_user_id, map.target_person_id, %(run)s, false, CASE WHEN own.name = source.name THEN own.name END
FROM public._face_sync_person_map AS map JOIN person AS own ON own.id = map.target_person_id
  JOIN person AS source ON source.id = map.source_person_id
WHERE map.source_user_id = %(source_owner)s AND map.target_user_id = %(target_owner)s AND own."ownerId" = %(target_owner)s
ON CONFLICT DO NOTHING
"""
_ALBUM = """
INSERT INTO immich_pipeline_sharing.album_entry (album_id, asset_id, job, run)
SELECT member."albumId", member."assetId", %(job)s, %(run)s
FROM album_asset AS member JOIN immich_pipeline_sharing.copy ON copy.target_id = member."assetId"
WHERE copy.run = %(run)s AND member."albumId" = %(album)s
ON CONFLICT DO NOTHING
"""
# Only what the target still owns by content: whether names and times agree is judged anew, more strictly.
_SKIPS = """
INSERT INTO immich_pipeline_sharing.skip (source_id, target_owner, job, reason, blocking_asset, detail)
SELECT DISTINCT ON (source.id) source.id, skipped.target_user_id, %(job)s, 'owned_content', own.id, skipped.reason
FROM public._face_sync_skipped AS skipped JOIN asset AS source ON source.id = skipped.source_asset_id
  JOIN asset AS own ON own."ownerId" = skipped.target_user_id AND own.checksum = source.checksum AND own."checksumAlgorithm" = 'sha1'
WHERE skipped.target_user_id = %(target_owner)s AND source."ownerId" = %(source_owner)s AND source."checksumAlgorithm" = 'sha1'
  AND skipped.reason = 'duplicate_checksum'
ORDER BY source.id, own.id
ON CONFLICT DO NOTHING
"""
_ADOPTED = 'row."assetId" IN (SELECT target_id FROM immich_pipeline_sharing.copy WHERE run = %(run)s)'


@dataclass(frozen=True)
class Adopted:
    """What is, or would be, taken over for one job.

    Attributes:
        job: its name.
        version: of the sidecar's tables, 1 to 4.
        copies: assets that are copies of ours now.
        people: people whose counterpart is known.
        album: copies that are in the job's album already.
        skips: assets that are left out, since the target owns them.
        left: mappings between the same two users that do not fit the job: another library or folder, or taken over before.
        faces: copied faces that Immich would still have counted twice (from 3.2 on).
    """

    job: str
    version: int
    copies: int
    people: int
    album: int
    skips: int
    left: int
    faces: int


def adopt_copies(connection: Connection, job: Job, media: MediaFolder, *, dry_run: bool) -> Adopted:
    """Take over what the sidecar copied between the users of a job into its library, below its folder.

    What is taken over counts as copied before: undo of the run forgets it and removes nothing.

    Args:
        connection: of `open_session`.
        job: the job that goes on with the copies.
        media: Immich's media folder.
        dry_run: everything is rolled back.

    Raises:
        UserError: there are no tables of the sidecar; the database or the job is not as it must be; another run is writing.
    """
    version = sidecar_version(connection)
    if version is None:
        raise UserError("there are no tables of immich-shared-library (_face_sync_asset_map) in Immich's database")
    with writing(connection), connection.transaction(force_rollback=dry_run):
        prepare(connection)
        layout = read_layout(connection)
        check_job(connection, job, layout)
        row = connection.execute(
            "INSERT INTO immich_pipeline_sharing.run (job, label, ended_at) VALUES (%s, %s, now()) RETURNING id",
            [job.name, LABEL],
        ).fetchone()
        work = Work(connection, job, row[0] if row else 0, layout, media, full=True)
        return _adopt(work, version)


def sidecar_version(connection: Connection) -> int | None:
    """Of which version the sidecar's tables are; None: there are none."""
    if not _is_there(connection, "_face_sync_asset_map"):
        return None
    if not _is_there(connection, "_face_sync_meta"):
        return 1
    row = connection.execute(
        "SELECT value::integer FROM public._face_sync_meta WHERE key = 'schema_version'"
    ).fetchone()
    return int(row[0]) if row else 1


def as_text(found: Sequence[Adopted]) -> str:
    """What is taken over, as lines of text."""
    return "\n".join(_line(one) for one in found)


def _adopt(work: Work, version: int) -> Adopted:
    connection = work.connection
    copies = connection.execute(_COPIES, work.values).rowcount
    mapped = connection.execute(_OF_THESE_USERS, work.values).fetchone()
    people = album = skips = 0
    if not work.layout.person_groups and _is_there(connection, "_face_sync_person_map"):
        people = connection.execute(_PEOPLE, work.values).rowcount
    if work.job.album is not None:
        album = connection.execute(_ALBUM, work.values).rowcount
    if has_column(connection, "_face_sync_skipped", "target_user_id"):
        skips = connection.execute(_SKIPS, work.values).rowcount
    faces = _quiet_faces(work) if work.layout.person_groups else 0
    left = int(mapped[0]) - copies if mapped else 0
    return Adopted(work.job.name, version, copies, people, album, skips, left, faces)


def _quiet_faces(work: Work) -> int:
    """Take copied faces out of Immich's recognition, as version 4 of the sidecar did: first what they are, then their embeddings."""
    manual = journal.update(
        work,
        "asset_face",
        sql.SQL("\"sourceType\" = 'manual'"),
        sql.SQL(f"{_ADOPTED} AND row.\"sourceType\" <> 'manual'"),
    )
    searched = journal.delete(
        work, "face_search", sql.SQL(f'row."faceId" = face.id AND {_ADOPTED.replace("row", "face")}'),
        using=sql.SQL("asset_face AS face"), asset=sql.SQL("NULL::uuid"),
    )  # fmt: skip
    return max(manual, searched)


def _is_there(connection: Connection, table: str) -> bool:
    return connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.{table}"]).fetchone() == (True,)


def _line(found: Adopted) -> str:
    parts = {
        "copies": found.copies,
        "people": found.people,
        "entries of the album": found.album,
        "assets that the target owns": found.skips,
        "faces that Immich counted twice": found.faces,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count) or "nothing"
    left = (
        f"; {found.left:,} mappings of these users are of another library or folder, or taken over already"
        if found.left
        else ""
    )
    return f"{found.job}: {told}{left} (tables of version {found.version})"

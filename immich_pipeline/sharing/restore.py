"""What the target's owner threw away, given back: copies in their trash, and those that they deleted for good.

Immich cannot take a copy out of its trash once that was made safe, since its file counts as missing then.
"""

from collections.abc import Collection
from dataclasses import dataclass

from psycopg import sql

from immich_pipeline.errors import UserError
from immich_pipeline.sharing import journal
from immich_pipeline.sharing.contract import check_job, read_layout
from immich_pipeline.sharing.directory import uuid_or_none
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.session import SCHEMA, Connection, prepare, writing
from immich_pipeline.sharing.work import Work

LABEL = "restored"
_COPY = f"{SCHEMA}.copy"
_AMONG = sql.SQL(
    "{copy}.job = %(job)s AND {copy}.state = %(state)s "
    "AND (%(ids)s::uuid[] IS NULL OR {copy}.target_id = ANY (%(ids)s::uuid[]) OR {copy}.source_id = ANY (%(ids)s::uuid[]))"
)
_ROW = _AMONG.format(copy=sql.Identifier("row"))
_IN_TRASH = sql.SQL("row.id IN (SELECT target_id FROM immich_pipeline_sharing.copy WHERE {})").format(
    _AMONG.format(copy=sql.Identifier("copy"))
)


@dataclass(frozen=True)
class Restored:
    """What was given back.

    Attributes:
        run: its number, by which it can be undone.
        shown: copies that are out of the trash.
        forgotten: copies that were deleted for good: the next run makes them again.
    """

    run: int
    shown: int
    forgotten: int


def restore_copies(
    connection: Connection, job: Job, media: MediaFolder, ids: Collection[str] | None, *, dry_run: bool
) -> Restored:
    """Give back what the target's owner threw away.

    Args:
        connection: of `open_session`.
        job: whose copies.
        media: Immich's media folder.
        ids: of sources or copies; None: all.
        dry_run: everything is rolled back.

    Raises:
        UserError: an id is none; the database or the job is not as it must be; another run is writing.
    """
    wrong = [one for one in ids or () if uuid_or_none(one) is None]
    if wrong:
        raise UserError(f"{wrong[0]!r} is not the id of anything in Immich: it stands in the photo's address")
    values = {"ids": None if ids is None else list(ids)}
    with writing(connection), connection.transaction(force_rollback=dry_run):
        prepare(connection)
        layout = read_layout(connection)
        check_job(connection, job, layout)
        row = connection.execute(
            "INSERT INTO immich_pipeline_sharing.run (job, label, ended_at) VALUES (%s, %s, now()) RETURNING id",
            [job.name, LABEL],
        ).fetchone()
        work = Work(connection, job, row[0] if row else 0, layout, media)
        back = sql.SQL('"isOffline" = FALSE, "deletedAt" = NULL')
        shown = journal.update(work, "asset", back, _IN_TRASH, values={**values, "state": "declined"})
        journal.update(work, _COPY, sql.SQL("state = 'live'"), _ROW, values={**values, "state": "declined"})
        forgotten = journal.delete(work, _COPY, _ROW, values={**values, "state": "refused"})
        return Restored(work.run, shown, forgotten)

"""Copies of what the target has of its own by now are removed: it was uploaded later, or another program had copied without looking.

The next cycle leaves such an asset out, with what stands in the way; once that is gone, it is copied again.
"""

from dataclasses import dataclass
from typing import NamedTuple

from immich_pipeline.sharing import candidates
from immich_pipeline.sharing.contract import check_job, read_layout
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.recover import recover
from immich_pipeline.sharing.removal import remove_copies
from immich_pipeline.sharing.runs import begin_run, end_run
from immich_pipeline.sharing.session import Connection, prepare, writing
from immich_pipeline.sharing.work import Work

LABEL = "owned by the target"

_COPIES = """
INSERT INTO candidate (source_id, target_id)
SELECT source_id, target_id FROM immich_pipeline_sharing.copy WHERE job = %(job)s AND state = 'live'
"""
# what lies in the trash may be gone tomorrow; the hidden half of a live photo goes with its still
_DOUBLES = """
SELECT own.id::text, film.target_id::text, left_out.reason, own."originalPath", left_out.detail
FROM left_out JOIN candidate USING (source_id) JOIN asset AS own ON own.id = candidate.target_id
JOIN asset AS theirs ON theirs.id = left_out.blocking_asset AND theirs.status = 'active' AND theirs."deletedAt" IS NULL
LEFT JOIN candidate AS film ON film.target_id = own."livePhotoVideoId"
ORDER BY own."originalPath", own.id
"""


class Double(NamedTuple):
    """A copy of what the target has of its own.

    Attributes:
        copy: its id.
        film: of the copy of a live photo's hidden half.
        reason: `owned_content`, or `owned_name` (name, time and camera).
        path: of the copy.
        own: path of the target's own.
    """

    copy: str
    film: str | None
    reason: str
    path: str
    own: str


@dataclass(frozen=True)
class Doubles:
    """What was, or would be, removed.

    Attributes:
        run: its number, by which it can be undone; 0: nothing was done.
        found: the copies.
    """

    run: int
    found: tuple[Double, ...]


def remove_doubles(connection: Connection, job: Job, media: MediaFolder, *, dry_run: bool) -> Doubles:
    """Remove copies of a job that the target has of its own, files first; a later undo of the run brings them back.

    Args:
        connection: of `open_session`.
        job: whose copies.
        media: Immich's media folder.
        dry_run: they are only looked for.

    Raises:
        UserError: the database or the job is not as it must be; another run is writing.
    """
    with writing(connection):
        prepare(connection)
        layout = read_layout(connection)
        check_job(connection, job, layout)
        found = _find(Work(connection, job, 0, layout, media))
        if dry_run or not found:
            return Doubles(0, found)
        work = Work(connection, job, begin_run(connection, job.name, LABEL), layout, media)
        recover(work)
        films = [double.film for double in found if double.film is not None]
        counts = remove_copies(work, [*(double.copy for double in found), *films])
        end_run(connection, work.run, {"remove": counts})
        return Doubles(work.run, found)


def _find(work: Work) -> tuple[Double, ...]:
    """By the same conditions by which a cycle leaves out what is owned."""
    candidates.make_tables(work.connection)
    work.connection.execute(_COPIES, work.values)
    work.connection.execute("ANALYZE pg_temp.candidate")
    candidates.find_owned(work)
    return tuple(Double(*row) for row in work.connection.execute(_DOUBLES))

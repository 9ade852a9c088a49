"""Taking back: what a run did, or everything that a job ever did.

What the runs changed of rows that were there before is put back first, then the copies that they made are removed, at last the people,
stacks and tags that nothing is left of. Each part is a transaction of its own and can be repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from immich_pipeline.errors import UserError
from immich_pipeline.sharing import files, restoring
from immich_pipeline.sharing.contract import read_layout
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job, SharePolicy
from immich_pipeline.sharing.people import face_person, leave_files, person_id
from immich_pipeline.sharing.recover import recover
from immich_pipeline.sharing.removal import remove_copies
from immich_pipeline.sharing.runs import begin_run, is_prepared
from immich_pipeline.sharing.session import Connection, writing
from immich_pipeline.sharing.work import Counts, Work

_OWNERS = """
SELECT source_owner::text, target_owner::text FROM immich_pipeline_sharing.copy WHERE job = %(job)s
UNION ALL SELECT before ->> 'source_owner', before ->> 'target_owner' FROM immich_pipeline_sharing.journal
WHERE table_name = 'immich_pipeline_sharing.copy' AND before ->> 'job' = %(job)s LIMIT 1
"""
_NOBODY = ("00000000-0000-0000-0000-000000000000",) * 2

_ENTRIES = """
WITH entry AS (DELETE FROM immich_pipeline_sharing.album_entry WHERE run = ANY (%(runs)s) RETURNING album_id, asset_id)
DELETE FROM album_asset USING entry WHERE album_asset."albumId" = entry.album_id AND album_asset."assetId" = entry.asset_id
"""
_TAGGINGS = """
WITH tagging AS (DELETE FROM immich_pipeline_sharing.tagging WHERE run = ANY (%(runs)s) RETURNING tag_id, asset_id)
DELETE FROM tag_asset USING tagging WHERE tag_asset."tagId" = tagging.tag_id AND tag_asset."assetId" = tagging.asset_id
"""
_STACKS = """
WITH made AS (DELETE FROM immich_pipeline_sharing.stack WHERE run = ANY (%(runs)s) RETURNING target_id)
DELETE FROM stack USING made WHERE stack.id = made.target_id AND NOT EXISTS (
  SELECT FROM asset WHERE asset."stackId" = stack.id AND NOT EXISTS (
    SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = asset.id))
"""
_TAGS = """
DELETE FROM tag USING immich_pipeline_sharing.tag AS made WHERE made.run = ANY (%(runs)s) AND tag.id = made.target_id
  AND NOT EXISTS (SELECT FROM tag_asset JOIN tag_closure ON id_descendant = "tagId" WHERE id_ancestor = tag.id)
  AND NOT EXISTS (SELECT FROM tag_closure JOIN tag AS below ON below.id = id_descendant WHERE id_ancestor = tag.id
    AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.tag AS ours WHERE ours.target_id = below.id AND ours.run = ANY (%(runs)s)))
"""
_PEOPLE = """
DELETE FROM person USING immich_pipeline_sharing.person AS made
WHERE made.run = ANY (%(runs)s) AND made.made AND person.{id} = made.target_id AND person."ownerId" = made.target_owner
  AND NOT EXISTS (SELECT FROM asset_face AS face JOIN asset ON asset.id = face."assetId"
    WHERE face.{person} = made.target_id AND asset."ownerId" = made.target_owner)
RETURNING person."thumbnailPath"
"""
_FORGET = (
    """DELETE FROM immich_pipeline_sharing.tag WHERE run = ANY (%(runs)s) AND NOT EXISTS (SELECT FROM tag WHERE tag.id = target_id)""",
    # somebody whom another job's copies show stays known
    """
    DELETE FROM immich_pipeline_sharing.person AS known WHERE run = ANY (%(runs)s)
      AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.face JOIN immich_pipeline_sharing.copy ON copy.target_id = face.target_asset
        WHERE copy.target_owner = known.target_owner AND face.target_person = known.target_id)
    """,
    "DELETE FROM immich_pipeline_sharing.watermark WHERE job = %(job)s",
    "DELETE FROM immich_pipeline_sharing.journal WHERE run = %(run)s",
    "UPDATE immich_pipeline_sharing.run SET undone_at = clock_timestamp() WHERE id = ANY (%(runs)s)",
    "UPDATE immich_pipeline_sharing.run SET undone_at = clock_timestamp(), ended_at = clock_timestamp() WHERE id = %(run)s",
)
_FORGET_JOB = "DELETE FROM immich_pipeline_sharing.skip WHERE job = %(job)s"
_FORGET_ADOPTED = """
WITH adopted AS (DELETE FROM immich_pipeline_sharing.copy WHERE run = ANY (%(runs)s) AND adopted RETURNING target_id)
DELETE FROM immich_pipeline_sharing.face USING adopted WHERE face.target_asset = adopted.target_id
"""
_MADE = "SELECT target_id::text FROM immich_pipeline_sharing.copy WHERE run = ANY (%(runs)s) AND NOT adopted ORDER BY made_at, target_id"


@dataclass(frozen=True)
class UndoReport:
    """What was taken back.

    Attributes:
        counts: rows of Immich's that were removed, put back or made again, per table; files as "files".
        refused: what was left as it is since somebody changed it afterwards, a sentence each.
    """

    counts: Counts = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def undo_run(connection: Connection, run_id: int, media: MediaFolder) -> UndoReport:
    """Take back what one run did.

    Raises:
        UserError: there is no such run, or it is undone already; another run is writing.
    """
    found = _ask(connection, "SELECT job FROM immich_pipeline_sharing.run WHERE id = %s AND undone_at IS NULL", run_id)
    if not found:
        raise UserError(
            f"there is no run {run_id} of sharing that could be undone: 'immich-pipeline share status' lists them"
        )
    with writing(connection):
        return _undo(_work(connection, str(found[0][0]), media, f"undo of run {run_id}"), [run_id])


def undo_job(connection: Connection, job_name: str, media: MediaFolder) -> UndoReport:
    """Take back everything that a job did; what is known of it is forgotten then.

    Raises:
        UserError: the job never ran, or is undone already; another run is writing.
    """
    query = "SELECT id FROM immich_pipeline_sharing.run WHERE job = %s AND undone_at IS NULL ORDER BY id"
    runs = [int(run) for (run,) in _ask(connection, query, job_name)]
    if not runs:
        raise UserError(f"the job '{job_name}' has done nothing that could be undone")
    with writing(connection):
        work = _work(connection, job_name, media, f"undo of job {job_name}")
        report = _undo(work, runs)
        connection.execute(_FORGET_JOB, work.values)
        return report


def _ask(connection: Connection, query: str, value: object) -> list[tuple[Any, ...]]:
    if not is_prepared(connection):
        return []
    return connection.execute(query, [value]).fetchall()


def _work(connection: Connection, job_name: str, media: MediaFolder, label: str) -> Work:
    """A run of its own; of the job only its name and its users matter."""
    layout = read_layout(connection)
    source, target = connection.execute(_OWNERS, {"job": job_name}).fetchone() or _NOBODY
    policy = SharePolicy(other_filesystem="copy")
    job = Job(job_name, source, target, target_library="", source_prefix="", target_prefix="", policy=policy)
    return Work(connection, job, begin_run(connection, job_name, label), layout, media)


def _undo(work: Work, runs: Sequence[int]) -> UndoReport:
    values = {**work.values, "runs": list(runs)}
    counts = recover(work)
    refused = _put_back(work, values, counts)
    made = [copy for (copy,) in work.connection.execute(_MADE, values)]
    _add(counts, remove_copies(work, made, journalled=False))
    with work.connection.transaction():
        _add(counts, {"tag": work.connection.execute(_TAGS, values).rowcount})
        _add(counts, {"person": _remove_people(work, values)})
        for statement in (_FORGET_ADOPTED, *_FORGET):
            work.connection.execute(statement, values)
    _add(counts, files.discard(work))
    return UndoReport(counts, tuple(refused))


def _put_back(work: Work, values: Mapping[str, Any], counts: Counts) -> list[str]:
    """Put back what the journal says; returns what does not fit any more."""
    runs = values["runs"]
    with work.connection.transaction(force_rollback=True):
        restoring.gather(work, runs)
        links, gone = restoring.wanted_files(work)
    made = files.make(work, links)
    gone += list(made.failed)
    with files.discarded_on_error(work), work.connection.transaction():
        restoring.gather(work, runs)
        restoring.do_without(work, gone)
        _add(counts, restoring.put_back(work))
        refused = restoring.refused(work)
        for table, statement in (("album_asset", _ENTRIES), ("tag_asset", _TAGGINGS), ("stack", _STACKS)):
            _add(counts, {table: work.connection.execute(statement, values).rowcount})
        work.connection.execute("DELETE FROM immich_pipeline_sharing.journal WHERE run = ANY (%(runs)s)", values)
        files.settle(work, [link.target for link in links])
    _add(counts, {"files": len(made.made)})
    if gone:
        refused.append(
            f"{len(gone):,} thumbnails are gone at the source too, such as {gone[0]}: Immich makes them anew"
        )
    return refused


def _remove_people(work: Work, values: Mapping[str, Any]) -> int:
    """Remove people whom nothing of the target's shows any more, and note their portraits to be removed."""
    statement = sql.SQL(_PEOPLE).format(id=person_id(work.layout), person=face_person(work.layout))
    portraits = [path for (path,) in work.connection.execute(statement, values).fetchall()]
    leave_files(work, [path for path in portraits if path])
    return len(portraits)


def _add(counts: Counts, more: Counts) -> None:
    for table, rows in more.items():
        if rows:
            counts[table] = counts.get(table, 0) + rows

"""What the next cycle would do, found out in a transaction that cannot write and is rolled back."""

from collections.abc import Iterator

from psycopg import IsolationLevel

from immich_pipeline.progress import byte_size
from immich_pipeline.sharing import (
    candidates,
    changes,
    cleanup,
    faces,
    people,
    pictures,
    portraits,
    scope,
    skips,
    steps,
)
from immich_pipeline.sharing.contract import check_job, read_layout
from immich_pipeline.sharing.copying import count_batch, fill_batch, make_batch_table
from immich_pipeline.sharing.media_folder import Link, MediaFolder, Space
from immich_pipeline.sharing.model import Job, RemovalBrake
from immich_pipeline.sharing.reports import Backlog, Outlook, Planned
from immich_pipeline.sharing.runs import copies_of
from immich_pipeline.sharing.session import Connection, prepare
from immich_pipeline.sharing.work import Counts, Seen, Work

_SAMPLES = 10
_LEFT_OUT = 50
# The place of a file of Immich's own has the copy's id in it, which is another one each time that is looked.
_SAMPLED = """
SELECT asset."originalPath", CASE WHEN NOT linked THEN candidate.path END
FROM candidate JOIN asset ON asset.id = candidate.source_id ORDER BY rank LIMIT %s
"""
_CANDIDATES = "SELECT source_id::text FROM candidate ORDER BY rank"
_PATHS = 'SELECT "originalPath" FROM asset WHERE id = ANY (%s::uuid[]) ORDER BY "originalPath" LIMIT %s'


def look(
    connection: Connection, job: Job, media: MediaFolder, *, full: bool = False, brake: RemovalBrake | None = None
) -> Outlook:
    """What the next cycle would do, with counts and samples. Nothing is written, not even our own tables.

    Args:
        connection: of `open_session`, in no transaction.
        job: what is shared.
        media: Immich's media folder.
        full: compare everything, not only what changed since the last cycle.
        brake: how much a cycle may remove; by default the usual.

    Raises:
        UserError: the database or the job is not as it must be; says all that is wrong.
    """
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction(force_rollback=True):
            prepare(connection)
            candidates.make_tables(connection)
            changes.prepare(connection)
            make_batch_table(connection)
            connection.execute("SET TRANSACTION READ ONLY")  # tables of our own that are temporary may still be filled
            layout = read_layout(connection)
            check_job(connection, job, layout)
            return _outlook(Work(connection, job, 0, layout, media, full), brake or RemovalBrake())
    finally:
        connection.isolation_level = None


def _outlook(work: Work, brake: RemovalBrake) -> Outlook:
    candidates.find(work)
    links = _links(work)
    space = work.media.space(links) if links else None
    changes.collect(work, changes.begin(work.connection))
    removal, held_back = _removal(work, brake)
    count, oldest = scope.backlog(work)
    return Outlook(
        planned={"copy": _copying(work, links), "follow": _following(work), "remove": removal},
        backlog=Backlog(count, oldest),
        skips=skips.by_reason(work),
        left_out=skips.first(work, _LEFT_OUT),
        copies=copies_of(work.connection, work.job),
        problems=tuple(_problems(work, space, held_back)),
        space=space,
    )


def _links(work: Work) -> list[Link]:
    """The files that copies would get, in place of the sources'."""
    return [Link(file.source, file.target) for file in candidates.plan_files(work) if file.target is not None]


def _copying(work: Work, links: list[Link]) -> Planned:
    fill_batch(work)
    counts = count_batch(work)
    for step in (people.ensure_people_outlook, faces.copy_faces_outlook):
        _add(counts, step(work))
    if links:
        counts["files"] = len(links)
    subjects = tuple(source for (source,) in work.connection.execute(_CANDIDATES))
    samples = work.connection.execute(_SAMPLED, [_SAMPLES]).fetchall()
    return Planned(subjects, counts, tuple(" as ".join(filter(None, sample)) for sample in samples))


def _following(work: Work) -> Planned:
    counts: Counts = {}
    subjects: dict[str, None] = {}
    looks = [step.look for step in (*steps.RELATE, *(steps.FOLLOW if work.job.policy.follow else ()), *steps.SHOW)]
    looks += [
        cleanup.guard_outlook,
        cleanup.bring_back_outlook,
        *([pictures.give_files_outlook] if work.job.policy.follow else []),
    ]
    for look_at in looks:
        subjects |= dict.fromkeys(_add(counts, look_at(work)))
    files = [*portraits.portraits(work), *(pictures.files(work) if work.job.policy.follow else [])]
    if files:
        counts["files"] = len(files)
    return Planned(tuple(subjects), counts, _paths(work, list(subjects)))


def _removal(work: Work, brake: RemovalBrake) -> tuple[Planned, str | None]:
    """What would leave, as far as the brake lets it, and why it does not."""
    leaving = cleanup.leaving(work)
    going = [*leaving.removed, *leaving.trashed]
    held_back = brake.stop(len(going), copies_of(work.connection, work.job))
    if held_back is not None:
        return Planned(), held_back
    counts: Counts = {"asset": len(going)} if going else {}
    _add(counts, people.remove_orphans_outlook(work))
    return Planned((*going, *leaving.kept), counts, _paths(work, going)), None


def _problems(work: Work, space: Space | None, held_back: str | None) -> Iterator[str]:
    if held_back is not None:
        yield held_back
    if work.layout.unknown_tables:
        yield (
            f"Immich has tables that are not known here and refer to assets ({', '.join(work.layout.unknown_tables)}): "
            "their rows are not copied"
        )
    if space is not None and not space.linkable:
        yield (
            f"thumbnails cannot be hard-linked, since they would lie on another file system: copies would take about "
            f"{byte_size(space.needed)}, {byte_size(space.free)} are free (policy other_filesystem: "
            f"{work.job.policy.other_filesystem})"
        )


def _add(counts: Counts, seen: Seen) -> tuple[str, ...]:
    for table, rows in seen.counts.items():
        if rows:
            counts[table] = counts.get(table, 0) + rows
    return seen.subjects


def _paths(work: Work, ids: list[str]) -> tuple[str, ...]:
    return tuple(path for (path,) in work.connection.execute(_PATHS, [ids, _SAMPLES]))

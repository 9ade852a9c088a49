"""One cycle over one job: recover, prune, copy, relate, follow, clean up."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import psycopg

from immich_pipeline.sharing import candidates, changes, cleanup, files, people, pictures, portraits, skips, steps
from immich_pipeline.sharing.batches import Copied, copy_candidates
from immich_pipeline.sharing.contract import check_job, read_layout
from immich_pipeline.sharing.faults import reach, said
from immich_pipeline.sharing.media_folder import Link, MediaFolder, NotLinked
from immich_pipeline.sharing.model import Job, RemovalBrake
from immich_pipeline.sharing.outlook import look
from immich_pipeline.sharing.recover import recover
from immich_pipeline.sharing.removal import remove_copies
from immich_pipeline.sharing.reports import OPERATIONS, Backlog, CycleReport, Failure, Operation, Outlook, Planned
from immich_pipeline.sharing.runs import begin_run, copies_of, end_run
from immich_pipeline.sharing.session import Connection, prepare, writing
from immich_pipeline.sharing.work import Counts, Work

__all__ = ["OPERATIONS", "Backlog", "CycleReport", "Failure", "Operation", "Outlook", "Planned", "look", "run_cycle"]

Do = Callable[[Work], Counts]


@dataclass
class _Cycle:
    """What has happened so far."""

    work: Work
    operations: Collection[Operation]
    brake: RemovalBrake
    progress: Callable[[str], None]
    counts: dict[Operation, Counts] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    copied: Copied = field(default_factory=Copied)
    removed: int = 0
    held_back: str | None = None

    def add(self, operation: Operation, counts: Counts) -> None:
        """Add what a step wrote."""
        mine = self.counts.setdefault(operation, {})
        for table, rows in counts.items():
            if rows:
                mine[table] = mine.get(table, 0) + rows

    def attempt(self, name: str, operation: Operation, step: Do) -> bool:
        """Do a step that opens its own transactions; whether it went through. What reaches further than the step is raised."""
        self.progress(name)
        try:
            self.add(operation, step(self.work))
        except psycopg.Error as error:
            if self.work.connection.broken or reach(error) == "cycle":
                raise
            self.failures.append(Failure(name, None, said(error)))
            return False
        except (NotLinked, OSError) as error:
            self.failures.append(Failure(name, None, said(error)))
            return False
        return True

    def attempt_whole(self, operation: Operation, step: Do) -> bool:
        """Do a step in one transaction."""

        def in_transaction(work: Work) -> Counts:
            with work.connection.transaction():
                return step(work)

        name: str = getattr(step, "func", step).__name__
        return self.attempt(name.replace("_", " "), operation, in_transaction)

    def report(self) -> CycleReport:
        return CycleReport(
            run=self.work.run,
            counts=self.counts,
            copied=self.copied.assets,
            removed=self.removed,
            failures=tuple(self.failures),
            held_back=self.held_back,
        )


def run_cycle(
    connection: Connection,
    job: Job,
    media: MediaFolder,
    *,
    label: str = "",
    operations: Collection[Operation] = OPERATIONS,
    only: Collection[str] | None = None,
    brake: RemovalBrake | None = None,
    full: bool = False,
    progress: Callable[[str], None] | None = None,
) -> CycleReport:
    """Carry one job over, as far as it can be.

    Args:
        connection: of `open_session`; its lock is taken for the time of the cycle.
        job: what is shared.
        media: Immich's media folder.
        label: what the caller calls the run.
        operations: what is done: copies made, changes followed, copies removed.
        only: ids of the assets (sources or copies) that alone may be touched; None: all.
        brake: how much may be removed; by default the usual.
        full: compare everything, not only what changed since the last cycle.
        progress: told now and then, in a line, what is being done.

    Raises:
        UserError: the database or the job is not as it must be; another run is writing.
        psycopg.Error: the connection was lost, a right is missing, the database has no space: the next cycle goes on from there.
    """
    with writing(connection):
        prepare(connection)
        layout = read_layout(connection)
        check_job(connection, job, layout)
        chosen = None if only is None else frozenset(only)
        work = Work(connection, job, begin_run(connection, job.name, label), layout, media, full, chosen)
        choose(work)
        cycle = _Cycle(work, operations, brake or RemovalBrake(), progress or (lambda line: None))
        try:
            _run(cycle)
        finally:
            _end_run(cycle)
        return cycle.report()


def choose(work: Work) -> None:
    """Make the temporary table of the assets that alone may be touched, where there is a choice."""
    work.connection.execute("DROP TABLE IF EXISTS pg_temp.chosen")
    if work.only is not None:
        work.connection.execute("CREATE TEMPORARY TABLE chosen (id uuid PRIMARY KEY)")
        work.connection.execute("INSERT INTO chosen SELECT unnest(%s::uuid[])", [list(work.only)])
        work.connection.execute("ANALYZE pg_temp.chosen")


def _run(cycle: _Cycle) -> None:
    connection = cycle.work.connection
    changes.prepare(connection)
    before = changes.begin(connection)
    cycle.attempt("recover", "remove", recover)
    cycle.attempt_whole("remove", cleanup.prune)
    if "follow" in cycle.operations:
        cycle.attempt_whole("follow", cleanup.guard)
        cycle.attempt_whole("follow", cleanup.bring_back)
    if "copy" in cycle.operations:
        cycle.attempt("copy", "copy", lambda work: _copy(cycle, work))
    marks = _collect(cycle, before)
    whole = marks is not None and _carry_over(cycle)
    if "remove" in cycle.operations:
        _clean_up(cycle)
    if _show(cycle) and whole and marks is not None:
        cycle.attempt("marks", "follow", partial(_settle, marks=marks, followed="follow" in cycle.operations))
    cycle.attempt("files", "remove", files.discard)


def _copy(cycle: _Cycle, work: Work) -> Counts:
    """Copy what can be copied; what was copied before something went wrong counts."""
    candidates.make_tables(work.connection)
    with work.connection.transaction():
        found = candidates.find(work)
        skips.record(work)
    if not found:
        return {}
    copied = cycle.copied
    try:
        copy_candidates(work, copied, lambda done: cycle.progress(f"copy: {done:,} of {found:,} assets"))
    finally:
        cycle.add("copy", copied.counts)
        cycle.failures += [Failure("copy", source, reason) for source, reason in copied.failed.items()]
    if copied.adopted:  # nobody knows how far they are like their sources
        cycle.work = replace(work, full=True)
    return {}


def _collect(cycle: _Cycle, before: changes.Marks) -> changes.Marks | None:
    """Find what changed; up to where that was seen, None when it failed."""
    collected: list[changes.Marks] = []

    def collect(work: Work) -> Counts:
        with work.connection.transaction():
            collected.append(changes.collect(work, before))
        return {}

    return collected[0] if cycle.attempt("changes", "follow", collect) else None


def _carry_over(cycle: _Cycle) -> bool:
    """Relate and follow what changed; whether all of it went through."""
    follow = "follow" in cycle.operations and cycle.work.job.policy.follow
    done = [cycle.attempt_whole(_operation(cycle), step.do) for step in steps.RELATE]
    if follow:
        done += [cycle.attempt_whole("follow", step.do) for step in steps.FOLLOW]
        done.append(
            cycle.attempt("pictures", "follow", lambda work: _with_files(work, pictures.files, pictures.give_files))
        )
    return all(done)


def _show(cycle: _Cycle) -> bool:
    """What follows from all that was done before; whether it went through."""
    done = [cycle.attempt_whole(_operation(cycle), step.do) for step in steps.SHOW]
    done.append(
        cycle.attempt(
            "portraits",
            _operation(cycle),
            lambda work: _with_files(work, portraits.portraits, portraits.give_portraits),
        )
    )
    return all(done)


def _operation(cycle: _Cycle) -> Operation:
    """What steps count as that belong to copies and to later changes alike."""
    return "follow" if "follow" in cycle.operations else "copy"


def _settle(work: Work, marks: changes.Marks, *, followed: bool) -> Counts:
    """Keep how far was read, unless something that was found is still to be done: it was not asked for, or not chosen."""
    with work.connection.transaction():
        if (followed or changes.is_quiet(work, later=True)) and not _is_left(replace(work, only=None)):
            changes.settle(work, marks)
    return {}


def _is_left(work: Work) -> bool:
    """Whether there is anything to do about what was put off."""
    if not changes.take_up(work):
        return False
    looks = [step.look for step in steps.RELATE if step.by_changes]
    if work.job.policy.follow:
        looks += [step.look for step in steps.FOLLOW if step.by_changes] + [pictures.give_files_outlook]
    return any(any(look_at(work).counts.values()) for look_at in looks)


def _clean_up(cycle: _Cycle) -> None:
    """Let copies go whose source left, unless they are too many at once; then people who have no face left."""
    found: list[cleanup.Leaving] = []

    def look_round(work: Work) -> Counts:
        found.append(cleanup.leaving(work))
        return {}

    if cycle.attempt("leaving", "remove", look_round):
        _let_go(cycle, found[0])
    cycle.attempt_whole("remove", people.remove_orphans)


def _let_go(cycle: _Cycle, leaving: cleanup.Leaving) -> None:
    going = len(leaving.removed) + len(leaving.trashed)
    cycle.held_back = cycle.brake.stop(going, copies_of(cycle.work.connection, cycle.work.job))
    if cycle.held_back is None:
        removed = cycle.attempt("remove", "remove", lambda work: remove_copies(work, leaving.removed))
        trashed = cycle.attempt_whole("remove", partial(cleanup.trash, ids=leaving.trashed))
        cycle.removed = (len(leaving.removed) if removed else 0) + (len(leaving.trashed) if trashed else 0)
    cycle.attempt_whole("remove", partial(cleanup.keep, ids=leaving.kept))


def _with_files(
    work: Work, wanted: Callable[[Work], list[Link]], give: Callable[[Work, Sequence[str]], Counts]
) -> Counts:
    """Make files, then write the rows that name them."""
    links = wanted(work)
    report = files.make(work, links)
    paths = [link.target for link in links if link.target not in report.failed]
    with files.discarded_on_error(work), work.connection.transaction():
        counts = give(work, paths)
        files.settle(work, paths)
    return counts | ({"files": len(report.made)} if report.made else {})


def _end_run(cycle: _Cycle) -> None:
    """Write down what came of the run; one that lost its connection has no end."""
    connection = cycle.work.connection
    if not connection.broken and not connection.closed:
        end_run(connection, cycle.work.run, cycle.counts)

"""Copies are made in batches: all rows in one transaction, which ends when the files are there. What fails is halved until it is alone."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from immich_pipeline.sharing import files, skips
from immich_pipeline.sharing.candidates import PlannedFile, plan_files
from immich_pipeline.sharing.copying import copy_batch, fill_batch, make_batch_table
from immich_pipeline.sharing.faults import reach, said
from immich_pipeline.sharing.media_folder import Link, LinkReport
from immich_pipeline.sharing.work import Counts, Work

BATCH = 2000
"""Assets per transaction: with indexes of vectors, some 20 seconds."""

_HOPELESS = 100
"""So many assets of a batch fail alone, and none goes in: it is not about them."""

_PATIENCE = 10.0
"""Seconds that a transaction waits for files; PostgreSQL ends one that is idle for long, and it holds locks."""

_RANGE = "rank > {above} AND rank <= {upto}"
_MANY = 1000
# What comes next joins these; until PostgreSQL has looked at them itself, it takes them for empty.
_ANALYZE = "ANALYZE immich_pipeline_sharing.copy, immich_pipeline_sharing.face, immich_pipeline_sharing.person"
_LARGEST_RANK = "SELECT coalesce(max(rank), 0) FROM candidate WHERE NOT adopted"
_ADOPT = """
INSERT INTO immich_pipeline_sharing.copy (target_id, source_id, source_owner, target_owner, job, run, state, adopted)
SELECT target_id, source_id, %(source_owner)s, %(target_owner)s, %(job)s, %(run)s, 'live', true FROM candidate WHERE adopted
"""
_NOTE_FILES = """
INSERT INTO immich_pipeline_sharing.file (path, run) SELECT path, %(run)s FROM planned_file WHERE linked AND path IS NOT NULL
"""
_GIVE_UP = "DELETE FROM candidate WHERE source_id = ANY (%s::uuid[])"


@dataclass
class Copied:
    """What was copied.

    Attributes:
        counts: rows per table; files as "files".
        assets: how many assets.
        adopted: how many were there already, and are taken for copies now.
        failed: source id to the reason.
    """

    counts: Counts = field(default_factory=dict)
    assets: int = 0
    adopted: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, counts: Counts) -> None:
        """Add what one step wrote."""
        for table, rows in counts.items():
            self.counts[table] = self.counts.get(table, 0) + rows


def copy_candidates(work: Work, copied: Copied, progress: Callable[[int], None]) -> None:
    """Copy all of `candidate`; `copied` tells how far it came, whatever ends it. `progress` is told how many are done.

    Raises:
        psycopg.Error: one that is not about a single asset.
        NotLinked: files cannot be made at all.
    """
    with work.connection.transaction():
        copied.adopted = work.connection.execute(_ADOPT, work.values).rowcount
    row = work.connection.execute(_LARGEST_RANK).fetchone()
    for above in range(0, row[0] if row else 0, BATCH):
        _copy_range(work, copied, above, above + BATCH)
        progress(copied.assets)
    if copied.assets >= _MANY:
        work.connection.execute(_ANALYZE)


@dataclass
class _Batch:
    """Candidates that are copied together.

    Attributes:
        work: the run.
        copied: what came of it so far.
        wanted: their files.
        given_up: source ids of those that get no rows.
        making: their files, which are made while the rows are inserted.
        inserted: how many of them went in.
        refused: how many the database refused alone.
    """

    work: Work
    copied: Copied
    wanted: list[PlannedFile]
    given_up: set[str] = field(default_factory=set)
    making: Future[LinkReport] = field(default_factory=Future)
    inserted: int = 0
    refused: int = 0

    def make_files(self, pool: Executor) -> None:
        """Begin to make the files of all that are not given up."""
        links = [
            Link(file.source, file.target)
            for file in self.wanted
            if file.target is not None and file.source_id not in self.given_up
        ]
        self.making = pool.submit(self.work.media.link_all, links, self.work.job.policy.other_filesystem)

    def failed(self) -> dict[str, str]:
        """Once all files were tried: source ids of those that lack one and are not given up, with the reason.

        Raises:
            NotLinked: none can be made.
        """
        reasons = self.making.result().failed
        return {
            file.source_id: reasons[file.target]
            for file in self.wanted
            if file.target in reasons and file.source_id not in self.given_up
        }

    def check_files(self) -> None:
        """Wait for the files.

        Raises:
            _WithoutFiles: not all are there, or not yet.
            NotLinked: none can be made.
        """
        if not wait([self.making], timeout=_PATIENCE).done or self.failed():
            raise _WithoutFiles

    def made(self) -> int:
        """How many files are there that were not before."""
        gone = {file.target for file in self.wanted if file.source_id in self.given_up}
        return len(set(self.making.result().made) - gone)


class _WithoutFiles(Exception):  # noqa: N818 - ends a transaction that must not be committed
    """Files of some assets could not be made, or are not there yet."""


def _copy_range(work: Work, copied: Copied, above: int, upto: int) -> None:
    which = _within(above, upto)
    with work.connection.transaction():
        wanted = plan_files(work, which)
        work.connection.execute(_NOTE_FILES, work.values)
    batch = _Batch(work, copied, wanted)
    # nothing is thrown away before the last file was tried
    with files.discarded_on_error(work), ThreadPoolExecutor(1) as pool:
        if homeless := {
            file.source_id: f"{file.source} is not named after its asset" for file in wanted if file.target is None
        }:
            _give_up(batch, homeless)
        batch.make_files(pool)
        try:
            _insert(batch, above, upto)
        except _WithoutFiles:
            if failed := batch.failed():
                _give_up(batch, failed)
            _insert(batch, above, upto)
        made = batch.made()
    copied.add({"files": made} if made else {})


def _insert(batch: _Batch, above: int, upto: int) -> None:
    """Insert the rows of candidates in one transaction, or in halves of it."""
    work = batch.work
    try:
        with work.connection.transaction():
            make_batch_table(work.connection)
            assets = fill_batch(work, _within(above, upto))
            counts = copy_batch(work, batch.check_files) if assets else {}
            batch.check_files()
    except psycopg.Error as error:
        if work.connection.broken or reach(error) != "asset":
            raise
        if batch.refused >= _HOPELESS and not batch.inserted:
            raise
        batch.making.result()  # what is given up must not be made any more
        if upto - above == 1:
            batch.refused += 1
            _give_up(batch, {_alone(work, upto): said(error)})
            return
    else:
        batch.copied.add(counts)
        batch.copied.assets += assets
        batch.inserted += assets
        return
    middle = (above + upto) // 2
    _insert(batch, above, middle)
    _insert(batch, middle, upto)


def _give_up(batch: _Batch, failed: Mapping[str, str]) -> None:
    """Write down which assets could not be copied, and remove the files that were made for them."""
    work = batch.work
    paths = [file.target for file in batch.wanted if file.source_id in failed and file.target is not None]
    work.media.remove_all(path for path in paths if work.media.covers(path))
    with work.connection.transaction():
        files.settle(work, paths)
        work.connection.execute(_GIVE_UP, [list(failed)])
        skips.record_failures(work, failed)
    batch.given_up.update(failed)
    batch.copied.failed.update(failed)


def _alone(work: Work, rank: int) -> str:
    row = work.connection.execute("SELECT source_id::text FROM candidate WHERE rank = %s", [rank]).fetchone()
    if row is None:
        raise LookupError(f"no candidate of rank {rank}")
    return str(row[0])


def _within(above: int, upto: int) -> sql.Composed:
    return sql.SQL(_RANGE).format(above=sql.Literal(above), upto=sql.Literal(upto))

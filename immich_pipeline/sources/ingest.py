"""Work on one ingest batch: read each file once, and keep what was found, chunk by chunk."""

import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.progress import Progress, logger
from immich_pipeline.sources.immich.originals import Originals, split_mounted
from immich_pipeline.sources.immich.remote import measure_remote
from immich_pipeline.sources.returns import adopt_returned
from immich_pipeline.store.batches import ContentVersions, batch_tasks, begin_batch, complete_batch
from immich_pipeline.store.content import write_measurements
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes
from immich_pipeline.store.immich import records_of
from immich_pipeline.store.library import mark_unsettled

_CHUNK_FILES = 512
_CHUNK_SECONDS = 10.0


@dataclass
class BatchOutcome:
    """What a batch's run did."""

    files: int = 0
    hashed: int = 0
    bytes: int = 0
    changes: Changes = field(default_factory=Changes)
    adopted: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    outdated: int = 0
    """Files that are no longer as the last scan saw them."""
    errors: Counter[str] = field(default_factory=Counter)
    """How many files each reason, in words, stopped."""


@contextmanager
def reading_slot(database: Database) -> Iterator[None]:
    """Wait for this machine's turn to read files: one run uses every core, two would only get in each other's way."""
    name = f"reading files on {socket.gethostname()}"
    with database.lock(name, wait=False) as free:
        if free:
            yield
            return
    logger.info("another run is reading files on this machine; waiting for it")
    with database.lock(name):
        yield


@dataclass(frozen=True)
class Work:
    """What is to be made of each file, in which version; `cured` names error kinds that need no longer be."""

    versions: ContentVersions
    options: MeasureOptions
    cured: tuple[str, ...] = ()


def measure_batch(database: Database, batch_key: str, settings: Settings, work: Work) -> BatchOutcome:
    """Do what is undone of a batch. Commits per chunk, so that whatever interrupts it, nothing is done twice."""
    outcome = BatchOutcome()
    began = time.monotonic()
    with reading_slot(database):
        begin_batch(database, batch_key)
        with database.frames() as frames:
            tasks = batch_tasks(frames, batch_key, work.versions, cured=work.cured)
            records = records_of(frames, tasks.filter(pl.col("source_kind") != "folder")["asset_id"].to_list())
        if tasks.height:
            progress = Progress(f"batch {batch_key}", tasks.height)
            for chunk in _chunks(_measured(tasks, records, settings, work.options)):
                _keep(database, chunk, tasks, work, outcome)
                progress.at(outcome.files)
            logger.info(progress.line())
        with database.frames() as frames:
            outcome.adopted = adopt_returned(frames)
            if outcome.outdated:
                mark_unsettled(frames)
        complete_batch(database, batch_key)
    outcome.seconds = time.monotonic() - began
    return outcome


def measure_options(settings: Settings, assets: Set[str]) -> MeasureOptions:
    """What to read of each file for these assets, within the limits of the settings."""
    return MeasureOptions(
        worker_memory_mb=settings.worker_memory_mb,
        formats_extra=settings.formats,
        hash="file_hashes" in assets,
        metadata="photo_metadata" in assets,
        pictures="perceptual_hashes" in assets,
    )


def _measured(
    tasks: pl.DataFrame, records: pl.DataFrame, settings: Settings, options: MeasureOptions
) -> Iterator[list[FileMeasurement]]:
    """Measure what is read here by its bytes, and the rest by what the server has of it."""
    here, remote = split_mounted(tasks, settings.immich)
    if here.height:
        yield from _read_here(here, Originals(settings.immich, records), settings, options)
    if remote.height:
        yield from measure_remote(settings, records.join(remote, on="asset_id", how="semi"), options)


def _read_here(
    tasks: pl.DataFrame, originals: Originals, settings: Settings, options: MeasureOptions
) -> Iterator[list[FileMeasurement]]:
    refused: list[FileMeasurement] = []

    def file_tasks() -> Iterator[FileTask]:
        for row in tasks.select("asset_id", "root", "real_path", "extension").iter_rows():
            task = originals.task(*row)
            if isinstance(task, FileTask):
                yield task
            else:
                refused.append(task)

    with MeasurePool(options, workers=settings.workers, file_timeout=settings.file_timeout_seconds) as pool:
        for part in pool.measure(file_tasks()):
            yield [originals.checked(found) for found in part]
    if refused:
        yield refused


def _chunks(measured: Iterable[list[FileMeasurement]]) -> Iterator[list[FileMeasurement]]:
    """Gather small answers into writes of some hundred rows, none held back for long."""
    chunk: list[FileMeasurement] = []
    began = time.monotonic()
    for part in measured:
        chunk += part
        if len(chunk) >= _CHUNK_FILES or time.monotonic() - began >= _CHUNK_SECONDS:
            yield chunk
            chunk, began = [], time.monotonic()
    if chunk:
        yield chunk


def _keep(
    database: Database, chunk: list[FileMeasurement], tasks: pl.DataFrame, work: Work, outcome: BatchOutcome
) -> None:
    with database.frames() as frames:
        outcome.changes += write_measurements(frames, chunk, tasks, work.versions, work.options)
    folders = tasks.filter(pl.col("source_kind") == "folder").select("asset_id", "size", "mtime_ns")
    planned, local = set(folders.iter_rows()), set(folders["asset_id"])
    outcome.outdated += sum(
        (found.asset_id, found.size, found.mtime_ns) not in planned
        for found in chunk
        if found.size is not None and found.asset_id in local
    )
    outcome.files += len(chunk)
    outcome.hashed += sum(found.sha256 is not None or found.sha1 is not None for found in chunk)
    outcome.bytes += sum(measurement.size or 0 for measurement in chunk)
    outcome.peak_mb = max(outcome.peak_mb, *(measurement.peak_rss_mb for measurement in chunk))
    reasons = (found.error or found.picture_error for found in chunk)
    outcome.errors.update(reason for reason in reasons if reason)

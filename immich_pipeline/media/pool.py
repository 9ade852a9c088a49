"""Files measured in worker processes: all cores, bounded memory, a time limit per file; no file can stop the others.

A chunk of files goes to a worker. When the worker dies or hangs, the chunk's files are taken one at a time; the file
that does it again is measured with less and less (no picture, no metadata), so that even then its content hash is
known, and gets the reason.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from types import TracebackType
from typing import Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

from immich_pipeline.media.forking import worker_context
from immich_pipeline.media.looks import PictureLook, failed_look, look_file
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions, failed_measurement, measure_file
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.reasons import ErrorKind
from immich_pipeline.media.thumbnail import Thumbnail, thumbnail_file
from immich_pipeline.media.worker import Chunk, prepare_worker, run_chunk

Result = TypeVar("Result")
Work = Callable[[FileTask, MeasureOptions], Result]

_CHUNKS_PER_WORKER = 3  # one being worked on, one waiting in the pipe, one spare
_CHUNK_SECONDS = 0.05  # what a chunk of files should take
_LEARNING = 0.3  # weight of the latest chunk in the mean time of a file
_LOOK_SECONDS = 5.0  # how often the pool itself is looked at while nothing finishes
_GRACE_SECONDS = 30.0
_MOST_RESTARTS = 10
_RESTART_SECONDS = 0.1  # waited before a restart, times the number of restarts so far
_MOST_DEATHS = 2  # of workers over one file alone, before it is measured with less: one may be somebody's kill -9


@dataclass(frozen=True, slots=True)
class _Plan(Generic[Result]):
    """What to do with files, and with those that end their worker.

    Attributes:
        work: runs in the workers.
        steps: options to try in turn; the first for every file, the others for one that ended its worker twice.
        failed: the result of a file with which nothing could be done.
        blamed: the result of a later step, with the reason why the first steps failed.
    """

    work: Work[Result]
    steps: tuple[MeasureOptions, ...]
    failed: Callable[[FileTask, ErrorKind, str], Result]
    blamed: Callable[[Result, ErrorKind, str], Result]


@dataclass(frozen=True, slots=True)
class _Job:
    """Files handed to a worker together.

    A file that ended a worker is alone in its job, first with the same options, then with fewer.
    """

    tasks: tuple[FileTask, ...]
    alone: bool = False
    deaths: int = 0
    step: int = 0
    pool: int = 0
    reason: tuple[ErrorKind, str] | None = None


class PoolError(Exception):
    """The worker processes cannot be kept running; no fault of a file."""


class MeasurePool:
    """Worker processes that measure files.

    Use it as a context manager; leaving it ends every worker, finished or not. Workers end with their parent, also if
    that is killed.

    Args:
        options: what to measure and each worker's memory.
        workers: number of processes; default: the cores this process may use.
        file_timeout: seconds one file may take.
        chunk_files: most files handed to a worker at a time; fewer when they take long.
        work: what a worker does with a file; a function of a module (it is pickled by name).
    """

    def __init__(
        self,
        options: MeasureOptions = MeasureOptions(),  # noqa: B008 - immutable
        *,
        workers: int | None = None,
        file_timeout: float = 60.0,
        chunk_files: int = 16,
        work: Work[FileMeasurement] = measure_file,
    ) -> None:
        self.options = options
        self.workers = workers or available_cores()
        self.file_timeout = file_timeout
        self.chunk_files = chunk_files
        self._work = work
        self._pool: ProcessPool | None = None
        self._file_seconds = _CHUNK_SECONDS  # that a file takes, by what was seen lately
        self._restarts = 0  # since something last succeeded
        self._generation = 0  # of the pool; jobs of an earlier one are lost
        self._last_done = time.monotonic()

    def __enter__(self) -> MeasurePool:
        self._pool = self._started()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every worker."""
        self._stop()

    def measure(self, tasks: Iterable[FileTask]) -> Iterator[list[FileMeasurement]]:
        """Measure files.

        Args:
            tasks: taken as workers become free, so it may be long, or a generator.

        Yields:
            Lists of results as they are done, in no particular order; one result per task.

        Raises:
            PoolError: the workers cannot be kept running.
        """
        without_picture = replace(self.options, pictures=False)
        steps = dict.fromkeys((self.options, without_picture, replace(without_picture, metadata=False)))
        return self._run(_Plan(self._work, tuple(steps), failed_measurement, self._blamed), tasks)

    def thumbnails(self, tasks: Iterable[FileTask]) -> Iterator[list[Thumbnail]]:
        """Thumbnails of pictures; like `measure`."""
        return self._run(
            _Plan(thumbnail_file, (self.options,), _no_thumbnail, lambda result, _kind, _sentence: result), tasks
        )

    def looks(self, tasks: Iterable[FileTask]) -> Iterator[list[PictureLook]]:
        """Looks at pictures; like `measure`. A `LookTask` says what else is wanted of its picture."""
        return self._run(_Plan(look_file, (self.options,), failed_look, lambda result, _kind, _sentence: result), tasks)

    def _run(self, plan: _Plan[Result], tasks: Iterable[FileTask]) -> Iterator[list[Result]]:
        fresh = iter(tasks)
        waiting: deque[_Job] = deque()
        running: dict[Future[Chunk[Result]], _Job] = {}
        try:
            while self._submit(plan, fresh, waiting, running):
                for future in self._finished(running, waiting):
                    results = self._settled(plan, running.pop(future), future, waiting)
                    if results:
                        self._restarts = 0
                        yield results
        finally:
            for future in running:
                future.cancel()

    def _submit(
        self,
        plan: _Plan[Result],
        fresh: Iterator[FileTask],
        waiting: deque[_Job],
        running: dict[Future[Chunk[Result]], _Job],
    ) -> bool:
        """Keep every worker busy; returns whether anything is running."""
        while len(running) < self.workers * _CHUNKS_PER_WORKER:
            job = waiting.popleft() if waiting else _Job(tuple(islice(fresh, self._chunk_size())))
            if not job.tasks:
                break
            future = self._schedule(plan, job)
            running[future] = replace(job, pool=self._generation)
        return bool(running)

    def _chunk_size(self) -> int:
        """As many files as take a moment: small ones together save messages, large ones apart keep workers evenly busy."""
        return max(1, min(self.chunk_files, round(_CHUNK_SECONDS / max(self._file_seconds, 1e-6))))

    def _schedule(self, plan: _Plan[Result], job: _Job) -> Future[Chunk[Result]]:
        # The alarm inside the worker comes first; this limit is for a worker that does not even get that.
        limit = self.file_timeout * len(job.tasks) + _GRACE_SECONDS
        arguments = (plan.work, job.tasks, plan.steps[job.step], self.file_timeout)
        while True:
            if self._pool is None:
                raise PoolError("the pool is closed")
            try:
                future: Future[Chunk[Result]] = self._pool.schedule(run_chunk, args=arguments, timeout=limit)
            except RuntimeError:  # broken since the last look
                self._restart()
            else:
                return future

    def _finished(self, running: dict[Future[Chunk[Result]], _Job], waiting: deque[_Job]) -> set[Future[Chunk[Result]]]:
        """Whatever is done by now, waiting a little; jobs of a pool that ended without a word wait for the next one."""
        done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        if done:
            self._last_done = time.monotonic()
            return done
        quiet = time.monotonic() - self._last_done
        if self._pool is None or not self._pool.active or quiet > self._longest_quiet():
            self._restart()
        for future in [future for future, job in running.items() if job.pool != self._generation]:
            waiting.append(running.pop(future))
        return done

    def _longest_quiet(self) -> float:
        """Seconds without any result after which a task must have been lost between pool and workers."""
        return self.file_timeout * self.chunk_files + 2 * _GRACE_SECONDS

    def _settled(
        self, plan: _Plan[Result], job: _Job, future: Future[Chunk[Result]], waiting: deque[_Job]
    ) -> list[Result]:
        """The results of a job that ended; or none yet, and its files wait for another attempt."""
        error = future.exception()
        if error is None:
            chunk = future.result()
            self._file_seconds += (chunk.seconds / len(job.tasks) - self._file_seconds) * _LEARNING
            return [plan.blamed(result, *job.reason) if job.reason else result for result in chunk.results]
        if isinstance(error, BrokenProcessPool):
            waiting.append(job)
            return []
        reason = job.reason or self._reason(error)
        if not job.alone:
            waiting.extend(_Job((task,), alone=True) for task in job.tasks)
            return []
        if reason[0] == "worker_died" and job.deaths + 1 < _MOST_DEATHS:
            waiting.append(replace(job, deaths=job.deaths + 1))
            return []
        if job.step + 1 < len(plan.steps):
            waiting.append(replace(job, deaths=0, step=job.step + 1, reason=reason))
            return []
        return [plan.failed(task, *reason) for task in job.tasks]

    def _reason(self, error: BaseException) -> tuple[ErrorKind, str]:
        """Why a worker ended; an error that is not about its end is a defect of ours and is raised."""
        if isinstance(error, TimeoutError) or (isinstance(error, ProcessExpired) and error.exitcode == -signal.SIGALRM):
            return "timeout", f"reading this file took longer than {self.file_timeout:g} s; skipped"
        if not isinstance(error, ProcessExpired):
            raise error
        if error.exitcode == -signal.SIGKILL:
            return (
                "worker_died",
                "the process reading this file was killed (signal 9), usually because memory ran out; skipped",
            )
        how = f"signal {-error.exitcode}" if error.exitcode < 0 else f"exit code {error.exitcode}"
        return "worker_died", f"this file crashed the process reading it ({how}); skipped"

    def _blamed(self, result: FileMeasurement, kind: ErrorKind, sentence: str) -> FileMeasurement:
        """A measurement without its picture, which ended the workers; a file that cannot be read has its own reason."""
        if result.error_kind:
            return result
        metadata = result.metadata or (PhotoMetadata(error=sentence) if self.options.metadata else None)
        return replace(result, metadata=metadata, picture_error_kind=kind, picture_error=sentence)

    def _started(self) -> ProcessPool:
        self._generation += 1
        self._last_done = time.monotonic()
        return ProcessPool(
            max_workers=self.workers,
            initializer=prepare_worker,
            initargs=(self.options.worker_memory_mb,),
            context=worker_context(),
        )

    def _restart(self) -> None:
        self._restarts += 1
        if self._restarts > _MOST_RESTARTS:
            raise PoolError(
                f"the processes that read files end before they begin ({_MOST_RESTARTS} attempts); is memory short?"
            )
        self._stop()
        time.sleep(_RESTART_SECONDS * self._restarts)
        self._pool = self._started()

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None


def available_cores() -> int:
    """Cores this process may use (not all a container's host has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _no_thumbnail(task: FileTask, kind: ErrorKind, sentence: str) -> Thumbnail:
    del kind
    return Thumbnail(task.asset_id, error=sentence)

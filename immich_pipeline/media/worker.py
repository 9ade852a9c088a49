"""What runs inside a worker process, and how the process is bounded before the first file reaches it."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from immich_pipeline.media.limits import MEGA
from immich_pipeline.media.measure import FileTask, MeasureOptions

Result = TypeVar("Result")

# As many workers run as there are cores, so libraries must not start threads of their own, nor reserve memory for them.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
_STATM = Path("/proc/self/statm")


def prepare_worker(memory_mb: int) -> None:
    """Bound this process; called once, when it starts.

    Args:
        memory_mb: address space it may add to what it has now, in MB (where the system can tell, i.e. Linux).
    """
    os.environ.update(ONE_THREAD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process even in the middle of a library's endless loop
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    die_with_parent()
    silence_stderr()
    if _STATM.exists():
        limit_memory(memory_mb)


def die_with_parent() -> None:
    """Have the kernel end this process when the one that asked for it ends, however that ends.

    The parent holds the other end of a pipe (the sentinel of multiprocessing.parent_process). Asynchronous input on
    it makes the kernel send SIGIO when the parent's end closes; unlike a watching thread this works while a library
    holds the interpreter. The parent-death signal of Linux would not do: the forkserver, not the one that asked, is
    this process's parent.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = int(parent.sentinel)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([sentinel], [], [], 0)[0]:  # it ended before the line above
        raise SystemExit(1)


def silence_stderr() -> None:
    """Send standard error nowhere: libtiff and others write to it directly, a line per broken tag."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def limit_memory(memory_mb: int) -> None:
    """Let the address space grow by so much and no more; an allocation beyond that fails inside this process alone."""
    pages = int(_STATM.read_text().split()[0])
    limit = pages * resource.getpagesize() + memory_mb * MEGA
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@dataclass(frozen=True, slots=True)
class Chunk(Generic[Result]):
    """What a worker hands back: one result per file, and the seconds they took together."""

    results: list[Result]
    seconds: float


def run_chunk(
    work: Callable[[FileTask, MeasureOptions], Result],
    tasks: Sequence[FileTask],
    options: MeasureOptions,
    file_timeout: float,
) -> Chunk[Result]:
    """Work on some files, one after the other.

    A file that takes longer than the time allowed ends this process by SIGALRM; the alarm is off when this returns, so
    that it never strikes between two chunks.

    Args:
        work: what to do with a file.
        tasks: the files.
        options: handed to the work.
        file_timeout: seconds per file.
    """
    results = []
    started = time.perf_counter()
    try:
        for task in tasks:
            signal.setitimer(signal.ITIMER_REAL, file_timeout)
            results.append(work(task, options))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return Chunk(results, time.perf_counter() - started)

"""What a worker does to itself: in a process as the pool starts them, and what it asks of the system for that, step by step."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from immich_pipeline.media import worker
from immich_pipeline.media.forking import worker_context
from immich_pipeline.media.limits import MEGA
from immich_pipeline.media.measure import FileTask, MeasureOptions
from immich_pipeline_tests.media import hostile_work


def in_a_worker(check: object) -> int | None:
    """Run a function of this module in a process as the pool starts them; its exit code."""
    process = worker_context().Process(target=check)
    process.start()
    process.join(60)
    return process.exitcode


def check_limits() -> None:
    worker.prepare_worker(100)
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    os.write(2, b"this goes nowhere")
    assert os.path.samestat(os.fstat(2), Path(os.devnull).stat())
    bytearray(50_000_000)
    with pytest.raises(MemoryError):
        bytearray(150_000_000)


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_a_worker_is_bounded() -> None:
    assert in_a_worker(check_limits) == 0


def check_orphan() -> None:
    """The parent's end of the sentinel is closed before the worker asks to die with it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    reader, writer = os.pipe()
    os.close(writer)
    os.dup2(reader, int(parent.sentinel))
    worker.die_with_parent()


def test_a_worker_whose_parent_is_gone_already_ends() -> None:
    assert in_a_worker(check_orphan) == 1


def check_without_statm() -> None:
    worker._STATM = Path("/nonexistent")
    worker.prepare_worker(1)
    assert resource.getrlimit(resource.RLIMIT_AS) == (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def test_where_memory_cannot_be_limited_the_rest_is_done() -> None:
    assert in_a_worker(check_without_statm) == 0


# ---------------------------------------------------------------------------------- the same steps, taken in this process


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    """The limits that were asked for; none takes hold of this process."""
    asked: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", asked.__setitem__)
    return asked


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """Signals and standard error are put back."""
    numbers = (signal.SIGINT, signal.SIGALRM, signal.SIGIO)
    handlers, stderr = [signal.getsignal(number) for number in numbers], os.dup(2)
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    os.dup2(stderr, 2)
    os.close(stderr)


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize("statm", [True, False])
def test_everything_is_bounded_before_the_first_file(
    statm: bool, tmp_path: Path, limits: dict[int, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "statm"
    if statm:
        told.write_text("1000 200 30 4 0 500 0\n")
    monkeypatch.setattr(worker, "_STATM", told)
    for name in worker.ONE_THREAD:
        monkeypatch.setenv(name, "7")
    worker.prepare_worker(100)
    assert {name: os.environ[name] for name in worker.ONE_THREAD} == worker.ONE_THREAD
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)) == (signal.SIG_IGN, signal.SIG_DFL)
    assert os.path.samestat(os.fstat(2), Path(os.devnull).stat())
    most = 1000 * resource.getpagesize() + 100 * MEGA
    assert limits == {resource.RLIMIT_CORE: (0, 0)} | ({resource.RLIMIT_AS: (most, most)} if statm else {})


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, BinaryIO]]:
    """A sentinel, and the end of its pipe that a parent would hold."""
    sentinel, held = os.pipe()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(sentinel=sentinel))
    with os.fdopen(held, "wb") as parents_end:
        yield sentinel, parents_end
        os.close(sentinel)  # first, as otherwise the end of the pipe would end this process


@pytest.mark.usefixtures("as_it_was")
def test_a_worker_hears_of_its_parents_end(parent: tuple[int, BinaryIO]) -> None:
    worker.die_with_parent()
    assert fcntl.fcntl(parent[0], fcntl.F_GETOWN) == os.getpid()
    assert fcntl.fcntl(parent[0], fcntl.F_GETFL) & os.O_ASYNC
    assert signal.getsignal(signal.SIGIO) == signal.SIG_DFL


@pytest.mark.usefixtures("as_it_was")
def test_a_parent_that_is_gone_already_is_seen(parent: tuple[int, BinaryIO]) -> None:
    parent[1].close()
    with pytest.raises(SystemExit):
        worker.die_with_parent()


def test_a_process_without_parent_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGIO)
    worker.die_with_parent()
    assert signal.getsignal(signal.SIGIO) == before


def test_a_chunk_is_worked_on_in_order_and_leaves_no_alarm() -> None:
    names = ["ok-0", "ok-1", "ok-2"]
    found = worker.run_chunk(hostile_work.work, [task(name) for name in names], MeasureOptions(), 60.0)
    assert [result.asset_id for result in found.results] == names
    assert 0 < found.seconds < 60
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with pytest.raises(ArithmeticError):
        worker.run_chunk(hostile_work.work, [task("raise-1")], MeasureOptions(), 60.0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def task(name: str) -> FileTask:
    return FileTask(name, b"/", b"", "")

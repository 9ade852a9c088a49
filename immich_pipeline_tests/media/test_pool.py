from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from immich_pipeline.media import pool as pool_module
from immich_pipeline.media.forking import worker_context
from immich_pipeline.media.limits import decoders
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions, format_table, measure_file
from immich_pipeline.media.pool import MeasurePool, PoolError, available_cores
from immich_pipeline.media.thumbnail import Thumbnail
from immich_pipeline.media.warm import warm_up
from immich_pipeline_tests.busy import patience
from immich_pipeline_tests.media import hostile_work
from immich_pipeline_tests.media.photos import natural, saved

SHORT = 1.5  # seconds a file may take where one of them hangs


def tasks(*names: str, root: Path = Path("/")) -> list[FileTask]:
    return [FileTask(name, os.fsencode(root), b"", "") for name in names]


def ordinary(count: int) -> list[str]:
    return [f"ok-{number}" for number in range(count)]


def run(
    names: list[str], *, root: Path = Path("/"), file_timeout: float = 60.0, **options: object
) -> dict[str, FileMeasurement]:
    with MeasurePool(
        MeasureOptions(**options), workers=2, file_timeout=file_timeout, chunk_files=4, work=hostile_work.work
    ) as pool:
        found = [result for results in pool.measure(tasks(*names, root=root)) for result in results]
    assert sorted(result.asset_id for result in found) == sorted(names)  # one result each, none lost, none twice
    return {result.asset_id: result for result in found}


def servers() -> list[psutil.Process]:
    """The process that workers are forked from."""
    return [child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]


def children() -> list[psutil.Process]:
    """The worker processes."""
    return [worker for server in servers() for worker in server.children()]


def test_files_are_measured_like_without_a_pool(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.jpg").write_bytes(saved(natural(200, 150, seed=number)))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    files = [FileTask(file.name, os.fsencode(tmp_path), os.fsencode(file.name), "jpg") for file in tmp_path.iterdir()]

    def facts(found: FileMeasurement) -> tuple[object, ...]:
        return (found.asset_id, found.sha256, found.phash, found.phash256, found.metadata, found.picture_error)

    expected = {facts(measure_file(file, MeasureOptions())) for file in files}
    for order in (files, files[::-1]):
        with MeasurePool(workers=2, chunk_files=3) as pool:
            found = {facts(result) for results in pool.measure(iter(order)) for result in results}
            thumbnails = {made.asset_id: made for results in pool.thumbnails(order) for made in results}
        assert found == expected
        assert len(thumbnails) == 11
        assert [name for name, made in thumbnails.items() if made.jpeg is None] == ["broken.jpg"]


def test_hostile_files_harm_only_themselves(tmp_path: Path) -> None:
    names = ordinary(60)
    for place, hostile in enumerate(("kill-1", "crash-1", "exit-1", "hang-1", "picture-1", "missing-1")):
        names.insert(place * 9, hostile)
    found = run(names, file_timeout=SHORT)
    assert all(found[name].error is None for name in ordinary(60))
    reasons = {name: (result.error_kind, result.error) for name, result in found.items() if result.error}
    assert reasons == {
        "kill-1": (
            "worker_died",
            "the process reading this file was killed (signal 9), usually because memory ran out; skipped",
        ),
        "crash-1": ("worker_died", "this file crashed the process reading it (signal 11); skipped"),
        "exit-1": ("worker_died", "this file crashed the process reading it (exit code 7); skipped"),
        "hang-1": ("timeout", "reading this file took longer than 1.5 s; skipped"),
        "missing-1": ("missing", "the file is not there any more"),
    }


def test_a_picture_that_ends_its_worker_keeps_the_files_hash() -> None:
    found = run(["picture-1"])["picture-1"]
    assert (found.sha256, found.error) == (bytes(32), None)
    assert found.picture_error_kind == "worker_died"
    assert found.metadata is not None
    assert found.metadata.error == found.picture_error
    without = run(["picture-1"], metadata=False)["picture-1"]
    assert without.metadata is None


def test_a_worker_killed_by_somebody_costs_no_file(tmp_path: Path) -> None:
    found = run(["once-1", *ordinary(9), "once-2"], root=tmp_path)
    assert all(result.error is None and result.picture_error is None for result in found.values())


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_a_memory_hog_is_stopped_inside_its_process() -> None:
    found = run([*ordinary(10), "hog-1"], worker_memory_mb=200)
    assert found["hog-1"].error_kind == "out_of_memory"
    assert found["hog-1"].peak_rss_mb < 400
    assert run(["hog-1"], worker_memory_mb=900)["hog-1"].size == 400_000_000


def test_both_workers_are_used() -> None:
    found = run([f"slow-{number}" for number in range(16)])
    assert len({result.size for result in found.values()}) == 2


def test_workers_import_nothing_heavy() -> None:
    # In a process of its own: the server that workers are forked from lives as long as the process that first wanted one.
    script = "from immich_pipeline_tests.media.test_pool import run; print([run(['main-1'])['main-1'].format])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['']"


def test_tasks_are_taken_as_workers_become_free() -> None:
    taken = []

    def endless() -> Iterator[FileTask]:
        number = 0
        while True:
            taken.append(number)
            yield tasks(f"ok-{number}")[0]
            number += 1

    with MeasurePool(workers=2, chunk_files=4, work=hostile_work.work) as pool:
        results = pool.measure(endless())
        seen = [len(next(results)) for _ in range(40)]
        assert len(taken) <= sum(seen) + 2 * 3 * 4
    results.close()
    assert seen[0] == 1  # nothing is known of the files yet
    assert seen[-1] == 4  # they are quick, so as many as allowed


def test_slow_files_travel_alone() -> None:
    with MeasurePool(workers=2, work=hostile_work.work) as pool:
        sizes = [len(results) for results in pool.measure(tasks(*(f"slow-{number}" for number in range(8))))]
    assert sizes == [1] * 8


def test_no_tasks() -> None:
    assert run([]) == {}


def test_nothing_is_left_running() -> None:
    with MeasurePool(workers=2, work=hostile_work.work) as pool:
        next(pool.measure(tasks(*ordinary(3))))
        assert len(children()) == 2
    assert children() == []


def _interrupted_in_the_middle() -> None:
    with MeasurePool(workers=1, work=hostile_work.work, chunk_files=1) as pool:
        for _ in pool.measure(tasks("ok-1", "hang-1")):
            raise KeyboardInterrupt


def test_an_error_in_the_with_block_ends_workers_in_the_middle_of_a_file() -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _interrupted_in_the_middle()
    assert children() == []
    assert time.monotonic() - started < 30 * patience()


def test_a_defect_of_ours_is_raised() -> None:
    with pytest.raises(ArithmeticError, match="a defect of ours"):
        run(["raise-1"])


def test_a_closed_pool_says_so() -> None:
    pool = MeasurePool(workers=1, work=hostile_work.work)
    with pytest.raises(PoolError, match="closed"):
        list(pool.measure(tasks("ok-1")))


def test_closing_twice_is_harmless() -> None:
    pool = MeasurePool(workers=1, work=hostile_work.work)
    with pool:
        pass
    pool.__exit__(None, None, None)
    assert children() == []


@pytest.mark.parametrize("count", [3, 8])
def test_a_pool_that_stops_without_a_word_is_started_anew(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """With 8 the stop is noticed when more is to be scheduled, with 3 only by looking."""
    monkeypatch.setattr(pool_module, "_LOOK_SECONDS", 0.2)
    names = [f"slow-{number}" for number in range(count)]
    with MeasurePool(workers=1, chunk_files=1, work=hostile_work.work) as pool:
        results = pool.measure(tasks(*names))
        found = [result.asset_id for result in next(results)]
        assert pool._pool is not None
        pool._pool.stop()
        found += [result.asset_id for rest in results for result in rest]
    assert sorted(found) == names


def test_a_task_that_gets_lost_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stands still forever, without using time or ending, stands for a task lost in the pipe."""
    monkeypatch.setattr(pool_module, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(pool_module, "_GRACE_SECONDS", 1.0)
    with MeasurePool(workers=1, chunk_files=1, work=hostile_work.work, file_timeout=0.5) as pool:
        results = pool.measure(tasks(*ordinary(1), "slow-1"))
        found = [result.asset_id for result in next(results)]
        (only,) = children()
        only.suspend()
        found += [result.asset_id for rest in results for result in rest]
    assert found == ["ok-0", "slow-1"]


def test_a_thumbnail_that_takes_too_long_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(natural(3000, 2000), "PNG"))
    with MeasurePool(workers=1, file_timeout=0.01) as pool:
        found = [
            made
            for results in pool.thumbnails([FileTask("x", os.fsencode(tmp_path), b"a.png", "png")])
            for made in results
        ]
    assert found == [Thumbnail("x", error="reading this file took longer than 0.01 s; skipped")]


def test_the_default_is_all_cores() -> None:
    assert 1 <= MeasurePool().workers == available_cores() <= (os.cpu_count() or 1)


def test_cores_where_there_is_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert available_cores() == os.cpu_count()


def test_random_kills_of_workers_and_their_server_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each at any moment after a file was done: a machine that is busy may need long to begin with one."""
    monkeypatch.setattr(pool_module, "_LOOK_SECONDS", 0.5)
    monkeypatch.setattr(pool_module, "_GRACE_SECONDS", 2.0)  # so that a task lost with its worker is soon missed
    advanced, done, killed = threading.Event(), threading.Event(), []

    def killer() -> None:
        dice = random.Random(7)
        while advanced.wait() and not done.wait(dice.uniform(0.0, 0.4)):
            advanced.clear()
            with contextlib.suppress(psutil.Error):  # it ended by itself in the meantime
                if workers := children():
                    victim = dice.choice([*workers, *workers, *servers()])
                    victim.kill()
                    killed.append(victim)

    names = [f"slow-{number}" for number in range(24)] + ordinary(100)
    thread, found = threading.Thread(target=killer), []
    with MeasurePool(workers=2, chunk_files=2, work=hostile_work.work, file_timeout=2.0) as pool:
        thread.start()
        try:
            for results in pool.measure(tasks(*names)):
                found += [result.asset_id for result in results]
                advanced.set()
        finally:
            done.set()
            advanced.set()
            thread.join()
    assert sorted(found) == sorted(names)
    assert len(killed) >= 5


def test_workers_that_never_begin_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_RESTART_SECONDS", 0.0)
    monkeypatch.setattr(pool_module, "_LOOK_SECONDS", 0.1)
    options = MeasureOptions(worker_memory_mb="much")  # type: ignore[arg-type] # no number: the worker's start fails
    with pytest.raises(PoolError, match="end before they begin"), MeasurePool(options, workers=1) as pool:
        list(pool.measure(tasks("ok-1")))
    assert children() == []


PROGRAM = """
import sys
from immich_pipeline.media.measure import FileTask
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline_tests.media.hostile_work import work
with MeasurePool(workers=2, work=work, chunk_files=1) as pool:
    for _ in pool.measure(FileTask(name, b"/", b"", "") for name in ("ok-1", "hang-1", "hang-2", "hang-3")):
        print("working", flush=True)
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == b"working\n"
            family = _server_and_workers(program.pid)
            program.send_signal(ending)
            program.wait(60)
        finally:
            program.kill()
        _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []


def _server_and_workers(pid: int) -> list[psutil.Process]:
    """The second worker may still be about to begin when the first has done a file."""
    deadline = time.monotonic() + 60
    while len(family := psutil.Process(pid).children(recursive=True)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return family


def test_the_server_loads_what_workers_need() -> None:
    format_table.cache_clear()
    decoders.cache_clear()
    warm_up()
    assert format_table.cache_info().currsize == decoders.cache_info().currsize == 1


def test_the_environment_of_the_server_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    main = sys.modules["__main__"]
    worker_context()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    assert sys.modules["__main__"] is main

"""Processes of a run: found by their mark, ended with their children, started again when they die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from immich_pipeline.launch import processes
from immich_pipeline.launch.processes import MARK, Child, end, of_home, revive, sweep

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)",
]


def until(condition: Callable[[], bool], seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    made = Child("sleeper", SLEEP, {**os.environ, MARK: str(tmp_path)}, tmp_path / "sleeper.log")
    yield made
    end([made])


def test_sweeping_ends_what_a_killed_run_left_and_nothing_else(tmp_path: Path) -> None:
    marked = subprocess.Popen(PARENT, env={**os.environ, MARK: str(tmp_path)}, start_new_session=True)
    other = subprocess.Popen(SLEEP, env={**os.environ, MARK: str(tmp_path / "other")})
    until(lambda: len(of_home(tmp_path)) == 2)
    assert sweep(tmp_path) == 2
    assert of_home(tmp_path) == []
    marked.wait(5)  # reaped by the sweep already: only that it is gone can be told
    assert other.poll() is None
    other.kill()
    other.wait()
    assert sweep(tmp_path) == 0


def test_sweeping_kills_what_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.3)
    with subprocess.Popen(STUBBORN, env={**os.environ, MARK: str(tmp_path)}, stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout
        stubborn.stdout.readline()
        assert sweep(tmp_path) == 1
        stubborn.wait(5)


def test_a_child_that_dies_is_started_again(child: Child) -> None:
    child.start()
    assert child.process
    first = child.process.pid
    revive([child])
    assert child.process.pid == first
    os.kill(first, signal.SIGKILL)
    until(child.has_died)
    revive([child])
    assert child.process.pid != first
    assert not child.has_died()


def test_a_child_that_keeps_dying_is_left_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    child = Child("crasher", [sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), tmp_path / "crasher.log")
    child.start()
    for _ in range(10):
        until(child.has_died)
        revive([child])
    assert child.given_up
    assert sum("keeps ending" in message for message in caplog.messages) == 1


def test_ending_is_gentle_first(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    child.start()
    assert child.process
    end([child])
    assert child.process.returncode == -signal.SIGTERM
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.3)
    child.command = STUBBORN
    child.start()
    until(lambda: child.log.read_text().endswith("1\n"))
    end([child])
    assert child.process.returncode == -signal.SIGKILL
    assert not psutil.pid_exists(child.process.pid)


def test_a_child_never_started_needs_no_ending(tmp_path: Path) -> None:
    child = Child("idle", SLEEP, {}, tmp_path / "idle.log")
    assert not child.has_died()
    end([child])
    assert child.process is None

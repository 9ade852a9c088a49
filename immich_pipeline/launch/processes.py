"""The processes that a run starts: found again after a crash, restarted when they die, and gone when the run ends."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "IMMICH_PIPELINE_RUN_OF"
"""Environment variable that every process of a run carries: its data folder. Children of children inherit it."""

_GRACE_SECONDS = 10.0
_MOST_RESTARTS = 5
_RESTART_WINDOW_SECONDS = 300.0

logger = logging.getLogger("immich_pipeline")


def of_home(home: Path) -> list[psutil.Process]:
    """All living processes that a run over this data folder started, this one excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue  # gone meanwhile, or somebody else's
    return found


def sweep(home: Path) -> int:
    """End whatever an earlier or ending run left running; returns how many processes that were."""
    left = of_home(home)
    for process in left:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(left, timeout=_GRACE_SECONDS)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=_GRACE_SECONDS)
    return len(left)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


@dataclass
class Child:
    """One long-lived process of the run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None = None
    """Where its output goes; None: where ours goes."""
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)
    given_up: bool = False

    def start(self) -> None:
        """Start it, in a session of its own, so that Ctrl-C is ours to handle."""
        with self.log.open("ab") if self.log else nullcontext() as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts.append(time.monotonic())

    def has_died(self) -> bool:
        """Whether it was started and is no more."""
        return self.process is not None and self.process.poll() is not None

    def may_restart(self) -> bool:
        """Whether it has not yet died too often lately to be started again."""
        recent = [moment for moment in self.starts if moment > time.monotonic() - _RESTART_WINDOW_SECONDS]
        return len(recent) <= _MOST_RESTARTS


def begun_file(result: Path) -> Path:
    """The file by which a pass says that it holds its lock and that nothing of an earlier run is left open."""
    return result.with_suffix(".begun")


def start_all(children: Sequence[Child]) -> None:
    """Start each child that was never started."""
    for child in children:
        if child.process is None:
            child.start()


def revive(children: Sequence[Child]) -> None:
    """Start again each child that has died; one that keeps dying is left for some minutes, and that is said once."""
    for child in children:
        if not child.has_died():
            continue
        if child.may_restart():
            child.given_up = False
            logger.warning("%s ended; starting it again (its log: %s)", child.name, child.log)
            child.start()
        elif not child.given_up:
            child.given_up = True
            logger.error("%s keeps ending; it is tried again in some minutes. See %s", child.name, child.log)


def end(children: Sequence[Child]) -> None:
    """Ask every child to end, then make it."""
    for child in children:
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()

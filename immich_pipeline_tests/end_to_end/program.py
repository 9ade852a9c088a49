"""The program as a user starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immich_pipeline.launch.processes import of_home
from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline_tests.busy import patience

COMMAND = [sys.executable, "-m", "immich_pipeline"]


def environment(home: Path, **more: str) -> dict[str, str]:
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("IMMICH_PIPELINE", "PIPELINE_", "DAGSTER"))
    }
    return ours | {"IMMICH_PIPELINE_HOME": str(home)} | more


def run(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **more),
        cwd=next(folder for folder in home.parents if folder.is_dir()),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def once(home: Path, photos: Path, **more: str) -> dict[str, Any]:
    """One pass; returns the summary."""
    file = home.parent / "summary.json"
    done = run(home, "run", "--once", "--photos", str(photos), "--summary", str(file), **more)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(file.read_text()))


def refused(home: Path, *arguments: str, **more: str) -> str:
    """Run what cannot be done; returns the one line that says why."""
    done = run(home, *arguments, **more)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("immich-pipeline: ")]
    return line


@contextmanager
def embedded_database(home: Path) -> Iterator[Database]:
    with server.running(home) as url:
        yield Database(url)


def nothing_runs(home: Path) -> bool:
    """No process of the run is left, and no database server either."""
    pid_file = server.locate(home).data / "postmaster.pid"
    return of_home(home) == [] and not pid_file.exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for a condition, so long on an idle machine; returns how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds * patience(), f"{what}: not within {seconds} s"
        time.sleep(0.25)
    return time.monotonic() - began


@dataclass
class Running:
    """The program, up."""

    process: subprocess.Popen[str]
    home: Path
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def graphql(self, query: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            document = json.load(answer)
        assert "errors" not in document, document
        return dict(document["data"])

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(300)


@contextmanager
def up(home: Path, photos: Path) -> Iterator[Running]:
    """The program without --once, its first pass done and its web UI answering."""
    port, log = free_port(), home.parent / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*COMMAND, "run", "--photos", str(photos), "--port", str(port)],
            env=environment(home, PYTHONUNBUFFERED="1"),
            cwd=home.parent,
            stdout=out,
            stderr=out,
            text=True,
        )
    running = Running(process, home, port, log)
    try:
        until(lambda: "Ctrl-C ends it" in log.read_text() or process.poll() is not None, 120, "the first pass")
        assert process.poll() is None, log.read_text()
        until(running.answers, 60, "the web UI")
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
            for left in of_home(home):
                left.kill()

"""Processes that tests kill, forked from one that has imported everything: importing takes a hundred times as long as what they do.

Their coverage is not measured: what a killed process has run, it cannot tell. Run as `python -m ... MODULE` this is the process that
forks them; each gets its arguments as a line of JSON, and calls the module's `main` with them.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


class Child:
    """One process; `returncode` as `subprocess` tells it, None while it runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def kill(self) -> None:
        """End it at once, if it has not ended by itself. From any thread."""
        with self._lock:
            if self.returncode is None:  # until then it is not collected, and its number is nobody else's
                os.kill(self.pid, signal.SIGKILL)

    def ended(self, returncode: int) -> None:
        with self._lock:
            self.returncode = returncode


class Nursery:
    """Starts processes that do what `main` of a module does, one at a time."""

    def __init__(self, module: str) -> None:
        quiet = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, module],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE, env=quiet,
        )  # fmt: skip

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, arguments: list[str], ready: Callable[[Child], None]) -> int:
        """Call `main(*arguments)` in a process of its own, once `ready` knows it, and wait for its end; returns how it ended."""
        child = Child(self._ask(json.dumps(arguments)))
        ready(child)
        ended = self._ask("begin")
        child.ended(ended)
        self._say("collect it")
        return ended

    def _ask(self, line: str) -> int:
        self._say(line)
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def main(module: str) -> None:
    """Fork a process for each line that comes in: say its number, let it begin when told to, and say how it ended."""
    deed = importlib.import_module(module).main
    for line in iter(sys.stdin.readline, ""):
        begin, let_begin = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be_the_child(deed, json.loads(line), begin)
        print(pid, flush=True)  # noqa: T201 - this is how it answers
        sys.stdin.readline()
        os.write(let_begin, b".")
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert end is not None
        print(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status, flush=True)  # noqa: T201
        sys.stdin.readline()
        os.waitpid(pid, 0)
        os.close(begin)
        os.close(let_begin)


def _be_the_child(deed: Callable[..., None], arguments: list[str], begin: int) -> None:
    try:
        os.read(begin, 1)
        deed(*arguments)
    except BaseException:  # noqa: BLE001 - whatever it is, nothing after it may run twice
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

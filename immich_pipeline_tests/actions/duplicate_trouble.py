"""Servers that fail, connections that break, processes that are killed: while duplicates are resolved, and while that is undone."""

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Literal

from immich_pipeline_tests.actions.duplicate_world import Pipeline
from immich_pipeline_tests.actions.resolve_child import arguments_of
from immich_pipeline_tests.immich_stub.server import FaultKind

What = Literal["apply", "undo"]
FAULTS: tuple[FaultKind, ...] = (500, "drop", "cut", "truncated")
HERE = Path(__file__).resolve().parents[2]
_MOST_RUNS = 200


class Trouble:
    """Lets requests of a pipeline go wrong, and kills processes that make them.

    Attributes:
        struck: how often, by kind of fault; "kill" for processes that really ended so.
    """

    def __init__(self, pipeline: Pipeline, seed: int = 1) -> None:
        """Take over; nothing goes wrong yet."""
        self.pipeline, self.dice = pipeline, random.Random(seed)
        self.struck: Counter[str] = Counter()
        self._left = self._apart = self._until = 0
        self._process: subprocess.Popen[bytes] | None = None
        pipeline.stub.on_request(self._see)

    def disturbed(self, what: What, plan_id: str, *, faults: int, apart: int) -> None:
        """Work with so many faults, about `apart` requests from each other, in as many runs as it takes to meet them all."""
        self._left, self._apart = faults, apart
        self._until = self._next()
        for _ in range(_MOST_RUNS):
            met = self._left
            getattr(self.pipeline, what)(plan_id)
            if self._left in (0, met):
                break
        self._left = 0
        self.pipeline.stub._faults.clear()

    def killed(self, what: What, plan_id: str, requests: int) -> None:
        """Work in a process that is killed (SIGKILL) at its request of that number, before it is answered."""
        command = [sys.executable, "-m", "immich_pipeline_tests.actions.resolve_child"]
        with subprocess.Popen([*command, arguments_of(self.pipeline, what, plan_id)], cwd=HERE) as process:
            self._process, self._until = process, requests
        self._process = None
        if process.returncode == -signal.SIGKILL:
            self.struck["kill"] += 1
        elif process.returncode:
            raise AssertionError(f"the process ended by itself: {process.returncode}")

    def _next(self) -> int:
        return self.dice.randrange(1, 2 * self._apart)

    def _see(self, _method: str, _path: str) -> None:
        self._until -= 1
        if self._until:
            return
        if self._process is not None:
            self._process.kill()
        elif self._left:
            how = self.dice.choice(FAULTS)
            self.struck[str(how)] += 1
            self.pipeline.stub.fail_next("", how)
            self._left -= 1
            self._until = self._next()

"""What the benchmarks share: their command line, progress on stderr, one line of JSON per measurement on stdout."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Result = TypeVar("Result")


def arguments(description: str, *, n: int, n_help: str) -> argparse.ArgumentParser:
    """A parser with --n; add what else the benchmark needs.

    Args:
        description: shown by --help.
        n: default amount of work.
        n_help: what n counts.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--n", type=int, default=n, help=f"{n_help} (default {n})")
    return parser


def progress(text: str) -> None:
    """One line for the person who waits."""
    print(text, file=sys.stderr, flush=True)


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of wall time, and what the work returned."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def alone(run: Callable[..., Result], *given: object) -> Result:
    """The work's result, from a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, *given).result()


def best_of(rounds: int, *works: Callable[[], object]) -> Sequence[float]:
    """The shortest time of each work; they take turns, so that a busy machine is busy for all of them."""
    times = [[timed(work)[0] for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def peak_mb() -> float:
    """Highest resident memory of this process or of any child it has waited for, in MB."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def report(
    name: str, *, n: int, seconds: float, peer: str, peer_seconds: float, peak: float | None = None, **more: object
) -> None:
    """Print one measurement.

    Args:
        name: of what was measured.
        n: amount of work.
        seconds: ours.
        peer: what it is compared with, in the same run.
        peer_seconds: the peer's.
        peak: our highest resident memory in MB; default: this process's.
        more: further facts of the measurement.
    """
    line = {
        "name": name,
        "n": n,
        "seconds": round(seconds, 4),
        "peak_mb": round(peak_mb() if peak is None else peak, 1),
        "peer": peer,
        "peer_seconds": round(peer_seconds, 4),
        "ratio": round(peer_seconds / seconds, 3),
        **more,
    }
    print(json.dumps(line), flush=True)

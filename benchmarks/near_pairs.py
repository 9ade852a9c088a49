"""All pairs of 64-bit hashes within a Hamming distance, beside faiss, a BK-tree and brute force in the same run.

    python -m benchmarks.near_pairs                                          (every size that has a goal, about 10 minutes)
    python -m benchmarks.near_pairs --n 1000000 --radius 3 8 [--new 10000]   (these sizes only)

The hashes are random; one in a hundred is another one with as many bits turned over as the radius allows, so it is known which
pairs must be found ("planted", of which "found"). With --new only pairs with one of the last hashes are asked for.

Every measurement, of ours and of each peer, is a process of its own, so its peak of memory is its own and includes the input. Ours
is the best of --rounds. A peer answers as many queries as it can in some seconds, in batches that double; the rest is
extrapolated, and its name says so. Its time includes building its index, which is also given alone. The peers:

- brute force with numpy;
- faiss IndexBinaryFlat: brute force in C++ (exact);
- faiss IndexBinaryMultiHash with 4 hashes of 16 bits and radius // 4 bits flipped, with which it is exact too;
- pybktree, only up to 20,000 hashes: it is written in Python.

faiss and pybktree are in the extra "benchmarks"; a peer that is not installed is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.report import alone, arguments, peak_mb, progress, report, timed
from immich_pipeline.dedup import near_pairs

SMALL = 20_000
COMPARED_AT_ONCE = 2_000_000
PLANTED_SHARE = 100
PEER_SECONDS = 8.0
FIRST_BATCH = 32

Hashes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Work:
    """What to find: all pairs among n hashes, or (new > 0) those with one of the last ``new``."""

    n: int
    radius: int
    new: int = 0

    @property
    def name(self) -> str:
        """What the line of the measurement is called."""
        return "near_pairs new" if self.new else "near_pairs"

    @property
    def queries(self) -> int:
        """How many hashes a peer must look up."""
        return self.new or self.n


@dataclass(frozen=True)
class Goal:
    """Upper limits, null where there is none."""

    seconds: float | None = None
    peak_mb: float | None = None


GOALS: dict[Work, Goal] = {
    Work(SMALL, 3): Goal(),
    Work(SMALL, 8): Goal(),
    Work(1_000_000, 3, new=10_000): Goal(seconds=1),
    Work(1_000_000, 8, new=10_000): Goal(seconds=5),
    Work(1_000_000, 3): Goal(),
    Work(10_000_000, 3): Goal(seconds=12, peak_mb=1500),
    Work(1_000_000, 8): Goal(seconds=15),
}


@dataclass(frozen=True)
class Measured:
    """What one process found out. ``answered``: queries; the seconds are scaled to all of them, ``build`` is part of them."""

    seconds: float
    peak_mb: float
    answered: int
    build: float = 0.0
    pairs: int | None = None
    found: int | None = None


def random_hashes(n: int, radius: int, rng: np.random.Generator) -> Hashes:
    """Hashes of which the last hundredth are the first ones with ``radius`` bits turned over."""
    hashes = rng.integers(-(2**63), 2**63 - 1, n, dtype=np.int64, endpoint=True)
    planted = n // PLANTED_SHARE
    bits = rng.random((planted, 64)).argsort(axis=1)[:, :radius].astype(np.uint64)
    turned = np.bitwise_or.reduce(np.uint64(1) << bits, axis=1).view(np.int64) if radius else np.int64(0)
    hashes[n - planted :] = hashes[:planted] ^ turned
    return hashes


def ours(work: Work) -> Measured:
    """The frame goes in, the frame of pairs comes out."""
    hashes = random_hashes(work.n, work.radius, np.random.default_rng(1))
    table = pl.DataFrame({"id": pl.int_range(work.n, eager=True), "phash": hashes})
    del hashes
    new = range(work.n - work.new, work.n) if work.new else None
    seconds, pairs = timed(lambda: near_pairs(table, work.radius, new_ids=new))
    peak = peak_mb()
    gap = work.n - work.n // PLANTED_SHARE
    found = pairs.filter(pl.col("right") - pl.col("left") == gap, pl.col("distance") == work.radius).height
    return Measured(seconds, peak, work.queries, pairs=pairs.height, found=found)


def peer_brute_force(work: Work) -> Measured:
    """Compare each row with all hashes."""
    hashes = random_hashes(work.n, work.radius, np.random.default_rng(1))
    at_once = max(1, COMPARED_AT_ONCE // len(hashes))

    def search(rows: Hashes) -> None:
        for start in range(0, len(rows), at_once):
            differing = rows[start : start + at_once, None] ^ hashes[None, :]
            np.count_nonzero(np.bitwise_count(differing) <= work.radius)

    return _answered(work, hashes, 0.0, search)


def peer_flat(work: Work) -> Measured:
    """Brute force of faiss, in its threads."""
    import faiss

    return _faiss(work, faiss.IndexBinaryFlat(64))


def peer_multi_hash(work: Work) -> Measured:
    """Hash tables of faiss: two hashes within r bits differ in at most r // 4 bits of one of four parts."""
    import faiss

    index = faiss.IndexBinaryMultiHash(64, 4, 16)
    index.nflip = work.radius // 4
    return _faiss(work, index)


def _faiss(work: Work, index: Any) -> Measured:
    hashes = random_hashes(work.n, work.radius, np.random.default_rng(1))
    build, _ = timed(lambda: index.add(hashes.view(np.uint8).reshape(-1, 8)))

    def search(rows: Hashes) -> None:
        # faiss finds what is nearer than its radius.
        index.range_search(rows.view(np.uint8).reshape(-1, 8), work.radius + 1)

    return _answered(work, hashes, build, search)


def peer_bk_tree(work: Work) -> Measured:
    """A tree of hashes by their distances to each other."""
    import pybktree

    hashes = random_hashes(work.n, work.radius, np.random.default_rng(1))
    build, tree = timed(lambda: pybktree.BKTree(pybktree.hamming_distance, hashes.view(np.uint64).tolist()))

    def search(rows: Hashes) -> None:
        for row in rows.view(np.uint64).tolist():
            tree.find(row, work.radius)

    return _answered(work, hashes, build, search)


def _answered(work: Work, hashes: Hashes, build: float, search: Callable[[Hashes], None]) -> Measured:
    """Look up the last hashes, as many as there are to look up or as there is time for."""
    done, batch, started = 0, FIRST_BATCH, time.perf_counter()
    while done < work.queries and (spent := time.perf_counter() - started) < PEER_SECONDS:
        # No batch that would take much longer than what is left.
        batch = min(batch, work.queries - done, max(1, int(done * (PEER_SECONDS - spent) / spent)) if done else batch)
        start = work.n - work.queries + done
        search(hashes[start : start + batch])
        done, batch = done + batch, batch * 2
    seconds = time.perf_counter() - started
    return Measured(build + seconds * work.queries / done, peak_mb(), done, build=build)


Run = Callable[[Work], Measured]


def peers(work: Work) -> Iterator[tuple[str, Run]]:
    """The peers that are installed and can do this much."""
    yield "numpy brute force", peer_brute_force
    if find_spec("faiss"):
        yield "faiss IndexBinaryFlat", peer_flat
        yield "faiss IndexBinaryMultiHash", peer_multi_hash
    if find_spec("pybktree") and work.n <= SMALL:
        yield "pybktree", peer_bk_tree


def measure(work: Work, goal: Goal, rounds: int) -> None:
    """Ours, then each peer, and a line for each."""
    progress(f"{work.n:,} hashes, radius {work.radius}, {f'{work.new:,} new' if work.new else 'all against all'}")
    tries = [alone(ours, work) for _ in range(rounds)]
    best = replace(min(tries, key=lambda one: one.seconds), peak_mb=max(one.peak_mb for one in tries))
    progress(f"  {best.pairs:,} pairs in {best.seconds:.2f} s, {best.peak_mb:.0f} MB; now the peers")
    met = (goal.seconds is None or best.seconds <= goal.seconds) and (
        goal.peak_mb is None or best.peak_mb <= goal.peak_mb
    )
    for name, run in peers(work):
        peer = alone(run, work)
        left = (
            ""
            if peer.answered == work.queries
            else f", extrapolated from {peer.answered:,} of {work.queries:,} queries"
        )
        report(
            work.name,
            n=work.n,
            seconds=best.seconds,
            peer=name + left,
            peer_seconds=peer.seconds,
            peak=best.peak_mb,
            peer_build_seconds=round(peer.build, 2),
            peer_peak_mb=round(peer.peak_mb, 1),
            radius=work.radius,
            new=work.new,
            pairs=best.pairs,
            planted=min(work.n // PLANTED_SHARE, work.new or work.n),
            found=best.found,
            goal_seconds=goal.seconds,
            goal_mb=goal.peak_mb,
            goal_met=met if goal != Goal() else None,
        )


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "", n=0, n_help="hashes; 0 for every size that has a goal")
    parser.add_argument(
        "--radius", type=int, nargs="+", default=[3, 8], help="Hamming distances, with --n (default 3 8)"
    )
    parser.add_argument("--new", type=int, default=0, help="of the hashes, with --n, how many are new (default: all)")
    parser.add_argument("--rounds", type=int, default=2, help="of ours, the best counts (default 2)")
    args = parser.parse_args()
    works = [Work(args.n, radius, args.new) for radius in args.radius] if args.n else list(GOALS)
    for work in works:
        measure(work, GOALS.get(work, Goal()), args.rounds)


if __name__ == "__main__":
    main()

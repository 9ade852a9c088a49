"""All pairs of 64-bit hashes within a Hamming distance, beside brute force with numpy in the same run.

    python -m benchmarks.near_pairs --n 1000000 [--radius 3 8]

The hashes are random; one in a hundred is another one with as many bits turned over as the radius allows, so it is known which
pairs must be found ("planted", of which "found"). Measured per radius: 20,000 hashes, where brute force compares every pair; n
hashes; and n/100 new hashes against all. For n hashes brute force compares only some rows with all, and its time is scaled up
to all rows, as its name says. Memory is that of this process so far, so the measurements go from small to large.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.report import arguments, peak_mb, progress, report, timed
from immich_pipeline.dedup import near_pairs
from immich_pipeline.dedup.blocks import choose_blocks

SMALL = 20_000
SAMPLE_ROWS = 200
COMPARED_AT_ONCE = 2_000_000
PLANTED_SHARE = 100

Hashes = npt.NDArray[np.int64]


def random_hashes(n: int, radius: int, rng: np.random.Generator) -> Hashes:
    """Hashes of which the last hundredth are the first ones with ``radius`` bits turned over."""
    hashes = rng.integers(-(2**63), 2**63 - 1, n, dtype=np.int64, endpoint=True)
    planted = n // PLANTED_SHARE
    bits = rng.random((planted, 64)).argsort(axis=1)[:, :radius].astype(np.uint64)
    turned = np.bitwise_or.reduce(np.uint64(1) << bits, axis=1).view(np.int64) if radius else np.int64(0)
    hashes[n - planted :] = hashes[:planted] ^ turned
    return hashes


def brute_force(rows: Hashes, hashes: Hashes, radius: int) -> int:
    """Compare some rows with all hashes; the number of pairs within the radius, each row with itself included."""
    found = 0
    at_once = max(1, COMPARED_AT_ONCE // len(hashes))
    for start in range(0, len(rows), at_once):
        differing = rows[start : start + at_once, None] ^ hashes[None, :]
        found += int((np.bitwise_count(differing) <= radius).sum())
    return found


def planted_found(pairs: pl.DataFrame, n: int, radius: int) -> int:
    """How many of the planted pairs are among the found ones."""
    gap = n - n // PLANTED_SHARE
    return pairs.filter(pl.col("right") - pl.col("left") == gap, pl.col("distance") == radius).height


def measure(n: int, radius: int, rng: np.random.Generator) -> None:
    """All against all, then the newest hundredth against all."""
    hashes = random_hashes(n, radius, rng)
    table = pl.DataFrame({"id": pl.int_range(n, eager=True), "phash": hashes})
    rows = hashes if n <= SMALL else hashes[rng.integers(0, n, SAMPLE_ROWS)]
    scale = n / len(rows)
    peer = "numpy brute force" if scale == 1 else f"numpy brute force, {len(rows)} rows of {n} measured, scaled"
    planted = n // PLANTED_SHARE
    progress(f"{n:,} hashes, radius {radius}: {choose_blocks(n, radius)} blocks")
    seconds, pairs = timed(lambda: near_pairs(table, radius))
    peak = peak_mb()
    progress(f"{pairs.height:,} pairs in {seconds:.2f} s; now brute force")
    peer_seconds, _ = timed(lambda: brute_force(rows, hashes, radius))
    facts = {"radius": radius, "planted": planted, "found": planted_found(pairs, n, radius), "peak": peak}
    report(
        "near_pairs", n=n, seconds=seconds, peer=peer, peer_seconds=peer_seconds * scale, pairs=pairs.height, **facts
    )
    new = range(n - planted, n)
    seconds, pairs = timed(lambda: near_pairs(table, radius, new_ids=new))
    facts["found"] = planted_found(pairs, n, radius)
    # Brute force needs the same time for a row whatever the row.
    scaled = peer_seconds * scale * planted / n
    report(
        "near_pairs new",
        n=n,
        seconds=seconds,
        peer=f"{peer}, share of new rows",
        peer_seconds=scaled,
        pairs=pairs.height,
        **facts,
    )


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "", n=1_000_000, n_help="hashes")
    parser.add_argument("--radius", type=int, nargs="+", default=[3, 8], help="Hamming distances (default 3 8)")
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    for n in sorted({min(SMALL, args.n), args.n}):
        for radius in args.radius:
            measure(n, radius, rng)


if __name__ == "__main__":
    main()

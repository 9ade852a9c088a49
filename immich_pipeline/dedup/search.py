"""The search for close hashes among distinct ones: joins on blocks of bits, done with numpy in as many threads as polars uses.

A join sorts the rows by its key and compares those with one key in cache. numpy does this because it was measured faster: a counting
sort of 16-bit keys takes 13 ns a row and comparing two hashes 0.7 ns, where polars takes 50 ns a row to sort and join 64-bit keys and
6 ns a pair to write it out before it can be compared (1 M random hashes at radius 8 on two cores: 24 to 35 s as polars joins).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl

from immich_pipeline.dedup.blocks import (
    KEY_PIECE,
    MAX_KEY_BITS,
    BlockJoin,
    block_joins,
    choose_blocks,
    estimated_probe_seconds,
    estimated_seconds,
)
from immich_pipeline.dedup.runs import Positions, RunComparer
from immich_pipeline.dedup.spread import Spread, Words, worth_of_bits

PAIRS_AT_ONCE = 1 << 20
"""Pairs written out in one go where new hashes are looked up among all: about 50 MB of working memory per thread."""

ROWS_AT_ONCE = 1 << 17
MAX_THREADS = 8
"""Each thread needs about 28 bytes a hash."""

Pairs = tuple[Words, Words]
Keys = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


def close_hashes(hashes: Words, radius: int, new: Words | None = None) -> Pairs:
    """Every pair of different hashes that differ in at most ``radius`` bits, each once.

    Args:
        hashes: Distinct values in any order.
        radius: 0 to 64, inclusive.
        new: Some of the hashes, each once; when given, only pairs with at least one of these.

    Returns:
        Two arrays of the same length, the smaller hash of a pair in the first; pairs are in no particular order.
    """
    none = np.empty(0, dtype=np.uint64)
    radius = _reachable(hashes, radius)
    if not radius or len(hashes) < 2 or (new is not None and not len(new)):  # noqa: PLR2004 (two make a pair)
        return none, none
    worth = worth_of_bits(hashes)
    blocks, probing = _plan(len(hashes), radius, float(worth.sum()), None if new is None else len(new))
    spread = Spread.over(blocks, worth)
    rows = spread.apply(hashes)
    search = _all_against_all(rows, radius)
    if probing and new is not None:
        search = _new_against_all(spread.apply(new), rows, radius)
    joins = block_joins(radius, blocks)
    with ThreadPoolExecutor(max(1, min(MAX_THREADS, pl.thread_pool_size(), len(joins)))) as threads:
        found = [pair for pairs in threads.map(search, joins) for pair in pairs]
    left, right = (
        spread.undo(np.concatenate([none, *side])) for side in ([p[0] for p in found], [p[1] for p in found])
    )
    low, high = np.minimum(left, right), np.maximum(left, right)
    if probing:
        return _once(low, high)
    if new is not None:
        wanted = np.isin(low, new) | np.isin(high, new)
        return low[wanted], high[wanted]
    return low, high


def _reachable(hashes: Words, radius: int) -> int:
    """The largest distance up to ``radius`` that two of the hashes can have.

    Two hashes with numbers of set bits of one parity are an even number of bits apart, and perceptual hashes have 32 set
    bits, half of all: at radius 3 those need a search at radius 2 only.
    """
    if radius % 2 == 0 or not len(hashes):
        return radius
    first = int(hashes[0]).bit_count() % 2
    # Most data that is not of one parity shows it at once.
    for start in range(0, len(hashes), ROWS_AT_ONCE):
        if (np.bitwise_count(hashes[start : start + ROWS_AT_ONCE]) % 2 != first).any():
            return radius
    return radius - 1


def _plan(rows: int, radius: int, bits: float, new: int | None) -> tuple[int, bool]:
    """The number of blocks, and whether to look the new hashes up rather than to compare all with all."""
    blocks = choose_blocks(rows, radius, bits=bits)
    if new is None:
        return blocks, False
    for_new = choose_blocks(rows, radius, bits=bits, new=new)
    probe = estimated_probe_seconds(new, rows, radius, for_new, bits=bits)
    probing = probe <= estimated_seconds(rows, radius, blocks, bits=bits)
    return (for_new if probing else blocks), probing


def _all_against_all(rows: Words, radius: int) -> Callable[[BlockJoin], list[Pairs]]:
    def search(join: BlockJoin) -> list[Pairs]:
        values, starts, lengths = _runs(rows, join)
        found = []
        for left, right in _batches(RunComparer(radius).near(values, starts, lengths)):
            found.extend(_first(values.take(left), values.take(right), join))
        return found

    return search


def _batches(parts: Iterator[tuple[Positions, Positions]]) -> Iterator[tuple[Positions, Positions]]:
    """The parts joined to larger ones: where pictures come in clusters every comparison finds a few pairs."""
    waiting: list[tuple[Positions, Positions]] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part[0])
        if size >= PAIRS_AT_ONCE // 4:
            yield np.concatenate([left for left, _ in waiting]), np.concatenate([right for _, right in waiting])
            waiting, size = [], 0
    if waiting:
        yield np.concatenate([left for left, _ in waiting]), np.concatenate([right for _, right in waiting])


def _runs(rows: Words, join: BlockJoin) -> tuple[Words, Positions, Positions]:
    """The rows sorted by the join's key, and where each run of two and more with one key starts and how long it is."""
    keys = _keys(rows, join, MAX_KEY_BITS)
    # From the lowest bits up; each pass keeps the order of the one before.
    order = keys.astype(np.uint16).argsort(kind="stable")
    if keys.dtype != np.uint16:
        order = order.take((keys >> KEY_PIECE).astype(np.uint16).take(order).argsort(kind="stable"))
    keys = keys.take(order)
    values = rows.take(order)
    del order
    edges = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
    lengths = np.diff(edges)
    meeting = lengths > 1
    return values, edges[:-1][meeting], lengths[meeting]


def _keys(rows: Words, join: BlockJoin, most: int) -> Keys:
    """The bits of the join's blocks, packed; beyond ``most`` bits the rest is cut off. UInt16 where they fit, else UInt32."""
    width = min(most, sum(bits for _, bits in join.spans))
    keys: Keys = np.zeros(len(rows), np.uint16) if width <= KEY_PIECE else np.zeros(len(rows), np.uint32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        packed, filled = np.zeros_like(part), 0
        for low, bits in join.spans:
            taken = min(bits, most - filled)
            packed |= ((part >> np.uint64(low)) & np.uint64((1 << taken) - 1)) << np.uint64(filled)
            filled += taken
            if filled == most:
                break
        keys[start : start + ROWS_AT_ONCE] = packed
    return keys


def _first(left: Words, right: Words, join: BlockJoin) -> list[Pairs]:
    """The pairs that this join reports: those that agree on all its blocks and that no earlier join reports."""
    difference = left ^ right
    mine = (difference & np.uint64(join.mask)) == 0
    for mask in join.earlier:
        mine &= (difference & np.uint64(mask)) != 0
    return [(left[mine], right[mine])] if mine.any() else []


def _new_against_all(new: Words, rows: Words, radius: int) -> Callable[[BlockJoin], list[Pairs]]:
    def search(join: BlockJoin) -> list[Pairs]:
        keys = _keys(new, join, KEY_PIECE)
        values = new.take(keys.argsort(kind="stable"))
        counts = np.bincount(keys, minlength=1 << KEY_PIECE)
        starts = np.cumsum(counts) - counts
        taken = counts > 0
        found = []
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[begin : begin + ROWS_AT_ONCE]
            part_keys = _keys(part, join, KEY_PIECE)
            met = np.flatnonzero(taken.take(part_keys))
            part, part_keys = part[met], part_keys[met]
            for some in _bounded(counts.take(part_keys)):
                left, right = _written_out(part[some], part_keys[some], values, starts, counts)
                near = np.bitwise_count(left ^ right) <= radius
                found.extend(_first(left[near], right[near], join))
        return found

    return search


def _bounded(weights: Positions) -> Iterator[slice]:
    """Slices of which each weighs at most PAIRS_AT_ONCE, or holds one element."""
    total = np.cumsum(weights)
    start = 0
    while start < len(weights):
        before = int(total[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(total, before + PAIRS_AT_ONCE, side="right")))
        yield slice(start, end)
        start = end


def _written_out(rows: Words, keys: Keys, values: Words, starts: Positions, counts: Positions) -> Pairs:
    """Each row beside each of the sorted values that has its key."""
    times = counts.take(keys)
    inner = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(rows, times), values.take(np.repeat(starts.take(keys), times) + inner)


def _once(low: Words, high: Words) -> Pairs:
    """Two new hashes meet twice, and each new one itself: every pair once."""
    order = np.lexsort((high, low))
    low, high = low[order], high[order]
    keep = low != high
    keep[1:] &= (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return low[keep], high[keep]

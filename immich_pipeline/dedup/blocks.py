"""Which bits two close hashes must share: blocks, their combinations, and the choice of how many.

Split 64 bits into b blocks. Two hashes within Hamming distance r differ in at most r blocks, so they agree on at
least b - r of them: joining on every choice of b - r blocks finds every pair (Manku, Jain, Das Sarma, "Detecting
near-duplicates for web crawling", WWW 2007). More blocks mean longer keys and so fewer chance meetings, but more joins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb

HASH_BITS = 64
MAX_EXTRA_BLOCKS = 8

KEY_PIECE = 16
"""Bits of a key that one pass of numpy's radix sort takes (it sorts 16-bit integers, and no wider ones, by counting)."""

MAX_KEY_BITS = 2 * KEY_PIECE
"""Longer keys are cut: chance meetings are rare by then, and a third pass would cost more than it saves."""

SECONDS_PER_JOIN = 1e-3
SECONDS_PER_ROW = 8e-9
SECONDS_PER_SORTED_ROW = 22e-9
SECONDS_PER_PAIR = 0.8e-9
SECONDS_PER_PROBED_PAIR = 12e-9
"""Measured with numpy 2.4 on two shared cores, 1 M to 10 M random hashes: cutting out the key and looking it up takes
8 ns a row, a pass of the sort with the reordering 22 ns, comparing a pair that meets 0.8 ns where both sides are
sorted and 12 ns where one is looked up. Only their ratios matter for the choice."""


@dataclass(frozen=True)
class BlockJoin:
    """One join: rows meet where ``hash & mask`` is equal.

    Attributes:
        mask: The bits of the chosen blocks.
        spans: The same bits as (lowest bit, number of bits), neighbouring blocks as one.
        earlier: Masks of the blocks left out that come before the last chosen one. A pair that agrees on one of them
            is found by an earlier join already, so it is reported there and not here.
    """

    mask: int
    spans: tuple[tuple[int, int], ...]
    earlier: tuple[int, ...]


def block_edges(blocks: int) -> list[tuple[int, int]]:
    """First bit and first bit after each of ``blocks`` blocks: together 64 bits, widths differing by one at most."""
    return list(pairwise(HASH_BITS * index // blocks for index in range(blocks + 1))) if blocks else []


def block_masks(blocks: int) -> list[int]:
    """The blocks as masks."""
    return [(1 << high) - (1 << low) for low, high in block_edges(blocks)]


def estimated_seconds(rows: int, radius: int, blocks: int, *, bits: float = HASH_BITS) -> float:
    """What the search of all against all costs with ``blocks`` blocks.

    comb(b, r) joins, each sorting the rows and comparing the rows² / 2 / 2^k pairs that meet on a key worth k bits.

    Args:
        rows: Distinct hashes.
        radius: Hamming distance.
        blocks: ``radius`` itself means no key at all, i.e. comparing every pair.
        bits: What the 64 bits are worth: fewer than 64 where some are nearly always the same.
    """
    wide, worth = _key(radius, blocks, bits)
    passes = -(-wide // KEY_PIECE)
    meetings = rows * rows / 2 / 2.0**worth
    row = SECONDS_PER_ROW + passes * SECONDS_PER_SORTED_ROW
    seconds: float = SECONDS_PER_JOIN + rows * row + meetings * SECONDS_PER_PAIR
    return comb(blocks, radius) * seconds


def estimated_probe_seconds(new: int, rows: int, radius: int, blocks: int, *, bits: float = HASH_BITS) -> float:
    """What the search of ``new`` hashes among ``rows`` costs: the new ones are sorted, the others looked up."""
    _, worth = _key(radius, blocks, bits, most=KEY_PIECE)
    meetings = new * rows / 2.0**worth
    row = rows * SECONDS_PER_ROW + new * SECONDS_PER_SORTED_ROW
    seconds: float = SECONDS_PER_JOIN + row + meetings * SECONDS_PER_PROBED_PAIR
    return comb(blocks, radius) * seconds


def _key(radius: int, blocks: int, bits: float, most: int = MAX_KEY_BITS) -> tuple[int, float]:
    """Width of the key in bits, and what it is worth."""
    width = HASH_BITS * (blocks - radius) / blocks if blocks else 0.0
    used = min(width, most)
    return int(used), used * bits / HASH_BITS


def choose_blocks(rows: int, radius: int, *, bits: float = HASH_BITS, new: int | None = None) -> int:
    """The cheapest number of blocks, for all against all or, when given, for ``new`` hashes among all."""

    def cost(blocks: int) -> float:
        if new is None:
            return estimated_seconds(rows, radius, blocks, bits=bits)
        return estimated_probe_seconds(new, rows, radius, blocks, bits=bits)

    return min(_choices(radius), key=lambda blocks: (cost(blocks), blocks))


def _choices(radius: int) -> Iterable[int]:
    return range(radius, min(radius + MAX_EXTRA_BLOCKS, HASH_BITS) + 1)


def block_joins(radius: int, blocks: int) -> list[BlockJoin]:
    """The joins that together meet every pair within ``radius``, each pair being new to exactly one of them."""
    edges, masks = block_edges(blocks), block_masks(blocks)
    joins = []
    for chosen in combinations(range(blocks), blocks - radius):
        last = max(chosen, default=0)
        joins.append(
            BlockJoin(
                mask=sum(masks[index] for index in chosen),
                spans=_spans([edges[index] for index in chosen]),
                earlier=tuple(masks[index] for index in range(last) if index not in chosen),
            )
        )
    return joins


def _spans(edges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Edges in ascending order as (lowest bit, width), with those that touch made one."""
    merged: list[list[int]] = []
    for low, high in edges:
        if merged and merged[-1][1] == low:
            merged[-1][1] = high
        else:
            merged.append([low, high])
    return tuple((low, high - low) for low, high in merged)

"""Bits of hashes in another order: such that every block knows about as much as the others.

A perceptual hash has bits that hardly ever change (the first one, which holds the mean brightness) and pictures of one
kind share more of them. A block of such bits tells nothing apart, and every join on it would meet half the library.
Dealing the bits out by what they are worth keeps all blocks about equally good. Distances do not depend on the order.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from immich_pipeline.dedup.blocks import HASH_BITS, block_edges

Words = npt.NDArray[np.uint64]

SAMPLE = 50_000
"""Hashes that the worth of a bit is estimated from; a bad estimate costs time, never a pair."""

BYTES = HASH_BITS // 8
BYTE_VALUES = 256


def worth_of_bits(hashes: Words) -> npt.NDArray[np.float64]:
    """What each of the 64 bits tells apart, in bits (0 to 1): minus the binary logarithm of the chance that two agree.

    Args:
        hashes: At least one.
    """
    sample = hashes[:: max(1, len(hashes) // SAMPLE)]
    ones = np.array([np.count_nonzero(sample & np.uint64(1 << bit)) for bit in range(HASH_BITS)]) / len(sample)
    worth: npt.NDArray[np.float64] = -np.log2(ones**2 + (1 - ones) ** 2)
    return worth


@dataclass(frozen=True)
class Spread:
    """An order of the 64 bits, to and fro.

    Attributes:
        there: For each byte of a hash and each of its values, the bits it becomes.
        back: The same for the way back.
    """

    there: Words
    back: Words

    @classmethod
    def over(cls, blocks: int, worth: npt.NDArray[np.float64]) -> Self:
        """The order in which each of ``blocks`` blocks gets its share of good and of bad bits."""
        places: list[int] = []
        # Dealt like cards, one to each block in turn.
        edges = block_edges(max(blocks, 1))
        for turn in range(HASH_BITS):
            places.extend(low + turn for low, high in edges if low + turn < high)
        target = np.empty(HASH_BITS, dtype=np.int64)
        target[np.argsort(-worth, kind="stable")] = places
        return cls(there=_tables(target), back=_tables(np.argsort(target)))

    def apply(self, hashes: Words) -> Words:
        """The hashes with their bits in the new order."""
        return _looked_up(self.there, hashes)

    def undo(self, hashes: Words) -> Words:
        """The hashes with their bits where they were."""
        return _looked_up(self.back, hashes)


def _tables(target: npt.NDArray[np.int64]) -> Words:
    """What each value of each byte becomes when bit i goes to place target[i]."""
    values = np.arange(BYTE_VALUES, dtype=np.uint64)
    tables = np.zeros((BYTES, BYTE_VALUES), dtype=np.uint64)
    for bit, place in enumerate(target):
        byte, inner = divmod(bit, 8)
        tables[byte] |= ((values >> np.uint64(inner)) & np.uint64(1)) << np.uint64(place)
    return tables


def _looked_up(tables: Words, hashes: Words) -> Words:
    little = np.ascontiguousarray(hashes, dtype="<u8").view(np.uint8).reshape(-1, BYTES)
    result: Words = tables[0].take(little[:, 0])
    for byte in range(1, BYTES):
        result |= tables[byte].take(little[:, byte])
    return result

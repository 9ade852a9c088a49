"""256-bit perceptual hashes as words that many pairs are compared by at once."""

import numpy as np
import polars as pl

WORDS = 4
BYTES = 8 * WORDS


class FineHashes:
    """The 256-bit hashes of numbered pictures.

    Args:
        hashes: Binary, 32 bytes each or null; the position is the picture's number.

    Raises:
        ValueError: A hash is not of 32 bytes.
    """

    def __init__(self, hashes: pl.Series) -> None:
        lengths = hashes.bin.size().drop_nulls()
        if (lengths != BYTES).any():
            raise ValueError(f"a 256-bit hash has {BYTES} bytes")
        words = hashes.fill_null(bytes(BYTES)).bin.reinterpret(dtype=pl.Array(pl.UInt64, WORDS), endianness="little")
        self._words = words.to_numpy().reshape(-1, WORDS)
        self._known = hashes.is_not_null().to_numpy()

    def within(self, pairs: pl.DataFrame, limit: int) -> pl.DataFrame:
        """The pairs whose 256-bit hashes differ in at most ``limit`` bits, and those of which one has no such hash.

        Args:
            pairs: ``left`` and ``right`` (numbers of pictures), and what else is to be kept.
            limit: Hamming distance, inclusive.
        """
        left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
        # A word at a time: the differences of all four would take more memory than the pairs.
        distance = np.zeros(len(left), dtype=np.uint16)
        for word in range(WORDS):
            column = self._words[:, word]
            distance += np.bitwise_count(column.take(left) ^ column.take(right))
        return pairs.filter(pl.Series((distance <= limit) | ~(self._known.take(left) & self._known.take(right))))

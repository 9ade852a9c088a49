"""Every pair within runs of an array, compared a cache's worth at a time.

Runs are cut into tiles. Tiles of one length are laid side by side, so that one numpy operation compares many pairs of
many runs: the cost per pair is that of three vector operations, whether there are a million short runs or a long one.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from immich_pipeline.dedup.spread import Words

Positions = npt.NDArray[np.int64]

CELLS = 1 << 16
"""Pairs compared in one go: the working set of about 1 MB stays in the cache of a core."""

TILE = 128
"""Elements of a whole tile. Longer ones make fewer operations, but need more runs of a length to fill the cells."""

_NONE: Positions = np.empty(0, dtype=np.int64)


class RunComparer:
    """Compares within the runs of one array after another; holds the working memory. Not for two threads at once.

    Args:
        radius: Hamming distance, inclusive.
    """

    def __init__(self, radius: int) -> None:
        self._radius = radius
        self._difference = np.empty(CELLS, dtype=np.uint64)
        self._count = np.empty(CELLS, dtype=np.uint8)
        self._near = np.empty(CELLS, dtype=np.bool_)

    def near(self, values: Words, starts: Positions, lengths: Positions) -> Iterator[tuple[Positions, Positions]]:
        """Positions of the pairs within the radius, each pair of a run once, in parts of at most CELLS pairs.

        Args:
            values: The array.
            starts: Where each run begins.
            lengths: How many elements each has, at least one.
        """
        whole, rest = np.divmod(lengths, TILE)
        rest_starts = starts + whole * TILE
        for length, some in _by_length(rest):
            yield from self._within(values, rest_starts[some], length)
        run = np.repeat(np.arange(len(starts)), whole)
        if not len(run):
            return
        index = np.arange(len(run)) - np.repeat(np.cumsum(whole) - whole, whole)
        tiles = starts[run] + index * TILE
        yield from self._within(values, tiles, TILE)
        for length, some in _by_length(rest[run]):
            yield from self._across(values, tiles[some], rest_starts[run[some]], length)
        after = whole[run] - index - 1
        for gap in range(1, int(whole.max())):
            tiles, after = tiles[after >= gap], after[after >= gap]
            yield from self._across(values, tiles, tiles + gap * TILE, TILE)

    def _within(self, values: Words, starts: Positions, length: int) -> Iterator[tuple[Positions, Positions]]:
        """Pairs of elements of one tile; all tiles have ``length`` elements."""
        for begin in range(0, len(starts), CELLS // length):
            # Tiles are columns, so rows that are d apart are two contiguous pieces.
            places = starts[begin : begin + CELLS // length] + np.arange(length)[:, None]
            cells = values.take(places)
            for apart in range(1, length):
                hits = self._close(cells[apart:], cells[:-apart])
                if len(hits):
                    yield places[:-apart].ravel()[hits], places[apart:].ravel()[hits]

    def _across(
        self, values: Words, left: Positions, right: Positions, length: int
    ) -> Iterator[tuple[Positions, Positions]]:
        """Pairs of an element of a whole tile and one of the tile of ``length`` elements beside it."""
        for begin in range(0, len(left), CELLS // TILE):
            left_places = left[begin : begin + CELLS // TILE] + np.arange(TILE)[:, None]
            right_places = right[begin : begin + CELLS // TILE] + np.arange(length)[:, None]
            cells, others = values.take(left_places), values.take(right_places)
            for row in range(length):
                hits = self._close(cells, others[row])
                if len(hits):
                    yield left_places.ravel()[hits], right_places[row].take(hits % left_places.shape[1])

    def _close(self, cells: Words, others: Words) -> Positions:
        """Flat positions in ``cells`` where the other side (of the same shape, or one row for all) is close."""
        size = cells.size
        difference = self._difference[:size].reshape(cells.shape)
        np.bitwise_xor(cells, others, out=difference)
        count, near = self._count[:size], self._near[:size]
        np.bitwise_count(self._difference[:size], out=count)
        np.less_equal(count, self._radius, out=near)
        # Nearly always there is none, and this sees it much sooner.
        return near.nonzero()[0] if near.any() else _NONE


def _by_length(lengths: Positions) -> Iterator[tuple[int, Positions]]:
    """Each length above zero, with the positions that have it; lengths are below TILE."""
    order = np.argsort(lengths.astype(np.uint8), kind="stable")  # of so small a type it is a counting sort
    ends = np.flatnonzero(np.diff(lengths[order])) + 1
    for some in np.split(order, ends):
        if len(some) and lengths[some[0]]:
            yield int(lengths[some[0]]), some

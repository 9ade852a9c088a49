import numpy as np
import pytest

from immich_pipeline.dedup import runs
from immich_pipeline.dedup.runs import TILE, RunComparer


def found(values: np.ndarray, starts: list[int], lengths: list[int], radius: int) -> list[tuple[int, int]]:
    parts = RunComparer(radius).near(values, np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64))
    return [tuple(sorted(pair)) for left, right in parts for pair in zip(left.tolist(), right.tolist(), strict=True)]


@pytest.mark.parametrize("cells", [TILE, 4 * TILE, runs.CELLS])
@pytest.mark.parametrize(
    "lengths",
    [[], [1], [2, 2, 3, 1, 7], [TILE], [TILE + 1, TILE - 1], [3 * TILE, 2 * TILE + 5, 4, 4], [4 * TILE + 40]],
)
def test_every_pair_of_a_run_is_met_once_and_no_other(
    lengths: list[int], cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "CELLS", cells)
    starts = [3 + sum(lengths[:index]) + index for index in range(len(lengths))]
    values = np.random.default_rng(2).integers(0, 2**64, 2_000, dtype=np.uint64)
    expected = [
        (left, right)
        for start, length in zip(starts, lengths, strict=True)
        for left in range(start, start + length)
        for right in range(left + 1, start + length)
    ]
    assert sorted(found(values, starts, lengths, 64)) == expected
    close = [(left, right) for left, right in expected if int(values[left] ^ values[right]).bit_count() <= 24]
    assert sorted(found(values, starts, lengths, 24)) == close

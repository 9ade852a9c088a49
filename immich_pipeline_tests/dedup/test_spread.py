import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.dedup.blocks import HASH_BITS, block_masks
from immich_pipeline.dedup.spread import Spread, worth_of_bits

words = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=30).map(
    lambda values: np.array(values, dtype=np.uint64)
)


@given(words, st.integers(0, 64))
def test_the_way_back_undoes_it_and_distances_stay(hashes: np.ndarray, blocks: int) -> None:
    spread = Spread.over(blocks, worth_of_bits(hashes))
    moved = spread.apply(hashes)
    assert np.array_equal(spread.undo(moved), hashes)
    assert np.array_equal(np.bitwise_count(moved[:, None] ^ moved), np.bitwise_count(hashes[:, None] ^ hashes))


def test_a_bit_that_never_varies_is_worth_nothing() -> None:
    worth = worth_of_bits(np.array([0b1001, 0b1010], dtype=np.uint64))
    assert worth[:4].tolist() == [1, 1, 0, 0]
    assert worth.sum() == 2


@pytest.mark.parametrize("blocks", [4, 10, 11])
def test_every_block_gets_its_share_of_constant_bits(blocks: int) -> None:
    hashes = np.random.default_rng(5).integers(0, 2**32, 2_000, dtype=np.uint64)
    spread = Spread.over(blocks, worth_of_bits(hashes))
    moved = worth_of_bits(spread.apply(hashes))
    shares = [sum(moved[bit] for bit in range(HASH_BITS) if mask >> bit & 1) for mask in block_masks(blocks)]
    assert max(shares) - min(shares) < 1.01

import pytest

from immich_pipeline.dedup.blocks import HASH_BITS, block_joins, block_masks, choose_blocks, estimated_seconds, signed


@pytest.mark.parametrize("blocks", [1, 4, 5, 11, 64])
def test_blocks_cover_every_bit_once_and_are_of_one_width(blocks: int) -> None:
    masks = block_masks(blocks)
    assert sum(masks) == (1 << HASH_BITS) - 1
    widths = [mask.bit_count() for mask in masks]
    assert sum(widths) == HASH_BITS
    assert max(widths) - min(widths) <= 1


def test_the_choice_follows_the_measurements() -> None:
    """In a prototype on two cores 1 M hashes at radius 8 took 17 s with 11 blocks and 67 s with 10."""
    assert choose_blocks(1_000_000, 8) == 11
    assert choose_blocks(1_000_000, 3) == 5
    assert choose_blocks(50, 8) == 8, "few rows are compared with each other"
    assert estimated_seconds(1_000_000, 8, 10) > 2 * estimated_seconds(1_000_000, 8, 11)


@pytest.mark.parametrize("radius", [0, 1, 12, 63, 64])
def test_the_choice_exists_for_every_radius(radius: int) -> None:
    blocks = choose_blocks(10_000_000, radius)
    assert radius <= blocks <= HASH_BITS
    assert block_joins(radius, blocks)


def test_a_pair_is_new_to_exactly_one_join() -> None:
    joins = block_joins(2, 5)
    assert len(joins) == 10
    for difference in (0, 1, signed(1 << 63), (1 << 30) | 1, 0b111):
        new_to = [
            join for join in joins if difference & join.mask == 0 and all(difference & mask for mask in join.earlier)
        ]
        assert len(new_to) == 1


def test_signed_keeps_the_bits() -> None:
    assert [signed(0), signed(1 << 63), signed((1 << 64) - 1)] == [0, -(2**63), -1]

import pytest

from immich_pipeline.dedup.blocks import (
    HASH_BITS,
    block_edges,
    block_joins,
    block_masks,
    choose_blocks,
    estimated_probe_seconds,
    estimated_seconds,
)


@pytest.mark.parametrize("blocks", [1, 4, 5, 11, 64])
def test_blocks_cover_every_bit_once_and_are_of_one_width(blocks: int) -> None:
    masks = block_masks(blocks)
    assert sum(masks) == (1 << HASH_BITS) - 1
    widths = [mask.bit_count() for mask in masks]
    assert sum(widths) == HASH_BITS
    assert max(widths) - min(widths) <= 1


def test_no_blocks_have_no_edges() -> None:
    assert block_edges(0) == block_masks(0) == []


def test_the_choice_follows_the_measurements() -> None:
    """On two cores 1 M hashes at radius 8 took 44, 7, 11 and 19 s with 9 to 12 blocks, and 10 M at radius 3 4 s with 4 and 9 s with 5."""
    assert choose_blocks(1_000_000, 8) == 10
    assert choose_blocks(10_000_000, 3) == 4
    assert choose_blocks(50, 8) == 8, "few rows are compared with each other"
    assert estimated_seconds(1_000_000, 8, 9) > 2 * estimated_seconds(1_000_000, 8, 10)
    assert estimated_seconds(1_000_000, 8, 12) > 2 * estimated_seconds(1_000_000, 8, 10)


def test_looking_up_a_few_new_ones_is_cheaper_than_comparing_all() -> None:
    blocks = choose_blocks(1_000_000, 8, new=10_000)
    assert blocks in {10, 11}, "measured: 3.0, 1.3 and 1.2 s with 9 to 11 blocks"
    assert estimated_probe_seconds(10_000, 1_000_000, 8, blocks) < estimated_seconds(1_000_000, 8, 10) / 2
    assert estimated_probe_seconds(900_000, 1_000_000, 8, blocks) > estimated_seconds(1_000_000, 8, 10)


def test_bits_that_hardly_vary_ask_for_longer_keys() -> None:
    assert choose_blocks(1_000_000, 8, bits=40) > choose_blocks(1_000_000, 8)


@pytest.mark.parametrize("radius", [0, 1, 12, 63, 64])
def test_the_choice_exists_for_every_radius(radius: int) -> None:
    for new in (None, 10):
        blocks = choose_blocks(10_000_000, radius, new=new)
        assert radius <= blocks <= HASH_BITS
    assert block_joins(radius, choose_blocks(10_000_000, radius))


def test_a_pair_is_new_to_exactly_one_join() -> None:
    joins = block_joins(2, 5)
    assert len(joins) == 10
    for difference in (0, 1, 1 << 63, (1 << 30) | 1, 0b111):
        new_to = [
            join for join in joins if difference & join.mask == 0 and all(difference & mask for mask in join.earlier)
        ]
        assert len(new_to) == 1


@pytest.mark.parametrize(("radius", "blocks"), [(0, 0), (2, 2), (2, 5), (8, 11)])
def test_spans_are_the_mask_with_neighbours_made_one(radius: int, blocks: int) -> None:
    for join in block_joins(radius, blocks):
        assert sum(((1 << bits) - 1) << low for low, bits in join.spans) == join.mask
        ends = [low + bits for low, bits in join.spans]
        assert all(end < low for end, (low, _) in zip(ends, join.spans[1:], strict=False))

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup import near_pairs, pairs
from immich_pipeline.dedup.blocks import signed

hash_values = st.integers(0, 2**64 - 1)


@st.composite
def clustered(draw: st.DrawFn) -> list[int]:
    """Hashes of which many are a few bits from each other, many equal, some degenerate."""
    centres = draw(st.lists(hash_values | st.sampled_from([0, 2**64 - 1, 2**63]), min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=14)
    near = draw(st.lists(st.tuples(st.sampled_from(centres), flips), max_size=40))
    values = list(centres)
    for centre, bits in near:
        value = centre
        for bit in bits:
            value ^= 1 << bit
        values.append(value)
    return values


def brute_force(values: list[int], radius: int) -> list[tuple[int, int, int]]:
    return [
        (left, right, distance)
        for left in range(len(values))
        for right in range(left + 1, len(values))
        if (distance := (values[left] ^ values[right]).bit_count()) <= radius
    ]


def frame(values: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": range(len(values)), "phash": [signed(value) for value in values]},
        schema={"id": pl.Int64, "phash": pl.Int64},
    )


@settings(deadline=None, max_examples=60)
@given(clustered(), st.integers(0, 16))
def test_pairs_are_those_of_brute_force(values: list[int], radius: int) -> None:
    found = near_pairs(frame(values), radius)
    assert found.rows() == brute_force(values, radius)
    assert found.schema == {"left": pl.Int64, "right": pl.Int64, "distance": pl.Int16}


@settings(deadline=None, max_examples=40)
@given(clustered(), st.integers(0, 12), st.data())
def test_new_against_all_is_a_part_of_all_against_all(values: list[int], radius: int, data: st.DataObject) -> None:
    new = data.draw(st.sets(st.integers(0, len(values) - 1)))
    expected = [pair for pair in brute_force(values, radius) if pair[0] in new or pair[1] in new]
    assert near_pairs(frame(values), radius, new_ids=new).rows() == expected
    assert near_pairs(frame(values), radius, new_ids=pl.Series(sorted(new), dtype=pl.Int64)).rows() == expected


@pytest.mark.parametrize("radius", [3, 8])
def test_every_plan_gives_the_same_pairs(radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    values = [int(value) for value in generator.integers(0, 2**64, 150, dtype=np.uint64)]
    values += [
        value ^ (1 << int(a)) ^ (1 << int(b))
        for value, (a, b) in zip(values, generator.integers(0, 64, (150, 2)), strict=True)
    ]
    expected = brute_force(values, radius)
    for blocks in range(radius, radius + 4):
        monkeypatch.setattr(pairs, "choose_blocks", lambda rows, radius, blocks=blocks: blocks)
        assert near_pairs(frame(values), radius).rows() == expected


@pytest.mark.parametrize("new", [None, range(0, 900, 50)])
def test_heavy_buckets_are_done_in_slices(new: range | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand hashes that share 54 of 64 bits meet in nearly every join."""
    values = [(0xABCDEF << 40) | value for value in range(900)]
    expected = [pair for pair in brute_force(values, 4) if new is None or pair[0] in new or pair[1] in new]
    whole = near_pairs(frame(values), 4, new_ids=new)
    assert whole.rows() == expected
    monkeypatch.setattr(pairs, "PAIRS_PER_CHUNK", 5_000)
    sliced = near_pairs(frame(values), 4, new_ids=new)
    assert sliced.equals(whole)
    parts = list(pairs._slices(*2 * [frame(values).select(key=pl.lit(1, pl.Int64), h="phash")]))
    assert len(parts) == 900 * 900 / 5_000
    assert all(left.height * right.height <= 5_000 + 900 for left, right in parts)


def test_ids_may_be_text_and_the_order_of_rows_does_not_matter() -> None:
    table = pl.DataFrame({"id": ["b", "a", "d", "c"], "phash": [0, 0, 1, -1]})
    expected = [("a", "b", 0), ("a", "d", 1), ("b", "d", 1)]
    assert near_pairs(table, 2).rows() == expected
    assert near_pairs(table.reverse(), 2).rows() == expected


def test_equal_hashes_are_searched_once() -> None:
    """Three thousand equal hashes are 4,498,500 pairs, but one hash to look for."""
    table = pl.DataFrame({"id": range(3000), "phash": [5] * 3000})
    assert near_pairs(table, 0).height == 3000 * 2999 // 2


def test_nothing_and_one_have_no_pairs() -> None:
    assert near_pairs(frame([]), 8).is_empty()
    assert near_pairs(frame([1]), 64).is_empty()
    assert near_pairs(frame([0, 2**64 - 1]), 64).rows() == [(0, 1, 64)]


@pytest.mark.parametrize(
    ("table", "radius", "complaint"),
    [
        (pl.DataFrame({"id": [1], "phash": [1]}), 65, "from 0 to 64"),
        (pl.DataFrame({"id": [1], "phash": [1]}), -1, "from 0 to 64"),
        (pl.DataFrame({"id": [1, 1], "phash": [1, 2]}), 1, "twice"),
        (pl.DataFrame({"id": [1, 2], "phash": [1, None]}), 1, "null"),
    ],
)
def test_input_that_makes_no_sense_is_refused(table: pl.DataFrame, radius: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        near_pairs(table, radius)


def test_planted_pairs_among_many_are_all_found() -> None:
    generator = np.random.default_rng(3)
    values = generator.integers(-(2**63), 2**63 - 1, 30_000)
    near = values[:300] ^ np.int64(0b1011 << 20)
    table = pl.DataFrame({"id": np.arange(30_300), "phash": np.concatenate([values, near])})
    found = near_pairs(table, 3)
    assert found.filter(pl.col("distance") == 3, pl.col("right") >= 30_000).height == 300

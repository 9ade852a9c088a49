from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup import near_pairs, pairs

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
        {"id": range(len(values)), "phash": np.array(values, dtype=np.uint64).view(np.int64)},
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


@settings(deadline=None, max_examples=25)
@given(clustered(), st.integers(0, 12), st.randoms(use_true_random=False), st.data())
def test_the_order_of_the_rows_changes_nothing(
    values: list[int], radius: int, random: Random, data: st.DataObject
) -> None:
    rows = frame(values)
    order = list(range(len(values)))
    random.shuffle(order)
    new = data.draw(st.none() | st.sets(st.integers(0, len(values) - 1)))
    assert near_pairs(rows[order], radius, new_ids=new).equals(near_pairs(rows, radius, new_ids=new))


def degenerate(n: int, kind: str) -> list[int]:
    """``n`` hashes as no picture has them, or as all do."""
    generator = np.random.default_rng(11)
    words = generator.integers(0, 2**64, n, dtype=np.uint64)
    if kind == "random":
        return [int(word) for word in words]
    if kind == "one bit each":
        return [(1 << (row % 64)) for row in range(n)]
    if kind == "few bits vary":
        return [int(word & np.uint64(0x8040_2010_0804_0201)) | 0xFF for word in words]
    if kind == "one half constant":
        return [int(word >> np.uint64(32)) for word in words]
    if kind == "clusters":
        flips = generator.integers(0, 64, (n, 5))
        return [int(words[row // 40]) ^ sum({1 << int(bit) for bit in flips[row]}) for row in range(n)]
    halves = generator.random((n, 64)).argsort(axis=1)[:, :32]
    balanced = [sum(1 << int(bit) for bit in bits) for bits in halves]
    return [balanced[row // 2] ^ (0 if row % 2 else swap(balanced[row // 2], row % 5)) for row in range(n)]


def swap(value: int, bits: int) -> int:
    """A mask of as many set as unset bits of ``value``: turning them over keeps the number of set ones."""
    ones = [bit for bit in range(64) if value >> bit & 1][:bits]
    zeros = [bit for bit in range(64) if not value >> bit & 1][:bits]
    return sum(1 << bit for bit in ones + zeros)


KINDS = ["random", "one bit each", "few bits vary", "one half constant", "clusters", "32 bits set"]


@pytest.mark.parametrize("radius", range(13))
@pytest.mark.parametrize("kind", KINDS)
def test_recall_is_exact_at_every_radius(kind: str, radius: int) -> None:
    values = degenerate(240, kind)
    expected = brute_force(values, radius)
    assert near_pairs(frame(values), radius).rows() == expected
    new = range(200, 240)
    of_new = [pair for pair in expected if pair[1] >= 200]
    assert near_pairs(frame(values), radius, new_ids=new).rows() == of_new


def test_many_hashes_use_every_kind_of_plan() -> None:
    """Enough of them for long keys, cut into many runs, beside numpy's brute force."""
    values = np.array(degenerate(1_500, "clusters") + degenerate(1_500, "random"), dtype=np.uint64)
    table = pl.DataFrame({"id": range(3_000), "phash": values.view(np.int64)})
    distance = np.bitwise_count(values[:, None] ^ values[None, :])
    for radius in (1, 3, 6, 8):
        left, right = np.nonzero(np.triu(distance <= radius, 1))
        found = near_pairs(table, radius)
        assert np.array_equal(found["left"], left)
        assert np.array_equal(found["right"], right)
        assert np.array_equal(found["distance"], distance[left, right])
        new = near_pairs(table, radius, new_ids=range(2_900, 3_000))
        assert new.equals(found.filter(pl.col("right") >= 2_900))


@pytest.mark.parametrize("new", [None, range(0, 900, 50)])
def test_the_answer_is_written_out_in_chunks(new: range | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that share 54 of 64 bits meet in nearly every join, and each is held by three pictures."""
    values = [(0xABCDEF << 40) | (value // 3) for value in range(900)]
    whole = near_pairs(frame(values), 2, new_ids=new)
    assert whole.rows() == [pair for pair in brute_force(values, 2) if new is None or pair[0] in new or pair[1] in new]
    monkeypatch.setattr(pairs, "PAIRS_PER_CHUNK", 1_000)
    chunks = list(pairs.near_pair_chunks(frame(values), 2, new))
    assert len(chunks) > 3
    assert all(chunk.height <= 1_000 + 9 for chunk in chunks)
    assert pl.concat(chunks).sort("left", "right").equals(whole)


def test_a_heavy_hash_is_written_out_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PAIRS_PER_CHUNK", 5_000)
    table = pl.DataFrame({"id": range(400), "phash": [7] * 400})
    chunks = list(pairs.near_pair_chunks(table, 0))
    assert sum(chunk.height for chunk in chunks) == 400 * 399 // 2
    assert all(chunk.height <= 5_000 + 400 for chunk in chunks)


def test_ids_may_be_text_and_the_order_of_rows_does_not_matter() -> None:
    table = pl.DataFrame({"id": ["b", "a", "d", "c"], "phash": [0, 0, 1, -1]})
    expected = [("a", "b", 0), ("a", "d", 1), ("b", "d", 1)]
    assert near_pairs(table, 2).rows() == expected
    assert near_pairs(table.reverse(), 2).rows() == expected


def test_equal_hashes_are_searched_once() -> None:
    """A thousand equal hashes are 499,500 pairs, but one hash to look for."""
    table = pl.DataFrame({"id": range(1000), "phash": [5] * 1000})
    assert near_pairs(table, 0).height == 1000 * 999 // 2


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

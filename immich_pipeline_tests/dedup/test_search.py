import numpy as np
import pytest

from immich_pipeline.dedup import search
from immich_pipeline.dedup.search import close_hashes
from immich_pipeline.dedup.spread import Words


@pytest.fixture(scope="module")
def hashes() -> Words:
    """Some at random, each with one that differs in up to four bits."""
    generator = np.random.default_rng(7)
    values = generator.integers(0, 2**64, 300, dtype=np.uint64)
    flips = np.bitwise_or.reduce(np.uint64(1) << generator.integers(0, 64, (300, 4), dtype=np.uint64), axis=1)
    return np.unique(np.concatenate([values, values ^ flips]))


def brute_force(hashes: Words, radius: int, new: Words | None = None) -> set[tuple[int, int]]:
    near = np.triu(np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= radius, 1)
    if new is not None:
        of_new = np.isin(hashes, new)
        near &= of_new[:, None] | of_new[None, :]
    left, right = np.nonzero(near)
    return {(int(hashes[a]), int(hashes[b])) for a, b in zip(left, right, strict=True)}


def as_set(pairs: search.Pairs) -> set[tuple[int, int]]:
    rows = list(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
    assert len(set(rows)) == len(rows), "a pair was reported twice"
    return set(rows)


@pytest.mark.parametrize("radius", [1, 3, 8])
@pytest.mark.parametrize("probing", [False, True])
def test_every_plan_gives_the_same_pairs(
    hashes: Words, radius: int, probing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = hashes[::7]
    for blocks in range(radius, radius + 5):
        monkeypatch.setattr(search, "_plan", lambda *_, blocks=blocks: (blocks, probing))
        assert as_set(close_hashes(hashes, radius, new)) == brute_force(hashes, radius, new)
        if not probing:
            assert as_set(close_hashes(hashes, radius)) == brute_force(hashes, radius)


def test_new_ones_are_looked_up_in_bounded_parts(hashes: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_plan", lambda *_: (4, True))
    monkeypatch.setattr(search, "PAIRS_AT_ONCE", 5)
    monkeypatch.setattr(search, "ROWS_AT_ONCE", 64)
    assert as_set(close_hashes(hashes, 3, hashes[:100])) == brute_force(hashes, 3, hashes[:100])
    parts = list(search._bounded(np.array([3, 2, 9, 1, 4, 1])))
    assert parts == [slice(0, 2), slice(2, 3), slice(3, 5), slice(5, 6)]


def test_small_parts_are_joined_and_large_ones_go_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAIRS_AT_ONCE", 12)  # a batch is full at a quarter of it
    parts = [(np.arange(start, end), np.arange(start, end) + 50) for start, end in ((0, 1), (1, 3), (3, 7), (7, 9))]
    batches = list(search._batches(iter(parts)))
    assert [len(left) for left, _ in batches] == [3, 4, 2]
    assert np.concatenate([left for left, _ in batches]).tolist() == list(range(9))
    assert all(((right - left) == 50).all() for left, right in batches)
    assert [len(left) for left, _ in search._batches(iter(parts[:3]))] == [3, 4]
    assert list(search._batches(iter([]))) == []


def test_all_are_compared_with_all_in_bounded_parts(hashes: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAIRS_AT_ONCE", 8)
    assert as_set(close_hashes(hashes, 3)) == brute_force(hashes, 3)


def test_a_few_new_ones_are_looked_up_and_many_are_not() -> None:
    assert search._plan(1_000_000, 8, 64.0, 1_000)[1]
    assert not search._plan(1_000_000, 8, 64.0, 900_000)[1]
    assert not search._plan(1_000_000, 8, 64.0, None)[1]


def test_hashes_of_one_parity_are_an_even_number_of_bits_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    even, odd = np.array([0b11, 0b1111, 0], dtype=np.uint64), np.array([0b1, 0b111], dtype=np.uint64)
    assert [search._reachable(even, radius) for radius in (0, 1, 2, 3)] == [0, 0, 2, 2]
    assert search._reachable(odd, 3) == 2
    monkeypatch.setattr(search, "ROWS_AT_ONCE", 2)
    assert search._reachable(np.concatenate([even, odd]), 3) == 3
    assert search._reachable(even[:0], 3) == 3
    assert as_set(close_hashes(even, 1)) == set()
    assert as_set(close_hashes(even, 3)) == {(0, 0b11), (0b11, 0b1111)}


def test_nothing_and_one_and_nothing_new_have_no_pairs(hashes: Words) -> None:
    for some, new in ((hashes[:0], None), (hashes[:1], None), (hashes, hashes[:0])):
        assert as_set(close_hashes(some, 8, new)) == set()


def test_long_runs_of_one_key_are_no_problem() -> None:
    """Hashes that agree on 52 bits: every join meets all of them, or hundreds."""
    values = np.arange(4096, dtype=np.uint64) << np.uint64(20)
    assert len(close_hashes(values, 1)[0]) == 4096 * 12 // 2

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup.components import PICTURE_SCHEMA, component_labels, pictures_of
from immich_pipeline.dedup.looks import PAIR_SCHEMA

Edges = list[tuple[int, int]]


def labels_of(count: int, edges: Edges) -> list[int]:
    sides = np.array(edges, dtype=np.uint32).reshape(-1, 2)
    return [int(label) for label in component_labels(count, sides[:, 0], sides[:, 1])]


def flooded(count: int, edges: Edges) -> list[int]:
    """The same, one step at a time."""
    labels = list(range(count))
    for _ in range(count):
        for left, right in edges:
            labels[left] = labels[right] = min(labels[left], labels[right])
    return labels


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_labels_are_those_of_a_flood(edges: Edges) -> None:
    assert labels_of(20, edges) == flooded(20, edges)


def test_a_long_chain_in_any_order() -> None:
    edges = [(number, number + 1) for number in range(20_000)]
    assert set(labels_of(20_001, edges)) == {0}
    shuffled = np.random.default_rng(1).permutation(np.array(edges, dtype=np.uint32))
    assert not component_labels(20_001, shuffled[:, 0], shuffled[:, 1]).any()


def test_pictures_come_component_by_component() -> None:
    rows = [
        ("1", "4", b"a", b"d", False),
        ("2", "5", b"b", b"e", False),
        ("6", "4", b"c", b"d", True),
    ]
    pairs = pl.DataFrame(rows, schema=PAIR_SCHEMA, orient="row")
    pictures = pictures_of(pairs)
    assert dict(pictures.schema) == PICTURE_SCHEMA
    assert pictures.rows() == [
        (b"a", "1", False, 0), (b"c", "6", True, 0), (b"d", "4", True, 0), (b"b", "2", False, 1), (b"e", "5", False, 1),
    ]  # fmt: skip
    assert pictures_of(pairs.reverse()).equals(pictures)
    assert pictures_of(pairs.clear()).is_empty()

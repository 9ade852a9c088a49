from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup.stars import EDGE_SCHEMA, stars

Pairs = dict[tuple[int, int], int]
no_conflicts = pl.DataFrame.clear

possible = [(a, b) for a in range(12) for b in range(a)]
graphs = st.dictionaries(st.sampled_from(possible), st.integers(0, 3), max_size=25)
"""Units by rank, 0 the best, and the distance of those that resemble each other."""


def edges_of(pairs: Pairs) -> pl.DataFrame:
    both = {**pairs, **{(b, a): distance for (a, b), distance in pairs.items()}}
    return pl.DataFrame([(a, b, 1, d, d, 0) for (a, b), d in both.items()], schema=EDGE_SCHEMA, orient="row")


def one_by_one(pairs: Pairs) -> dict[int, int]:
    """The same by the book: through all units from the best to the worst; then each to its nearest leader."""
    distance = {**pairs, **{(b, a): d for (a, b), d in pairs.items()}}
    units = sorted({unit for pair in pairs for unit in pair})
    leaders: list[int] = []
    for unit in units:
        if not any((unit, leader) in distance for leader in leaders):
            leaders.append(unit)
    near = {unit: [leader for leader in leaders if (unit, leader) in distance] for unit in set(units) - set(leaders)}
    return {unit: min(found, key=lambda leader: (distance[unit, leader], leader)) for unit, found in near.items()}


@settings(deadline=None, max_examples=60)
@given(graphs, st.randoms(use_true_random=False))
def test_rounds_give_what_going_one_by_one_gives_in_any_order(pairs: Pairs, random: Any) -> None:
    edges = edges_of(pairs)
    found = dict(stars(edges, no_conflicts).select("unit", "other").rows())
    assert found == one_by_one(pairs)
    order = list(range(edges.height))
    random.shuffle(order)
    assert dict(stars(edges[order], no_conflicts).select("unit", "other").rows()) == found


def test_likeness_is_not_passed_on() -> None:
    """0 - 1 - 2 - 3 in a row: 2 is not put to 0 although both are like 1."""
    found = stars(edges_of({(0, 1): 1, (1, 2): 1, (2, 3): 1}), no_conflicts)
    assert sorted(found.select("unit", "other").rows()) == [(1, 0), (3, 2)]


def test_what_is_taken_out_is_clustered_among_itself() -> None:
    def not_with_the_first(joined: pl.DataFrame) -> pl.DataFrame:
        return joined.filter(pl.col("other") == 0, pl.col("unit") > 1).select("unit")

    found = stars(edges_of({(0, 1): 0, (0, 2): 1, (0, 3): 1, (2, 3): 2}), not_with_the_first)
    assert sorted(found.select("unit", "other").rows()) == [(1, 0), (3, 2)]

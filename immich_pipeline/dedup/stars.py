"""Star clusters: groups in which every member is near the representative itself.

Passing likeness on (A is like B, B is like C) ends in groups whose ends have nothing in common. Here the units that are
better than all they resemble become representatives, and each other unit joins the nearest representative it resembles.
"""

from collections.abc import Callable

import polars as pl

EDGE_SCHEMA: dict[str, pl.DataType] = {
    "unit": pl.UInt32(),
    "other": pl.UInt32(),
    "strength": pl.Int8(),
    "distance256": pl.Int16(),
    "distance": pl.Int16(),
    "pair": pl.UInt32(),
}
"""One row per unit and unit it resembles, each pair in both directions. Units are numbered from the best (0) to the
worst; strength 0 is the strongest class; pair is the caller's number of the pair. A distance that is not known is null."""

NEAREST = ("strength", "distance256", "distance")
"""The order in which a unit and those it resembles stand to each other, nearest first, what is not known last; ties go to the
better unit."""


def stars(edges: pl.DataFrame, conflicts: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """Cluster the units of ``edges``.

    Args:
        edges: ``EDGE_SCHEMA``.
        conflicts: Given stars (rows of ``edges`` whose ``other`` is the representative), the members (``unit``) that
            cannot be in their star. They are taken out and clustered again among what is left.

    Returns:
        ``EDGE_SCHEMA`` rows, one per member that is not a representative: ``unit`` is the member, ``other`` its
        representative. The result does not depend on the order of the rows.
    """
    found = [edges.clear()]
    while edges.height:
        joined = _join_nearest(edges, _leaders(edges))
        out = conflicts(joined)
        kept, cut = joined.join(out, on="unit", how="anti"), joined.join(out, on="unit", how="semi")
        found.append(kept)
        settled = pl.concat([kept["unit"], kept["other"]]).unique().to_frame("unit")
        edges = _without(edges, settled)
        # What was taken out never comes back to the same star, so each round leaves fewer edges.
        edges = edges.join(cut, on=["unit", "other"], how="anti")
        edges = edges.join(cut, left_on=["unit", "other"], right_on=["other", "unit"], how="anti")
    return pl.concat(found)


def _leaders(edges: pl.DataFrame) -> pl.DataFrame:
    """Column ``unit``: those that going through all units from the best to the worst would make representatives.

    Done in rounds instead: in each, all units better than every neighbour left become leaders and leave with their
    neighbours. Both ways give the same set (Blelloch, Fineman, Shun, "Greedy sequential maximal independent set and
    matching are parallel on average", SPAA 2012); on chance ranks it takes about log n rounds.
    """
    alive = edges.select("unit").unique(maintain_order=True)
    leaders = [alive.clear()]
    while alive.height:
        best = edges.group_by("unit").agg(pl.col("other").min())
        standing = alive.join(best, on="unit", how="left")
        chosen = standing.filter(pl.col("other").is_null() | (pl.col("unit") < pl.col("other"))).select("unit")
        leaders.append(chosen)
        covered = edges.join(chosen, left_on="other", right_on="unit", how="semi").select("unit")
        gone = pl.concat([chosen, covered]).unique()
        alive = alive.join(gone, on="unit", how="anti")
        edges = _without(edges, gone)
    return pl.concat(leaders)


def _without(edges: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    return edges.join(units, on="unit", how="anti").join(units, left_on="other", right_on="unit", how="anti")


def _join_nearest(edges: pl.DataFrame, leaders: pl.DataFrame) -> pl.DataFrame:
    """Each unit that leads nothing with the nearest leader it resembles."""
    followers = edges.join(leaders, on="unit", how="anti").join(leaders, left_on="other", right_on="unit", how="semi")
    nearest = followers.sort("unit", *NEAREST, "other", nulls_last=True)
    return nearest.unique("unit", keep="first", maintain_order=True)

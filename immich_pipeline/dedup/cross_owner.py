"""Copies that two owners have of one file: told, never acted on."""

import polars as pl

CROSS_OWNER_SCHEMA: dict[str, pl.DataType] = {
    "left_id": pl.String(),
    "right_id": pl.String(),
    "left_owner": pl.String(),
    "right_owner": pl.String(),
}
"""Two files of equal bytes; ``left_owner < right_owner``."""


def cross_owner_copies(facts: pl.DataFrame) -> pl.DataFrame:
    """Which files two owners have both: one pair per content and two owners, however many copies each has.

    Empty files are left out.

    Args:
        facts: ``asset_id``, ``owner`` (String), ``content`` (Binary, null where unread), ``size`` (Int64).

    Returns:
        ``CROSS_OWNER_SCHEMA``: of each owner the file with the smallest id stands for their copies. Sorted by owners and ids.
    """
    read = facts.filter(pl.col("content").is_not_null(), pl.col("size") > 0)
    first = read.group_by("content", "owner").agg(pl.col("asset_id").min())
    shared = first.filter(pl.len().over("content") > 1)
    pairs = shared.join(shared, on="content", suffix="_right").filter(pl.col("owner") < pl.col("owner_right"))
    named = pairs.select(left_id="asset_id", right_id="asset_id_right", left_owner="owner", right_owner="owner_right")
    return named.sort("left_owner", "right_owner", "left_id", "right_id").select(CROSS_OWNER_SCHEMA.keys())

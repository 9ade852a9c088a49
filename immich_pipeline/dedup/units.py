"""Files with equal bytes are one unit: what is found out about one of them holds for all."""

import polars as pl


def unit_column(candidates: pl.DataFrame, ids: pl.DataFrame, column: str = "asset_id") -> pl.DataFrame:
    """Add ``unit`` (String) to ``ids``: the smallest id among the files with the same bytes.

    Args:
        candidates: Candidate or verified pairs; the exact ones are stars round the smallest id.
        ids: Any frame with the column named next.
        column: The asset id to look up.
    """
    copies = candidates.filter(pl.col("kind") == "exact").select(pl.col("right_id").alias(column), unit="left_id")
    return ids.join(copies, on=column, how="left", maintain_order="left").with_columns(pl.coalesce("unit", column))


def unit_captures(candidates: pl.DataFrame, captures: pl.DataFrame) -> pl.DataFrame:
    """The capture groups of each unit: columns ``unit`` and ``capture`` (String).

    Args:
        candidates: As in :func:`unit_column`.
        captures: What :func:`immich_pipeline.grouping.group_captures` returns.
    """
    members = unit_column(candidates, captures.select("asset_id", capture="group_id"))
    return members.select("unit", "capture").unique(maintain_order=True)

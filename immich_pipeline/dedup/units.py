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


def picture_key() -> pl.Expr:
    """What a look at an asset's picture stays true of (Binary): its content and its fine hash; null without such a hash.

    The hash is part of it because the picture of one content may change: an edit on the server, another preview. A file
    that was never read has no content; its id, size and modification time stand for it. For frames of ``FACTS_SCHEMA``.
    """
    version = pl.format("{} {} {}", "asset_id", "size", pl.col("mtime_ns").fill_null(0)).cast(pl.Binary)
    return pl.coalesce("content", version) + pl.col("phash256")


def in_order(left: str, right: str) -> list[pl.Expr]:
    """Two columns as a pair of contents: ``left_content`` is the smaller one. Null where either is."""
    swapped = pl.col(left) > pl.col(right)
    known = swapped.is_not_null()
    return [
        pl.when(known).then(pl.when(swapped).then(right).otherwise(left)).alias("left_content"),
        pl.when(known).then(pl.when(swapped).then(left).otherwise(right)).alias("right_content"),
    ]

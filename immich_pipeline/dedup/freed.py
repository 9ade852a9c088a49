"""How much space giving up the losers frees."""

import polars as pl


def freed_bytes(files: pl.DataFrame) -> pl.DataFrame:
    """What each set's losers free on disk.

    One file under several names (hard links) is stored once, and frees its space only when no name of it is left.

    Args:
        files: Files with ``set``, ``is_given_up`` (Boolean), ``becomes``, ``size``, ``source_id``, ``inode``,
            ``content`` and ``asset_id``; an asset once per set.

    Returns:
        ``set`` and ``reclaimable_bytes`` (Int64), 0 where the losers only go elsewhere.
    """
    linked = pl.concat_str(
        pl.lit("inode "), pl.col("source_id"), pl.lit(" "), pl.col("inode").cast(pl.String), pl.lit(" "),
        pl.col("content").bin.encode("hex"),
    )  # fmt: skip
    own = pl.concat_str(pl.lit("asset "), "asset_id")
    storage = pl.coalesce(pl.when(pl.col("inode") > 0).then(linked), own)
    stored = files.with_columns(storage=storage).group_by("set", "storage").agg(
        pl.col("size").max(), gone=pl.col("is_given_up").all() & (pl.col("becomes") == "trash").all()
    )  # fmt: skip
    freed = pl.when("gone").then("size").otherwise(0)
    return stored.group_by("set").agg(reclaimable_bytes=freed.sum().cast(pl.Int64))

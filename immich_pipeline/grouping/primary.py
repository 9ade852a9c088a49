"""Which member stands for its group."""

import polars as pl


def with_primary(members: pl.DataFrame, prepared: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_primary``: the first of each group in a total order, so that no tie is ever broken by chance.

    The order: not a video, named as the cover, rendered before RAW, largest, oldest, by name, by asset id. Largest
    goes by pixels where they are known for all pictures of the group, else by bytes.

    Args:
        members: ``group_id`` and ``asset_id`` (String).
        prepared: All assets with ``kind``, ``cover``, ``width``, ``height``, ``size``, ``local_us``, ``instant_us``,
            ``name``.

    Returns:
        ``members`` with ``is_primary`` (Boolean).
    """
    pixels = pl.col("width").cast(pl.Int64) * pl.col("height")
    facts = prepared.select(
        "asset_id",
        "cover",
        "size",
        "name",
        is_video=pl.col("kind") == "video",
        is_raw=pl.col("kind") == "raw",
        pixels=pixels,
        taken=pl.coalesce("local_us", "instant_us"),
    )
    all_known = (pl.col("pixels").is_not_null() | pl.col("is_video")).all().over("group_id")
    largest = pl.when(all_known).then("pixels").otherwise("size")
    order = members.join(facts, on="asset_id", how="left").with_columns(largest=largest)
    order = order.sort(
        "group_id",
        "is_video",
        pl.col("cover").not_(),
        "is_raw",
        pl.col("largest").neg(),
        "taken",
        "name",
        "asset_id",
        nulls_last=True,
    )
    return order.select(*members.columns, is_primary=pl.int_range(pl.len()).over("group_id") == 0)

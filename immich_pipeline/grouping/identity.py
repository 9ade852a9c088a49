"""Ids that follow from content: the same members always make the same group, on every machine and in every order."""

from hashlib import sha256

import polars as pl

ID_LENGTH = 32


def with_group_id(members: pl.DataFrame, group: str, kind: str) -> pl.DataFrame:
    """Add ``group_id``: the first 32 hex digits of SHA-256 over the group's kind and its sorted asset ids.

    Args:
        members: One row per member with ``asset_id`` (String), and the two columns named next.
        group: Column that tells groups apart; its values do not enter the id.
        kind: String column, one value per group.

    Returns:
        ``members`` in the same order with ``group_id`` (String) added.
    """
    digests = digested(members.lazy().sort("asset_id"), group, kind)
    return members.join(digests, on=group, how="left", maintain_order="left")


def digested(members: pl.LazyFrame, group: str, kind: str) -> pl.DataFrame:
    """The ids alone: ``group`` and ``group_id``, sorted by group_id.

    Args:
        members: As for :func:`with_group_id`, sorted by asset id.
        group: Column that tells groups apart.
        kind: String column, one value per group.
    """
    listed = members.group_by(group).agg(pl.col(kind).first().alias("kind"), pl.col("asset_id").alias("ids"))
    text = pl.concat_str(["kind", pl.col("ids").list.join("\n")], separator="\n").cast(pl.Binary)
    groups = listed.select(group, text.alias("text")).collect()
    # Polars has no cryptographic hash: one call per group, not per asset, on a few of them at a time, since each is an object.
    digests = [
        pl.Series([sha256(text).digest() for text in some["text"].to_list()], dtype=pl.Binary)
        for some in groups.iter_slices(_AT_ONCE)
    ]
    ids = pl.concat(digests).bin.encode("hex").str.head(ID_LENGTH) if digests else pl.Series(dtype=pl.String)
    return groups.select(group, group_id=ids).sort("group_id")


_AT_ONCE = 20_000

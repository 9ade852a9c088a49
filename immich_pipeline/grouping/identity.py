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
    text = pl.concat_str([pl.col(kind).first(), pl.col("asset_id").str.join("\n")], separator="\n").first()
    groups = members.group_by(group).agg(text.alias("text")).collect()
    # Polars has no cryptographic hash; one call per group, not per asset.
    digests = [sha256(text.encode()).hexdigest()[:ID_LENGTH] for text in groups["text"].to_list()]
    return groups.select(group, pl.Series("group_id", digests, dtype=pl.String)).sort("group_id")

"""Second opinions: which pictures an Immich server takes for duplicates, and how alike its model finds them."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA

RECORDS_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "owner": pl.String(),
    "duplicate_id": pl.String(),
}
"""What servers say of their assets; ``duplicate_id`` is null for one that is in no duplicate group there."""

OPINION_SCHEMA: dict[str, pl.DataType] = {
    "group_id": pl.String(),
    "asset_id": pl.String(),
    "immich_agrees": pl.Boolean(),
    "clip_distance": pl.Float32(),
}
"""One row per member of a duplicate group, sorted by group_id and asset_id. ``immich_agrees``: whether the server has it in one group with
the representative. ``clip_distance``: cosine distance to the representative, 0 (shows the same) to 2. Null: not known; always null for the
representative, which is compared with nothing."""

ALL_PAIRS_UP_TO = 8
"""Immich's groups up to this size are compared pair by pair (28 pairs), larger ones round one of them: k - 1 pairs."""

SLICE = 10_000
"""Members whose embeddings are compared in one go: 40 MB with 512 numbers each."""


def immich_candidates(records: pl.DataFrame, facts: pl.DataFrame, known: pl.DataFrame | None = None) -> pl.DataFrame:
    """Pairs out of Immich's own duplicate groups, which are chains: only verified pairs make duplicates here.

    Owners are never mixed. Of files with equal bytes only the one with the smallest id takes part, as in
    ``near_candidates``. The number of pairs is bounded, see ``ALL_PAIRS_UP_TO``.

    Args:
        records: ``RECORDS_SCHEMA``.
        facts: ``FACTS_SCHEMA``. Assets that are not in it are left out, and its owners hold.
        known: Pairs (``left_id``, ``right_id``) that are candidates already, to be left out; none by default.

    Returns:
        ``CANDIDATE_SCHEMA`` with kind "immich", sorted by owner, left_id, right_id; ``distance`` is null where one has no usable hash.
    """
    own = pl.coalesce("content", pl.col("asset_id").cast(pl.Binary))
    grouped = (
        records.filter(pl.col("duplicate_id").is_not_null())
        .select("asset_id", "duplicate_id")
        .join(facts.select("asset_id", "owner", "content", "phash", "usable"), on="asset_id")
        .filter(pl.col("asset_id") == pl.col("asset_id").min().over("owner", "duplicate_id", own))
        .select("asset_id", "owner", "duplicate_id", hash=pl.when("usable").then("phash"))
        .with_columns(
            size=pl.len().over("owner", "duplicate_id"), first=pl.col("asset_id").min().over("owner", "duplicate_id")
        )
    )
    small, large = grouped.filter(pl.col("size") <= ALL_PAIRS_UP_TO), grouped.filter(pl.col("size") > ALL_PAIRS_UP_TO)
    keys = ["owner", "duplicate_id"]
    met = pl.concat(
        [
            small.join(small, on=keys, suffix="_right"),
            large.filter(pl.col("asset_id") == pl.col("first")).join(large, on=keys, suffix="_right"),
        ]
    ).filter(pl.col("asset_id") < pl.col("asset_id_right"))
    apart = (pl.col("hash") ^ pl.col("hash_right")).bitwise_count_ones()
    pairs = met.rename({"asset_id": "left_id", "asset_id_right": "right_id"}).with_columns(
        kind=pl.lit("immich"), distance=apart
    )
    if known is not None:
        pairs = pairs.join(known, on=["left_id", "right_id"], how="anti")
    typed = pairs.select([pl.col(column).cast(dtype) for column, dtype in CANDIDATE_SCHEMA.items()])
    return typed.sort("owner", "left_id", "right_id")


def opinions(members: pl.DataFrame, records: pl.DataFrame, embeddings: pl.DataFrame | None) -> pl.DataFrame:
    """What a server says of the members of duplicate groups.

    Args:
        members: ``MEMBER_SCHEMA``.
        records: ``RECORDS_SCHEMA``. An owner of whom no asset has a duplicate id was not searched for duplicates: nothing is
            known then.
        embeddings: ``asset_id`` and ``embedding`` (List of Float32) of those that have one; None: of none. Those of
            different length, by two models, cannot be compared.

    Returns:
        ``OPINION_SCHEMA``.
    """
    compared = _with_representative(members)
    told = _immich_agrees(compared, records).join(_clip_distances(compared, embeddings), on="place", how="left")
    typed = told.select([pl.col(column).cast(dtype) for column, dtype in OPINION_SCHEMA.items()])
    return typed.sort("group_id", "asset_id")


def _with_representative(members: pl.DataFrame) -> pl.DataFrame:
    """``place``, ``group_id``, ``asset_id`` and ``other``: the representative, null for itself."""
    centres = members.filter("is_representative").select("group_id", centre="asset_id")
    other = pl.when(pl.col("asset_id") != pl.col("centre")).then("centre")
    return (
        members.join(centres, on="group_id", how="left")
        .select("group_id", "asset_id", other=other)
        .with_row_index("place")
    )


def _immich_agrees(compared: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    searched = pl.col("duplicate_id").is_not_null().any().over("owner")
    known = records.filter(searched).select("asset_id", "owner", "duplicate_id")
    sides = compared.join(known, on="asset_id", how="left").join(
        known, left_on="other", right_on="asset_id", how="left", suffix="_other"
    )
    both = pl.col("owner").is_not_null() & pl.col("owner_other").is_not_null()
    same = (pl.col("duplicate_id") == pl.col("duplicate_id_other")).fill_null(value=False)
    return sides.with_columns(immich_agrees=pl.when(both).then(same))


def _clip_distances(compared: pl.DataFrame, embeddings: pl.DataFrame | None) -> pl.DataFrame:
    """``place`` and ``clip_distance`` of the members that can be compared."""
    found = [pl.DataFrame(schema={"place": pl.UInt32, "clip_distance": pl.Float32})]
    if embeddings is not None:
        numbered = embeddings.with_row_index("row").with_columns(length=pl.col("embedding").list.len())
        rows = numbered.select("asset_id", "row", "length")
        pairs = compared.join(rows, on="asset_id").join(
            rows, left_on=["other", "length"], right_on=["asset_id", "length"], suffix="_other"
        )
        found += [_cosine_distances(part, embeddings["embedding"]) for part in _alike(pairs)]
    return pl.concat(found)


def _alike(pairs: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slices of pairs whose embeddings are of one length."""
    for of_length in pairs.partition_by("length"):
        yield from of_length.iter_slices(SLICE)


def _cosine_distances(pairs: pl.DataFrame, embeddings: pl.Series) -> pl.DataFrame:
    one, other = _vectors(embeddings, pairs["row"]), _vectors(embeddings, pairs["row_other"])
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = 1 - np.einsum("ij,ij->i", one, other) / lengths
    clipped = np.clip(distance, 0, 2).astype(np.float32)
    return pairs.select("place", clip_distance=pl.Series(clipped, nan_to_null=True))


def _vectors(embeddings: pl.Series, rows: pl.Series) -> NDArray[np.float32]:
    chosen = embeddings.gather(rows)
    return chosen.explode().to_numpy().reshape(len(chosen), -1)

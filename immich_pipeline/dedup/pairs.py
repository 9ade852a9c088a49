"""All pairs of 64-bit hashes within a Hamming distance, found exactly."""

from collections.abc import Collection, Iterator

import numpy as np
import polars as pl

from immich_pipeline.dedup.blocks import HASH_BITS
from immich_pipeline.dedup.search import close_hashes
from immich_pipeline.dedup.spread import Words

PAIRS_PER_CHUNK = 2_000_000
"""Pairs of ids written out in one go: about 100 MB of working memory, whatever the data."""


def near_pairs(
    hashes: pl.DataFrame, radius: int, new_ids: Collection[object] | pl.Series | None = None
) -> pl.DataFrame:
    """Every pair of ids whose hashes differ in at most ``radius`` bits.

    Equal hashes are collapsed first, so a hash that ten thousand files share takes part in the search once. Working
    memory is bounded (only the answer itself has no bound; see :func:`near_pair_chunks` for one too large to hold).

    Args:
        hashes: Columns ``id`` (any type with an order, unique) and ``phash`` (Int64, no nulls).
        radius: 0 to 64, inclusive.
        new_ids: When given, only pairs with at least one of these ids, at the cost of searching for these alone.

    Returns:
        Columns ``left``, ``right`` (type of ``id``, left < right) and ``distance`` (Int16), sorted by left, right.

    Raises:
        ValueError: The radius is out of range, an id occurs twice, or a hash is null.
    """
    chunks = list(near_pair_chunks(hashes, radius, new_ids))
    schema = {"left": hashes.schema["id"], "right": hashes.schema["id"], "distance": pl.Int16()}
    return pl.concat([pl.DataFrame(schema=schema), *chunks]).sort("left", "right")


def near_pair_chunks(
    hashes: pl.DataFrame, radius: int, new_ids: Collection[object] | pl.Series | None = None
) -> Iterator[pl.DataFrame]:
    """The pairs of :func:`near_pairs` in no particular order, in frames of about PAIRS_PER_CHUNK pairs at most.

    Args:
        hashes: As there.
        radius: As there.
        new_ids: As there.

    Raises:
        ValueError: As there, before the first frame.
    """
    _check(hashes, radius)
    hashes = hashes.select("id", "phash")
    new = None if new_ids is None else _series(new_ids, hashes.schema["id"]).unique()
    distinct, shared = _distinct(hashes["phash"])
    wanted = None
    if new is not None:
        wanted, _ = _distinct(hashes.join(new.to_frame("id"), on="id", how="semi")["phash"])
        shared = np.intersect1d(shared, wanted, assume_unique=True)
    left, right = close_hashes(distinct, radius, wanted)
    close = pl.DataFrame(
        {
            "h": np.concatenate([left, shared]).view(np.int64),
            "h_right": np.concatenate([right, shared]).view(np.int64),
            "distance": np.concatenate([np.bitwise_count(left ^ right), np.zeros(len(shared), np.uint8)]),
        }
    ).with_columns(pl.col("distance").cast(pl.Int16))
    # Few hashes are close to another one, so only their ids are put side by side.
    involved = pl.concat([close["h"], close["h_right"]]).unique()
    members = hashes.join(involved.to_frame("phash"), on="phash", how="semi").rename({"phash": "h"})
    flag = pl.lit(value=True) if new is None else pl.col("id").is_in(new.implode())
    yield from _expand(close, members.with_columns(new=flag))


def _check(hashes: pl.DataFrame, radius: int) -> None:
    if not 0 <= radius <= HASH_BITS:
        raise ValueError(f"radius must be from 0 to {HASH_BITS}, not {radius}")
    if hashes["phash"].null_count():
        raise ValueError("a hash is null: leave pictures without a usable hash out")
    if hashes["id"].n_unique() != hashes.height:
        raise ValueError("an id occurs twice: every picture has one hash")


def _series(ids: Collection[object] | pl.Series, dtype: pl.DataType) -> pl.Series:
    return ids if isinstance(ids, pl.Series) else pl.Series(list(ids), dtype=dtype)


def _distinct(hashes: pl.Series) -> tuple[Words, Words]:
    """The values that occur, ascending as signed numbers, and those that occur more than once."""
    values = hashes.cast(pl.Int64).sort().to_numpy().view(np.uint64)
    repeats = np.zeros(len(values), dtype=np.bool_)
    repeats[1:] = values[1:] == values[:-1]
    return values[~repeats], np.unique(values[repeats])


def _expand(close: pl.DataFrame, members: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """From pairs of hashes back to pairs of ids (a hash beside itself: the pairs that share it)."""
    counts = members.group_by("h").len("ids")
    weighed = close.join(counts, on="h").join(counts, left_on="h_right", right_on="h", suffix="_right")
    others = members.rename({"h": "h_right"})
    for hashes in _parts(weighed, pl.col("ids").cast(pl.Int64) * pl.col("ids_right")):
        for part in _parts(hashes.join(members, on="h"), pl.col("ids_right").cast(pl.Int64)):
            yield _side_by_side(part, others)


def _parts(rows: pl.DataFrame, weight: pl.Expr) -> Iterator[pl.DataFrame]:
    """Slices of rows that weigh PAIRS_PER_CHUNK at most, or but for their last row."""
    part = rows.select((weight.cum_sum() - 1) // PAIRS_PER_CHUNK).to_series()
    start = 0
    for length in part.rle().struct.field("len"):
        yield rows.slice(start, length)
        start += length


def _side_by_side(part: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    smaller = pl.col("id") < pl.col("id_other")
    return (
        part.lazy()
        .join(others.lazy(), on="h_right", suffix="_other")
        .filter(pl.col("new") | pl.col("new_other"))
        .filter((pl.col("h") != pl.col("h_right")) | smaller)
        .select(
            left=pl.when(smaller).then("id").otherwise("id_other"),
            right=pl.when(smaller).then("id_other").otherwise("id"),
            distance="distance",
        )
        .collect()
    )

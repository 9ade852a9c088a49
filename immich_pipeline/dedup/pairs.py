"""All pairs of 64-bit hashes within a Hamming distance, found exactly."""

from collections.abc import Collection, Iterator

import polars as pl

from immich_pipeline.dedup.blocks import HASH_BITS, BlockJoin, block_joins, choose_blocks

PAIRS_PER_CHUNK = 8_000_000
"""Pairs looked at in one go: about 250 MB of working memory, whatever the data."""


def near_pairs(
    hashes: pl.DataFrame, radius: int, new_ids: Collection[object] | pl.Series | None = None
) -> pl.DataFrame:
    """Every pair of ids whose hashes differ in at most ``radius`` bits.

    Equal hashes are collapsed first, so a hash that ten thousand files share takes part in the search once. Working
    memory is bounded: a join whose buckets are too heavy is done in slices (only the answer itself has no bound).

    Args:
        hashes: Columns ``id`` (any type with an order, unique) and ``phash`` (Int64, no nulls).
        radius: 0 to 64, inclusive.
        new_ids: When given, only pairs with at least one of these ids, at the cost of searching for these alone.

    Returns:
        Columns ``left``, ``right`` (type of ``id``, left < right) and ``distance`` (Int16), sorted by left, right.

    Raises:
        ValueError: The radius is out of range, an id occurs twice, or a hash is null.
    """
    _check(hashes, radius)
    hashes = hashes.select("id", "phash")
    is_new = (
        pl.lit(value=True) if new_ids is None else pl.col("id").is_in(_series(new_ids, hashes.schema["id"]).implode())
    )
    known = hashes.with_columns(new=is_new)
    distinct = known.group_by(h="phash").agg(pl.col("new").any()).sort("h").with_row_index("i")
    close = _close_distinct(distinct, radius, all_new=new_ids is None)
    members = known.join(distinct.select("i", phash="h"), on="phash").select("i", "id", "new")
    return _expand(close, members).sort("left", "right")


def _check(hashes: pl.DataFrame, radius: int) -> None:
    if not 0 <= radius <= HASH_BITS:
        raise ValueError(f"radius must be from 0 to {HASH_BITS}, not {radius}")
    if hashes["phash"].null_count():
        raise ValueError("a hash is null: leave pictures without a usable hash out")
    if hashes["id"].is_duplicated().any():
        raise ValueError("an id occurs twice: every picture has one hash")


def _series(ids: Collection[object] | pl.Series, dtype: pl.DataType) -> pl.Series:
    return ids if isinstance(ids, pl.Series) else pl.Series(list(ids), dtype=dtype)


def _close_distinct(distinct: pl.DataFrame, radius: int, *, all_new: bool) -> pl.DataFrame:
    """Pairs of rows i < j of ``distinct`` (i UInt32, h Int64, new Boolean) within the radius, each once."""
    left = distinct if all_new else distinct.filter("new")
    found = [pl.DataFrame(schema={"i": pl.UInt32, "i_right": pl.UInt32, "distance": pl.Int16})]
    if radius and left.height and distinct.height > 1:
        # The geometric mean makes the model right for n against n and for few against many.
        blocks = choose_blocks(round((left.height * distinct.height) ** 0.5), radius)
        for join in block_joins(radius, blocks):
            found.extend(_meet(left, distinct, join, radius, all_new=all_new))
    return pl.concat(found)


def _meet(
    left: pl.DataFrame, right: pl.DataFrame, join: BlockJoin, radius: int, *, all_new: bool
) -> Iterator[pl.DataFrame]:
    """Pairs that agree on the join's key, are within the radius, and that no earlier join reports."""
    key = (pl.col("h") & join.mask).alias("key")
    if all_new:
        left_keyed = right_keyed = right.select("i", "h", key).sort("key")
        once = pl.col("i") < pl.col("i_right")
    else:
        left_keyed = left.select("i", "h", key).sort("key")
        right_keyed = right.select("i", "h", "new", key).join(left_keyed, on="key", how="semi").sort("key")
        # Two new rows meet twice, an old and a new one once: report each pair once.
        once = (pl.col("i") < pl.col("i_right")) | ~pl.col("new")
    difference = pl.col("h") ^ pl.col("h_right")
    first = pl.all_horizontal(pl.lit(value=True), *((difference & mask) != 0 for mask in join.earlier))
    low, high = pl.min_horizontal("i", "i_right"), pl.max_horizontal("i", "i_right")
    for part_left, part_right in _slices(left_keyed, right_keyed):
        yield (
            # Polars joins sorted keys by merging, several times faster than by hashing.
            part_left.lazy()
            .join(part_right.lazy(), on="key")
            .filter(once & (difference.bitwise_count_ones() <= radius))
            .filter(first)
            .select(
                low.alias("i"), high.alias("i_right"), difference.bitwise_count_ones().cast(pl.Int16).alias("distance")
            )
            .collect()
        )


def _slices(left: pl.DataFrame, right: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Cut a join of two frames sorted by ``key`` so that no part makes many more than PAIRS_PER_CHUNK rows."""
    left_runs, right_runs = _runs(left), _runs(right)
    meeting = left_runs.join(right_runs, on="key", maintain_order="left")
    total = meeting.select((pl.col("len") * pl.col("len_right")).sum()).item()
    if total <= PAIRS_PER_CHUNK:
        yield left, right
        return
    rows = left.join(meeting.select("key", "len_right"), on="key", maintain_order="left")
    part = (pl.col("len_right").cum_sum() - 1) // PAIRS_PER_CHUNK
    for piece in rows.with_columns(part=part).partition_by("part", maintain_order=True, include_key=False):
        low, high = piece["key"][0], piece["key"][-1]
        start, end = right["key"].search_sorted(low, side="left"), right["key"].search_sorted(high, side="right")
        yield piece.drop("len_right"), right.slice(start, end - start)


def _runs(keyed: pl.DataFrame) -> pl.DataFrame:
    """Columns key, len (Int64): how often each key of a sorted frame occurs."""
    runs = keyed.select(pl.col("key").rle()).unnest("key")
    return runs.select(pl.col("value").alias("key").set_sorted(), pl.col("len").cast(pl.Int64))


def _expand(close: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """From pairs of distinct hashes back to pairs of ids, with the pairs that share a hash."""
    shared = members.filter(pl.len().over("i") > 1, pl.col("new").any().over("i"))
    same = shared.select("i").unique().with_columns(i_right="i", distance=pl.lit(0, pl.Int16))
    pairs = pl.concat([close, same])
    return (
        pairs.lazy()
        .join(members.lazy(), on="i")
        .join(members.lazy(), left_on="i_right", right_on="i", suffix="_other")
        .filter(pl.col("new") | pl.col("new_other"))
        .filter((pl.col("i") != pl.col("i_right")) | (pl.col("id") < pl.col("id_other")))
        .select(
            left=pl.when(pl.col("id") < pl.col("id_other")).then("id").otherwise("id_other"),
            right=pl.when(pl.col("id") < pl.col("id_other")).then("id_other").otherwise("id"),
            distance="distance",
        )
        .collect()
    )

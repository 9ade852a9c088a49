"""Pairs worth a look: equal bytes, and perceptual hashes close to each other."""

from collections.abc import Collection

import polars as pl

from immich_pipeline.dedup.classes import default_classes
from immich_pipeline.dedup.fine_hashes import FineHashes
from immich_pipeline.dedup.pairs import near_pair_chunks
from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA

DEFAULT_RADIUS = 8
"""Finds 99.96 % of 4,735 re-encoded, resized and converted pictures, and 5 of 91,378 pairs of different photos."""

TWINS = 16
"""Of the pictures that agree in both hashes so many are compared with everything: more copies of one picture, none of them equal in
bytes, than a library holds by chance."""


def exact_pairs(files: pl.DataFrame) -> pl.DataFrame:
    """Files of one owner with equal bytes, as a star: each copy paired with the one of the smallest id.

    k copies make k - 1 pairs, not k²/2. Empty files are left out: they hold no picture to have twice.

    Args:
        files: ``asset_id``, ``owner`` (String), ``content`` (Binary, null where unread), ``size`` (Int64).

    Returns:
        ``CANDIDATE_SCHEMA`` with kind "exact" and distance 0, sorted by owner, left_id, right_id.
    """
    read = files.filter(pl.col("content").is_not_null(), pl.col("size") > 0)
    centre = pl.col("asset_id").min().over("owner", "content")
    pairs = read.with_columns(left_id=centre).filter(pl.col("left_id") != pl.col("asset_id"))
    return pairs.select(
        "owner", "left_id", right_id="asset_id", kind=pl.lit("exact"), distance=pl.lit(0, dtype=pl.Int16)
    ).sort("owner", "left_id", "right_id")


def near_candidates(
    facts: pl.DataFrame, radius: int = DEFAULT_RADIUS, new_ids: Collection[str] | None = None
) -> pl.DataFrame:
    """Pictures of one owner whose 64-bit perceptual hashes differ in at most ``radius`` bits.

    All such pairs but for these, and the same ones whatever the order of the rows:

    - Flat and truncated pictures (``usable`` false) take no part: their hashes say nothing.
    - Of files with equal bytes only the one with the smallest id takes part, since ``exact_pairs`` has the others.
    - Pairs further apart than ``near_distance256`` (classes.toml) in the 256-bit hash are dropped, chunk by chunk, so that
      a thousand different pictures that share a 64-bit hash (fog, text, night) do not become half a million candidates. A pair
      of which one has no 256-bit hash stays.
    - Of more than TWINS pictures that agree in both hashes (or share the first and all lack the second), the TWINS with
      the smallest ids take part in everything; each further one is paired with these TWINS and with nothing else. So k of
      them make less than TWINS * k pairs, not k² / 2, and all of them have the same TWINS as neighbours.

    Args:
        facts: ``asset_id``, ``owner`` (String), ``content`` (Binary), ``phash`` (Int64), ``phash256`` (Binary, 32 bytes),
            ``usable`` (Boolean).
        radius: Hamming distance, inclusive.
        new_ids: When given, only pairs with at least one of these assets.

    Returns:
        ``CANDIDATE_SCHEMA`` with kind "near", sorted by owner, left_id, right_id.

    Raises:
        ValueError: As :func:`near_pairs`.
    """
    usable = facts.filter(pl.col("usable").fill_null(value=False), pl.col("phash").is_not_null())
    own = pl.coalesce("content", pl.col("asset_id").cast(pl.Binary))
    usable = usable.filter(pl.col("asset_id") == pl.col("asset_id").min().over("owner", own))
    found = [pl.DataFrame(schema=CANDIDATE_SCHEMA)]
    pictures = usable.select("owner", "asset_id", "phash", "phash256").sort("owner", "asset_id")
    for part in pictures.partition_by("owner", maintain_order=True):
        found.append(_near_of_one_owner(part.with_row_index("id"), radius, new_ids))
    return pl.concat(found)


def _near_of_one_owner(pictures: pl.DataFrame, radius: int, new_ids: Collection[str] | None) -> pl.DataFrame:
    """Candidates among pictures that are numbered (``id``) in the order of their asset ids."""
    is_new = pl.lit(value=True) if new_ids is None else pl.col("asset_id").is_in(list(new_ids))
    twin = pl.col("id").rank("ordinal").over("phash", "phash256")
    pictures = pictures.with_columns(new=is_new, twin=twin)
    leading = pictures.filter(pl.col("twin") <= TWINS)
    new = None if new_ids is None else leading.filter("new")["id"]
    fine, limit = FineHashes(pictures["phash256"]), default_classes().limits.near_distance256
    chunks = near_pair_chunks(leading.select("id", "phash"), radius, new)
    pairs = pl.concat([_further_twins(pictures), *(fine.within(chunk, limit) for chunk in chunks)])
    # Numbers sort much faster than the ids, in the same order.
    pairs = pairs.sort("left", "right")
    return pairs.select(
        owner=pl.lit(pictures["owner"][0]),
        left_id=pictures["asset_id"].gather(pairs["left"]),
        right_id=pictures["asset_id"].gather(pairs["right"]),
        kind=pl.lit("near"),
        distance="distance",
    )


def _further_twins(pictures: pl.DataFrame) -> pl.DataFrame:
    """Pairs of the pictures beyond the first TWINS that agree in both hashes, each with these first ones."""
    further = pictures.filter(pl.col("twin") > TWINS)
    leading = pictures.filter(pl.col("twin") <= TWINS)
    pairs = leading.join(further, on=["phash", "phash256"], nulls_equal=True)
    return pairs.filter(pl.col("new") | pl.col("new_right")).select(
        left="id", right="id_right", distance=pl.lit(0, dtype=pl.Int16)
    )

"""Duplicate groups: what is the same picture, round a representative."""

from typing import NamedTuple

import polars as pl

from immich_pipeline.dedup.classes import ClassTable, default_classes
from immich_pipeline.dedup.conflicts import StarConflicts
from immich_pipeline.dedup.facts import as_facts
from immich_pipeline.dedup.schema import GROUP_SCHEMA, MEMBER_SCHEMA
from immich_pipeline.dedup.stars import EDGE_SCHEMA, NEAREST, stars
from immich_pipeline.dedup.units import unit_column
from immich_pipeline.dedup.verify import NO_CAPTURES
from immich_pipeline.grouping.identity import digested

LARGEST_DISTANCE = 64
"""Two 64-bit hashes cannot be further apart."""

SAME_PIXELS = "same_pixels"
"""The class of pictures that are equal once decoded: at no distance, hash or not."""


class DuplicateGroups(NamedTuple):
    """``groups`` (``GROUP_SCHEMA``) and their ``members`` (``MEMBER_SCHEMA``)."""

    groups: pl.DataFrame
    members: pl.DataFrame


def duplicate_groups(
    verified: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None = None,
    classes: ClassTable | None = None,
    dismissed: pl.DataFrame | None = None,
) -> DuplicateGroups:
    """Put duplicates together round representatives.

    Files with equal bytes are one unit. Units that resemble each other (a pair of a class that makes groups) form stars:
    every member is a pair with the representative itself, never only with another member. No two members of a group
    belong to one capture, come from two cameras, were taken by one camera at different moments, or were told apart by a
    person. A file is in one group at most.

    The representative is, in this order: a RAW file (a picture made from it never replaces it), of most pixels,
    largest in bytes, earliest taken, of the shortest path, first by path, first by asset id.

    Args:
        verified: ``VERIFIED_SCHEMA``, of whatever kind. Burst neighbours and merely similar pairs make no groups.
        facts: ``FACTS_SCHEMA``.
        captures: What ``group_captures`` returns; none by default.
        classes: The class table; the package's own by default.
        dismissed: ``left_content`` and ``right_content`` (Binary) of pairs that are no duplicates; none by default. No
            file with the one content is in a group with a file of the other, however alike both are to its representative.

    Returns:
        Groups and members. A group's class and confidence are the weakest of its members'; ``diameter`` bounds the
        64-bit distance of any two of its members (the two largest distances to the representative, added: the triangle
        inequality; a content's hash is that of its file with the smallest id). A distance that is not known, of a
        picture without a usable hash, counts as 0 if the pixels are the same, else as 64, the largest there is; more
        than 64 is never stated. ``bytes`` counts hard links of one file once; ``reclaimable_bytes`` is what keeping the
        representative alone would free. The result does not depend on the order of any input.

    Raises:
        ValueError: ``facts`` lack a column or hold an asset twice.
    """
    table = classes or default_classes()
    facts = as_facts(facts)
    grouped = verified.filter(pl.col("class").is_in(table.grouped()))
    units = _units(grouped, facts)
    near = _near_units(grouped, units, table)
    apart = _units_apart(units, facts, dismissed)
    near = near.join(apart, on=["unit", "other"], how="anti")
    conflicts = StarConflicts(units, facts, NO_CAPTURES if captures is None else captures, table.limits, apart)
    members = _members(stars(_both_ways(near), conflicts), near, units, table)
    members = _numbered(members)
    return DuplicateGroups(_groups(members, facts), _member_rows(members))


def _units(grouped: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The assets of these pairs by rank: ``asset_id``, ``row``, ``rank`` and ``unit`` (UInt32: the rank of the unit's best).

    ``row`` is in the order of asset ids: sorting numbers is faster than sorting ids.
    """
    ids = pl.concat([grouped["left_id"], grouped["right_id"]]).unique().to_frame("asset_id")
    order = (
        facts.with_row_index("row")
        .join(ids, on="asset_id", how="semi")
        .select(
            "row",
            "asset_id",
            "path",
            "size",
            is_rendered=pl.col("kind") != "raw",
            pixels=pl.col("width").cast(pl.Int64) * pl.col("height"),
            taken=pl.coalesce("taken_at", pl.col("taken_at_local").dt.replace_time_zone("UTC")),
        )
    )
    order = order.sort(
        "is_rendered",
        pl.col("pixels").neg(),
        pl.col("size").neg(),
        "taken",
        pl.col("path").str.len_chars(),
        "path",
        "row",
        nulls_last=True,
    )
    ranked = order.select("asset_id", "row", rank=pl.int_range(pl.len(), dtype=pl.UInt32))
    return unit_column(grouped, ranked).with_columns(unit=pl.col("rank").min().over("unit"))


def _near_units(grouped: pl.DataFrame, units: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    """The pairs but for the exact ones, the nearest of each two units: ``stars.EDGE_SCHEMA``, ``class``, ``confidence``, ``reason``.

    Each stands in one direction: ``unit`` is the better one.
    """
    unit = units.select("asset_id", "unit")
    strength = pl.col("class").replace_strict(table.order(), return_dtype=pl.Int8)
    near = (
        grouped.filter(pl.col("kind") != "exact")
        .join(unit, left_on="left_id", right_on="asset_id")
        .join(unit.rename({"unit": "other"}), left_on="right_id", right_on="asset_id")
        .filter(pl.col("unit") != pl.col("other"))
        .select(
            "distance256", "distance", "class", "confidence", "reason", unit=pl.min_horizontal("unit", "other"),
            other=pl.max_horizontal("unit", "other"), strength=strength,
        )
        .sort("unit", "other", *NEAREST, pl.col("confidence").neg(), "reason", nulls_last=True)
    )  # fmt: skip
    return near.unique(["unit", "other"], keep="first", maintain_order=True).with_row_index("pair")


def _units_apart(units: pl.DataFrame, facts: pl.DataFrame, dismissed: pl.DataFrame | None) -> pl.DataFrame:
    """``unit`` and ``other`` of the dismissed pairs, in both directions."""
    if dismissed is None or dismissed.is_empty():
        return pl.DataFrame(schema={"unit": pl.UInt32, "other": pl.UInt32})
    contents = units.join(facts.select("asset_id", "content"), on="asset_id").select("unit", "content").unique()
    pairs = (
        dismissed.select("left_content", "right_content")
        .join(contents, left_on="left_content", right_on="content")
        .join(contents.rename({"unit": "other"}), left_on="right_content", right_on="content")
        .select("unit", "other")
    )
    return pl.concat([pairs, pairs.select(unit="other", other="unit")]).unique()


def _both_ways(near: pl.DataFrame) -> pl.DataFrame:
    forth = near.select(EDGE_SCHEMA.keys())
    return pl.concat([forth, forth.rename({"unit": "other", "other": "unit"}).select(EDGE_SCHEMA.keys())])


def _members(joined: pl.DataFrame, near: pl.DataFrame, units: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    """One row per asset in a group: its star, and how it stands to the representative."""
    why = near.select("pair", "class", "confidence", "reason")
    told = ("unit", "class", "confidence", "distance", "distance256", "reason")
    followers = joined.join(why, on="pair").select(*told, star="other")
    leading = joined.select(unit="other").unique()
    copies = units.filter(pl.len().over("unit") > 1).select("unit").unique()
    alone = copies.join(followers, on="unit", how="anti")
    centres = (
        pl.concat([leading, alone])
        .unique()
        .select(
            "unit",
            pl.lit("exact").alias("class"),
            confidence=pl.lit(table.confidence()["exact"]),
            distance=pl.lit(0, pl.Int16),
            distance256=pl.lit(0, pl.Int16),
            reason=pl.lit("Equal to the representative, byte for byte."),
            star="unit",
        )
    )
    members = pl.concat([followers, centres]).join(units, on="unit")
    first = pl.col("rank") == pl.col("star")
    order = pl.col("class").replace_strict(table.order(), return_dtype=pl.Int64)
    return members.with_columns(
        is_representative=first,
        reason=pl.when(first).then(pl.lit("The representative: the others are compared with it.")).otherwise("reason"),
        group_class=pl.col("class").sort_by(order).last().over("star"),
    )


def _numbered(members: pl.DataFrame) -> pl.DataFrame:
    """Add ``group_id``, and ``place``: the group's in the order of these ids."""
    ids = digested(members.lazy().select("star", "group_class", "asset_id", "row").sort("row"), "star", "group_class")
    return members.join(ids.with_row_index("place"), on="star")


def _groups(members: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """One row per group."""
    known = members.join(facts.select("asset_id", "owner", "source_id", "inode", "size"), on="asset_id")
    equal = pl.when(pl.col("class") == SAME_PIXELS).then(0).otherwise(LARGEST_DISTANCE)
    reach = pl.coalesce(pl.col("distance"), equal)
    groups = known.group_by("place").agg(
        pl.col("group_id", "owner").first(),
        pl.col("group_class").first().alias("class"),
        pl.col("confidence").min(),
        members=pl.len(),
        kept=pl.col("size").filter("is_representative").sum(),
        diameter=reach.top_k(2).sum().clip(upper_bound=LARGEST_DISTANCE),
    )
    groups = groups.join(_stored_bytes(known), on="place").sort("place")
    groups = groups.with_columns(reclaimable_bytes=pl.col("bytes") - pl.col("kept"))
    return groups.select([pl.col(column).cast(dtype) for column, dtype in GROUP_SCHEMA.items()])


def _stored_bytes(known: pl.DataFrame) -> pl.DataFrame:
    """``place`` and ``bytes``: what the files of a group take on disk.

    One file under several names is stored once; two devices may both have the number of an inode, but not the bytes too.
    """
    files = known.select("place", "size", "source_id", "inode", "unit")
    linked = pl.col("inode") > 0
    once = files.filter(linked).unique()
    stored = pl.concat([once, files.filter(linked.fill_null(value=False).not_())])
    return stored.group_by("place").agg(bytes=pl.col("size").sum())


def _member_rows(members: pl.DataFrame) -> pl.DataFrame:
    ordered = members.sort("place", pl.col("is_representative").not_(), "distance", "row", nulls_last=True)
    return ordered.select([pl.col(column).cast(dtype) for column, dtype in MEMBER_SCHEMA.items()])

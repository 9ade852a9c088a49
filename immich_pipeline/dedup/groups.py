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
from immich_pipeline.grouping.identity import with_group_id


class DuplicateGroups(NamedTuple):
    """``groups`` (``GROUP_SCHEMA``) and their ``members`` (``MEMBER_SCHEMA``)."""

    groups: pl.DataFrame
    members: pl.DataFrame


def duplicate_groups(
    verified: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None = None,
    classes: ClassTable | None = None,
) -> DuplicateGroups:
    """Put duplicates together round representatives.

    Files with equal bytes are one unit. Units that resemble each other (classes exact, reencoded, edited) form stars:
    every member is within the radius of the representative, never only of another member. No two members of a group
    belong to one capture, come from two cameras, or were taken by one camera at different moments. A file is in one
    group at most.

    The representative is, in this order: a RAW file (a picture made from it never replaces it), of most pixels,
    largest in bytes, earliest taken, of the shortest path, first by path, first by asset id.

    Args:
        verified: ``VERIFIED_SCHEMA``. Burst neighbours and merely similar pairs make no groups.
        facts: ``FACTS_SCHEMA``.
        captures: What ``group_captures`` returns; none by default.
        classes: The class table; the package's own by default.

    Returns:
        Groups and members. A group's class and confidence are those of its weakest member; ``diameter`` bounds the
        64-bit distance of any two of its members (the two largest distances to the representative, added: the triangle
        inequality); ``bytes`` counts hard links of one file once; ``reclaimable_bytes`` is what keeping the
        representative alone would free. The result does not depend on the order of any input.

    Raises:
        ValueError: ``facts`` lack a column or hold an asset twice.
    """
    table = classes or default_classes()
    facts = as_facts(facts)
    grouped = verified.filter(pl.col("class").is_in(table.grouped()))
    units = _units(grouped, facts)
    near = _near_units(grouped, units, table)
    conflicts = StarConflicts(units, facts, NO_CAPTURES if captures is None else captures, table.limits)
    members = _members(stars(_both_ways(near), conflicts), near, units, table)
    members = with_group_id(members, "star", "group_class")
    return DuplicateGroups(_groups(members, facts, table), _member_rows(members))


def _units(grouped: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The assets of these pairs by rank: ``asset_id``, ``rank`` and ``unit`` (UInt32: the rank of the unit's best)."""
    ids = pl.concat([grouped["left_id"], grouped["right_id"]]).unique().to_frame("asset_id")
    order = facts.join(ids, on="asset_id", how="semi").with_columns(
        is_rendered=pl.col("kind") != "raw",
        pixels=pl.col("width").cast(pl.Int64) * pl.col("height"),
        taken=pl.coalesce("taken_at", pl.col("taken_at_local").dt.replace_time_zone("UTC")),
    )
    order = order.sort(
        "is_rendered",
        pl.col("pixels").neg(),
        pl.col("size").neg(),
        "taken",
        pl.col("path").str.len_chars(),
        "path",
        "asset_id",
        nulls_last=True,
    )
    ranked = order.select("asset_id", rank=pl.int_range(pl.len(), dtype=pl.UInt32))
    return unit_column(grouped, ranked).with_columns(unit=pl.col("rank").min().over("unit"))


def _near_units(grouped: pl.DataFrame, units: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    """The near pairs, one per pair of units: ``stars.EDGE_SCHEMA`` in one direction, with ``class`` and ``reason``."""
    unit = units.select("asset_id", "unit")
    strength = pl.col("class").replace_strict(table.order(), return_dtype=pl.Int8)
    near = (
        grouped.filter(pl.col("kind") == "near")
        .join(unit, left_on="left_id", right_on="asset_id")
        .join(unit.rename({"unit": "other"}), left_on="right_id", right_on="asset_id")
        .select("unit", "other", "distance256", "distance", "class", "reason", strength=strength)
        .sort("unit", "other", *NEAREST)
    )
    return near.filter(pl.col("unit") != pl.col("other")).with_row_index("pair")


def _both_ways(near: pl.DataFrame) -> pl.DataFrame:
    forth = near.select(EDGE_SCHEMA.keys())
    return pl.concat([forth, forth.rename({"unit": "other", "other": "unit"}).select(EDGE_SCHEMA.keys())])


def _members(joined: pl.DataFrame, near: pl.DataFrame, units: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    """One row per asset in a group: its star, and how it stands to the representative."""
    why = near.select("pair", "class", "reason")
    followers = joined.join(why, on="pair").select("unit", "class", "distance", "distance256", "reason", star="other")
    leading = joined.select(unit="other").unique()
    copies = units.filter(pl.len().over("unit") > 1).select("unit").unique()
    alone = copies.join(followers, on="unit", how="anti")
    centres = (
        pl.concat([leading, alone])
        .unique()
        .select(
            "unit",
            pl.lit("exact").alias("class"),
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


def _groups(members: pl.DataFrame, facts: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    """One row per group."""
    own = pl.format("asset {}", "asset_id")
    linked = pl.format("inode {} {} {}", "source_id", "inode", "unit")
    # One file on disk under several names is stored once; two devices may both have the number, but not the bytes too.
    storage = pl.when(pl.col("inode") > 0).then(linked).otherwise(own)
    stored = members.join(facts, on="asset_id").with_columns(storage=storage).sort("group_id", "storage", "asset_id")
    once = pl.col("size").filter(pl.col("storage").is_first_distinct()).sum()
    kept = pl.col("size").filter("is_representative").sum()
    groups = stored.group_by("group_id").agg(
        pl.col("owner").first(),
        pl.col("group_class").first().alias("class"),
        members=pl.len(),
        bytes=once,
        reclaimable_bytes=once - kept,
        diameter=pl.col("distance").top_k(2).sum(),
    )
    confidence = pl.col("class").replace_strict(table.confidence(), return_dtype=pl.Float64)
    return (
        groups.with_columns(confidence=confidence)
        .select([pl.col(column).cast(dtype) for column, dtype in GROUP_SCHEMA.items()])
        .sort("group_id")
    )


def _member_rows(members: pl.DataFrame) -> pl.DataFrame:
    typed = members.select([pl.col(column).cast(dtype) for column, dtype in MEMBER_SCHEMA.items()])
    return typed.sort("group_id", pl.col("is_representative").not_(), "distance", "asset_id")

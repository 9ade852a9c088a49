"""One clip in several encodings."""

import polars as pl

from immich_pipeline.grouping.evidence import as_members
from immich_pipeline.grouping.pictures import without_same_content
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.together import same_shot


def video_variants(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of videos of one name, time, camera and length; the videos of live photos are not looked at.

    Videos whose length is not known are in none. Two files that differ in letter case or folder only, or in
    nothing, are copies.

    Args:
        prepared: Assets without the videos of live photos.
        rules: How much lengths may differ.

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role variant.
    """
    videos = prepared.filter(pl.col("kind") == "video", pl.col("duration_ms").is_not_null())
    sets = same_shot(videos.with_columns(tolerance_us=pl.lit(rules.tolerance_ms * 1000, pl.Int64)), rules)
    sets = sets.sort("set", "duration_ms", "row")
    begins = (pl.col("set").diff() != 0) | (pl.col("duration_ms").diff() > rules.video_duration_tolerance_ms)
    sets = sets.with_columns(set=begins.fill_null(value=True).cum_sum())
    sets = sets.sort("set", pl.col("size").neg(), "row", nulls_last=True)
    sets = sets.filter(pl.struct("set", "stem", "extension").is_first_distinct())
    variants = without_same_content(sets).filter(pl.len().over("set") > 1)
    return as_members(variants.with_columns(kind=pl.lit("video_variant"), role=pl.lit("variant")))

"""Frames of one burst."""

import polars as pl

from immich_pipeline.grouping.cameras import fill_cameras
from immich_pipeline.grouping.evidence import as_members
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.together import same_shot

_STILL = pl.col("kind") != "video"
_SEVERAL = pl.len().over("set") > 1


def bursts_by_id(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of two or more stills of one owner and camera with one burst id, wherever they lie.

    Returns:
        ``evidence.MEMBER_COLUMNS`` with the role frame.
    """
    frames = prepared.filter(_STILL, pl.col("burst_id").is_not_null())
    frames = fill_cameras(frames, ["owner", "burst_id"])
    camera = ["owner", "burst_id", "camera_make", "camera_model"]
    frames = frames.with_columns(set=pl.struct(camera).rank("dense"), evidence=pl.lit("burst_id"), role=pl.lit("frame"))
    return as_members(frames.filter(_SEVERAL), "burst", "burst id", rules)


def bursts_by_name(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of two or more stills whose names say that they are frames of one burst, if times and cameras agree.

    Returns:
        ``evidence.MEMBER_COLUMNS`` with the role frame.
    """
    frames = prepared.filter(_STILL, pl.col("name_use") == "burst")
    tolerance = pl.col("rule_tolerance_ms").fill_null(rules.burst_gap_ms)
    sets = same_shot(frames.with_columns(tolerance_us=tolerance * 1000), rules)
    return as_members(sets.filter(_SEVERAL).with_columns(role=pl.lit("frame")), "burst", "burst name", rules)

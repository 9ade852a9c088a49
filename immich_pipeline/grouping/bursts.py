"""Frames of one burst."""

import polars as pl

from immich_pipeline.grouping.cameras import CAMERA, fill_cameras
from immich_pipeline.grouping.evidence import as_members
from immich_pipeline.grouping.pictures import IS_PICTURE, without_same_content
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.sequences import frames_by_name, in_runs

_SEVERAL = pl.len().over("set") > 1


def bursts_by_id(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of two or more pictures of one owner and camera with one burst id, wherever they lie.

    A file that is there twice (under one name in two folders, with a copy's mark, with one content) is once in the
    burst: copies are for the duplicates.

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role frame.
    """
    frames = prepared.filter(IS_PICTURE, pl.col("burst_id").is_not_null())
    frames = fill_cameras(frames, ["scope", "burst_id"])
    copied = pl.col("stem").str.replace(f"(?s)(.)(?:{'|'.join(rules.copy_marks)})$", "${1}")
    frames = frames.with_columns(
        set=pl.struct("scope", "burst_id", *CAMERA).rank("dense"), file=copied + "." + pl.col("extension")
    )
    # Of one file under several names, that with the shortest name is the original.
    frames = frames.sort("set", "file", pl.col("stem").str.len_chars(), "row")
    frames = frames.filter(pl.struct("set", "file", "local_us").is_first_distinct())
    frames = without_same_content(frames).filter(_SEVERAL)
    return as_members(frames.with_columns(kind=pl.lit("burst"), role=pl.lit("frame"), evidence=pl.lit("burst_id")))


def bursts_by_name(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of two or more pictures whose names say that they are frames of one burst, if times and cameras agree.

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role frame.
    """
    return frames_by_name(prepared, rules, ("burst",))


def bursts_by_time(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of pictures that one camera took in one folder, each no more than ``time_burst_ms`` after the one before.

    Only times with sub-seconds count. Nothing at all while the rule is off (0).

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role frame.
    """
    timed = pl.col("subsec_known") & pl.col("local_us").is_not_null() & pl.col("make").is_not_null()
    switched_on = pl.lit(rules.time_burst_ms > 0)
    frames = prepared.filter(IS_PICTURE, timed, switched_on, pl.col("version") == 0)
    sets = in_runs(frames, ["scope", "place", *CAMERA], rules.time_burst_ms)
    # Several files of one instant are one picture in several files, no burst.
    sets = sets.filter((pl.col("local_us").n_unique() == pl.len()).over("set"), _SEVERAL)
    return as_members(
        sets.with_columns(
            kind=pl.lit("burst"), role=pl.lit("frame"), evidence=pl.lit("time_burst"), camera_known=pl.lit(value=True)
        )
    )

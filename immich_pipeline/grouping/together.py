"""From a shared name to captures: split what shares a name by time and by camera."""

import polars as pl

from immich_pipeline.grouping.cameras import fill_cameras
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.times import taken_together

NAME_BUCKET = ["owner", "source_id", "folder_key", "name_rule", "name_key"]


def same_shot(rows: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Split rows that share owner, source, folder and name into sets of one camera and one time.

    Rows are taken together by time first, so that a file of unknown camera gets that of the file taken at the same
    time; then split by camera; then by time again, since two files may have been neighbours only through another
    camera's.

    Args:
        rows: Prepared assets with ``tolerance_us``.
        rules: Zone step and limit.

    Returns:
        ``rows`` with ``set`` (Int64), ``evidence`` (String) and ``camera_known`` (Boolean).
    """
    by_time = taken_together(rows, NAME_BUCKET, rules).rename({"set": "time_set"}).drop("evidence")
    by_camera = fill_cameras(by_time, ["time_set"])
    return taken_together(by_camera, ["time_set", "camera_make", "camera_model"], rules).drop("time_set")

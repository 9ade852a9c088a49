"""Which files are one capture."""

import polars as pl

from immich_pipeline.grouping.bursts import bursts_by_id, bursts_by_name
from immich_pipeline.grouping.cameras import with_cameras
from immich_pipeline.grouping.identity import with_group_id
from immich_pipeline.grouping.live import with_live_videos
from immich_pipeline.grouping.names import with_names
from immich_pipeline.grouping.primary import with_primary
from immich_pipeline.grouping.raw_jpeg import raw_and_rendered
from immich_pipeline.grouping.rules import GroupingRules, default_rules
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA, INPUT_SCHEMA, OPTIONAL_INPUT_SCHEMA
from immich_pipeline.grouping.times import with_times


def group_captures(assets: pl.DataFrame, rules: GroupingRules | None = None) -> pl.DataFrame:
    """Put the files of one capture together; every file is in one group at most, and groups never cross owners.

    Kinds, in the order in which they claim files:

    - ``raw_jpeg``: RAW files and the pictures made from them (roles raw, raw_converted, rendered).
    - ``burst``: frames that carry one burst id, else frames whose names say so (role frame). Frames that are RAW+JPEG
      pairs stay pairs: those belong together more closely than the burst does.
    - ``live``: a still and its video with one content id (roles still, video). The video of a still that is in one of
      the groups above joins that group with the role video, since it is part of the same capture. A video is never
      primary.

    The primary is, in this order: said to be the cover by its name, rendered before RAW, largest (by pixels where
    known for the whole group, else by bytes), oldest, first by name, first by asset id.

    Args:
        assets: At least the columns of ``INPUT_SCHEMA``: one row per asset with its metadata, null where unknown;
            ``width`` and ``height`` are used where present. Any row order.
        rules: Tolerances and name rules; the package's own by default.

    Returns:
        The columns of ``CAPTURE_SCHEMA``, one row per member, for groups of two or more. ``rule`` names what put the
        file there (kind.evidence), ``confidence`` (0 to 1) and ``reason`` (a sentence) say how sure that is. Group ids
        follow from kind and members alone; shuffled input gives identical output.

    Raises:
        ValueError: A column is missing, or an asset id occurs twice.
    """
    rules = rules or default_rules()
    prepared = _prepare(assets, rules)
    members = raw_and_rendered(prepared, rules)
    members = pl.concat([members, bursts_by_id(_without(prepared, members), rules)])
    members = pl.concat([members, bursts_by_name(_without(prepared, members), rules)])
    members = with_live_videos(members, prepared, rules)
    members = with_primary(with_group_id(members, "group", "kind"), prepared)
    return members.sort("group_id", pl.col("is_primary").not_(), "asset_id").select(CAPTURE_SCHEMA.keys())


def _prepare(assets: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    missing = [column for column in INPUT_SCHEMA if column not in assets.columns]
    if missing:
        raise ValueError(f"grouping needs the columns {', '.join(missing)}")
    if assets["asset_id"].is_duplicated().any():
        raise ValueError("an asset id occurs twice: every asset is one row")
    optional = [
        pl.col(column).cast(dtype) if column in assets.columns else pl.lit(None, dtype=dtype).alias(column)
        for column, dtype in OPTIONAL_INPUT_SCHEMA.items()
    ]
    known = assets.select([pl.col(column).cast(dtype) for column, dtype in INPUT_SCHEMA.items()] + optional)
    # Everything after this starts from one order, so none of it can depend on the order of the input.
    return with_cameras(with_times(with_names(known.sort("asset_id"), rules)))


def _without(prepared: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    return prepared.join(members.select("asset_id"), on="asset_id", how="anti")

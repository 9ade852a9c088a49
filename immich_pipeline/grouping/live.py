"""Live photos: a still and the video that belongs to it."""

import polars as pl

from immich_pipeline.grouping.evidence import MEMBER_SCHEMA, stacked
from immich_pipeline.grouping.pictures import IS_PICTURE
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import COMPONENT_ROLE
from immich_pipeline.grouping.together import NAME_BUCKET, same_shot

_VIDEO = pl.col("kind") == "video"

_READ = [
    "row", "asset_id", "library", "scope", "place", "folder", "has_folder", "kind", "extension", "stem", "folded", "make", "model",
    "serial", "local_us", "instant_us", "subsec_known", "duration_ms", "content_id", "live_video_id",
]  # fmt: skip

PAIR_SCHEMA = {"still": pl.UInt32(), "video": pl.UInt32(), "evidence": pl.String(), "camera_known": pl.Boolean()}
"""Rows of a still and of its video; a video has one still only."""


def pairs(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Which video belongs to which still: as the server has linked them, else by content id, else by name.

    By name: a component's extension (``IMG.MP.jpg`` and ``IMG.MP``), or one still and one short video of one name, time
    and camera.

    Returns:
        ``PAIR_SCHEMA``, sorted by video.
    """
    read = prepared.select(_READ)
    stills, videos = read.filter(IS_PICTURE), read.filter(_VIDEO)
    linked = _linked(stills, videos)
    by_id = _by_content_id(_rest(stills, linked, "still"), _rest(videos, linked, "video"))
    found = pl.concat([linked, by_id])
    by_part = _by_component_name(_rest(stills, found, "still"), _rest(videos, found, "video"), rules)
    found = pl.concat([found, by_part])
    by_name = _by_name(_rest(stills, found, "still"), _rest(videos, found, "video"), rules)
    return pl.concat([found, by_name]).sort("video")


def with_live_videos(members: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Add each live photo's video to its still's group, or a group of the two where the still has none.

    Args:
        members: The groups found so far (``MEMBER_SCHEMA``).
        live: ``PAIR_SCHEMA``.
    """
    homes = live.join(members.select("row", "group", "kind"), left_on="still", right_on="row", how="left")
    at_home = homes.filter(pl.col("group").is_not_null())
    follow = at_home.select("group", "kind", "evidence", "camera_known", row="video", role=pl.lit(COMPONENT_ROLE))
    alone = homes.filter(pl.col("group").is_null()).with_columns(
        group=pl.col("still").cast(pl.Int64), kind=pl.lit("live")
    )
    shared = ["group", "kind", "evidence", "camera_known"]
    stills = alone.select(*shared, row="still", role=pl.lit("still")).unique("row", keep="first", maintain_order=True)
    fresh = pl.concat([stills, alone.select(*shared, row="video", role=pl.lit(COMPONENT_ROLE))])
    columns = list(MEMBER_SCHEMA)
    return stacked(pl.concat([members, follow.select(columns)]), fresh.select(columns))


def _rest(rows: pl.DataFrame, found: pl.DataFrame, side: str) -> pl.DataFrame:
    return rows.join(found.select(row=side), on="row", how="anti")


def _found(frame: pl.DataFrame, evidence: str) -> pl.DataFrame:
    """One still per video: that of the first row."""
    frame = frame.sort("still", "video").unique("video", keep="first", maintain_order=True)
    known = pl.col("camera_known") if "camera_known" in frame.columns else pl.lit(value=True)
    return frame.select("still", "video", pl.lit(evidence).alias("evidence"), known.alias("camera_known"))


def _linked(stills: pl.DataFrame, videos: pl.DataFrame) -> pl.DataFrame:
    # The server hides the videos of live photos: owner and source must agree, not whether the two are shown.
    wanted = stills.filter(pl.col("live_video_id").is_not_null()).select("library", "live_video_id", still="row")
    return _found(
        wanted.join(
            videos.select("library", "asset_id", video="row"),
            left_on=["library", "live_video_id"],
            right_on=["library", "asset_id"],
        ),
        "live_video_id",
    )


def _by_content_id(stills: pl.DataFrame, videos: pl.DataFrame) -> pl.DataFrame:
    """Stills and videos with one content id; where copies or edits carry it too, the name tells which belong together."""
    content = ["library", "content_id"]
    wanted = [*content, "folder", "stem"]
    carrying = [side.filter(pl.col("content_id").is_not_null()) for side in (stills, videos)]
    left, right = (
        side.select(*wanted, pl.len().over(content).alias("count"), pl.col("row").alias(name))
        for side, name in zip(carrying, ("still", "video"), strict=True)
    )
    one_each = (pl.col("count") == 1) & (pl.col("count_right") == 1)
    same_name = (pl.col("folder") == pl.col("folder_right")) & (pl.col("stem") == pl.col("stem_right"))
    return _found(left.join(right, on=content).filter(one_each | same_name), "content_id")


def _by_component_name(stills: pl.DataFrame, videos: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """A video of a component's extension is named as its still without the still's extension, and was taken with it."""
    parts = videos.filter(pl.col("extension").is_in(list(rules.live_component_extensions)))
    widest = max([rules.tolerance_ms, *(rule.tolerance_ms or 0 for rule in rules.name_rules if rule.use == "capture")])
    sets = _taken_together(
        stills.with_columns(name_key=_OWN_NAME), parts.with_columns(name_key="folded"), widest, rules
    )
    return _found(_best_still(sets), "live_component")


def _by_name(stills: pl.DataFrame, videos: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Just one short video beside stills of its name, time and camera."""
    short = videos.filter(pl.col("duration_ms") <= rules.live_max_duration_ms)
    stills, short = (side.with_columns(name_key=_OWN_NAME) for side in (stills, short))
    sets = _taken_together(stills, short, rules.tolerance_ms, rules)
    timed = (pl.col("evidence") != "name_only").all().over("set")
    return _found(_best_still(sets.filter(timed, _VIDEO.sum().over("set") == 1)), "live_name")


_OWN_NAME = pl.col("folded").str.replace(r"\.[^.]*$", "")
"""The whole name but its last extension: "IMG.TS.mp4" is another file than "IMG.jpg"."""


def _taken_together(
    stills: pl.DataFrame, videos: pl.DataFrame, tolerance_ms: int, rules: GroupingRules
) -> pl.DataFrame:
    """Sets (see ``same_shot``) of stills and videos with one ``name_key``; those without a still or a video are left out."""
    bounds = {"name_rule": pl.lit(None, pl.Int16), "tolerance_us": pl.lit(tolerance_ms * 1000, pl.Int64)}
    stills, videos = stills.with_columns(**bounds), videos.with_columns(**bounds)
    near = stills.join(videos, on=NAME_BUCKET, how="semi", nulls_equal=True)
    sets = same_shot(pl.concat([near, videos]), rules)
    return sets.filter(_VIDEO.any().over("set"), (~_VIDEO).any().over("set"))


def _best_still(sets: pl.DataFrame) -> pl.DataFrame:
    """Each video of a set with the still that the camera rendered: still, video, camera_known (of the whole set)."""
    best = sets.filter(~_VIDEO).sort("set", pl.col("kind") == "raw", "row")
    best = best.unique("set", keep="first", maintain_order=True).select("set", still="row")
    known = sets.group_by("set").agg(pl.col("camera_known").all())
    return sets.filter(_VIDEO).select("set", video="row").join(best, on="set").join(known, on="set")

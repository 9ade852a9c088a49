"""Live photos: a still and the video that belongs to it."""

import polars as pl

from immich_pipeline.grouping.evidence import as_members
from immich_pipeline.grouping.rules import GroupingRules

_VIDEO = pl.col("kind") == "video"
_CONTENT = ["owner", "source_id", "content_id"]


def with_live_videos(members: pl.DataFrame, prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Add each live photo's video to its still's group, or a group of the two where the still has none.

    Args:
        members: The groups found so far (``evidence.MEMBER_COLUMNS``).
        prepared: All assets.
        rules: What the content id is worth.

    Returns:
        ``members`` with the live photos added.
    """
    live = as_members(_pairs(prepared), "live", "live", rules).with_columns(live="group")
    taken = live.join(members.select("asset_id", home="group", home_kind="kind"), on="asset_id", how="left")
    taken = taken.with_columns(_home("home"), _home("home_kind"))
    at_home = pl.col("home").is_not_null()
    fresh = taken.filter(~at_home).select(members.columns)
    follow = taken.filter(at_home, pl.col("role") == "video").with_columns(group="home", kind="home_kind")
    return pl.concat([members, fresh, follow.select(members.columns)])


def _home(column: str) -> pl.Expr:
    """The group that the first still of a live photo is in already."""
    return pl.col(column).sort_by("home", "asset_id", nulls_last=True).first().over("live").alias(column)


def _pairs(prepared: pl.DataFrame) -> pl.DataFrame:
    """Stills and videos with one content id; where copies or edits carry it too, the name tells which belong together."""
    carrying = prepared.filter(pl.col("content_id").is_not_null())
    one_each = (_VIDEO.sum().over(_CONTENT) == 1) & ((~_VIDEO).sum().over(_CONTENT) == 1)
    folder, stem = (pl.when(~one_each).then(column).alias(f"live_{column}") for column in ("folder", "stem"))
    carrying = carrying.with_columns(folder, stem)
    carrying = carrying.with_columns(set=pl.struct(*_CONTENT, "live_folder", "live_stem").rank("dense"))
    return carrying.filter(_VIDEO.any().over("set"), (~_VIDEO).any().over("set")).with_columns(
        role=pl.when(_VIDEO).then(pl.lit("video")).otherwise(pl.lit("still")),
        evidence=pl.lit("content_id"),
        # The id speaks for itself: nothing is less sure for a camera that is not written into the video.
        camera_known=pl.lit(value=True),
    )

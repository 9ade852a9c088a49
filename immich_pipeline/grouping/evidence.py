"""What a rule hands back: members of groups, and why they are together."""

import polars as pl

from immich_pipeline.grouping.rules import GroupingRules

MEMBER_COLUMNS = ("group", "asset_id", "kind", "role", "rule", "confidence", "reason")
"""group (String) tells the groups of one call of group_captures apart; the rest is as in ``CAPTURE_SCHEMA``."""

_OPENINGS = {
    "raw_jpeg": "RAW file and rendered picture of one capture: ",
    "burst": "Frames of one burst: ",
    "live": "Live photo: ",
}


def as_members(rows: pl.DataFrame, kind: str, finder: str, rules: GroupingRules) -> pl.DataFrame:
    """Word the evidence.

    Args:
        rows: ``asset_id``, ``role``, ``evidence`` (String), ``camera_known`` (Boolean) and ``set`` (any type, one
            value per group).
        kind: The kind of all these groups.
        finder: What found them: one finder's set numbers mean nothing to another.
        rules: Confidence and reason per evidence.

    Returns:
        ``MEMBER_COLUMNS``.
    """
    confidence = {name: evidence.confidence for name, evidence in rules.evidence.items()}
    reasons = {name: evidence.reason for name, evidence in rules.evidence.items()}
    known = pl.col("camera_known").all().over("set")
    doubt = pl.when(known).then(pl.lit(1.0)).otherwise(pl.lit(rules.unknown_camera_factor))
    camera = pl.when(known).then(pl.lit(".")).otherwise(pl.lit("; the camera is not known for all of them."))
    evidence = pl.col("evidence")
    return rows.select(
        pl.concat_str(pl.lit(f"{finder} "), pl.col("set").cast(pl.String)).alias("group"),
        "asset_id",
        pl.lit(kind).alias("kind"),
        "role",
        pl.concat_str(pl.lit(f"{kind}."), evidence).alias("rule"),
        (evidence.replace_strict(confidence, return_dtype=pl.Float64) * doubt).alias("confidence"),
        pl.concat_str(pl.lit(_OPENINGS[kind]), evidence.replace_strict(reasons, return_dtype=pl.String), camera).alias(
            "reason"
        ),
    )

"""What a person should know: half captures, mixed cameras, doubtful cases, decisions that cannot be kept."""

import polars as pl

from immich_pipeline.grouping.constraints import checked_constraints, may_meet, resolved
from immich_pipeline.grouping.pictures import keyed_pictures, pictures_by_name
from immich_pipeline.grouping.prepare import prepare
from immich_pipeline.grouping.rules import GroupingRules, default_rules
from immich_pipeline.grouping.together import NAME_BUCKET, cameras_apart, in_buckets

_RAW = pl.col("kind") == "raw"


def raw_without_rendered(
    assets: pl.DataFrame, members: pl.DataFrame, rules: GroupingRules | None = None
) -> pl.DataFrame:
    """RAW files that no rendered picture stands for.

    Args:
        assets: As for ``group_captures``.
        members: What ``group_captures`` returned.
        rules: The package's own by default.

    Returns:
        ``asset_id``, ``owner``, ``folder``, ``name`` (String), sorted by asset_id.
    """
    usable = prepare(assets, rules or default_rules()).select("asset_id", "kind")
    files = members.join(usable, on="asset_id", how="left")
    paired = files.filter(((pl.col("kind_right") == "image").any()).over("group_id"))
    alone = usable.filter(_RAW).join(paired, on="asset_id", how="anti")
    return assets.join(alone, on="asset_id", how="semi").select("asset_id", "owner", "folder", "name").sort("asset_id")


def halves_in_trash(assets: pl.DataFrame, rules: GroupingRules | None = None) -> pl.DataFrame:
    """Captures of which one side, all RAW files or all rendered pictures, is in the trash and the other is not.

    Args:
        assets: As for ``group_captures``, trashed files included.
        rules: The package's own by default.

    Returns:
        One row per file that is left: ``asset_id``, ``finding`` (String: raw_trashed or rendered_trashed) and ``trashed``
        (List of String: the asset ids of the other side), sorted by asset_id.
    """
    rules = rules or default_rules()
    prepared = prepare(assets, rules, trashed=True)
    members = pictures_by_name(prepared, rules).filter(pl.col("kind") == "raw_jpeg")
    files = members.select("row", "group").join(prepared.select("row", "asset_id", "kind", "is_trashed"), on="row")
    sides = (
        files.sort("row")
        .group_by("group")
        .agg(
            raw_gone=pl.col("is_trashed").filter(_RAW).all(),
            rendered_gone=pl.col("is_trashed").filter(~_RAW).all(),
            trashed=pl.col("asset_id").filter("is_trashed"),
        )
    )
    half = sides.filter(pl.col("raw_gone") != pl.col("rendered_gone"))
    finding = pl.when("raw_gone").then(pl.lit("raw_trashed")).otherwise(pl.lit("rendered_trashed"))
    left = files.filter(~pl.col("is_trashed")).join(half, on="group")
    return left.select("asset_id", finding.alias("finding"), "trashed").sort("asset_id")


def mixed_cameras(assets: pl.DataFrame, rules: GroupingRules | None = None) -> pl.DataFrame:
    """Files of one name and time that are apart because several cameras took them.

    Args:
        assets: As for ``group_captures``.
        rules: The package's own by default.

    Returns:
        ``conflict`` (UInt32, one number per name and time), ``asset_id``, ``make``, ``model``, sorted.
    """
    rules = rules or default_rules()
    prepared = prepare(assets, rules)
    apart = cameras_apart(keyed_pictures(prepared, rules), rules)
    found = apart.select("row", "set").join(prepared.select("row", "asset_id"), on="row")
    # Numbered by the first file, so that the numbers do not hang on the order of the input.
    conflict = pl.col("row").min().over("set").rank("dense").cast(pl.UInt32).alias("conflict")
    named = found.select(conflict, "asset_id").join(assets.select("asset_id", "make", "model"), on="asset_id")
    return named.sort("conflict", "asset_id")


def ambiguous(assets: pl.DataFrame, members: pl.DataFrame, rules: GroupingRules | None = None) -> pl.DataFrame:
    """Files that a person should look at, and why.

    These are members less sure than the rules' ``review_below``, and files that share their name with others without
    being grouped, where what they lack is the only reason: a time, a camera, another name than a copy's.

    Args:
        assets: As for ``group_captures``.
        members: What ``group_captures`` returned.
        rules: The package's own by default.

    Returns:
        ``asset_id``, ``group_id`` (null where the file is in none) and ``reason`` (String), sorted by asset_id.
    """
    rules = rules or default_rules()
    doubtful = members.filter(pl.col("confidence") < rules.review_below).select("asset_id", "group_id", "reason")
    prepared = prepare(assets, rules)
    pictures = keyed_pictures(prepared, rules).join(prepared.select("row", "asset_id"), on="row")
    namesakes = in_buckets(pictures, NAME_BUCKET).with_columns(
        unknown=pl.col("local_us").is_null() & pl.col("instant_us").is_null(),
        homeless=~pl.col("asset_id").is_in(members["asset_id"].implode()),
        same_name=pl.struct("bucket_id", "folder", "folded").is_duplicated(),
    )
    cameras = pl.struct("make", "model").filter(pl.col("make").is_not_null()).n_unique().over("bucket_id")
    left_out = namesakes.with_columns(
        reason=pl.when("same_name")
        .then(pl.lit("The name differs from another file's in letter case only: perhaps a copy."))
        .when("unknown")
        .then(pl.lit("Several files have this name, and when this one was taken is not known."))
        .when(pl.col("make").is_null() & (cameras > 1))
        .then(pl.lit("Files of several cameras have this name, and which camera took this one is not known."))
    )
    left_out = left_out.filter("homeless", pl.col("reason").is_not_null())
    stray = left_out.select("asset_id", pl.lit(None, pl.String).alias("group_id"), "reason")
    return pl.concat([doubtful, stray, _copies(prepared, members, rules)]).sort("asset_id", "reason")


def _copies(prepared: pl.DataFrame, members: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Files outside of groups with a copy's mark, if the file that they would be copies of is there."""
    mark = f"(?s)(.)(?:{'|'.join(rules.copy_marks)})$"
    place = ["scope", "place", "extension"]
    marked = prepared.filter(pl.col("stem").str.contains(mark)).with_columns(
        original=pl.col("stem").str.replace(mark, "${1}")
    )
    copies = marked.join(prepared, left_on=[*place, "original"], right_on=[*place, "stem"], how="semi")
    copies = copies.join(members, on="asset_id", how="anti")
    reason = pl.lit("The name is that of a copy of another file: perhaps a duplicate, never a version.")
    return copies.select("asset_id", pl.lit(None, pl.String).alias("group_id"), reason.alias("reason"))


def unmet_constraints(
    assets: pl.DataFrame, members: pl.DataFrame, constraints: pl.DataFrame, rules: GroupingRules | None = None
) -> pl.DataFrame:
    """A person's decisions that could not be kept.

    Args:
        assets: As for ``group_captures``.
        members: What ``group_captures`` returned with these constraints.
        constraints: ``CONSTRAINT_SCHEMA``.
        rules: The package's own by default.

    Returns:
        ``CONSTRAINT_SCHEMA`` and ``reason`` (String), sorted.
    """
    prepared = prepare(assets, rules or default_rules())
    known = resolved(checked_constraints(constraints), prepared)
    homes = prepared.select("row", "asset_id").join(members, on="asset_id").select("row", "group_id", "is_primary")
    judged = known.join(homes, on="row", how="left").join(
        homes, left_on="row_other", right_on="row", how="left", suffix="_other"
    )
    pair = pl.col("kind") != "set_primary"
    gone = pl.col("row").is_null() | (pair & pl.col("row_other").is_null())
    together = (pl.col("group_id") == pl.col("group_id_other")).fill_null(value=False)
    reason = (
        pl.when(gone)
        .then(pl.lit("There is no such file that can be grouped: it is gone, in the trash, locked or stacked by hand."))
        .when((pl.col("kind") == "together") & ~may_meet())
        .then(
            pl.lit("Files of two owners or sources, hidden and visible ones, and stills and videos are never together.")
        )
        .when((pl.col("kind") == "together") & ~together)
        .then(pl.lit("Another decision keeps them apart, or one is the video of a live photo."))
        .when((pl.col("kind") == "set_primary") & pl.col("group_id").is_null())
        .then(pl.lit("The file is in no group."))
        .when((pl.col("kind") == "set_primary") & ~pl.col("is_primary"))
        .then(pl.lit("Another file was chosen too, or this is the video of a live photo."))
    )
    columns = ["kind", "subject", "other"]
    unmet = judged.select(*columns, reason=reason).filter(pl.col("reason").is_not_null())
    return unmet.unique().sort(*columns, "reason", nulls_last=True)

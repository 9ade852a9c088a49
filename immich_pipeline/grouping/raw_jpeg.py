"""RAW files and the pictures rendered from them."""

import polars as pl

from immich_pipeline.grouping.evidence import as_members
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.together import NAME_BUCKET, same_shot

_RAW, _RENDERED = pl.col("kind") == "raw", pl.col("kind") == "image"


def raw_and_rendered(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of RAW files and pictures that share owner, source, folder, name, camera and time.

    A folder named RAW, JPG … counts as the one it lies in. A file without a capture time is taken in when its own
    folder holds just one capture of that name, with a lower confidence and a reason that says so.

    Returns:
        ``evidence.MEMBER_COLUMNS`` with the roles raw, raw_converted and rendered.
    """
    pictures = prepared.filter(_RAW | _RENDERED).with_columns(name_key=_capture_key())
    # Most files have no partner at all: leave them before the costly part.
    both = pictures.filter(_RAW.any().over(NAME_BUCKET), _RENDERED.any().over(NAME_BUCKET))
    tolerance = pl.col("rule_tolerance_ms").fill_null(rules.tolerance_ms)
    sets = same_shot(both.with_columns(tolerance_us=tolerance * 1000), rules)
    sets = sets.filter(_RAW.any().over("set"), _RENDERED.any().over("set"))
    return as_members(sets.with_columns(_evidence(), _role(rules)), "raw_jpeg", "raw_jpeg", rules)


def _capture_key() -> pl.Expr:
    """A burst's key names many captures: there, the whole name is what the files of one capture share."""
    return pl.when(pl.col("name_use") == "burst").then("stem").otherwise("name_key")


def _evidence() -> pl.Expr:
    """Where RAW and rendered are joined only by files without a time, the name alone speaks for all of them."""
    timed = pl.col("evidence") != "name_only"
    proven = (_RAW & timed).any().over("set") & (_RENDERED & timed).any().over("set")
    return pl.when(proven).then("evidence").otherwise(pl.lit("name_only")).alias("evidence")


def _role(rules: GroupingRules) -> pl.Expr:
    convertible = pl.col("extension").is_in(list(rules.converted_raw_extensions))
    has_native = (_RAW & ~convertible).any().over("set")
    raw = pl.when(convertible & has_native).then(pl.lit("raw_converted")).otherwise(pl.lit("raw"))
    return pl.when(_RAW).then(raw).otherwise(pl.lit("rendered")).alias("role")

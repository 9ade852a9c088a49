"""The files of the sets with everything that is known of them, and what can be said of each by itself."""

import polars as pl

from immich_pipeline.dedup.decision_rules import FILE_DATE, DecisionRules
from immich_pipeline.dedup.schema import DECISION_FACTS_SCHEMA, SET_SCHEMA
from immich_pipeline.grouping.schema import COMPONENT_ROLE

LIVE_KEY = "live video"
"""The key of a live photo's video among the files of a folder: any such video is the counterpart of any other."""


def set_files(sets: pl.DataFrame, facts: pl.DataFrame, rules: DecisionRules) -> pl.DataFrame:
    """Join the sets with the facts.

    Args:
        sets: ``SET_SCHEMA``.
        facts: ``DECISION_FACTS_SCHEMA``; of assets that are in no set, too.
        rules: Which sources of times are to be believed.

    Returns:
        The columns of both, sorted by ``set_id``, ``unit_id``, ``asset_id``, and: ``set`` and ``unit`` (numbers),
        ``is_known`` (false where there are no facts), ``component`` (a live photo's video), ``on_server``,
        ``pixels`` (Int64), ``true_date`` (the time is the moment it was taken), ``has_live_video`` and ``key`` (files
        of one key are counterparts; null for a video that the server can give to another still).

    Raises:
        ValueError: A column is missing, or an asset is twice in the facts or in the sets.
    """
    sets, facts = _checked(sets, SET_SCHEMA, "sets"), _checked(facts, DECISION_FACTS_SCHEMA, "facts")
    rows = sets.sort("set_id", "unit_id", "asset_id").with_columns(
        set=pl.col("set_id").rle_id(), unit=pl.struct("set_id", "unit_id").rle_id()
    )
    known = facts.drop("owner").with_columns(is_known=pl.lit(value=True))
    joined = rows.join(known, on="asset_id", how="left", maintain_order="left")
    joined = _with_components(joined).with_columns(
        is_known=pl.col("is_known").fill_null(value=False),
        on_server=pl.col("server_asset").fill_null(value=False),
        pixels=pl.col("width").cast(pl.Int64) * pl.col("height"),
        true_date=_true_date(rules),
    )
    # Files of equal bytes are one picture: what is known of its size holds for all.
    same = pl.col("pixels").max().over("set", "content")
    joined = joined.with_columns(pixels=pl.when(pl.col("content").is_null()).then("pixels").otherwise(same))
    movable = pl.when(~pl.col("on_server")).then(pl.lit(LIVE_KEY))
    own = pl.coalesce("group_id", "asset_id")
    return joined.with_columns(key=pl.when("component").then(movable).otherwise(own))


def _checked(frame: pl.DataFrame, schema: dict[str, pl.DataType], what: str) -> pl.DataFrame:
    missing = [column for column in schema if column not in frame.columns]
    if missing:
        raise ValueError(f"the {what} lack the columns {', '.join(missing)}")
    if frame["asset_id"].is_duplicated().any():
        raise ValueError(f"an asset is twice in the {what}")
    return frame.select([pl.col(column).cast(dtype) for column, dtype in schema.items()])


def _with_components(files: pl.DataFrame) -> pl.DataFrame:
    """Tell videos that are part of a still from files of their own; a unit is never made of components alone."""
    moving = (
        files.select("unit", asset_id="live_video_id").drop_nulls().unique().with_columns(linked=pl.lit(value=True))
    )
    files = files.join(moving, on=["unit", "asset_id"], how="left", maintain_order="left")
    part = (pl.col("role") == COMPONENT_ROLE).fill_null(value=False) | pl.col("linked").fill_null(value=False)
    files = files.with_columns(component=part).with_columns(
        component=pl.col("component") & pl.col("component").not_().any().over("unit")
    )
    has_video = pl.col("live_video_id").is_not_null() | pl.col("component").any().over("unit")
    return files.with_columns(has_live_video=has_video).drop("linked")


def _true_date(rules: DecisionRules) -> pl.Expr:
    """A server names a time for every asset, if need be the file's: without a camera, only a source of its own proves it."""
    dated = pl.col("taken_at").is_not_null() | pl.col("taken_at_local").is_not_null()
    proven = pl.col("time_source").is_in(rules.true_sources()).fill_null(value=False)
    return dated & (proven | said("make") | said("model"))


def said(column: str) -> pl.Expr:
    """Whether a text says anything."""
    return (pl.col(column).str.strip_chars() != "").fill_null(value=False)


def date_columns(rules: DecisionRules) -> dict[str, pl.Expr]:
    """``date_score`` (Int64, more is better: source, then how much is known, then how early) and ``date_text`` of a file."""
    wall, instant = pl.col("taken_at_local").dt.epoch("s"), pl.col("taken_at").dt.epoch("s")
    of_file = pl.coalesce(pl.col("file_created_at").dt.epoch("s"), pl.col("mtime_ns") // 1_000_000_000)
    taken = pl.coalesce(instant, wall)
    named = [source.name for source in rules.time_sources]
    source = pl.when(taken.is_not_null()).then(pl.col("time_source").fill_null("server")).otherwise(pl.lit(FILE_DATE))
    rank = source.replace_strict(
        {name: len(named) - place for place, name in enumerate(named)}, default=2, return_dtype=pl.Int64
    )
    # A zone that becomes known must not make a time later than it was: those with one stand before those without.
    whole = (wall.is_not_null() & instant.is_not_null()).cast(pl.Int64)
    when = pl.coalesce(taken, of_file)
    title = source.replace_strict({entry.name: entry.title for entry in rules.time_sources}, default="server")
    shown = pl.coalesce(
        pl.col("taken_at_local").dt.strftime("%Y-%m-%d %H:%M:%S"),
        pl.from_epoch(when, time_unit="s").dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )
    score = pl.when(when.is_not_null()).then((rank * 2 + whole) * _SPAN - when.clip(-_SPAN // 2, _SPAN // 2))
    return {
        "date_score": score.fill_null(-_SPAN),
        "date_text": pl.concat_str(shown, pl.lit(" ("), title, pl.lit(")")).fill_null("unknown"),
    }


_SPAN = 1 << 42
"""Seconds: more than lie between the years 1 and 9999, so that a better source always counts more than any time."""

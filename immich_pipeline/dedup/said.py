"""What a person said of sets, held against the sets that there are now: a yes is for exactly these files, a no for what is left of them."""

import polars as pl

from immich_pipeline.dedup.contents import set_keys

SAID_IN_PART = "rejected in part"
"""Of some of the files a person said no; of the others nothing."""


def with_said(files: pl.DataFrame, verdicts: pl.DataFrame | None) -> pl.DataFrame:
    """Add ``verdict_given`` (of the set) and ``chosen_by_person`` (of the file).

    A yes holds for the set of exactly its contents: a file more is one that nobody has seen, and so is one of unknown content. A no holds
    for every set in which two files have contents of it, be they copies of one, or all whose content is known; there it yields only to a
    yes to exactly this set.

    Args:
        files: What ``decide`` goes by: ``set_id``, ``unit``, ``asset_id``, ``content`` and ``component``.
        verdicts: As ``decide`` takes them.

    Returns:
        ``verdict_given``: "accepted"; "rejected" (all of its files that are known); ``SAID_IN_PART``; null where nothing was said.
    """
    if verdicts is None or verdicts.is_empty():
        return files.with_columns(verdict_given=pl.lit(None, pl.String), chosen_by_person=pl.lit(value=False))
    given = _with_yes(files, verdicts).join(_noes(files, verdicts), on="set_id", how="left", maintain_order="left")
    yes = pl.when("is_accepted").then(pl.lit("accepted"))
    return given.with_columns(verdict_given=yes.otherwise("no")).drop("is_accepted", "no")


def _with_yes(files: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Add ``is_accepted`` (of the set) and ``chosen_by_person``."""
    known = pl.col("content").is_not_null().all().over("set_id")
    keys = set_keys(files.filter(known).select("set_id", "asset_id"), files.select("asset_id", "content"))
    accepted = verdicts.filter(pl.col("verdict") == "accepted").with_columns(is_accepted=pl.lit(value=True))
    said = keys.join(accepted, on="contents_key").select("set_id", "keeper_content", "keeper_asset", "is_accepted")
    joined = files.join(said, on="set_id", how="left", maintain_order="left").with_columns(
        pl.col("is_accepted").fill_null(value=False),
        has_content=(pl.col("content") == pl.col("keeper_content")).fill_null(value=False),
        is_named=(pl.col("asset_id") == pl.col("keeper_asset")).fill_null(value=False),
    )
    # Where the file that was named is no longer among those of the content, its content alone counts.
    named = pl.col("has_content").any().over("unit") & pl.col("is_named").any().over("unit")
    joined = joined.with_columns(named=named).with_columns(any_named=pl.col("named").any().over("set_id"))
    of_unit = pl.when("any_named").then("named").otherwise(pl.col("has_content").any().over("unit"))
    meant = of_unit & ~pl.col("component") & pl.when("any_named").then("is_named").otherwise("has_content")
    # A video that only one unit has tells that unit from others; but it never stands for it.
    stands = pl.when(meant.any().over("unit")).then(meant).otherwise(of_unit & ~pl.col("component"))
    return joined.with_columns(chosen_by_person=stands).drop(
        "keeper_content", "keeper_asset", "has_content", "is_named", "named", "any_named"
    )


def _noes(files: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """``set_id`` and ``no``, of the sets in which a person said no to two files at least, or to all that are known."""
    rejected = verdicts.filter(pl.col("verdict") == "rejected").select("contents_key", content="contents")
    of_set = files.select("set_id", "content").drop_nulls("content").with_columns(known=pl.len().over("set_id"))
    shared = of_set.join(rejected.explode("content"), on="content")
    counted = shared.group_by("set_id", "contents_key").agg(covered=pl.len(), whole=pl.len() == pl.col("known").first())
    protected = counted.filter(pl.col("whole") | (pl.col("covered") > 1))
    return protected.group_by("set_id").agg(
        no=pl.when(pl.col("whole").any()).then(pl.lit("rejected")).otherwise(pl.lit(SAID_IN_PART))
    )

"""Which member stands for its group."""

import polars as pl

from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import COMPONENT_ROLE


def with_primary(
    members: pl.DataFrame, prepared: pl.DataFrame, rules: GroupingRules, chosen: pl.Series | None = None
) -> pl.DataFrame:
    """Add ``is_primary``: the first of each group in a total order, so that no tie is ever broken by chance.

    The order: not a live photo's video, chosen by a person, the side that a policy wants (``cover_side``), named as the
    cover, latest edit (an original before what an app made by itself), earliest of the rules' keywords, rendered before
    RAW, preferred format (of one picture in two formats), largest, oldest, by name, by asset id. Largest goes by pixels
    where they are known for all pictures of the group, then by bytes.

    Args:
        members: ``group``, ``row``, ``kind``, ``role`` and maybe ``cover_side`` (String: raw, jpeg or null).
        prepared: All assets.
        rules: Keywords and formats.
        chosen: The rows that a person has chosen.

    Returns:
        ``members`` with ``is_primary`` (Boolean), in an order of its own.
    """
    ranked = _ranked(members, prepared, rules, chosen).sort("group", *_NUMBERS, nulls_last=True)
    # Names are looked at only where numbers leave a tie: they are slow to sort.
    differs = pl.any_horizontal([pl.col(column).ne_missing(pl.col(column).shift()) for column in ("group", *_NUMBERS)])
    ranked = ranked.with_columns(tie=differs.cum_sum())
    best = ranked.filter(pl.col("tie") == pl.col("tie").min().over("group"))
    first = (
        best.sort("group", "folded", "row").unique("group", keep="first").select("row", is_primary=pl.lit(value=True))
    )
    primary = ranked.select(members.columns).join(first, on="row", how="left")
    return primary.with_columns(pl.col("is_primary").fill_null(value=False))


_NUMBERS = ["rank", "pixels", "bytes", "taken"]


def in_order(
    members: pl.DataFrame, prepared: pl.DataFrame, rules: GroupingRules, chosen: pl.Series | None = None
) -> pl.DataFrame:
    """``members`` sorted by group and, within, by the order of :func:`with_primary`."""
    ranked = _ranked(members, prepared, rules, chosen)
    return ranked.sort("group", *_NUMBERS, "folded", "row", nulls_last=True).select(members.columns)


def _ranked(
    members: pl.DataFrame, prepared: pl.DataFrame, rules: GroupingRules, chosen: pl.Series | None
) -> pl.DataFrame:
    """``members`` with what the order goes by: ``rank``, ``pixels``, ``bytes``, ``taken`` (Int64) and ``folded``."""
    said = "|".join(rules.primary_keywords)
    says = pl.col("folded").str.contains(said)
    facts = pl.concat(
        [
            prepared.filter(says).with_columns(keyword=_keyword(rules)),
            prepared.filter(~says).with_columns(keyword=pl.lit(_NO_KEYWORD, pl.Int64)),
        ]
    ).select(
        "row", "cover", "version", "size", "folded", "extension", "keyword",
        is_raw=pl.col("kind") == "raw",
        pixels=pl.col("width").cast(pl.Int64) * pl.col("height"),
        taken=pl.coalesce("local_us", "instant_us"),
    )  # fmt: skip
    ordered = members.join(facts, on="row", how="left")
    component = pl.col("role") == COMPONENT_ROLE
    all_known = (pl.col("pixels").is_not_null() | component).all().over("group")
    chosen_rows = pl.Series([], dtype=pl.UInt32) if chosen is None else chosen
    return ordered.with_columns(
        rank=_packed(
            [
                (component, 1),
                (~pl.col("row").is_in(chosen_rows.implode()), 1),
                (_other_side(rules) if "cover_side" in members.columns else pl.lit(0), 2),
                (~pl.col("cover"), 1),
                (_LATEST - pl.col("version").clip(-_LATEST, _LATEST), 21),
                (pl.col("keyword"), 8),
                (pl.col("is_raw"), 1),
                ((pl.col("kind") == "format_pair") & ~_preferred(rules), 1),
            ]
        ),
        pixels=pl.when(all_known).then(pl.col("pixels").neg()),
        bytes=pl.col("size").neg(),
    )


_LATEST = 1_000_000
_NO_KEYWORD = 255


def _packed(parts: list[tuple[pl.Expr, int]]) -> pl.Expr:
    """Several small numbers as one, the first the weightiest: one column is sorted faster than many."""
    packed = pl.lit(0, pl.Int64)
    for part, bits in parts:
        packed = packed * (1 << bits) + part.cast(pl.Int64)
    return packed


def _other_side(rules: GroupingRules) -> pl.Expr:
    """0 on the side that the policy wants in front, more on the other."""
    is_jpeg = pl.col("extension").is_in(list(rules.jpeg_extensions))
    raw, jpeg = pl.col("cover_side") == "raw", pl.col("cover_side") == "jpeg"
    wrong = pl.when(raw & ~pl.col("is_raw")).then(1).when(jpeg & pl.col("is_raw")).then(2).when(jpeg & ~is_jpeg).then(1)
    return wrong.otherwise(0)


def _keyword(rules: GroupingRules) -> pl.Expr:
    """The place of the first keyword that the name has."""
    found = [
        pl.when(pl.col("folded").str.contains(keyword)).then(pl.lit(number, pl.Int64))
        for number, keyword in enumerate(rules.primary_keywords)
    ]
    return pl.coalesce(found).clip(upper_bound=_NO_KEYWORD)


def _preferred(rules: GroupingRules) -> pl.Expr:
    return pl.col("extension").is_in(list(rules.format_preference))

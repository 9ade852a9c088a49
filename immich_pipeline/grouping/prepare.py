"""From the caller's frame to the one that grouping works on: checked, coded, in one order."""

import re

import polars as pl

from immich_pipeline.grouping.adoption import with_adopted
from immich_pipeline.grouping.cameras import CAMERA
from immich_pipeline.grouping.names import folder_key, with_names
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import INPUT_SCHEMA, OPTIONAL_INPUT_SCHEMA
from immich_pipeline.grouping.times import with_times

_SHOWN = ("timeline", "archive")
_SCOPE = ["owner", "source_id", "seen"]


def prepare(assets: pl.DataFrame, rules: GroupingRules, *, trashed: bool = False) -> pl.DataFrame:
    """Everything that the rules look at.

    Left out are files of the system, sidecars, locked, trashed and missing files, and files that a person has stacked.

    Args:
        assets: ``INPUT_SCHEMA`` and any of ``OPTIONAL_INPUT_SCHEMA``.
        rules: Names, folders, placeholders.
        trashed: Whether to keep trashed files (not missing ones), for reports.

    Returns:
        One row each, in an order of its own:

        - ``row`` (UInt32: the place in the order of asset ids), ``asset_id``, ``kind``, ``extension``, ``size``,
          ``width``, ``height``, ``duration_ms``, ``exposure_bias``, ``burst_id``, ``content_id``, ``live_video_id``,
          ``content_key``, ``is_trashed``;
        - ``scope`` (UInt32: owner, source and whether it is shown; what differs there never meets), ``library`` (UInt32:
          owner and source);
        - ``folder`` and ``place`` (UInt32: the folder, and the folder it counts as), ``has_folder`` (Boolean: not an
          upload), ``edit_folder`` (Boolean), ``folder_rule`` (Int16: the number of the rule, or null);
        - ``make``, ``model``, ``serial`` (UInt32 codes, null where unknown);
        - what ``with_names`` and ``with_times`` add.

    Raises:
        ValueError: A column is missing, or an asset id occurs twice.
    """
    check(assets)
    return prepare_checked(assets, rules, trashed=trashed)


def check(assets: pl.DataFrame) -> None:
    """See that grouping can work on these assets.

    Raises:
        ValueError: A column is missing, or an asset id occurs twice.
    """
    if missing := [column for column in INPUT_SCHEMA if column not in assets.columns]:
        raise ValueError(f"grouping needs the columns {', '.join(missing)}")
    if assets["asset_id"].n_unique() < assets.height:
        raise ValueError("an asset id occurs twice: every asset is one row")


def prepare_checked(assets: pl.DataFrame, rules: GroupingRules, *, trashed: bool = False) -> pl.DataFrame:
    """As :func:`prepare`, of assets that have passed :func:`check`."""
    known = _known(assets)
    folders = _folders(known["folder"].unique(), rules)
    # One name for each step: what a step no longer needs goes at once, and a library need not fit into memory many times.
    prepared = _usable(known, folders.filter("is_system")["folder"], rules, trashed=trashed)
    del known
    prepared = prepared.join(folders.drop("is_system"), on="folder", how="left")
    if rules.fold_subfolders:
        prepared = _fold_subfolders(prepared)
    named = with_names(prepared.select("row", "name", "kind"), rules)
    prepared = _coded(prepared.drop("name", "parent"))
    prepared = with_times(prepared, rules)
    prepared = prepared.join(named, on="row")
    del named
    exported = pl.col("edit_folder") & (pl.col("version") == 0)
    return with_adopted(prepared.with_columns(version=pl.when(exported).then(1).otherwise("version")))


def _coded(placed: pl.DataFrame) -> pl.DataFrame:
    """Numbers for what is only ever compared."""
    coded = placed.with_columns(
        *(_code(column, folded=False).alias(column) for column in ("folder", "place")),
        *(_code(column, folded=True).alias(column) for column in CAMERA),
        burst_id=_known_id(pl.coalesce(_text("burst_id"), _text("auto_stack_id"))),
        content_id=pl.coalesce(_text("content_id"), _text("live_photo_cid")),
    ).drop("auto_stack_id", "live_photo_cid")
    for number, columns in {"scope": _SCOPE, "library": _SCOPE[:2]}.items():
        numbers = coded.select(columns).unique().with_row_index(number)
        coded = coded.join(numbers, on=columns, how="left", nulls_equal=True)
    return coded.drop(_SCOPE)


def _known(assets: pl.DataFrame) -> pl.DataFrame:
    """The columns that grouping reads, and ``row``."""
    optional = [
        pl.col(column).cast(dtype) if column in assets.columns else pl.lit(None, dtype=dtype).alias(column)
        for column, dtype in OPTIONAL_INPUT_SCHEMA.items()
    ]
    known = assets.select([pl.col(column).cast(dtype) for column, dtype in INPUT_SCHEMA.items()] + optional)
    return known.with_columns(
        # The place in the order of ids: everything that follows breaks ties by it, never by the caller's order.
        row=known["asset_id"].arg_sort().arg_sort().cast(pl.UInt32),
        folder=pl.col("folder").fill_null(""),
        has_folder=pl.col("folder").is_not_null(),
    )


def _usable(known: pl.DataFrame, system_folders: pl.Series, rules: GroupingRules, *, trashed: bool) -> pl.DataFrame:
    system = "|".join(rules.system_names)
    wanted = [
        pl.col("visibility").ne_missing("locked"),
        pl.col("is_offline").ne_missing(other=True),
        pl.col("kind") != "sidecar",
        ~pl.col("extension").str.to_lowercase().is_in(list(rules.sidecar_extensions)),
        ~pl.col("name").str.contains(f"(?i){system}"),
        ~pl.col("folder").is_in(system_folders.implode()),
    ]
    if not trashed:
        wanted.append(pl.col("is_trashed").ne_missing(other=True))
    if not rules.replace_stacks:
        wanted.append(pl.col("manual_stack").is_null())
    shown = pl.col("visibility").is_null() | pl.col("visibility").is_in(_SHOWN)
    usable = known.filter(wanted).with_columns(
        pl.col("extension").str.to_lowercase(),
        pl.col("is_trashed").fill_null(value=False),
        seen=pl.when(~shown).then("visibility"),
    )
    return usable.drop("visibility", "is_offline", "manual_stack")


def _folders(folders: pl.Series, rules: GroupingRules) -> pl.DataFrame:
    """What the folders say, one row each."""
    names = "|".join(map(re.escape, rules.edit_folders))
    system = "|".join(map(re.escape, rules.system_folders))
    lower = pl.col("folder").str.to_lowercase()
    rules_found = [
        pl.when(lower.str.contains(rule.pattern)).then(pl.lit(number, pl.Int16))
        for number, rule in enumerate(rules.folder_rules)
    ]
    # Letter case is kept: two folders that differ in it are two.
    place = folder_key(pl.col("folder"), rules)
    return folders.to_frame("folder").with_columns(
        place=place,
        parent=pl.when(place.str.contains("/")).then(place.str.replace("/[^/]*$", "")).otherwise(pl.lit("")),
        edit_folder=lower.str.contains(rf"(?:^|/)(?:{names})$"),
        is_system=lower.str.contains(rf"(?:^|/)(?:{system})(?:/|$)"),
        folder_rule=pl.coalesce([*rules_found, pl.lit(None, pl.Int16)]),
    )


def _fold_subfolders(places: pl.DataFrame) -> pl.DataFrame:
    """Let folders right below one that has RAW files count as that one."""
    above = places.filter(pl.col("kind") == "raw").select("owner", "source_id", parent="place").unique()
    above = above.with_columns(below=pl.lit(value=True))
    places = places.join(above, on=["owner", "source_id", "parent"], how="left")
    folds = pl.col("below").fill_null(value=False) & (pl.col("kind") != "raw") & (pl.col("place") != "")
    return places.with_columns(place=pl.when(folds).then("parent").otherwise("place")).drop("below")


def _text(column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    return pl.when(text != "").then(text)


def _known_id(text: pl.Expr) -> pl.Expr:
    """Some cameras write noughts where they have no id."""
    return pl.when(~text.str.contains(r"^[0-]+$")).then(text)


def _code(column: str, *, folded: bool) -> pl.Expr:
    """Numbers for words: equal numbers, equal words. Their order means nothing."""
    text = _text(column).str.to_lowercase() if folded else pl.col(column)
    return text.cast(pl.Categorical).to_physical()

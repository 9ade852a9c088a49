"""Pictures of one name: RAW and rendered, versions, formats, sides of a scan."""

import polars as pl

from immich_pipeline.grouping.evidence import as_members
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.together import same_shot

_RAW = pl.col("kind") == "raw"
IS_PICTURE = pl.col("kind").is_in(["raw", "image"])


def pictures_by_name(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of pictures that share owner, source, folder, name, camera and time, but for their version marks.

    A folder named RAW, JPG … counts as the one it lies in. A file without a capture time is taken in when its own
    folder holds just one capture of that name, with a lower confidence and a reason that says so. Copies of one file
    (names that differ in letter case only, or in nothing but the folder) are not put together.

    Returns:
        ``evidence.MEMBER_SCHEMA``: raw_jpeg (roles raw, raw_converted, rendered, edit, auto), versions (the same),
        format_pair (rendered) and scan (front, back).
    """
    sets = same_shot(keyed_pictures(prepared, rules), rules)
    unsure = pl.col("mark_exact") & ~((pl.col("evidence") == "same_time") & pl.col("camera_known").all().over("set"))
    sets = _without_copies(sets.filter(~unsure), rules)
    sets = sets.join(_kinds(sets, rules), on="set", maintain_order="left").filter(pl.col("set_kind").is_not_null())
    return as_members(sets.with_columns(_evidence(), role=_role(rules), kind="set_kind"))


_READ = [
    "row", "scope", "place", "folder", "has_folder", "kind", "extension", "size", "width", "height", "edit_folder", "stem", "folded",
    "version", "mark_exact", "is_scan", "make", "model", "serial", "local_us", "instant_us", "subsec_known", "content_key",
]  # fmt: skip


def keyed_pictures(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Pictures with the key of their capture in ``name_rule`` and ``name_key``, and their tolerance.

    Args:
        prepared: All assets.
        rules: Name rules and tolerances.

    Returns:
        The pictures' columns that the rules for pictures read, and ``tolerance_us`` (Int64).
    """
    active = rules.active_name_rules()
    sequences = [number for number, rule in enumerate(active) if rule.use != "capture"]
    wide = {
        number: rule.tolerance_ms for number, rule in enumerate(active) if rule.use == "capture" and rule.tolerance_ms
    }
    # A burst's key names many captures: there, the whole name is what the files of one capture share.
    is_frame = pl.col("name_rule").is_in(sequences).fill_null(value=False)
    keyed = prepared.filter(IS_PICTURE).select(
        *_READ,
        name_key=pl.when(is_frame).then("base").otherwise("name_key"),
        name_rule=pl.when(~is_frame).then("name_rule"),
    )
    return keyed.with_columns(
        tolerance_us=pl.col("name_rule").replace_strict(wide, default=rules.tolerance_ms, return_dtype=pl.Int64) * 1000
    )


def without_same_content(sets: pl.DataFrame) -> pl.DataFrame:
    """Of files of a set with one content, the original stays, then the first: equal bytes are no versions.

    Args:
        sets: ``set``, ``content_key`` (null where unknown), ``version`` and ``row``.
    """
    known = pl.col("content_key").is_not_null()
    copied = known & pl.struct("set", "content_key").is_duplicated()
    copies = sets.filter(copied).sort(pl.col("version").abs(), "row")
    originals = copies.unique(["set", "content_key"], keep="first", maintain_order=True)
    return pl.concat([sets.filter(~copied), originals])


def _without_copies(sets: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Of files that are copies of each other, by content or by name, one stays; sets of one are dropped.

    By name, the largest stays, then the first.
    """
    sets = without_same_content(sets).sort("set", pl.col("size").neg(), "row", nulls_last=True)
    sets = sets.filter(pl.struct("set", "folder", "folded").is_first_distinct())
    is_jpeg = pl.col("extension").is_in(list(rules.jpeg_extensions))
    family = pl.when(is_jpeg).then(pl.lit("jpg")).otherwise("extension")
    both = _RAW.any().over("set") & (~_RAW).any().over("set")
    version = pl.struct("set", family.alias("family"), "stem", "edit_folder")
    return sets.filter(both | version.is_first_distinct()).filter(pl.len().over("set") > 1)


def _kinds(sets: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """What each set is: ``set``, ``set_kind`` (null: nothing that belongs together)."""
    masters = pl.col("extension").is_in(list(rules.master_extensions))
    one_size = (
        (pl.col("width").min() == pl.col("width").max())
        & (pl.col("height").min() == pl.col("height").max())
        & (pl.col("width").null_count() == 0)
    )
    versions = (
        (pl.col("stem").n_unique() > 1) | pl.col("edit_folder").any() | (masters.any() & (~masters).any()) | _RAW.all()
    )
    kind = (
        pl.when(_RAW.any() & (~_RAW).any())
        .then(pl.lit("raw_jpeg"))
        .when(pl.col("is_scan").any())
        .then(pl.lit("scan"))
        .when(versions)
        .then(pl.lit("versions"))
        .when(one_size)
        .then(pl.lit("format_pair"))
    )
    return sets.group_by("set").agg(kind.alias("set_kind"))


def _evidence() -> pl.Expr:
    """Where both sides are joined only by files without a time, the name alone speaks for all of them."""
    timed = pl.col("evidence") != "name_only"
    both = (_RAW & timed).any().over("set") & (~_RAW & timed).any().over("set")
    proven = pl.when(pl.col("set_kind") == "raw_jpeg").then(both).otherwise(timed.sum().over("set") > 1)
    return pl.when(proven).then("evidence").otherwise(pl.lit("name_only")).alias("evidence")


def _role(rules: GroupingRules) -> pl.Expr:
    convertible = pl.col("extension").is_in(list(rules.converted_raw_extensions))
    has_native = (_RAW & ~convertible).any().over("set")
    raw = pl.when(convertible & has_native).then(pl.lit("raw_converted")).otherwise(pl.lit("raw"))
    back = pl.col("is_scan") & (pl.col("version") < 0)
    return (
        pl.when(pl.col("set_kind") == "scan")
        .then(pl.when(back).then(pl.lit("back")).otherwise(pl.lit("front")))
        .when(_RAW)
        .then(raw)
        .when(pl.col("version") > 0)
        .then(pl.lit("edit"))
        .when(pl.col("version") < 0)
        .then(pl.lit("auto"))
        .otherwise(pl.lit("rendered"))
    )

"""What a file's name and folder say, as polars expressions."""

import re

import polars as pl

from immich_pipeline.grouping.rules import GroupingRules, NameRule


def folded(text: pl.Expr) -> pl.Expr:
    """Text in the form in which names are compared: NFC, letter case folded.

    Polars has no case folding; upper case first makes "ß" and "SS" meet as folding would.
    """
    return text.str.normalize("NFC").str.to_uppercase().str.to_lowercase().str.normalize("NFC")


def stem_key(name: pl.Expr, rules: GroupingRules) -> pl.Expr:
    """The folded name without its media extensions, however many it has; never empty unless the name is."""
    extensions = "|".join(map(re.escape, rules.media_extensions))
    return folded(name).str.replace(rf"^(.+?)(?:\.(?:{extensions}))+$", "${1}")


def folder_key(folder: pl.Expr, rules: GroupingRules) -> pl.Expr:
    """The folder with trailing RAW/, JPG/ … folders folded into the one they lie in."""
    names = "|".join(map(re.escape, rules.folded_folders))
    return folder.str.normalize("NFC").str.replace(rf"(?i)(?:(?:^|/)(?:{names}))+$", "")


def with_names(assets: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Add what the names say.

    Args:
        assets: Columns ``name`` and ``folder`` (String).
        rules: Extensions, folders and name rules.

    Returns:
        ``assets`` with ``folder_key``, ``stem`` (String), ``name_rule`` (String: the rule that matched, or null),
        ``name_use`` (String: "capture", "burst" or null), ``name_key`` (String: the rule's key, else the stem),
        ``rule_tolerance_ms`` (Int64 or null) and ``cover`` (Boolean: the name says it is the cover).
    """
    named = assets.with_columns(stem=stem_key(pl.col("name"), rules), folder_key=folder_key(pl.col("folder"), rules))
    matches = [_match(rule) for rule in rules.name_rules]
    match = pl.coalesce([*matches, pl.lit(None, dtype=_MATCH)])
    fields = [match.struct.field(field) for field in ("name_rule", "name_use", "rule_tolerance_ms", "key", "cover")]
    return (
        named.with_columns(fields)
        .with_columns(pl.coalesce("key", "stem").alias("name_key"), pl.col("cover").fill_null(value=False))
        .drop("key")
    )


_MATCH = pl.Struct(
    {
        "name_rule": pl.String,
        "name_use": pl.String,
        "rule_tolerance_ms": pl.Int64,
        "key": pl.String,
        "cover": pl.Boolean,
    }
)


def _match(rule: NameRule) -> pl.Expr:
    """A struct of what the rule says of the stem, or null where it does not match."""
    groups = pl.col("stem").str.extract_groups(f"(?i){rule.pattern}")
    has_cover = "(?P<cover>" in rule.pattern
    found = pl.struct(
        pl.lit(rule.name).alias("name_rule"),
        pl.lit(rule.use).alias("name_use"),
        pl.lit(rule.tolerance_ms, dtype=pl.Int64).alias("rule_tolerance_ms"),
        groups.struct.field("key"),
        (groups.struct.field("cover").is_not_null() if has_cover else pl.lit(value=False)).alias("cover"),
    )
    return pl.when(groups.struct.field("key").is_not_null()).then(found)

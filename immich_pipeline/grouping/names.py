"""What a file's name and folder say."""

import re

import polars as pl

from immich_pipeline.grouping.marks import strip_marks, weak_bases
from immich_pipeline.grouping.rules import GroupingRules, NameRule


def folded(text: pl.Expr) -> pl.Expr:
    """Text in the form in which names are compared: NFC, letter case folded.

    Polars has no case folding; upper case first makes "ß" and "SS" meet as folding would.
    """
    return text.str.normalize("NFC").str.to_uppercase().str.to_lowercase().str.normalize("NFC")


def without_extensions(folded_name: pl.Expr, rules: GroupingRules) -> pl.Expr:
    """A folded name without its media extensions, however many it has; never empty unless the name is."""
    extensions = "|".join(map(re.escape, rules.media_extensions))
    return folded_name.str.replace(rf"(?s)(.)(?:\.(?:{extensions}))+$", "${1}")


def folder_key(folder: pl.Expr, rules: GroupingRules) -> pl.Expr:
    """The folder with trailing RAW/, JPG/ … folders folded into the one they lie in."""
    names = "|".join(map(re.escape, rules.folded_folders))
    return folder.str.normalize("NFC").str.replace(rf"(?i)(?:(?:^|/)(?:{names}))+$", "")


def with_names(names: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Read names.

    Args:
        names: ``row`` (UInt32, one value per asset), ``name`` and ``kind`` (String).
        rules: Extensions, marks and name rules.

    Returns:
        One row per name, in an order of its own, with ``row`` and

        - ``folded`` (String): the folded name, and ``stem``: without its media extensions;
        - ``name_rule`` (Int16: the number of the active rule that matched, or null), ``name_key`` (String: the rule's
          key, else ``base``) and ``base``: the stem without version marks;
        - ``version`` (Int32): 0 for an original, the number of an edit, negative for what an app made by itself;
        - ``cover``, ``mark_exact``, ``is_scan`` (Boolean): the name says that it is the cover, its mark counts among
          files of one instant only, it is a side of a scanned photo;
        - ``weak_base`` (String or null) and ``weak_version`` (Int32): what the name would be a version of, if that is there.
    """
    # Names of plain letters, which most are, need no normal form.
    plain = pl.col("name").str.len_bytes() == pl.col("name").str.len_chars()
    named = pl.concat(
        [
            names.filter(plain).with_columns(folded=pl.col("name").str.to_lowercase()),
            names.filter(~plain).with_columns(folded=folded(pl.col("name"))),
        ]
    )
    is_video = pl.col("kind") == "video"
    named = named.select("row", "folded", is_video.alias("is_video"), stem=without_extensions(pl.col("folded"), rules))
    named = _with_bases(named, strip_marks(named.select("row", "stem", "is_video"), rules))
    weak = weak_bases(named.filter(~pl.col("is_video")).select("row", "base"), rules)
    found = _parse(named.select("row", "base"), rules).join(weak, on="row", how="full", coalesce=True)
    named = named.drop("is_video").join(found, on="row", how="left")
    edited = pl.col("says_edited").fill_null(value=False) & (pl.col("version") == 0)
    return named.with_columns(
        name_key=pl.coalesce("key", "base"),
        cover=pl.col("cover").fill_null(value=False),
        version=pl.when(edited).then(pl.lit(1, pl.Int32)).otherwise("version"),
    ).drop("key", "says_edited")


def _with_bases(named: pl.DataFrame, stripped: pl.DataFrame) -> pl.DataFrame:
    """Names with what stripping found; most have no mark at all."""
    unmarked = named.join(stripped, on="row", how="anti").with_columns(
        base="stem", version=pl.lit(0, pl.Int32), mark_exact=pl.lit(value=False), is_scan=pl.lit(value=False)
    )
    return pl.concat([unmarked, named.join(stripped, on="row").select(unmarked.columns)])


def _parse(bases: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """The first name rule that matches each base: ``row``, ``name_rule``, ``key``, ``cover``, ``says_edited``."""
    patterns = [(rule, f"(?i){rule.pattern}") for rule in rules.active_name_rules()]
    matches = [
        pl.when(pl.col("base").str.contains(pattern)).then(pl.lit(number, pl.Int16))
        for number, (_, pattern) in enumerate(patterns)
    ]
    numbered = bases.with_columns(name_rule=pl.coalesce([*matches, pl.lit(None, pl.Int16)]))
    matched = numbered.filter(pl.col("name_rule").is_not_null()).partition_by("name_rule", as_dict=True)
    return pl.concat(
        [pl.DataFrame(schema=_PARSED), *(_parsed(rows, *patterns[number]) for (number,), rows in matched.items())]
    )


_PARSED = {"row": pl.UInt32, "name_rule": pl.Int16, "key": pl.String, "cover": pl.Boolean, "says_edited": pl.Boolean}


def _parsed(bases: pl.DataFrame, rule: NameRule, pattern: str) -> pl.DataFrame:
    groups = pl.col("base").str.extract_groups(pattern)
    named = rule.groups()

    def present(group: str) -> pl.Expr:
        return groups.struct.field(group).is_not_null() if group in named else pl.lit(value=False)

    keys = [groups.struct.field(key) for key in ("key", "key2") if key in named]
    return bases.select(
        "row",
        "name_rule",
        pl.concat_str(keys, ignore_nulls=True).alias("key"),
        present("cover").alias("cover"),
        present("edit").alias("says_edited"),
    )

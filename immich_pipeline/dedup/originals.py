"""Which files are originals, and which were made from one: edited, exported, sent through a messenger."""

import polars as pl

from immich_pipeline.dedup.decision_rules import DecisionRules
from immich_pipeline.grouping.rules import GroupingRules

_EDITING_MARKS = ("edit", "auto")


def edited_reason(rules: DecisionRules, names: GroupingRules) -> pl.Expr:
    """Why a file is no original, in words (String); null for an original, which every RAW file is.

    Args:
        rules: Programs and roles.
        names: The rules of grouping: what editors add to names.
    """
    software = pl.col("software").str.to_lowercase().str.contains("|".join(f"(?:{p})" for p in rules.editors.patterns))
    why = (
        pl.when(pl.col("kind") == "raw")
        .then(None)
        .when(pl.col("is_edited"))
        .then(pl.lit("edited in Immich"))
        .when(pl.col("role").is_in(list(rules.edited.roles)))
        .then(pl.lit("edited: another file of its capture is the original"))
        .when(software)
        .then(pl.concat_str(pl.lit("edited: written by "), pl.col("software").str.strip_chars().str.slice(0, 60)))
        .when(_marked(names))
        .then(pl.lit("edited: its name says so"))
    )
    return why.otherwise(None)


def stem(names: GroupingRules) -> pl.Expr:
    """The name in lower case without media extensions."""
    extensions = "|".join(names.media_extensions)
    return pl.col("name").str.to_lowercase().str.replace(rf"(.)(?:\.(?:{extensions}))+$", "${1}")


def _marked(names: GroupingRules) -> pl.Expr:
    """Marks that also cameras use say nothing by themselves, and so are left out."""
    marks = [mark for mark in names.active_marks() if mark.use in _EDITING_MARKS and not mark.exact]
    patterns = [names.mark_pattern(mark.pattern).replace("(?P<n>", "(?:") for mark in marks]
    marked = stem(names).str.contains(f"(?s).(?:{'|'.join(patterns)})$")
    told = [
        stem(names).str.extract_groups(f"(?i){rule.pattern}").struct.field("edit").is_not_null()
        for rule in names.active_name_rules()
        if "edit" in rule.groups()
    ]
    return pl.any_horizontal(marked, *told)

"""Version marks: what editors add to the end of a name."""

import polars as pl

from immich_pipeline.grouping.rules import GroupingRules, VersionMark

_ROUNDS = 4
_VERSIONS = {"edit": 1, "auto": -1, "tag": 0, "scan_front": 1, "scan_back": -2, "video": 0}


def strip_marks(stems: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Take the marks off, from the right, again and again.

    Args:
        stems: ``row`` (UInt32), ``stem`` (String), ``is_video`` (Boolean: only marks for videos count, and only there).
        rules: The marks.

    Returns:
        For the stems that have any: ``row``, ``base`` (String), ``version`` (Int32: the highest number, else the lowest of
        the negative ones), ``mark_exact`` and ``is_scan`` (Boolean).
    """
    marks = [(mark, rules.mark_pattern(mark.pattern)) for mark in rules.active_marks()]
    sides = (
        ([mark for mark in marks if (mark[0].use == "video") == videos], stems.filter(pl.col("is_video") == videos))
        for videos in (False, True)
    )
    found = [frame for side, rows in sides for frame in _rounds(rows.select("row", base="stem"), side)]
    return (
        pl.concat([pl.DataFrame(schema=_FOUND), *found])
        .group_by("row")
        .agg(
            pl.col("base").sort_by("round").last(),
            version=pl.when(pl.col("version").max() > 0)
            .then(pl.col("version").max())
            .otherwise(pl.col("version").min()),
            mark_exact=pl.col("mark_exact").any(),
            is_scan=pl.col("is_scan").any(),
        )
    )


_FOUND = {
    "row": pl.UInt32,
    "base": pl.String,
    "version": pl.Int32,
    "mark_exact": pl.Boolean,
    "is_scan": pl.Boolean,
    "round": pl.Int32,
}


def _rounds(active: pl.DataFrame, marks: list[tuple[VersionMark, str]]) -> list[pl.DataFrame]:
    whole = "|".join(_unnumbered(pattern) for _, pattern in marks)
    found: list[pl.DataFrame] = []
    for number in range(_ROUNDS):
        active = active.filter(pl.col("base").str.contains(f"(?s).(?:{whole})$"))
        if active.is_empty():
            break
        stripped = _strip_once(active, marks, number)
        found.append(stripped)
        active = stripped.select("row", "base")
    return found


def _strip_once(active: pl.DataFrame, marks: list[tuple[VersionMark, str]], number: int) -> pl.DataFrame:
    found = []
    for mark, pattern in marks:
        matches = active["base"].str.contains(f"(?s).(?:{pattern})$")
        if matches.any():
            found.append(_stripped(active.filter(matches), mark, pattern, number))
            active = active.filter(~matches)
    return pl.concat(found)


def _stripped(rows: pl.DataFrame, mark: VersionMark, pattern: str, number: int) -> pl.DataFrame:
    return rows.select(
        "row",
        pl.col("base").str.replace(f"(?s)(.)(?:{_unnumbered(pattern)})$", "${1}"),
        _number(pl.col("base"), pattern, _VERSIONS[mark.use]).alias("version"),
        pl.lit(mark.exact).alias("mark_exact"),
        pl.lit(mark.use.startswith("scan_")).alias("is_scan"),
        pl.lit(number, pl.Int32).alias("round"),
    )


def weak_bases(bases: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """What names would be versions of if a mark that cameras use too, or a word cut short, were a version mark.

    Args:
        bases: ``row`` (UInt32), ``base`` (String).
        rules: Weak marks, edited words and the lengths of names that were cut.

    Returns:
        For the names that have such an end: ``row``, ``weak_base`` (String), ``weak_version`` (Int32).
    """
    beginnings = sorted({word[:length] for word in rules.edited_words for length in range(2, len(word))})
    cut = "-(?:" + "|".join(beginnings) + ")"
    was_cut = pl.col("base").str.len_chars().is_in(sorted(rules.clipped_stem_lengths))
    ends = [(pattern, pl.lit(value=True)) for pattern in rules.weak_marks] + [(cut, was_cut)]
    found = [pl.DataFrame(schema={"row": pl.UInt32, "weak_base": pl.String, "weak_version": pl.Int32})]
    for pattern, where in ends:
        rows = bases.filter(where, pl.col("base").str.contains(f"(?s).(?:{pattern})$"))
        found.append(
            rows.select(
                "row",
                pl.col("base").str.replace(f"(?s)(.)(?:{_unnumbered(pattern)})$", "${1}").alias("weak_base"),
                _number(pl.col("base"), pattern, 1).alias("weak_version"),
            )
        )
    return pl.concat(found).unique("row", keep="first", maintain_order=True)


def _unnumbered(pattern: str) -> str:
    """The pattern without its group's name, so that several stand in one expression and "${1}" is the first group."""
    return pattern.replace("(?P<n>", "(?:")


def _number(base: pl.Expr, pattern: str, default: int) -> pl.Expr:
    if "(?P<n>" not in pattern:
        return pl.lit(default, pl.Int32)
    number = base.str.extract_groups(f"(?s).(?:{pattern})$").struct.field("n")
    return number.cast(pl.Int32, strict=False).fill_null(default)

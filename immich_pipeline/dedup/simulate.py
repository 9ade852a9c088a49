"""What a changed policy would change: two decisions about the same sets side by side."""

import polars as pl

from immich_pipeline.dedup.cores import Decided
from immich_pipeline.dedup.decide import Decisions
from immich_pipeline.dedup.wording import visible

CHANGE_SCHEMA: dict[str, pl.DataType] = {
    "set_id": pl.String(),
    "change": pl.String(),
    "before": pl.String(),
    "after": pl.String(),
    "name_before": pl.String(),
    "name_after": pl.String(),
    "decided_by_before": pl.String(),
    "decided_by_after": pl.String(),
}
"""One row per set and thing that differs, sorted. ``change`` is "keeper" (asset ids), "verdict", "becomes", or "set" (one of the two knows
no such set). The names are those of the kept files, with their folders; null where there is none."""

_CHANGES = {"keeper": "keeper_id", "verdict": "verdict", "becomes": "becomes"}


def compare_decisions(before: Decisions | Decided, after: Decisions | Decided, facts: pl.DataFrame) -> pl.DataFrame:
    """What differs between two decisions, usually by two policies about the same sets.

    Args:
        before: By the policy that holds.
        after: By the policy that is tried.
        facts: ``asset_id``, ``name`` and ``path``.

    Returns:
        ``CHANGE_SCHEMA``.
    """
    names = facts.select("asset_id", name=_full_name())
    left, right = (_with_name(side.decisions, names) for side in (before, after))
    both = left.join(right, on="set_id", how="full", coalesce=True, suffix="_after")
    rows = [_differing(both, change, column) for change, column in _CHANGES.items()]
    missing = both.filter(pl.col("keeper_id").is_null() != pl.col("keeper_id_after").is_null())
    rows.append(_rows(missing, "set", "keeper_id"))
    return pl.concat(rows).sort("set_id", "change")


def changes_text(changes: pl.DataFrame, sets: int, limit: int = 50) -> str:
    """The changes as a Markdown text: how many of which kind, and the first of them in a table.

    Args:
        changes: ``CHANGE_SCHEMA``.
        sets: How many sets were decided.
        limit: How many rows the table shows.
    """
    touched = changes["set_id"].n_unique()
    lines = [f"{touched} of {sets} sets would be decided otherwise."]
    counts = changes.group_by("change").len().sort("change").rows()
    lines += [f"- {_TITLES[change]}: {count}" for change, count in counts]
    if changes.is_empty():
        return lines[0]
    lines += ["", "| Set | Change | Before | After |", "| --- | --- | --- | --- |"]
    lines += [_line(row) for row in changes.head(limit).iter_rows(named=True)]
    if changes.height > limit:
        lines += ["", f"{changes.height - limit} more are not shown."]
    return "\n".join(lines)


_TITLES = {
    "keeper": "another one is kept",
    "verdict": "another verdict",
    "becomes": "something else becomes of the others",
    "set": "only one of the two knows the set",
}


def _with_name(decisions: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    shown = decisions.select("set_id", "keeper_id", "verdict", "becomes", "decided_by")
    return shown.join(names, left_on="keeper_id", right_on="asset_id", how="left")


def _full_name() -> pl.Expr:
    """The path, and the name where the path ends in another: a server may keep uploads by their ids."""
    path, name = pl.col("path"), pl.col("name")
    return (
        pl.when(path.is_null()).then(name)
        .when(name.is_null() | path.str.ends_with(name)).then(path)
        .otherwise(pl.concat_str(name, pl.lit(" ("), path, pl.lit(")")))
    )  # fmt: skip


def _differing(both: pl.DataFrame, change: str, column: str) -> pl.DataFrame:
    return _rows(both.filter(pl.col(column) != pl.col(f"{column}_after")), change, column)


def _rows(rows: pl.DataFrame, change: str, column: str) -> pl.DataFrame:
    return rows.select(
        "set_id",
        change=pl.lit(change),
        before=column,
        after=f"{column}_after",
        name_before="name",
        name_after="name_after",
        decided_by_before="decided_by",
        decided_by_after="decided_by_after",
    ).select([pl.col(name).cast(dtype) for name, dtype in CHANGE_SCHEMA.items()])


def _line(row: dict[str, str | None]) -> str:
    cells = [_cell(row["set_id"])[:12], row["change"] or ""]
    for side in ("before", "after"):
        decided, value = row[f"decided_by_{side}"], row[side]
        shown = _code(row[f"name_{side}"] or value) if row["change"] in {"keeper", "set"} else _cell(value)
        cells.append("" if value is None else f"{shown} (by {decided})")
    return f"| {' | '.join(cells)} |"


def _code(text: str | None) -> str:
    """A name as code, so that a terminal shows it as it is and Markdown gives no sign in it a meaning."""
    inside = _cell(text).replace("`", "'")
    return f"`{inside}`"


def _cell(text: str | None) -> str:
    """A text that stays in its cell: names are hostile."""
    return visible(text or "").replace("|", "\\|")

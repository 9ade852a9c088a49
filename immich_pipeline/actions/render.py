"""Plans for people to read, as text and Markdown, and for programs, as JSON."""

import json
from collections.abc import Iterable, Sequence

import polars as pl

from immich_pipeline.actions.model import Plan

LEFT_OUT = "left out"
"""The names of numbers of a plan's summary begin like this that count what is not in it; the reason follows in brackets."""

_CELL = 200
_ROWS = 50


def as_markdown(plan: Plan, rows: int = _ROWS) -> str:
    """The plan for Dagster's UI: its numbers, and a table of its first actions. What it leaves out is told beside it."""
    numbers = {name: count for name, count in plan.summary.items() if not name.startswith(LEFT_OUT)}
    counts = ", ".join(_markdown(f"{name.replace('_', ' ')} {count:,}") for name, count in numbers.items())
    head = f"**{plan.plan_id}** ({plan.mode}): {len(plan.actions):,} actions, {len(plan.subjects):,} assets"
    lines = [head + (f" ({counts})" if counts else "")]
    if plan.actions:
        lines += ["", "| operation | owner | assets | reason |", "| --- | --- | ---: | --- |"]
        lines += [
            f"| {_markdown(action.operation)} | {_markdown(action.owner_id)} | {len(action.subjects)} | {_markdown(action.reason)} |"
            for action in plan.actions[:rows]
        ]
    if len(plan.actions) > rows:
        lines += ["", f"and {len(plan.actions) - rows:,} more"]
    return "\n".join(lines)


def as_json(plan: Plan) -> str:
    """The whole plan as JSON; `immich-pipeline plan KIND --json` writes it."""
    document = {
        "plan_id": plan.plan_id,
        "kind": plan.kind,
        "mode": plan.mode,
        "policy_hash": plan.policy_hash,
        "input_fingerprint": plan.input_fingerprint,
        "summary": dict(plan.summary),
        "actions": [
            {
                "action_id": action.action_id(plan.kind),
                "operation": action.operation,
                "owner_id": action.owner_id,
                "subjects": list(action.subjects),
                "payload": dict(action.payload),
                "preconditions": dict(action.preconditions),
                "reason": action.reason,
            }
            for action in plan.actions
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_table(actions: pl.DataFrame, rows: int = _ROWS) -> str:
    """A stored plan's actions (`plans.plan_frame`) as text: id, operation, assets, verdict, outcome, reason."""
    shown = [
        (
            row["action_id"][:10],
            row["operation"],
            str(len(json.loads(row["subjects"]))),
            row["review"],
            row["outcome"] or "",
            row["reason"] if not row["detail"] else f"{row['reason']} [{row['detail']}]",
        )
        for row in actions.head(rows).iter_rows(named=True)
    ]
    text = text_table(("action", "operation", "assets", "review", "outcome", "reason"), shown)
    return text + (f"\nand {actions.height - rows:,} more" if actions.height > rows else "")


def plans_as_table(plans: pl.DataFrame) -> str:
    """All plans (`plans.plans_frame`) as text."""
    shown = [
        (
            row["plan_id"],
            f"{row['created_at']:%Y-%m-%d %H:%M}",
            row["mode"],
            row["status"],
            *(f"{row[name]:,}" for name in ("actions", "approved", "rejected", "done")),
            row["stopped_because"] or "",
        )
        for row in plans.iter_rows(named=True)
    ]
    names = ("plan", "made (UTC)", "mode", "status", "actions", "approved", "rejected", "done", "stopped because")
    return text_table(names, shown)


def text_table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text, as wide as they need to be, the last one cut to a readable length."""
    cells = [[_plain(cell) for cell in row] for row in (names, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _plain(text: str) -> str:
    """One line that a terminal can show, whatever a file is called."""
    words = "".join(character if character.isprintable() else " " for character in text)
    return words if len(words) <= _CELL else words[: _CELL - 1] + "…"


def _markdown(text: str) -> str:
    words = _plain(text)
    for character in "\\`*_{}[]<>|#":
        words = words.replace(character, f"\\{character}")
    return words

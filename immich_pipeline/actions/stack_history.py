"""Which stacks are ours, from what the journal says of everything done and undone. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from immich_pipeline.actions.stack_library import OURS_SCHEMA

_UNDOING = ("undone", "undo_failed")


def our_stacks(journal: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """The stacks that we made, as we left them (`OURS_SCHEMA`).

    Args:
        journal: rows of `store.stacks.journalled`, oldest first.
    """
    ours: dict[str, Any] = {}
    for change in _changes(journal):
        ours = change.after(ours)
    rows = [
        (stack_id, asset_id, asset_id == stack["primary"])
        for stack_id, stack in sorted(ours.items())
        for asset_id in sorted(stack["members"])
    ]
    return pl.DataFrame(rows, schema=OURS_SCHEMA, orient="row")


def made_ids(journal: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of all stacks that we ever made."""
    return {stack_id for change in _changes(journal) for stack_id in change.after({})}


class _Change(NamedTuple):
    """Something that we did or undid, each as stacks by id: what was, what we made, what was there afterwards."""

    undoing: bool
    payload_ours: tuple[str, ...]
    before: dict[str, Any]
    made: dict[str, Any]
    now: dict[str, Any]

    def after(self, ours: Mapping[str, Any]) -> dict[str, Any]:
        """What is ours after it."""
        were_ours = [self.before[stack_id] for stack_id in self.payload_ours if stack_id in self.before]
        kept = {name: stack for name, stack in ours.items() if name not in self.before and name not in self.made}
        for stack_id, stack in self.now.items():
            new = stack in were_ours if self.undoing else stack_id not in self.before
            if new or stack_id in ours:
                kept[stack_id] = stack
        return kept


def _changes(journal: Iterable[Mapping[str, Any]]) -> Iterator[_Change]:
    """The entries after which something was changed by us."""
    done: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]] = {}
    for row in journal:
        action, undoing = (row["plan_id"], row["action_id"]), row["event"] in _UNDOING
        if not undoing:
            done.pop(action, None)
            if _content(row["made"]) and row["before"]:  # else it was so before us, or nothing came of it
                done[action] = (_stacks(row["before"]), _stacks(row["made"]))
        if action in done and row["after"] is not None:
            yield _Change(undoing, tuple(json.loads(row["payload"])["ours"]), *done[action], _stacks(row["after"]))


def _content(text: str | None) -> dict[str, Any]:
    return dict(json.loads(text)) if text else {}


def _stacks(text: str) -> dict[str, Any]:
    return dict(_content(text)["stacks"])

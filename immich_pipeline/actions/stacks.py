"""Compare captures with the stacks on the server: what would have to be changed. Pure."""

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from immich_pipeline.actions.model import Action
from immich_pipeline.actions.stack_library import OURS_SCHEMA, PRESENT_SCHEMA, Group, Library, read_library
from immich_pipeline.actions.stack_respect import Suggestion, changed_by_person, respect
from immich_pipeline.actions.stacking import Stacked
from immich_pipeline.policies import StackSettings

__all__ = ["OURS_SCHEMA", "PRESENT_SCHEMA", "REPORT_SCHEMA", "SUGGESTION_SCHEMA", "StackPlan", "stack_actions"]

SUGGESTION_SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "owner_id": pl.String(),
    "asset_ids": pl.List(pl.String()),
    "reason": pl.String(),
}
"""A choice about captures that a person seems to have made on the server, to be confirmed."""

REPORT_SCHEMA: dict[str, pl.DataType] = {
    "group_id": pl.String(),
    "owner_id": pl.String(),
    "outcome": pl.String(),
    "assets": pl.Int64(),
    "reason": pl.String(),
}
"""One row per capture, and per stack that is to be dissolved (`group_id` null). `outcome` is the operation of an action, or right (already
as it should be), manual (left to a person's stack), taken_apart (a person did not want the stack) or alone (too few files are left)."""

_WHY = {
    "create": "{reason} They are not stacked yet.",
    "extend": "{reason} More files belong to the stack.",
    "remove": "{reason} Other files in the stack do not belong to it any more.",
    "re_primary": "{reason} Another file is to be on top.",
    "regroup": "{reason} The stacks that this program made do not fit any more.",
    "replace": "{reason} The settings say that stacks of persons are replaced.",
    "dissolve": "This program made the stack, and its files are not one capture any more, or are not to be stacked.",
}


@dataclass(frozen=True)
class StackPlan:
    """What would be changed, what a person seems to have decided, and what becomes of each capture."""

    actions: tuple[Action, ...]
    suggestions: pl.DataFrame
    report: pl.DataFrame


def stack_actions(
    groups: pl.DataFrame,
    present: pl.DataFrame,
    ours: pl.DataFrame,
    policy: StackSettings,
    chosen: Collection[str] = (),
) -> StackPlan:
    """What has to be changed for every capture to be a stack.

    Only assets that are shown (timeline or archive, neither trashed nor offline) are stacked, and only those of one owner together. What is
    right already needs no action; stacks that a person made are left alone, unless the policy says replace. What a person did to a stack
    that this program made stays as it is, and is suggested as a choice about captures.

    Args:
        groups: `grouping.schema.CAPTURE_SCHEMA`: the members that stacks are to have (`grouping.stack_members`), each in one group.
        present: `PRESENT_SCHEMA`: every asset of the server; those that are not shown may be left out.
        ours: `OURS_SCHEMA`.
        policy: what to do about stacks of persons.
        chosen: assets that a person has chosen as primary.

    Returns:
        Actions that touch different assets each: applied in any order, they leave nothing to be done.
    """
    replace = policy.manual_stacks == "replace"
    library = read_library(groups, present, ours)
    suggestions = respect(library, replace=replace, chosen=frozenset(chosen))
    parts = _parts(library, replace=replace)
    actions: list[Action] = []
    outcomes: dict[str, str] = {}
    for part in parts:
        operation = _operation(library, part)
        outcomes |= {group.group_id: operation for group in part.groups}
        if operation != "right":
            actions.append(_action(library, part, operation))
    return StackPlan(tuple(actions), _suggestions(suggestions), _report(library, actions, outcomes))


@dataclass(frozen=True)
class _Part:
    """Groups and stacks that have to do with each other: what is changed together."""

    groups: tuple[Group, ...]
    now: Mapping[str, Stacked]
    wanted: tuple[Stacked, ...]


def _parts(library: Library, *, replace: bool) -> list[_Part]:
    """Everything that is wanted or ours and unwanted, in parts that share no asset."""
    usable = set(library.stacks) if replace else library.made.keys() & library.stacks.keys()
    wanted = [group for group in library.groups.values() if group.is_wanted]
    left = {stack for group in library.groups.values() if not group.is_wanted for stack in library.stacks_of(group)}
    tied = _Ties()
    for group in wanted:
        tied.add(group.group_id, library.stacks_of(group) & usable)
    touched = tied.seen | _right_stacks(library) | left
    lone = [stack for stack in sorted(library.made.keys() & library.stacks.keys()) if stack not in touched]
    parts = []
    for names in tied.sets():
        members = [library.groups[name] for name in names if name in library.groups]
        now = {name: library.stacks[name] for name in names if name in library.stacks}
        parts.append(_Part(tuple(members), now, _wanted(library, members, now)))
    for stack_id in lone:
        stack = library.stacks[stack_id]
        if len(stack.members) > 1 and not changed_by_person(library, stack_id):
            parts.append(_Part((), {stack_id: stack}, ()))
    return parts


def _right_stacks(library: Library) -> set[str]:
    """Our stacks of captures that are right, which are in no group that has to be thought about."""
    right = set(library.right["stack_id"])
    return right & library.made.keys()


def _wanted(library: Library, groups: Iterable[Group], now: Mapping[str, Stacked]) -> tuple[Stacked, ...]:
    """The stacks of the groups, and what is left of a person's stacks."""
    stacks = [Stacked(group.primary, frozenset(group.members)) for group in groups]
    taken = frozenset().union(*(stack.members for stack in stacks))
    for stack_id, stack in now.items():
        rest = stack.members - taken
        if stack_id not in library.made and len(rest) > 1:
            stacks.append(Stacked(stack.primary if stack.primary in rest else min(rest), rest))
    return tuple(sorted(stacks, key=lambda stack: stack.ids))


def _operation(library: Library, part: _Part) -> str:
    now, wanted = set(part.now.values()), set(part.wanted)
    if now == wanted:
        return "right"
    if any(stack_id not in library.made for stack_id in part.now):
        return "replace"
    if not now or not wanted:
        return "create" if wanted else "dissolve"
    return _one_to_one(*now, *wanted) if len(now) == len(wanted) == 1 else "regroup"


def _one_to_one(before: Stacked, after: Stacked) -> str:
    if before.members == after.members:
        return "re_primary"
    if before.members < after.members:
        return "extend"
    return "remove" if after.members < before.members else "regroup"


def _action(library: Library, part: _Part, operation: str) -> Action:
    assets = sorted(frozenset().union(*(stack.members for stack in (*part.now.values(), *part.wanted))))
    stacked = sorted(frozenset().union(*(stack.members for stack in part.wanted)))
    return Action(
        operation=operation,
        owner_id=library.owner_of[assets[0]],
        subjects=tuple(assets),
        payload={
            "wanted": [stack.as_json() for stack in part.wanted],
            "ours": sorted(stack_id for stack_id in part.now if stack_id in library.made),
            "groups": sorted(group.group_id for group in part.groups),
        },
        preconditions={
            "stacks": {stack_id: stack.as_json() for stack_id, stack in sorted(part.now.items())},
            "checksums": {asset: base64.b64encode(library.checksum_of[asset]).decode() for asset in stacked},
        },
        reason=_WHY[operation].format(reason=" ".join(dict.fromkeys(group.reason for group in part.groups))),
    )


def _suggestions(found: Iterable[Suggestion]) -> pl.DataFrame:
    rows = [(one.kind, one.owner_id, list(one.asset_ids), one.reason) for one in found]
    return pl.DataFrame(rows, schema=SUGGESTION_SCHEMA, orient="row")


def _report(library: Library, actions: Iterable[Action], outcomes: Mapping[str, str]) -> pl.DataFrame:
    rows: list[tuple[str | None, str, str, int, str]] = [
        (group.group_id, group.owner_id, group.outcome or outcomes[group.group_id], len(group.members), group.reason)
        for group in library.groups.values()
    ]
    rows += [
        (None, action.owner_id, action.operation, len(action.subjects), action.reason)
        for action in actions
        if action.operation == "dissolve"
    ]
    right = library.right.select(
        "group_id", "owner_id", pl.lit("right").alias("outcome"), pl.col("assets").cast(pl.Int64), "reason"
    )
    return pl.concat([right, pl.DataFrame(rows, schema=REPORT_SCHEMA, orient="row")]).sort("owner_id", "group_id")


class _Ties:
    """Names that belong together because something names them together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    @property
    def seen(self) -> set[str]:
        """Every name so far."""
        return set(self._parent)

    def add(self, name: str, others: Iterable[str]) -> None:
        """Say that a name belongs together with others."""
        root = self._root(name)
        for other in others:
            self._parent[self._root(other)] = root

    def sets(self) -> list[list[str]]:
        """The sets of names, in an order of their own."""
        found: dict[str, list[str]] = {}
        for name in sorted(self._parent):
            found.setdefault(self._root(name), []).append(name)
        return list(found.values())

    def _root(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

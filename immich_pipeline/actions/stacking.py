"""From the stacks that there are to those that there shall be, one call at a time. Pure.

The next call follows from the stacks as they are alone, so that work that was broken off goes on from where it stands.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Stacked:
    """One stack: its primary asset, and all assets that it shows (without a primary asset that lies in the trash)."""

    primary: str
    members: frozenset[str]

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Stacked":
        """From ids, the primary one first."""
        listed = list(ids)
        return cls(listed[0], frozenset(listed))

    @classmethod
    def told(cls, primary: str, members: Iterable[str]) -> "Stacked":
        """From what a journal or a server says."""
        return cls(primary, frozenset(members))

    @property
    def ids(self) -> list[str]:
        """The primary one first, the others in order."""
        return [self.primary, *sorted(self.members - {self.primary})]

    def as_json(self) -> dict[str, object]:
        """As it stands in plans and in the journal."""
        return {"primary": self.primary, "members": sorted(self.members)}


@dataclass(frozen=True)
class Post:
    """Stack these, the first on top; stacks whose primary asset is among them are merged, other assets taken out of theirs."""

    ids: tuple[str, ...]


@dataclass(frozen=True)
class Put:
    """Put another asset of the stack on top."""

    stack_id: str
    primary: str


@dataclass(frozen=True)
class Remove:
    """Take one asset, not the primary one, out of the stack."""

    stack_id: str
    asset_id: str


@dataclass(frozen=True)
class Delete:
    """Take the stack apart."""

    stack_id: str


Call = Post | Put | Remove | Delete


def next_call(now: Mapping[str, Stacked], wanted: Collection[Stacked]) -> Call | None:
    """The next call on the way; None when everything is as wanted.

    A stack that holds a wanted one is made smaller, one that lies within a wanted one is absorbed, any other is taken apart; what is
    missing then is made.

    Args:
        now: all stacks that have an asset in common with the wanted ones, or that shall not stay.
        wanted: the stacks that shall be there in the end; no asset in two.
    """
    there = set(now.values())
    missing = sorted((stack for stack in wanted if stack not in there), key=lambda stack: stack.ids)
    surplus = sorted((stack.ids, stack_id) for stack_id, stack in now.items() if stack not in wanted)
    for _, stack_id in surplus:
        heir = _heir(now[stack_id], missing)
        if heir is not None:
            return _towards(stack_id, now[stack_id], heir)
    for _, stack_id in surplus:
        if not any(now[stack_id].members <= stack.members for stack in missing):
            return Delete(stack_id)
    return Post(tuple(missing[0].ids)) if missing else None


def after(now: Mapping[str, Stacked], call: Call, new_id: str) -> dict[str, Stacked]:
    """What a server makes of the call; `new_id` is the id of a stack that it adds."""
    stacks = dict(now)
    match call:
        case Post(ids):
            taken = set(ids)
            for stack in now.values():
                taken |= stack.members if stack.primary in ids else set()
            for stack_id, stack in now.items():
                if stack.primary in ids:
                    del stacks[stack_id]
                elif stack.members & taken:
                    stacks[stack_id] = Stacked(stack.primary, stack.members - taken)
            stacks[new_id] = Stacked(ids[0], frozenset(taken))
        case Put(stack_id, primary):
            stacks[stack_id] = Stacked(primary, stacks[stack_id].members)
        case Remove(stack_id, asset_id):
            stack = stacks[stack_id]
            stacks[stack_id] = Stacked(stack.primary, stack.members - {asset_id})
        case Delete(stack_id):
            del stacks[stack_id]
    return stacks


def on_the_way(before: Mapping[str, Stacked], wanted: Collection[Stacked]) -> list[frozenset[Stacked]]:
    """Every state that there is between the calls, the first and the last included."""
    states, now = [frozenset(before.values())], dict(before)
    while (call := next_call(now, wanted)) is not None:
        now = after(now, call, f"new {len(states)}")
        states.append(frozenset(now.values()))
    return states


def _heir(stack: Stacked, missing: Collection[Stacked]) -> Stacked | None:
    """The wanted stack that this one is to become by losing members or changing its primary asset: the largest."""
    within = [wanted for wanted in missing if wanted.members <= stack.members]
    return min(within, key=lambda wanted: (-len(wanted.members), wanted.ids), default=None)


def _towards(stack_id: str, stack: Stacked, heir: Stacked) -> Call:
    if stack.primary != heir.primary:
        return Put(stack_id, heir.primary)
    return Remove(stack_id, min(stack.members - heir.members))

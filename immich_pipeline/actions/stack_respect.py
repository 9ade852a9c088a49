"""What a person did with stacks stays: it changes what is wanted, and becomes a suggestion for the choices about captures. Pure."""

from typing import Literal, NamedTuple

from immich_pipeline.actions.stack_library import Group, Library
from immich_pipeline.actions.stacking import Stacked


class Suggestion(NamedTuple):
    """A choice about captures that a person seems to have made on the server; `kind` as in `grouping.schema.CONSTRAINT_SCHEMA`."""

    kind: Literal["set_primary", "together", "not_together"]
    owner_id: str
    asset_ids: tuple[str, ...]
    reason: str


def respect(library: Library, *, replace: bool, chosen: frozenset[str]) -> list[Suggestion]:
    """Bring the groups of a library in line with what a person did; returns what follows from it for the captures.

    Args:
        library: its groups are changed.
        replace: stacks of persons are replaced.
        chosen: assets that a person has chosen as primary here, which counts for more than what the server shows.
    """
    found = [*_taken_apart(library), *_taken_out(library)]
    if not replace:
        for group in library.groups.values():
            _leave_to_persons(library, group)
    for stack_id, group in _heirs(library).items():
        found += _additions(library, stack_id, group)
        found += _cover(library, stack_id, group, chosen)
    return sorted(set(found))


def changed_by_person(library: Library, stack_id: str) -> bool:
    """Whether one of our stacks shows something else than what we left, files that are no longer shown aside."""
    made, now = library.made[stack_id], library.stacks[stack_id]
    left = frozenset(asset for asset in made.members if asset in library.stack_of)
    return now.members != left or (now.primary != made.primary and made.primary in left)


def _taken_apart(library: Library) -> list[Suggestion]:
    """Stacks that we made and that are gone, their files unstacked: a person did not want them."""
    found = []
    gone = [made.members for stack_id, made in library.made.items() if stack_id not in library.stacks]
    by_asset = {asset: number for number, members in enumerate(gone) for asset in members}
    for group in library.groups.values():
        loose = [asset for asset in sorted(group.members) if library.stack_of[asset] is None and asset in by_asset]
        for number in sorted({by_asset[asset] for asset in loose}):
            apart = tuple(asset for asset in loose if by_asset[asset] == number)
            if len(apart) > 1 and not group.by_person:
                reason = "a person took apart the stack that this program had made of them"
                found.append(Suggestion("not_together", group.owner_id, apart, reason))
                group.leave("taken_apart", reason)
    return found


def _taken_out(library: Library) -> list[Suggestion]:
    """Files that a person took out of a stack of ours."""
    found = []
    for stack_id, made in library.made.items():
        now = library.stacks.get(stack_id)
        if now is None:
            continue
        out = {asset for asset in made.members - now.members if library.stack_of.get(asset, stack_id) is None}
        for group in library.groups_of(out):
            if not group.is_wanted or group.by_person or not now.members & group.members:
                continue
            reason = "a person took it out of the stack that this program had made"
            pairs = [(now.primary, asset) for asset in sorted(out & group.members)]
            found += [Suggestion("not_together", group.owner_id, pair, reason) for pair in pairs]
            group.without(out)
    return found


def _leave_to_persons(library: Library, group: Group) -> None:
    touched = library.stacks_of(group)
    foreign = {stack for stack in touched if stack not in library.made}
    if not group.is_wanted or not foreign:
        return
    if touched == foreign:
        group.leave("manual", "a person has stacked some of these")
    else:
        group.without({asset for asset in group.members if library.stack_of[asset] in foreign})


def _heirs(library: Library) -> dict[str, Group]:
    """The group that each of our stacks is to become: the one that it shares most with."""
    best: dict[str, tuple[int, str]] = {}
    for group in _wanted(library):
        for stack_id in (stack for stack in library.stacks_of(group) if stack in library.made):
            shared = len(library.stacks[stack_id].members & group.members)
            best[stack_id] = min(best.get(stack_id, (0, "")), (-shared, group.group_id))
    return {stack_id: library.groups[group_id] for stack_id, (_, group_id) in sorted(best.items())}


def _additions(library: Library, stack_id: str, heir: Group) -> list[Suggestion]:
    """Files that a person added to a stack of ours stay in it."""
    now, made = library.stacks[stack_id], library.made[stack_id]
    added = set(now.members - made.members)
    if not added or not heir.is_wanted:
        return []
    found = [
        Suggestion("together", heir.owner_id, (now.primary, asset), "a person added it to the stack")
        for asset in sorted(added - heir.members - {now.primary})
    ]
    heir.members |= added
    for group in library.groups_of(added):
        if group.is_wanted and group is not heir:
            group.without(added)
    return found


def _cover(library: Library, stack_id: str, heir: Group, chosen: frozenset[str]) -> list[Suggestion]:
    """The asset that a person put on top of a stack of ours stays there."""
    now, made = library.stacks[stack_id], library.made[stack_id]
    if (
        not _person_chose(library, now, made)
        or heir.primary in {now.primary} | chosen
        or now.primary not in heir.members
    ):
        return []
    heir.primary = now.primary
    return [Suggestion("set_primary", heir.owner_id, (now.primary,), "a person put it on top of the stack")]


def _person_chose(library: Library, now: Stacked, made: Stacked) -> bool:
    return now.primary != made.primary and now.primary in now.members and made.primary in library.stack_of


def _wanted(library: Library) -> list[Group]:
    return [group for group in library.groups.values() if group.is_wanted]

"""What becomes of the stacks of a set of duplicates: the kept one takes the place of the others. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.stacking import Post, Put, Stacked


@dataclass(frozen=True)
class Tangled:
    """The stacks cannot be brought together without a person."""

    reason: str


def stack_call(action: Action, state: State) -> Post | Put | Tangled | None:
    """The call that gives the kept one its place; None when it has it.

    A stack whose primary asset is given up would vanish from the timeline with it. The losers stay in their stack while they lie in the
    trash, so that taking them out brings them back to where they were.
    """
    keeper_id, losers = action.payload["keeper"], action.payload["losers"]
    if action.operation == "stack":
        return _stacked(keeper_id, losers, state)
    if action.operation != "resolve" or state["assets"][keeper_id] is None:
        return None
    return _in_place(keeper_id, losers, state)


def stacks_of(told: State) -> dict[str, Stacked]:
    """The `stacks` of a state."""
    return {stack_id: Stacked.told(one["primary"], one["members"]) for stack_id, one in told["stacks"].items()}


def stacks_are_ours(action: Action, state: State) -> bool:
    """Whether every subject is in the stack that it was in when planned, or all are as our own call leaves them."""
    planned, now = action.preconditions["states"], state["assets"]
    there = {asset_id: now[asset_id] for asset_id in planned if now.get(asset_id)}
    if all(
        (planned[one]["stack"], planned[one]["stack_primary"]) == (it["stack"], it["stack_primary"])
        for one, it in there.items()
    ):
        return True  # fmt: skip
    if stack_call(action, state) is not None:
        return False
    keeper = now[action.payload["keeper"]]
    before = {planned[one]["stack"] for one in planned}
    tops = {action.payload["keeper"], *(planned[one]["stack_primary"] for one in planned)}
    moved = [it for one, it in there.items() if it["stack"] != planned[one]["stack"]]
    return (
        keeper is not None
        and keeper["stack_primary"] in tops
        and (before != {None} or action.operation == "stack")
        and all(it["stack"] == keeper["stack"] for it in moved)
    )


def stacks_back(action: Action, before: State, now: State, new_ids: Mapping[str, str]) -> list[Stacked] | None:
    """The stacks as they were before the action, where it had to do with stacks; None where it had not.

    Args:
        action: what was done.
        before: the state before it.
        now: the state now.
        new_ids: by the id that an asset had the one that it got when it was uploaded again.
    """
    if stack_call(action, before) is None and not _lost_place(before, now, new_ids):
        return None
    wanted = []
    for stack in stacks_of(before).values():
        members = {new_ids.get(member, member) for member in stack.members}
        wanted.append(Stacked.told(new_ids.get(stack.primary, stack.primary), members))
    return wanted


def _stacked(keeper_id: str, losers: Collection[str], state: State) -> Post | Tangled | None:
    ids = (keeper_id, *losers)
    stacks = {(state["assets"][one] or {}).get("stack") for one in ids}
    if stacks == {None}:
        return Post(ids)
    for stack in stacks_of(state).values():
        if len(stacks) == 1 and stack.primary == keeper_id and stack.members == set(ids):
            return None
    return Tangled("some of the files are in a stack already")


def _in_place(keeper_id: str, losers: Collection[str], state: State) -> Post | Put | Tangled | None:
    keeper, others = state["assets"][keeper_id], _others(keeper_id, losers, state)
    if keeper["stack"] is not None:
        if others:
            return Tangled("the kept one and a copy are in different stacks, which a person has to bring together")
        return Put(keeper["stack"], keeper_id) if keeper["stack_primary"] in losers else None
    if len(others) > 1:
        return Tangled("the copies are in different stacks, which a person has to bring together")
    for primary in others.values():
        return Post((keeper_id, primary) if primary in losers else (primary, keeper_id))
    return None


def _others(keeper_id: str, losers: Collection[str], state: State) -> dict[str, str]:
    """Stacks of losers that the kept one is not in and that hold more than losers, with their primary assets."""
    keeper = state["assets"][keeper_id]
    found: dict[str, str] = {}
    for loser_id in losers:
        loser = state["assets"][loser_id]
        stack = state["stacks"].get(loser["stack"]) if loser else None
        if loser and stack and loser["stack"] != keeper["stack"]:
            left = {*stack["members"], stack["primary"]} - set(losers)
            found |= {loser["stack"]: stack["primary"]} if left else {}
    return found


def _lost_place(before: State, now: State, new_ids: Mapping[str, str]) -> bool:
    """Whether an asset that was in a stack had to be uploaded again."""
    return any(before["assets"][old]["stack"] for old in new_ids if before["assets"].get(old))

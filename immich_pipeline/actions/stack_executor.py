"""Do and undo what a plan of stacks says, on a server that may have changed since, and may fail at any moment."""

import base64
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import polars as pl

from immich_pipeline.actions.clients import client_of
from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.stack_calls import send_stack_call
from immich_pipeline.actions.stacking import Stacked, after, next_call, on_the_way
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError, NotFound

KIND = "stacks"
_SHOWN = ("timeline", "archive")
SEEN_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "stack_id": pl.String(),
    "stack_primary_id": pl.String(),
}
"""In which stack the server showed an asset, if in any."""


class Memory(Protocol):
    """What the pipeline's database knows and is told."""

    def seen(self, assets: pl.DataFrame) -> None:
        """Take note of `SEEN_SCHEMA`."""
        ...

    def groups(self, group_ids: Collection[str]) -> set[str]:
        """Which of these captures there are still; an id stands for its members."""
        ...

    def made(self) -> set[str]:
        """The ids of all stacks that this program ever made."""
        ...


class StackExecutor:
    """Implements `model.Executor` with one client per owner.

    Which calls are made follows from the stacks as they are when they are read (`stacking.next_call`), so an action that was broken off
    goes on from where it stands. A state is taken for ours only if it lies on the way that our own calls take.
    """

    kind = KIND

    def __init__(self, clients: Mapping[str, ImmichClient], memory: Memory) -> None:
        """Take over the clients, by owner id; they stay the caller's to close."""
        self._clients, self._memory = clients, memory

    def read(self, action: Action) -> State:
        """The assets, and every stack that shows one of them.

        Returns:
            `assets`: by id null (not there) or owner, checksum (base64), visibility, trashed, offline, stack (id or null);
            `stacks`: by id primary and members, which are shown ones only.

        Raises:
            ImmichError: the server cannot be asked, or there is no key for the owner.
        """
        client = client_of(self._clients, action.owner_id)
        assets = {asset_id: _asset(client, asset_id) for asset_id in action.subjects}
        in_stacks = [facts["stack"] for facts in assets.values() if facts and facts["stack"]]
        stacks = {}
        for stack_id in sorted(set(in_stacks)):
            told = client.stack(stack_id)
            members = {*told.asset_ids, *(asset_id for asset_id, facts in assets.items() if _shown_in(facts, stack_id))}
            if members:
                stacks[stack_id] = Stacked.told(told.primary_asset_id, members).as_json()
        self._note(assets, stacks)
        return {"assets": assets, "stacks": stacks}

    def check(self, action: Action, state: State) -> str | None:
        """Assets are as they were, the captures still exist, and the stacks are those of the plan or of our own half-done work."""
        for asset_id, checksum in action.preconditions["checksums"].items():
            reason = _unfit(state["assets"].get(asset_id), action.owner_id, checksum)
            if reason:
                return f"asset {asset_id} {reason}"
        groups = action.payload["groups"]
        if len(self._memory.groups(groups)) < len(groups):
            return "the files are not the same capture any more"
        way = on_the_way(_stacks(action.preconditions), _wanted(action))
        if frozenset(_stacks(state).values()) not in way:
            return "the stacks of these files are not as they were when the plan was made"
        return None

    def is_done(self, action: Action, state: State) -> bool:
        """The stacks are as wanted, their ids aside."""
        return set(_stacks(state).values()) == set(_wanted(action))

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        """Make the calls; returns `calls`, their names.

        Raises:
            ImmichError: a call failed, and what it was for is not so.
        """
        return {"calls": self._drive(action, _stacks(state), _wanted(action))}

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        """The stacks that there are now (`stacks`)."""
        return {"stacks": dict(after["stacks"])}

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        """Put the stacks back as they were before, with new ids where stacks have to be made anew.

        Raises:
            ImmichError: a call failed, and what it was for is not so.
        """
        stacks, back = _stacks(now), _stacks(before)
        ours = _stacks({"stacks": {}, **made})
        if frozenset(stacks.values()) not in on_the_way(ours, back.values()):
            return "the stacks of these files were changed since, by a person or by a later plan"
        unknown = {
            stack_id for stack_id, stack in stacks.items() if stack_id not in ours and stack not in back.values()
        }
        if unknown and unknown - self._memory.made():
            return "the stack was made anew by a person since"
        self._drive(action, stacks, list(back.values()))
        return None

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        """The stacks are as they were before, their ids aside."""
        return set(_stacks(now).values()) == set(_stacks(before).values())

    def _drive(self, action: Action, now: Mapping[str, Stacked], wanted: Collection[Stacked]) -> list[str]:
        client, calls = client_of(self._clients, action.owner_id), []
        while (call := next_call(now, wanted)) is not None:
            expected = after(now, call, "new")
            try:
                new_id = send_stack_call(client, call)
            except ImmichError:
                there = _stacks(self.read(action))
                if frozenset(there.values()) != frozenset(expected.values()):
                    raise
                now = there  # it was done, and only the answer was lost
            else:
                now = after(now, call, new_id)
            calls.append(type(call).__name__.lower())
        return calls

    def _note(self, assets: Mapping[str, Any], stacks: Mapping[str, Any]) -> None:
        rows = [
            (asset_id, facts["stack"], stacks[facts["stack"]]["primary"] if facts["stack"] in stacks else None)
            for asset_id, facts in assets.items()
            if facts is not None and (facts["stack"] is None or facts["stack"] in stacks)
        ]
        self._memory.seen(pl.DataFrame(rows, schema=SEEN_SCHEMA, orient="row"))


def _asset(client: ImmichClient, asset_id: str) -> dict[str, Any] | None:
    try:
        row = client.asset_record(asset_id).row(0, named=True)
    except NotFound:
        return None
    return {
        "owner": row["owner_id"],
        "checksum": base64.b64encode(row["checksum"]).decode(),
        "visibility": row["visibility"],
        "trashed": row["is_trashed"],
        "offline": row["is_offline"],
        "stack": row["stack_id"],
    }


def _is_shown(facts: Mapping[str, Any]) -> bool:
    return not facts["trashed"] and not facts["offline"] and facts["visibility"] in _SHOWN


def _shown_in(facts: Mapping[str, Any] | None, stack_id: str) -> bool:
    return facts is not None and facts["stack"] == stack_id and _is_shown(facts)


def _unfit(facts: Mapping[str, Any] | None, owner_id: str, checksum: str) -> str | None:
    if facts is None:
        return "is not on the server any more"
    if facts["owner"] != owner_id:
        return "belongs to another user now"
    if not _is_shown(facts):
        return "is in the trash, missing, hidden or locked now"
    return None if facts["checksum"] == checksum else "has another content now"


def _stacks(told: Mapping[str, Any]) -> dict[str, Stacked]:
    """The `stacks` of a state, of preconditions or of what was made."""
    return {stack_id: Stacked.told(stack["primary"], stack["members"]) for stack_id, stack in told["stacks"].items()}


def _wanted(action: Action) -> list[Stacked]:
    return [Stacked.told(stack["primary"], stack["members"]) for stack in action.payload["wanted"]]

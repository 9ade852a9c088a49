"""Resolve sets of duplicates on a server: back up, merge, verify, and only then put into the trash.

Immich can resolve a group of its own in one call. That call is not used: it trashes what it has not shown merged, so that nothing could be
verified before; it knows only Immich's own groups, and clears them, which nothing brings back; it leaves out people, links, covers, live
videos, dates and stacks; and up to version 2 it also changes every other asset that is kept.
"""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.clients import client_of
from immich_pipeline.actions.duplicate_check import (
    is_as_planned,
    is_given_up,
    is_merged,
    why_not,
)
from immich_pipeline.actions.duplicate_fields import differences
from immich_pipeline.actions.duplicate_reading import SetReader
from immich_pipeline.actions.duplicate_resolving import KIND, Resolver, hiding
from immich_pipeline.actions.duplicate_stacks import stacks_of
from immich_pipeline.actions.duplicate_steps import Change, Step, steps_between
from immich_pipeline.actions.duplicate_undo import (
    gone,
    in_trash,
    is_back,
    keeper_back,
    losers_back,
    stacks_wanted,
    stays,
    videos_to_hide,
    why_not_back,
)
from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.stack_calls import send_stack_call
from immich_pipeline.actions.stacking import after, next_call
from immich_pipeline.errors import UserError
from immich_pipeline.immich.client import ImmichClient, Upload
from immich_pipeline.progress import logger

__all__ = ["KIND", "DuplicateExecutor", "Memory"]

_NOT_DECIDED = "it is decided otherwise by now"
_Shown = Literal["timeline", "archive", "hidden"]


class Memory(Protocol):
    """What the pipeline's database knows and is told."""

    def decided(self, set_id: str, keeper_id: str, loser_ids: Collection[str]) -> bool:
        """Whether it is still decided so: this one kept, each of these given up."""
        ...

    def stale(self, asset_ids: Collection[str]) -> None:
        """What was read of these assets is no longer so: they were changed."""
        ...


class DuplicateExecutor:
    """Implements `model.Executor` with one client per owner.

    Which calls are made follows from the states as they are read, so that work that was broken off goes on from where it stands. Nothing is
    given up before its file was copied and verified, and before the kept one was read again and has everything.
    """

    kind = KIND

    def __init__(
        self,
        clients: Mapping[str, ImmichClient],
        memory: Memory,
        backups: BackupStore,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take over the clients, by owner id; they stay the caller's to close.

        Args:
            clients: one per user.
            memory: what the database knows.
            backups: where the copies are.
            sleep: how to wait, seconds.
        """
        self._clients, self._memory, self._backups = clients, memory, backups
        self._readers = {owner_id: SetReader(client, backups) for owner_id, client in clients.items()}
        self._resolvers = {
            owner_id: Resolver(client, self._readers[owner_id], backups, sleep) for owner_id, client in clients.items()
        }
        self._just_read: tuple[str, State] | None = None

    def read(self, action: Action) -> State:
        """See `duplicate_reading.SetReader.read`.

        Right after `execute` only the assets themselves are asked for again: what hangs on them was read before the last call, which puts
        assets into the trash and changes nothing else.

        Raises:
            ImmichError: the server cannot be asked, or there is no key for the owner.
        """
        known, self._just_read = self._just_read, None
        if known is not None and known[0] == action.action_id(KIND):
            return self._reader(action).read_again(known[1])
        return self._reader(action).read(action)

    def check(self, action: Action, state: State) -> str | None:
        """See `duplicate_check.why_not`; what was not begun must also still be decided so, and there must be a trash.

        What is not as planned is forgotten, so that the next plan is made of what is: faces and links show in nothing else.
        """
        reason = why_not(action, state)
        if reason is not None:
            self._memory.stale(action.subjects)
        elif is_as_planned(action, state) and not self._is_decided(action):
            return _NOT_DECIDED
        return reason or self._resolvers[action.owner_id].why_not_trash(action, state)

    def is_done(self, action: Action, state: State) -> bool:
        """The kept one has everything, and each of the others is where it shall be, with a verified copy if it is in the trash."""
        return all(is_given_up(action, state, loser_id) for loser_id in action.payload["losers"]) and is_merged(
            action, state
        )

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        """Back up, merge, verify, give up; returns `calls`, their names.

        Raises:
            UserError: no verified copy could be made, the kept one lacks something after the merge, or something was changed meanwhile.
            ImmichError: a call failed.
        """
        if not is_as_planned(action, state) and not self._is_decided(action):
            raise UserError(f"it was begun, but {_NOT_DECIDED}: undo it")
        client_of(self._clients, action.owner_id)
        try:
            calls, known = self._resolvers[action.owner_id].resolve(action, state)
            self._just_read = (action.action_id(KIND), known) if action.operation == "resolve" else None
            return {"calls": " ".join(calls)}
        finally:
            self._memory.stale(action.subjects)

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        """What of the merge there is (`merged`), what was given up (`given_up`), and what of it no undo takes away (`stays`)."""
        if before == after:
            return {}
        keeper_id = action.payload["keeper"]
        was, keeper = before["assets"][keeper_id], after["assets"][keeper_id]
        return {
            "merged": differences(was, keeper) if was and keeper else [],
            "given_up": [one for one in action.payload["losers"] if is_given_up(action, after, one)],
            "stays": stays(action, before),
        }

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        """Take the losers out of the trash, or upload them again, and put back what was changed.

        Raises:
            UserError: a file has to be uploaded again, and there is no intact copy of it.
            ImmichError: a call failed.
        """
        reason = why_not_back(action, before, now) or self._why_not_uploaded(action, before, now)
        if reason is not None:
            return reason
        try:
            self._bring_back(action, before, now)
            self._put_back(action, before, self.read(action))
        finally:
            self._memory.stale(action.subjects)
        for what in stays(action, before):
            logger.warning("asset %s keeps its %s, which Immich cannot take away", action.payload["keeper"], what)
        return None

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        """See `duplicate_undo.is_back`."""
        return is_back(action, before, now)

    def _reader(self, action: Action) -> SetReader:
        client_of(self._clients, action.owner_id)
        return self._readers[action.owner_id]

    def _is_decided(self, action: Action) -> bool:
        payload = action.payload
        return self._memory.decided(payload["set"], payload["keeper"], payload["losers"])

    def _why_not_uploaded(self, action: Action, before: State, now: State) -> str | None:
        """Why a file that is gone cannot be uploaded again; asked before anything is changed."""
        reader = self._reader(action)
        for asset_id in gone(action, before, now):
            sha1 = reader.sha1_of(self._backups.restore_bytes(asset_id))
            present = client_of(self._clients, action.owner_id).present([sha1]).get(sha1)
            if present is not None:
                return f"asset {asset_id} is gone, and its bytes cannot be uploaded again: asset {present.asset_id} has the same"
        return None

    def _bring_back(self, action: Action, before: State, now: State) -> None:
        client, reader = client_of(self._clients, action.owner_id), self._reader(action)
        for asset_id in gone(action, before, now):
            path = self._backups.restore_bytes(asset_id)
            client.upload(_upload(path, before["assets"][asset_id], reader.sha1_of(path)))
        trashed = in_trash(action, before, now)
        if trashed:
            client.restore_assets(trashed)
        for asset_id in set(trashed) & before["assets"].keys():
            reader.note_links(asset_id, more=before["assets"][asset_id]["links"])  # to which it comes back by itself

    def _put_back(self, action: Action, before: State, now: State) -> None:
        """The losers have what is theirs before the kept one gives it away; a live video is let go before it is taken."""
        client = client_of(self._clients, action.owner_id)
        losers, keeper = list(losers_back(action, before, now)), keeper_back(action, before, now)
        steps: list[Step] = []
        for one in losers:
            steps += steps_between(one.asset_id, one.now, {**one.wanted, "live_video": one.now["live_video"]})
        if keeper is not None:
            steps += steps_between(keeper.asset_id, keeper.now, keeper.wanted)
        for one in losers:
            video = one.wanted["live_video"]
            if video != one.now["live_video"]:
                steps.append(Change(one.asset_id, (("live_video_id", video),)))
        steps += [hiding(video) for video in videos_to_hide(action, before, now)]
        self._resolvers[action.owner_id].perform(steps)
        wanted = stacks_wanted(action, before, now)
        stacks = stacks_of(now)
        while wanted is not None and (call := next_call(stacks, wanted)) is not None:
            stacks = after(stacks, call, send_stack_call(client, call))


def _upload(path: Path, state: State, sha1: bytes) -> Upload:
    """Its live video is linked later: the kept one may have it still."""
    sidecar = path.with_name(path.name + ".xmp")
    return Upload(
        path=path,
        name=state["name"],
        sha1=sha1,
        created_at=datetime.fromisoformat(state["file_created"]),
        modified_at=datetime.fromisoformat(state["file_modified"]),
        favourite=state["favourite"],
        visibility=cast(_Shown, state["visibility"]),
        sidecar=sidecar if sidecar.is_file() else None,
    )

"""One set of duplicates on one server: back up, merge, verify, and only then give up; in an order that may be broken off anywhere."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.duplicate_calls import perform
from immich_pipeline.actions.duplicate_check import (
    is_given_up,
    is_merged,
    is_stray,
    keeper_wanted,
    lacking,
    loser_wanted,
    merge_of,
    why_not,
)
from immich_pipeline.actions.duplicate_fields import LATE
from immich_pipeline.actions.duplicate_reading import SetReader
from immich_pipeline.actions.duplicate_stacks import Tangled, stack_call
from immich_pipeline.actions.duplicate_steps import Change, Covering, Joining, Naming, Showing, Step, steps_between
from immich_pipeline.actions.duplicate_trash import Trash
from immich_pipeline.actions.kept_files import prove_kept
from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.stack_calls import send_stack_call
from immich_pipeline.errors import UserError
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError

KIND = "duplicates"
_PAUSES = (0.3, 0.7, 1.5, 3.0)  # seconds, while the server reads back what it has written to a file
_OLD_AFTER = 10.0  # seconds; a state read longer ago is read again before anything is given up


class Resolver:
    """Resolves sets of one owner."""

    def __init__(
        self, client: ImmichClient, reader: SetReader, backups: BackupStore, sleep: Callable[[float], None]
    ) -> None:
        """Take over."""
        self._client, self._reader, self._backups, self._sleep = client, reader, backups, sleep
        self._trash = Trash(client)

    def why_not_trash(self, action: Action, state: State) -> str | None:
        """Why what is left of the losers may not be put into the trash now, where that is what is to become of them.

        Raises:
            ImmichError: the server does not say.
        """
        left = any(not is_given_up(action, state, loser_id) for loser_id in action.payload["losers"])
        return self._trash.why_not() if left and action.operation == "resolve" else None

    def resolve(self, action: Action, state: State) -> tuple[list[str], State]:
        """Back up, merge, verify, give up.

        Returns:
            The names of the calls; and the state before the last of them, which told of everything but what that one does.

        Raises:
            UserError: no verified copy could be made, the kept one lacks something after the merge, or something was changed meanwhile.
            ImmichError: a call failed.
        """
        if action.operation == "resolve":
            prove_kept(action, state, self._backups, lambda asset_id: _fetch(self._client, asset_id))
            if action.payload["backup"]:
                state = self._backed_up(action, state)
        steps = _merging(action, state)
        calls = self.perform(steps)
        call = stack_call(action, state) if action.operation == "resolve" else None
        if isinstance(call, Tangled):
            raise UserError(call.reason)
        if call is not None:
            send_stack_call(self._client, call)
            calls.append("stack")
        state = self._verified(action, state, steps, anew=call is not None)
        return calls + self._give_up(action, state), _without_covers(action, state)

    def _backed_up(self, action: Action, state: State) -> State:
        """Copy what is to be given up; the state, read again if that took long."""
        moved = merge_of(action).live_video
        plan_id = action.action_id(KIND)
        copied: dict[str, Any] = {}
        for asset_id in state["backups"]:
            known = state["assets"][asset_id]
            if known is not None and not known["trashed"] and asset_id != moved:
                fetch = _fetch(self._client, asset_id)
                backup = self._backups.keep(asset_id, action.owner_id, known, fetch, plan_id)
                copied[asset_id] = {"sha256": backup.sha256.hex(), "verified": True}
        reader = self._reader
        if time.monotonic() - reader.read_at <= _OLD_AFTER:
            return {**state, "backups": {**state["backups"], **copied}}
        state = reader.read(action)
        reason = why_not(action, state)
        if reason is not None:
            raise UserError(f"changed while it was copied: {reason}")
        return state

    def _verified(self, action: Action, state: State, steps: Sequence[Step], *, anew: bool) -> State:
        """The state with the kept one read again; or an error, if that lacks anything."""
        reader, keeper_id = self._reader, action.payload["keeper"]
        beside = any(isinstance(step, Joining | Covering | Showing | Naming) for step in steps)
        for pause in (*_PAUSES, None):
            if anew or merge_of(action).live_video is not None:
                state = reader.read(action)
            else:
                known = None if beside else state["assets"][keeper_id]
                state = {**state, "assets": {**state["assets"], keeper_id: reader.asset(keeper_id, known)}}
            problem = _problem(action, state)
            if not problem:
                return state
            if pause is None or not set(problem) <= LATE:
                break
            self._sleep(pause)
        raise UserError(
            f"the kept one, asset {keeper_id}, lacks after the merge: {', '.join(problem)}; nothing was given up"
        )

    def _give_up(self, action: Action, state: State) -> list[str]:
        client, losers = self._client, action.payload["losers"]
        if action.operation == "resolve":
            left = [one for one in losers if not is_given_up(action, state, one)]
            unsafe = [one for one in losers if action.payload["backup"] and state["backups"].get(one) is None]
            if unsafe:
                raise UserError(f"there is no verified copy of asset {unsafe[0]}")
            if left:
                self._check_unchanged(action, state, left)
                if reason := self._trash.why_not():
                    raise UserError(f"{reason}; nothing was given up")
                client.delete_assets(left)
            return ["trash"]
        if action.operation == "stack":
            call = stack_call(action, state)
            return [] if call is None or isinstance(call, Tangled) else [send_stack_call(client, call)]
        if action.operation == "album" and state["album"] is None:
            state = {**state, "album": client.create_album(action.payload["album"]).id}
        steps: list[Step] = []
        for loser_id in losers:
            now = state["assets"][loser_id]
            wanted = loser_wanted(action, state, now)
            steps += steps_between(loser_id, now, wanted) if wanted is not None else []
        return self.perform(steps)

    def _check_unchanged(self, action: Action, state: State, leaving: Sequence[str]) -> None:
        """Read what is about to be given up once more: what came to it while it was copied and merged would go with it.

        Links are not asked for again: that takes a request for each.

        Raises:
            UserError: somebody has changed it.
        """
        read = {loser_id: self._reader.asset(loser_id) for loser_id in leaving}
        reason = why_not(action, {**state, "assets": {**state["assets"], **read}})
        if reason is not None:
            raise UserError(f"changed while it was resolved: {reason}; nothing was given up")

    def perform(self, steps: Iterable[Step]) -> list[str]:
        """Make the calls, one after the other; returns their names.

        Raises:
            ImmichError: a call failed; those before it were made.
        """
        names = []
        for step in steps:
            try:
                names.append(perform(self._client, step))
            except ImmichError:
                self._reader.forget_links()  # it may have been done all the same
                raise
            if isinstance(step, Showing):
                links = {"fewer" if step.off else "more": [step.link]}
                self._reader.note_links(step.asset_id, **links)
        return names


def _merging(action: Action, state: State) -> list[Step]:
    """The calls that give the kept one what it lacks. A live video is let go of before it is taken, lest the server shows it by itself."""
    keeper_id, video = action.payload["keeper"], merge_of(action).live_video
    shown: list[Step] = []
    steps: list[Step] = []
    for loser_id in action.payload["losers"]:
        loser = state["assets"][loser_id]
        if video is not None and loser["live_video"] == video:
            steps.append(Change(loser_id, (("live_video_id", None),)))
            # it is shown where its still was, and hidden again by the new one only if that was the timeline
            shown += [hiding(video)] if loser["visibility"] != "timeline" else []
    if video is not None and not steps and is_stray(action, state):
        shown = [hiding(video)]
    return [*steps, *steps_between(keeper_id, state["assets"][keeper_id], keeper_wanted(action, state)), *shown]


def hiding(video: str) -> Change:
    """Take a live video, which belongs to its still, off the timeline."""
    return Change(video, (("visibility", "hidden"),))


def _problem(action: Action, state: State) -> list[str]:
    """What the kept one lacks."""
    keeper = state["assets"][action.payload["keeper"]]
    if keeper is None:
        return ["everything: it is gone"]
    missing = lacking(action, state)
    if not missing and action.operation == "resolve" and not is_merged(action, state):
        return ["its place: it is hidden, in the trash, or not where its stack shows it"]
    return missing


def _without_covers(action: Action, state: State) -> State:
    """The covers that the kept one has now are no loser's any more."""
    keeper_id = action.payload["keeper"]
    covers = set(state["assets"][keeper_id]["covers"])
    assets = {
        asset_id: known
        if known is None or asset_id == keeper_id
        else {**known, "covers": [album for album in known["covers"] if album not in covers]}
        for asset_id, known in state["assets"].items()
    }
    return {**state, "assets": assets}


def _fetch(client: ImmichClient, asset_id: str) -> Callable[[], Any]:
    return lambda: client.original(asset_id)

"""What it takes to bring a resolved set back to what it was: who was changed since, what each asset is to be. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from immich_pipeline.actions.duplicate_check import loser_wanted, merge_of
from immich_pipeline.actions.duplicate_fields import BY_ITSELF, SETS, differences, restored, strange, touched, unmerged
from immich_pipeline.actions.duplicate_merge import has_position
from immich_pipeline.actions.duplicate_stacks import stacks_back, stacks_of
from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.stacking import Stacked

_NOT_COMPARED = {*BY_ITSELF, "stack", "stack_primary", "trashed", "path"}
_NOT_TOLD_IN_TRASH = {"albums", "links", "people"}


@dataclass(frozen=True)
class Return:
    """One asset on its way back: the id that it has now, what it is, and what it is to be."""

    asset_id: str
    now: State
    wanted: State


def new_ids(now: State) -> dict[str, str]:
    """By the id that an asset had the one that it got when it was uploaded again."""
    return {old: one["id"] for old, one in now["again"].items()}


def there(now: State, asset_id: str) -> State | None:
    """An asset of the plan as it is now, under whatever id."""
    found: State | None = now["assets"].get(asset_id)
    if found is None and asset_id in now["again"]:
        found = now["again"][asset_id]["state"]
    return found


def given_up(action: Action) -> list[str]:
    """The assets that may have gone to the trash: the live videos first, which must be there before their stills."""
    return [*dict.fromkeys(action.payload["follows"].values()), *action.payload["losers"]]


def in_trash(action: Action, before: State, now: State) -> list[str]:
    """The assets, by the ids that they have now, that are to be taken out of the trash."""
    found = []
    for asset_id in given_up(action):
        was, state = before["assets"].get(asset_id), there(now, asset_id)
        if was is not None and not was["trashed"] and state is not None and state["trashed"]:
            found.append(new_ids(now).get(asset_id, asset_id))
    return found


def gone(action: Action, before: State, now: State) -> list[str]:
    """The assets that are no longer on the server, in the order in which they have to be uploaded."""
    return [one for one in given_up(action) if before["assets"].get(one) is not None and there(now, one) is None]


def losers_back(action: Action, before: State, now: State) -> Iterator[Return]:
    """The losers that are there."""
    for loser_id in action.payload["losers"]:
        was, state = before["assets"][loser_id], there(now, loser_id)
        if was is None or state is None:
            continue
        again = loser_id in now["again"]
        wanted = restored(state, was) if again else _unchanged(action, before, now, loser_id)
        wanted["covers"] = sorted({*state["covers"], *_covers(action, before, now, loser_id)})
        wanted["live_video"] = _video(before, now, loser_id)
        yield Return(new_ids(now).get(loser_id, loser_id), state, wanted)


def keeper_back(action: Action, before: State, now: State) -> Return | None:
    """The kept one without what it got; None when it is gone."""
    keeper_id = action.payload["keeper"]
    was, state = before["assets"][keeper_id], now["assets"][keeper_id]
    return Return(keeper_id, state, unmerged(state, was, merge_of(action))) if was and state else None


def videos_to_hide(action: Action, before: State, now: State) -> list[str]:
    """Live videos, by the ids that they have now, that change hands again and may be shown by themselves then."""
    keeper, moved = now["assets"][action.payload["keeper"]], merge_of(action).live_video
    found = []
    for video in dict.fromkeys(action.payload["follows"].values()):
        was, state = before["assets"].get(video), there(now, video)
        if was is None or state is None or was["visibility"] != "hidden":
            continue
        let_go = video == moved and keeper is not None and keeper["live_video"] == video
        if state["visibility"] != "hidden" or (let_go and keeper["visibility"] != "timeline"):
            found.append(new_ids(now).get(video, video))
    return found


def stays(action: Action, before: State) -> list[str]:
    """What the kept one got and keeps, since no server takes it away again."""
    merge, was = merge_of(action), before["assets"][action.payload["keeper"]]
    found = ["position"] if merge.position is not None and not has_position(was) else []
    if merge.date is not None:
        found += ["date"] if was["date"] is None else ["time zone"]
    return found


def is_back(action: Action, before: State, now: State) -> bool:
    """Whether everything that the action changes is as before; what no server takes away, and ids that it made anew, aside."""
    if gone(action, before, now) or in_trash(action, before, now) or videos_to_hide(action, before, now):
        return False
    keeper = keeper_back(action, before, now)
    returns = [*([keeper] if keeper else []), *losers_back(action, before, now)]
    if any(differences(one.now, one.wanted) for one in returns):
        return False
    wanted = stacks_back(action, before, now, new_ids(now))
    return wanted is None or set(stacks_of(now).values()) == set(wanted)


def why_not_back(action: Action, before: State, now: State) -> str | None:
    """Who else had a hand in it since, for a person; None when it can be undone."""
    keeper_id, merge = action.payload["keeper"], merge_of(action)
    was, keeper = before["assets"][keeper_id], now["assets"][keeper_id]
    if was and keeper:
        single = touched(merge) - {*SETS, "faces", "covers"}
        changed = [name for name in strange(keeper, was, merge) if name in single]
        if changed:
            return f"the kept one, asset {keeper_id}, was changed since: {', '.join(changed)}"
    for loser_id in action.payload["losers"]:
        changed = _changed_since(action, before, now, loser_id)
        if changed:
            return f"asset {loser_id} was changed since: {', '.join(changed)}"
    return _strange_stacks(action, before, now)


def stacks_wanted(action: Action, before: State, now: State) -> list[Stacked] | None:
    """The stacks as they were, by the ids that assets have now; None where the action had nothing to do with stacks."""
    return stacks_back(action, before, now, new_ids(now))


def _changed_since(action: Action, before: State, now: State, loser_id: str) -> list[str]:
    was, state = before["assets"][loser_id], now["assets"].get(loser_id)
    if was is None or state is None:
        return []
    ignored = set(_NOT_COMPARED) | (_NOT_TOLD_IN_TRASH if state["trashed"] else set())
    video = merge_of(action).live_video
    if video is not None and was["live_video"] == video:
        ignored.add("live_video")
    wanted: Mapping[str, Any] = loser_wanted(action, now, was) or was
    return [name for name in was if name not in ignored and state[name] not in (was[name], wanted[name])]


def _strange_stacks(action: Action, before: State, now: State) -> str | None:
    wanted = stacks_wanted(action, before, now)
    if wanted is None:
        return None
    ours = {*action.subjects, *new_ids(now).values()}.union(*(stack.members for stack in wanted))
    if all(stack.members <= ours for stack in stacks_of(now).values()):
        return None
    return "the stacks of these files were changed since"


def _unchanged(action: Action, before: State, now: State, loser_id: str) -> dict[str, Any]:
    """A loser that never left, without what became of it instead of the trash."""
    was, state = before["assets"][loser_id], now["assets"][loser_id]
    wanted = dict(state)
    if action.operation == "archive":
        wanted["visibility"] = was["visibility"]
    ours = {"tag": {action.payload.get("tag")}, "album": {now["album"]}}.get(action.operation, set())
    name = "tags" if action.operation == "tag" else "albums"
    wanted[name] = [value for value in state[name] if value not in ours or value in was[name]]
    return wanted


def _covers(action: Action, before: State, now: State, loser_id: str) -> set[str]:
    """The albums whose cover the loser was, and the kept one is now, unless that is gone."""
    own = set(before["own_albums"]) & set(before["assets"][loser_id]["covers"])
    keeper = now["assets"][action.payload["keeper"]]
    return own if keeper is None else own & set(keeper["covers"])


def _video(before: State, now: State, loser_id: str) -> str | None:
    video: str | None = before["assets"][loser_id]["live_video"]
    return new_ids(now).get(video, video) if video else None

"""Whether a set of duplicates may still be resolved: everything is as planned, or as our own half-done work leaves it. Pure."""

from dataclasses import replace
from typing import Any

from immich_pipeline.actions.duplicate_fields import BY_ITSELF, differences, merged, strange
from immich_pipeline.actions.duplicate_merge import Merge
from immich_pipeline.actions.duplicate_stacks import Tangled, stack_call, stacks_are_ours
from immich_pipeline.actions.model import Action, State

_SHOWN = ("timeline", "archive")
_STACK = ("stack", "stack_primary")
_NOT_TOLD_IN_TRASH = ("albums", "links", "people")
"""What a server may not tell of an asset in the trash."""

_WORDS = {
    "favourite": "its mark as favourite",
    "people": "its people",
    "position": "its position",
    "live_video": "its live video",
    "checksum": "its content",
    "trashed": "whether it is in the trash",
    "date": "its date",
    "file_created": "its date",
    "local_date": "its date",
    "time_zone": "its time zone",
    "latitude": "its position",
    "longitude": "its position",
    "file_modified": "its file",
    "size": "its file",
    "library": "its library",
}


def merge_of(action: Action) -> Merge:
    """What the kept one is to get. Only what goes to the trash gives away its live video and its albums' covers."""
    merge = Merge.from_json(action.payload["merge"])
    return merge if action.operation == "resolve" else replace(merge, live_video=None, covers=())


def keeper_wanted(action: Action, state: State) -> dict[str, Any]:
    """The kept one as it is to be. The covers of others' albums are their owners' to choose."""
    merge = merge_of(action)
    covers = tuple(album for album in merge.covers if album in state["own_albums"])
    return merged(state["assets"][action.payload["keeper"]], replace(merge, covers=covers))


def lacking(action: Action, state: State) -> list[str]:
    """What the kept one still lacks, as names of fields."""
    return differences(state["assets"][action.payload["keeper"]], keeper_wanted(action, state))


def is_merged(action: Action, state: State) -> bool:
    """Whether the kept one has everything, and shows."""
    keeper = state["assets"][action.payload["keeper"]]
    return (
        keeper is not None
        and _unfit(keeper) is None
        and not is_stray(action, state)
        and not set(lacking(action, state)) - {"covers"}  # which anybody may change at any time
        and not stack_call(action, state)
    )


def is_stray(action: Action, state: State) -> bool:
    """Whether the live video that changes hands shows by itself: servers show what is let go of."""
    moved = state["assets"].get(merge_of(action).live_video)
    return moved is not None and moved["visibility"] != "hidden"


def is_given_up(action: Action, state: State, loser_id: str) -> bool:
    """Whether a loser is where it shall be in the end."""
    loser = state["assets"][loser_id]
    if action.operation == "resolve":
        safe = not action.payload["backup"] or state["backups"].get(loser_id) is not None
        return safe and (loser is None or loser["trashed"])
    if loser is None:
        return False
    wanted = loser_wanted(action, state, loser)
    return wanted is not None and not differences(loser, wanted)


def loser_wanted(action: Action, state: State, loser: State) -> dict[str, Any] | None:
    """What becomes of a loser that is not put into the trash; None: its album does not exist yet."""
    match action.operation:
        case "archive":
            return {**loser, "visibility": "archive"}
        case "tag":
            return {**loser, "tags": sorted({*loser["tags"], action.payload["tag"]})}
        case "album":
            album = state["album"]
            return {**loser, "albums": sorted({*loser["albums"], album})} if album else None
        case _:
            return dict(loser)


def why_not(action: Action, state: State) -> str | None:
    """Why the set must be left alone, for a person; None when it may be resolved, or our own work may go on."""
    reasons = (_why_not_asset(action, state, asset_id) for asset_id in action.subjects)
    reason = next((reason for reason in reasons if reason is not None), None)
    if reason is None and action.operation == "resolve":
        reason = _why_not_trash(action, state)
    tangled = stack_call(action, state) if reason is None else None
    if isinstance(tangled, Tangled):
        return tangled.reason
    if reason is None and not stacks_are_ours(action, state):
        return "the stacks of these files are not as they were when the plan was made"
    return reason


def is_as_planned(action: Action, state: State) -> bool:
    """Whether nothing was begun: every subject is exactly as planned, but for what comes by itself."""
    planned = action.preconditions["states"]
    return all(
        state["assets"].get(one) is not None
        and all(state["assets"][one][name] == value for name, value in planned[one].items() if name not in BY_ITSELF)
        for one in action.subjects
    )


def _why_not_asset(action: Action, state: State, asset_id: str) -> str | None:
    now = state["assets"].get(asset_id)
    if now is None:
        return f"asset {asset_id} is not on the server any more"
    if now["owner"] != action.owner_id:
        return f"asset {asset_id} belongs to another user now"
    if asset_id not in action.payload["losers"] and _unfit(now):
        return f"asset {asset_id}, which is to be kept, {_unfit(now)}"
    changed = _changed(action, state, asset_id)
    return f"asset {asset_id} is not as it was when the plan was made: {_told(changed)}" if changed else None


def _why_not_trash(action: Action, state: State) -> str | None:
    allowed = action.payload.get("allowed_libraries", ())
    for loser_id in action.payload["losers"]:
        library = state["assets"][loser_id]["library"]
        if library is not None and library not in allowed:
            return f"asset {loser_id} is in the external library {library}, from which nothing may be deleted (duplicates.delete_from)"
        video = action.payload["follows"].get(loser_id)
        if video is not None and state["assets"].get(video) is None:
            return f"the live video of asset {loser_id} is not on the server any more"
    return None


def _changed(action: Action, state: State, asset_id: str) -> list[str]:
    """The fields of a subject that somebody else has changed."""
    now, planned, merge = state["assets"][asset_id], action.preconditions["states"][asset_id], merge_of(action)
    if asset_id == action.payload["keeper"]:
        return strange(now, planned, merge)
    if asset_id not in action.payload["losers"]:
        return strange(now, planned, Merge())
    ignored = {*BY_ITSELF, *_STACK}
    if action.operation == "resolve" and now["trashed"] and not planned["trashed"]:
        if not (is_given_up(action, state, asset_id) and is_merged(action, state)):
            return ["trashed"]
        ignored |= {"trashed", *_NOT_TOLD_IN_TRASH}
    if merge.live_video is not None and planned["live_video"] == merge.live_video and now["live_video"] is None:
        ignored.add("live_video")
    wanted = loser_wanted(action, state, planned) or planned
    return [
        name for name in planned if name not in ignored and now[name] != planned[name] and now[name] != wanted[name]
    ]


def _unfit(state: State) -> str | None:
    if state["trashed"]:
        return "is in the trash now"
    if state["offline"]:
        return "is missing on the disk now"
    return None if state["visibility"] in _SHOWN else "is hidden now"


def _told(fields: list[str]) -> str:
    return ", ".join(dict.fromkeys(_WORDS.get(name, f"its {name.replace('_', ' ')}") for name in fields))

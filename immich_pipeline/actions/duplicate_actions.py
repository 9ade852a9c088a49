"""What a decision about duplicates becomes: one action, complete in itself, or the reason why it cannot be one."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from immich_pipeline.actions.duplicate_merge import merge_wanted, unmergeable
from immich_pipeline.actions.kept_files import ONE_FILE, may_be_one_file
from immich_pipeline.actions.model import Action
from immich_pipeline.dedup.decision_rules import decision_rules
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.dedup.wording import visible
from immich_pipeline.policies import DuplicateSettings

Row = Mapping[str, Any]
"""A file of a set: a row of `store.decisions.members_to_plan`, with `content` and `sha256` (hex, null where unknown), and `sidecars` (JSON
values; of files of a folder that are given up) and `beside` (extension and size of each sidecar of a file of a folder) and
`maybe_on_server` (a file of a folder that is given up may be the file of a server's asset)."""

ANEW = "`immich-pipeline run --once` decides anew; then plan again"
"""What a person does about decisions that are out of date."""

_NAMED = 3  # losers that the reason names
_OPERATIONS = {"trash": "resolve", "stack": "stack", "archive": "archive", "tag": "tag", "album": "album"}


def set_action(rows: Sequence[Row], settings: DuplicateSettings) -> Action | str:
    """The action for one set.

    Args:
        rows: all files of the set, one of them the keeper.
        settings: how duplicates are resolved.

    Returns:
        The action, or why there is none, for a person.
    """
    losers = [row for row in rows if row["role"] == "loser"]
    obstacles = sorted({row["obstacle"] for row in losers if row["obstacle"]})
    if not losers:
        return "nothing is given up"
    if outdated := _outdated(rows, settings):
        return outdated
    if obstacles:
        return "; ".join(obstacles)
    if rows[0]["becomes"] == "nothing":
        return "the settings leave groups of this class alone"
    on_server = {row["owner_id"] is not None for row in rows}
    if len(on_server) > 1:
        return "some of the files are in a folder and some on a server"
    return _on_server(rows, losers, settings) if on_server.pop() else _in_folder(rows, losers)


def _outdated(rows: Sequence[Row], settings: DuplicateSettings) -> str | None:
    """Why the decision cannot be gone by any more."""
    if all(row["asset_id"] != row["keeper_id"] for row in rows):
        return "the one that is to be kept is not there any more"
    if rows[0]["policy_hash"] != policy_hash(settings):
        return f"it was decided by other settings than those that hold now: {ANEW}"
    if any(row["changed_since"] for row in rows):
        return f"it was changed on the server since it was decided: {ANEW}"
    return None


def _on_server(rows: Sequence[Row], losers: Sequence[Row], settings: DuplicateSettings) -> Action | str:
    unread = [row for row in rows if row["detail"] is None]
    if unread:
        return "what the server knows of them was not read yet"
    states = {row["asset_id"]: json.loads(row["detail"]) for row in rows}
    keeper_id, loser_ids = rows[0]["keeper_id"], [row["asset_id"] for row in losers]
    loser_states = [states[asset_id] for asset_id in loser_ids]
    operation = _OPERATIONS[rows[0]["becomes"]]
    reasons = unmergeable(states[keeper_id], loser_states, settings) + _other_people(states[keeper_id], loser_states)
    reasons += _other_stacks(rows, losers) + _one_file(rows, losers, states) if operation == "resolve" else []
    if reasons:
        return "; ".join(reasons)
    payload = {
        **_common(rows, losers),
        "follows": {
            asset_id: states[asset_id]["live_video"] for asset_id in loser_ids if states[asset_id]["live_video"]
        },
        "merge": merge_wanted(states[keeper_id], loser_states, settings).as_json(),
        "backup": operation == "resolve" and settings.backup.required,
        "allowed_libraries": sorted(settings.delete_from),
    }
    if operation in {"tag", "album"}:
        payload[operation] = settings.review_tag if operation == "tag" else settings.review_album
    owner_id = str(next(row["owner_id"] for row in rows))
    return Action(
        operation, owner_id, _subjects(rows, losers), payload, _preconditions(rows, states), _reason(rows, losers)
    )


def _one_file(rows: Sequence[Row], losers: Sequence[Row], states: Mapping[str, Any]) -> list[str]:
    """Libraries of a server may reach one file by two paths; with the one the other would be gone."""
    pairs = ((kept, loser) for kept in rows if kept["role"] in {"keeper", "kept"} for loser in losers)
    hidden = (
        may_be_one_file(
            states[kept["asset_id"]],
            states[loser["asset_id"]],
            both_mounted=kept["root"] is not None and loser["root"] is not None,
        )
        for kept, loser in pairs
    )
    return [ONE_FILE] if any(hidden) else []


def _other_people(keeper: Mapping[str, Any], losers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whoever has put names to faces has looked at the pictures: no common name on two that have names means two photos."""
    named = [{one["person"] for one in state["people"] if one["name"]} for state in (keeper, *losers)]
    return (
        ["they show different people"] if any(named[0] and each and not named[0] & each for each in named[1:]) else []
    )


def _other_stacks(rows: Sequence[Row], losers: Sequence[Row]) -> list[str]:
    """The kept one takes the place of the others in one stack at most; stacks that are given up whole do not count."""
    own = next(row["stack_id"] for row in rows if row["asset_id"] == rows[0]["keeper_id"])
    leaving = Counter(row["stack_id"] for row in losers if row["stack_id"] not in {None, own})
    shown = {row["stack_id"]: row["stack_size"] for row in losers}
    left = [stack for stack, gone in leaving.items() if shown[stack] > gone]
    if len(left) > (1 if own is None else 0):
        return ["they are in different stacks, which a person has to bring together"]
    return []


def _in_folder(rows: Sequence[Row], losers: Sequence[Row]) -> Action | str:
    if rows[0]["becomes"] != "trash":
        return f"a folder knows no {rows[0]['becomes']}: its files can only be moved to the quarantine"
    if any(row["sha256"] is None for row in rows):
        return "a file was not hashed yet"
    if any(row["maybe_on_server"] for row in rows):
        return "a copy may be the very file that a server shows: say where the server's folders are (immich.paths)"
    kept = set().union(*(row["beside"] for row in rows if row["role"] in {"keeper", "kept"}))
    if rows[0]["verdict"] == "certain" and any(row["beside"] - kept for row in losers if row["sidecars"]):
        return "a copy has a sidecar that no kept file has: what it says would go with it"
    videos = [row for row in rows if row["role"] == "follows"]
    follows = {
        row["asset_id"]: video["asset_id"] for video in videos for row in losers if row["unit_id"] == video["unit_id"]
    }
    if set(follows.values()) < {video["asset_id"] for video in videos}:
        return "it is not known to which of the files a live photo's video belongs"
    files = [
        {
            "asset_id": row["asset_id"],
            "root": base64.b64encode(row["root"]).decode(),
            "path": base64.b64encode(row["real_path"]).decode(),
            "sha256": row["sha256"],
            "size": row["size"],
            "mtime_ns": row["mtime_ns"],
            "inode": row["inode"],
            "sidecars": row["sidecars"],
        }
        for row in rows
    ]
    payload = {**_common(rows, losers), "follows": follows, "files": files}
    return Action(
        "quarantine",
        rows[0]["owner"],
        _subjects(rows, losers),
        payload,
        _preconditions(rows, {}),
        _reason(rows, losers),
    )


def _common(rows: Sequence[Row], losers: Sequence[Row]) -> dict[str, Any]:
    return {
        "set": rows[0]["set_id"],
        "class": rows[0]["class"],
        "keeper": rows[0]["keeper_id"],
        "kept": _kept(rows),
        "losers": [row["asset_id"] for row in losers],
        "bytes": sum(row["size"] for row in losers),
    }


def _subjects(rows: Sequence[Row], losers: Sequence[Row]) -> tuple[str, ...]:
    return (rows[0]["keeper_id"], *_kept(rows), *(row["asset_id"] for row in losers))


def _kept(rows: Sequence[Row]) -> list[str]:
    """The other files that stay; the moving half of a live photo is looked after with its still."""
    return [row["asset_id"] for row in rows if row["role"] == "kept" and row["visibility"] != "hidden"]


def _preconditions(rows: Sequence[Row], states: Mapping[str, Any]) -> dict[str, Any]:
    return {"states": dict(states), "contents": {row["asset_id"]: row["content"] for row in rows}}


def _reason(rows: Sequence[Row], losers: Sequence[Row]) -> str:
    """Which is kept and by what, for a person; names in a library are hostile."""
    kept = next(visible(row["path"]) for row in rows if row["asset_id"] == rows[0]["keeper_id"])
    title = decision_rules().steps[rows[0]["decided_by"]]
    others = ", ".join(visible(row["path"]) for row in losers[:_NAMED])
    more = f" and {len(losers) - _NAMED:,} more" if len(losers) > _NAMED else ""
    return f"{rows[0]['class'].replace('_', ' ')}: keeps {kept} ({title.lower()}), gives up {others}{more}"

"""Groups of duplicates. Merely listing them changes some."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import is_own
from immich_pipeline_tests.immich_stub.calls import Answer, Call, State, answers, no_access
from immich_pipeline_tests.immich_stub.render import VISIBLE, asset_json
from immich_pipeline_tests.immich_world import Asset, Exif


@answers("GET /duplicates")
def duplicates(state: State, call: Call) -> Answer:
    """Groups of which one member is left to show lose their number first, on other users' assets as well."""
    shown = _shown_groups(state, call)
    for duplicate_id, group in shown.items():
        if len(group) == 1:
            _clear(state, [a for a in state.world.assets.values() if a.duplicate_id == duplicate_id])
    body = [
        {
            "duplicateId": duplicate_id,
            "assets": [asset_json(asset, v2=state.v2, with_exif=True) for asset in group],
            "suggestedKeepAssetIds": [max(group, key=_worth).id],
        }
        for duplicate_id, group in shown.items()
        if len(group) > 1
    ]
    return Answer(body=body)


@answers("DELETE /duplicates/{id}")
def dismiss(state: State, call: Call) -> Answer:
    """The second dialect says yes to anything; v3 refuses what is unknown or another's."""
    group = _group(state, call, call.path["id"])
    if not group and not state.v2:
        raise no_access("duplicate.delete")
    _clear(state, group)
    return Answer(204)


@answers("POST /duplicates/resolve")
def resolve(state: State, call: Call) -> Answer:
    groups = call.body.get("groups")
    if not isinstance(groups, list) or not groups:
        raise inputs.invalid(
            "groups",
            "groups must contain at least 1 elements",
            origin="array",
            code="too_small",
            minimum=1,
            inclusive=True,
            message="Too small: expected array to have >=1 items",
        )
    if not state.v2 and not all(_group(state, call, one["duplicateId"]) for one in groups):
        raise no_access("duplicate.delete")
    return Answer(body=[_resolve_one(state, call, one) for one in groups])


def _resolve_one(state: State, call: Call, asked: dict[str, Any]) -> dict[str, Any]:
    """Ids that are not of the group are passed over."""
    group = _group(state, call, asked["duplicateId"])
    failed = {"id": asked["duplicateId"], "success": False}
    if not group:
        return failed | {"error": "not_found"}
    keep = [asset for asset in group if asset.id in inputs.uuids(asked, "keepAssetIds")]
    trash = [asset for asset in group if asset.id in inputs.uuids(asked, "trashAssetIds")]
    if any(asset in trash for asset in keep):
        return failed | {
            "error": "validation",
            "errorMessage": "An asset cannot be in both keepAssetIds and trashAssetIds",
        }
    if len(keep) + len(trash) < len(group):
        return failed | {
            "error": "validation",
            "errorMessage": "Every asset must be in either keepAssetIds or trashAssetIds",
        }
    if trash and (len(keep) == 1 or state.v2):
        _merge(state, group, keep)
    _clear(state, group)
    for asset in trash:
        state.world.trash(asset)
    return {"id": asked["duplicateId"], "success": True}


def _merge(state: State, group: list[Asset], keep: list[Asset]) -> None:
    """What any member has, the kept ones get: albums, tags, flags, captions, the one place. People are not merged."""
    order = ("locked", "archive", "timeline", "hidden")
    visibility = min((asset.visibility for asset in group), key=order.index)
    found = [asset.exif for asset in group if asset.exif is not None]
    lines = dict.fromkeys(line.strip() for exif in found for line in exif.description.splitlines() if line.strip())
    places = {(exif.latitude, exif.longitude) for exif in found if exif.latitude is not None}
    rating = max((exif.rating or 0 for exif in found), default=0)
    favourite = any(asset.is_favorite for asset in group)
    for asset in keep:
        asset.is_favorite, asset.visibility = favourite, visibility
        exif = asset.exif = asset.exif or Exif()
        exif.description = "\n".join(lines)
        exif.rating = rating or exif.rating
        if len(places) == 1:
            ((exif.latitude, exif.longitude),) = places
    ids = [asset.id for asset in group]
    albums = (album for album in state.world.albums.values() if album.owner_id == keep[0].owner_id) if keep else ()
    for holder in (*albums, *state.world.tags.values()):
        if any(one in holder.asset_ids for one in ids):
            holder.asset_ids += [asset.id for asset in keep if asset.id not in holder.asset_ids]


def _group(state: State, call: Call, duplicate_id: str) -> list[Asset]:
    members = (asset for asset in state.world.assets.values() if asset.duplicate_id == duplicate_id)
    return [asset for asset in members if is_own(asset, call.user) and asset.deleted_at is None]


def _shown_groups(state: State, call: Call) -> dict[str, list[Asset]]:
    """The caller's groups: what is visible, outside stacks, and was read."""
    groups: dict[str, list[Asset]] = {}
    for asset in state.world.assets.values():
        shown = asset.visibility in VISIBLE and asset.deleted_at is None and asset.stack_id is None
        if asset.duplicate_id and asset.owner_id == call.user.id and shown and asset.exif is not None:
            groups.setdefault(asset.duplicate_id, []).append(asset)
    return groups


def _worth(asset: Asset) -> tuple[int, int]:
    """The largest file, then the one of which most is known."""
    exif = asset.exif or Exif()
    known = sum(getattr(exif, column.name) not in (None, "") for column in fields(exif))
    return (exif.file_size or 0, known)


def _clear(state: State, group: Iterable[Asset]) -> None:
    for asset in group:
        asset.duplicate_id = None
        state.world.touch(asset)

"""Albums: own ones, and those that others share."""

from datetime import datetime
from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import can_see, in_album, is_own
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers, no_access
from immich_pipeline_tests.immich_stub.render import VISIBLE, asset_json, user_json
from immich_pipeline_tests.immich_stub.times import instant
from immich_pipeline_tests.immich_world import Album, Asset


@answers("GET /albums")
def albums(state: State, call: Call) -> Answer:
    """v2 tells own albums only, unless shared ones are asked for; v3 tells both."""
    asset_id = call.query.get("assetId")
    if asset_id is not None:
        found = [a for a in state.world.albums.values() if in_album(a, call.user) and asset_id in a.asset_ids]
    elif state.v2:
        found = _v2_list(state, call)
    else:
        found = _v3_list(state, call)
    return Answer(body=[album_json(state, album) for album in reversed(found)])


def _v2_list(state: State, call: Call) -> list[Album]:
    shared, every = inputs.query_flag(call.query, "shared"), state.world.albums.values()
    if shared:
        return [album for album in every if in_album(album, call.user) and album.shared_with]
    own = [album for album in every if album.owner_id == call.user.id]
    return own if shared is None else [album for album in own if not album.shared_with]


def _v3_list(state: State, call: Call) -> list[Album]:
    owned, shared = inputs.query_flag(call.query, "isOwned"), inputs.query_flag(call.query, "isShared")
    return [
        album
        for album in state.world.albums.values()
        if in_album(album, call.user)
        and owned in (None, album.owner_id == call.user.id)
        and shared in (None, bool(album.shared_with))
        and call.query.get("id") in (None, album.id)
        and call.query.get("name") in (None, album.name)
    ]


@answers("GET /albums/{id}")
def one_album(state: State, call: Call) -> Answer:
    album = _album(state, call, "album.read")
    return Answer(body=album_json(state, album, details=True, assets=call.query.get("withoutAssets") != "true"))


@answers("POST /albums")
def create(state: State, call: Call) -> Answer:
    name = call.body.get("albumName")
    if not isinstance(name, str):
        raise inputs.invalid(
            "albumName",
            "albumName must be a string",
            expected="string",
            code="invalid_type",
            message="Invalid input: expected string",
        )
    found = [state.world.assets.get(one) for one in call.body.get("assetIds") or []]
    shared_with = [state.world.users[one["userId"]] for one in call.body.get("albumUsers") or []]
    album = state.world.add_album(
        call.user, name, [asset for asset in found if asset is not None and is_own(asset, call.user)], shared_with
    )
    album.cover_id = next(iter(album.asset_ids), None)
    state.stamp(album.id)
    return Answer(201, album_json(state, album, details=True))


@answers("PATCH /albums/{id}")
def update(state: State, call: Call) -> Answer:
    album = _album(state, call, "album.update", owner_only=True)
    cover = call.body.get("albumThumbnailAssetId")
    if cover is not None and cover not in album.asset_ids:
        raise Refusal(400, "Invalid album thumbnail")
    album.name, album.cover_id = call.body.get("albumName", album.name), cover or album.cover_id
    state.stamp(album.id)
    return Answer(body=album_json(state, album, assets=False))


@answers("PUT /albums/{id}/assets")
def add_assets(state: State, call: Call) -> Answer:
    album = _album(state, call, "albumAsset.create")
    results = []
    for asset_id in inputs.uuids(call.body, "ids"):
        asset = state.world.assets.get(asset_id)
        if asset_id in album.asset_ids:
            results.append({"id": asset_id, "success": False, "error": "duplicate"})
        elif asset is None or not _may_share(state, call, asset):
            results.append({"id": asset_id, "success": False, "error": "no_permission"})
        else:
            album.asset_ids.append(asset_id)
            album.cover_id = album.cover_id or asset_id
            results.append({"id": asset_id, "success": True})
    state.stamp(album.id)
    return Answer(body=results)


@answers("DELETE /albums/{id}/assets")
def remove_assets(state: State, call: Call) -> Answer:
    """The owner may remove anything, others what is theirs."""
    album = _album(state, call, "albumAsset.delete")
    results = []
    for asset_id in inputs.uuids(call.body, "ids"):
        if asset_id not in album.asset_ids:
            results.append({"id": asset_id, "success": False, "error": "not_found"})
        elif album.owner_id != call.user.id and not is_own(state.world.assets.get(asset_id), call.user):
            results.append({"id": asset_id, "success": False, "error": "no_permission"})
        else:
            album.asset_ids.remove(asset_id)
            results.append({"id": asset_id, "success": True})
    state.stamp(album.id)
    return Answer(body=results)


def _may_share(state: State, call: Call, asset: Asset) -> bool:
    """Own assets and a partner's, not those seen in someone's album."""
    partner = (asset.owner_id, call.user.id) in state.world.partners
    return is_own(asset, call.user) or (partner and can_see(state, call.user, asset))


def _album(state: State, call: Call, permission: str, *, owner_only: bool = False) -> Album:
    album = state.world.albums.get(call.path["id"])
    if album is None or not in_album(album, call.user) or (owner_only and album.owner_id != call.user.id):
        raise no_access(permission)
    return album


def album_json(state: State, album: Album, *, details: bool = False, assets: bool = True) -> dict[str, Any]:
    """The second dialect names the owner, and tells the assets of an album asked for by its id; v3 does neither."""
    held = [state.world.assets[one] for one in album.asset_ids if one in state.world.assets]
    shown = [asset for asset in held if asset.deleted_at is None and asset.visibility in VISIBLE]
    _renew_cover(state, album, held)
    owner = state.world.users[album.owner_id]
    others = [{"user": user_json(state.world.users[one]), "role": "editor"} for one in album.shared_with]
    created, updated = state.stamps_of(album.id)
    body: dict[str, Any] = {
        "albumName": album.name,
        "description": "",
        "albumThumbnailAssetId": album.cover_id,
        "createdAt": instant(created),
        "updatedAt": instant(updated),
        "id": album.id,
    }
    if state.v2:
        body |= {"ownerId": album.owner_id, "owner": user_json(owner), "albumUsers": others}
    else:
        body["albumUsers"] = [{"user": user_json(owner), "role": "owner"}, *others]
    body |= {"shared": bool(album.shared_with), "hasSharedLink": False}
    if shown:
        first, last = min(one.local_date_time for one in shown), max(one.local_date_time for one in shown)
        body |= {"startDate": instant(_day(first)), "endDate": instant(_day(last))}
    if state.v2 and details and assets:
        shown.sort(key=lambda asset: asset.file_created_at, reverse=True)
    if state.v2:
        body["assets"] = [asset_json(one, v2=True, with_exif=True) for one in shown] if details and assets else []
    body |= {"assetCount": len(shown), "isActivityEnabled": True, "order": "desc"}
    if shown:
        body["lastModifiedAssetTimestamp"] = instant(max(asset.updated_at for asset in shown))
    return body | ({"contributorCounts": _contributors(shown)} if details else {})


def _renew_cover(state: State, album: Album, held: list[Asset]) -> None:
    """Albums without a cover, or with one that is not in them or in the trash, get their newest asset, as soon as they are asked for."""
    cover = state.world.assets.get(album.cover_id or "")
    if cover is None or cover.deleted_at is not None or cover.id not in album.asset_ids:
        there = [asset for asset in held if asset.deleted_at is None]
        album.cover_id = max(there, key=lambda asset: asset.file_created_at).id if there else None


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _contributors(shown: list[Asset]) -> list[dict[str, Any]]:
    owners = [asset.owner_id for asset in shown]
    return [{"userId": one, "assetCount": owners.count(one)} for one in dict.fromkeys(owners)]

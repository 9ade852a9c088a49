"""Links under which others see assets without an account."""

from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import can_see
from immich_pipeline_tests.immich_stub.albums import album_json
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.render import asset_json, derived_id
from immich_pipeline_tests.immich_stub.times import instant
from immich_pipeline_tests.immich_world import Asset, Members, SharedLink


@answers("GET /shared-links")
def links(state: State, call: Call) -> Answer:
    """Tells the first asset of a link only."""
    own = [link for link in state.world.links.values() if link.user_id == call.user.id]
    wanted = [
        link
        for link in own
        if call.query.get("albumId") in (None, link.album_id) and call.query.get("id") in (None, link.id)
    ]
    return Answer(body=[_link_json(state, link, _shown(state, link)[:1]) for link in reversed(wanted)])


@answers("GET /shared-links/{id}")
def one_link(state: State, call: Call) -> Answer:
    link = _own_link(state, call)
    shown = [asset for asset in _shown(state, link) if asset.exif is not None]
    return Answer(body=_link_json(state, link, shown))


@answers("PUT /shared-links/{id}/assets")
def add_assets(state: State, call: Call) -> Answer:
    """What is in the trash counts as not there, and cannot be added once more either."""
    link, results = _link_of_assets(state, call), list[dict[str, Any]]()
    shown = {asset.id for asset in _shown(state, link)}
    for asset_id in inputs.uuids(call.body, "assetIds"):
        asset = state.world.assets.get(asset_id)
        if asset_id in shown:
            results.append({"assetId": asset_id, "success": False, "error": "duplicate"})
        elif asset is None or not can_see(state, call.user, asset):
            results.append({"assetId": asset_id, "success": False, "error": "no_permission"})
        elif asset_id in link.asset_ids:
            raise Refusal(500, "Internal server error")
        else:
            results.append({"assetId": asset_id, "success": True})
    link.asset_ids += [one["assetId"] for one in results if one["success"]]
    state.world.tick()
    return Answer(body=results)


@answers("DELETE /shared-links/{id}/assets")
def remove_assets(state: State, call: Call) -> Answer:
    link, results = _link_of_assets(state, call), list[dict[str, Any]]()
    shown = {asset.id for asset in _shown(state, link)}
    for asset_id in inputs.uuids(call.body, "assetIds"):
        there = asset_id in shown
        results.append({"assetId": asset_id, "success": there} | ({} if there else {"error": "not_found"}))
    gone = {one["assetId"] for one in results if one["success"]}
    link.asset_ids = Members(one for one in link.asset_ids if one not in gone)
    state.world.tick()
    return Answer(body=results)


def _own_link(state: State, call: Call) -> SharedLink:
    link = state.world.links.get(call.path["id"])
    if link is None or link.user_id != call.user.id:
        raise Refusal(400, "Shared link not found")
    return link


def _link_of_assets(state: State, call: Call) -> SharedLink:
    link = _own_link(state, call)
    if link.album_id is not None:
        raise Refusal(400, "Invalid shared link type")
    return link


def _shown(state: State, link: SharedLink) -> list[Asset]:
    """Its assets outside of the trash, oldest first."""
    held = [state.world.assets[one] for one in link.asset_ids if one in state.world.assets]
    return sorted((one for one in held if one.deleted_at is None), key=lambda asset: asset.file_created_at)


def _link_json(state: State, link: SharedLink, shown: list[Asset]) -> dict[str, Any]:
    created, _ = state.stamps_of(link.id)
    album = state.world.albums.get(link.album_id or "")
    body = {
        "id": link.id,
        "description": None,
        "password": None,
        "userId": link.user_id,
        "key": derived_id(link.id).replace("-", ""),
        "type": "ALBUM" if link.album_id else "INDIVIDUAL",
        "createdAt": instant(created),
        "expiresAt": None,
        "assets": [asset_json(asset, v2=state.v2, with_exif=True) for asset in shown],
        "allowUpload": True,
        "allowDownload": True,
        "showMetadata": True,
        "slug": None,
    }
    return body | ({"album": album_json(state, album, assets=False)} if album else {})

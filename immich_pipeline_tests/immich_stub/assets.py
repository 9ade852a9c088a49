"""Single assets, changes to many, trash."""

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import own_assets, seen_asset
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.render import asset_details_json
from immich_pipeline_tests.immich_world import Asset, Exif

EXIF_CHANGES = {"description": "description", "latitude": "latitude", "longitude": "longitude", "rating": "rating"}
FIXED_ZONE = re.compile(r"UTC(?:([+-])(\d{1,2})(?::(\d{2}))?)?")


@answers("GET /assets/{id}")
def one_asset(state: State, call: Call) -> Answer:
    return Answer(body=asset_details_json(state, seen_asset(state, call, "asset.read")))


@answers("PUT /assets/{id}")
def update_one(state: State, call: Call) -> Answer:
    """A video that is linked disappears from the timeline; one that is let go is shown where the asset is."""
    (asset,) = own_assets(state, call, [call.path["id"]], "asset.update")
    let_go = None
    if call.body.get("livePhotoVideoId") is not None:
        before_link(state, call, inputs.check_uuid(call.body["livePhotoVideoId"], "livePhotoVideoId"))
    elif "livePhotoVideoId" in call.body:
        let_go = state.world.assets.get(asset.live_video_id or "")
    change(state, asset, call.body)
    if "livePhotoVideoId" in call.body:
        asset.live_video_id = call.body["livePhotoVideoId"]
    if let_go is not None:
        let_go.visibility = asset.visibility
        state.world.touch(let_go)
    return Answer(body=asset_details_json(state, asset))


def before_link(state: State, call: Call, video_id: str) -> None:
    video = state.world.assets.get(video_id)
    if video is None:
        raise Refusal(400, "Live photo video not found")
    if video.type != "VIDEO":
        raise Refusal(400, "Live photo video must be a video")
    if video.owner_id != call.user.id:
        raise Refusal(400, "Live photo video does not belong to the user")
    if video.visibility == "timeline":
        video.visibility = "hidden"
        state.world.touch(video)


@answers("PUT /assets")
def update_many(state: State, call: Call) -> Answer:
    for asset in own_assets(state, call, inputs.uuids(call.body, "ids"), "asset.update"):
        change(state, asset, call.body)
        if "duplicateId" in call.body:
            asset.duplicate_id = call.body["duplicateId"]
    return Answer(204)


@answers("DELETE /assets")
def delete(state: State, call: Call) -> Answer:
    """To the trash. Anything more would delete the files: no client of ours may ask for it."""
    ids = inputs.uuids(call.body, "ids")
    if inputs.flag(call.body, "force"):
        state.violations.append(f"DELETE /assets with force=true: the files of {len(ids)} assets would be gone")
        raise Refusal(500, "force=true is refused")
    for asset in own_assets(state, call, ids, "asset.delete"):
        state.world.trash(asset)
    return Answer(204)


@answers("POST /trash/restore/assets")
def restore(state: State, call: Call) -> Answer:
    """Counts every id, but restores only what is in the trash: offline assets stay as they are."""
    chosen = own_assets(state, call, inputs.uuids(call.body, "ids"), "asset.delete")
    for asset in chosen:
        if asset.status == "trashed":
            state.world.restore(asset)
    return Answer(body={"count": len(call.body["ids"])})


def change(state: State, asset: Asset, body: Mapping[str, Any]) -> None:
    """What both updates know."""
    favourite, visibility = inputs.flag(body, "isFavorite"), inputs.choice(body, "visibility", inputs.VISIBILITIES)
    if favourite is not None:
        asset.is_favorite = favourite
    if visibility is not None:
        asset.visibility = visibility  # type: ignore[assignment]
    named = {column: body[name] for name, column in EXIF_CHANGES.items() if name in body}
    if named or "dateTimeOriginal" in body or "dateTimeRelative" in body:
        asset.exif = asset.exif or Exif()
        for column, value in named.items():
            setattr(asset.exif, column, value)
        _set_date(asset, asset.exif, body)
    state.world.touch(asset)


def _set_date(asset: Asset, exif: Exif, body: Mapping[str, Any]) -> None:
    """A date with an offset sets zone and wall clock as well; minutes move both; a zone keeps the moment and moves the clock."""
    taken = inputs.moment(body, "dateTimeOriginal")
    if taken is not None:
        asset.local_date_time = taken.replace(tzinfo=UTC)
        exif.date_time_original = asset.file_created_at = taken.astimezone(UTC)
        exif.time_zone = _zone_name(taken.utcoffset())
    if "timeZone" in body:
        exif.time_zone = body["timeZone"]
        moment = exif.date_time_original or asset.file_created_at
        asset.local_date_time = moment.astimezone(_zone(body["timeZone"])).replace(tzinfo=UTC)
    if "dateTimeRelative" in body:
        moved = timedelta(minutes=body["dateTimeRelative"])
        exif.date_time_original = asset.file_created_at = (exif.date_time_original or asset.file_created_at) + moved
        asset.local_date_time += moved


def _zone_name(offset: timedelta | None) -> str:
    minutes = round((offset or timedelta()).total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def _zone(name: str) -> tzinfo:
    fixed = FIXED_ZONE.fullmatch(name)
    if fixed is None:
        return ZoneInfo(name)
    sign, hours, minutes = fixed.groups(default="0")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)

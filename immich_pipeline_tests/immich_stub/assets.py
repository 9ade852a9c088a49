"""Single assets, changes to many, trash."""

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import own_assets, seen_asset
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.render import asset_details_json
from immich_pipeline_tests.immich_world import Asset, Exif

EXIF_CHANGES = {"description": "description", "latitude": "latitude", "longitude": "longitude", "rating": "rating"}


@answers("GET /assets/{id}")
def one_asset(state: State, call: Call) -> Answer:
    return Answer(body=asset_details_json(state, seen_asset(state, call, "asset.read")))


@answers("PUT /assets/{id}")
def update_one(state: State, call: Call) -> Answer:
    (asset,) = own_assets(state, call, [call.path["id"]], "asset.update")
    change(state, asset, call.body)
    if "livePhotoVideoId" in call.body:
        asset.live_video_id = call.body["livePhotoVideoId"]
    return Answer(body=asset_details_json(state, asset))


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
    """A date with an offset sets the wall clock as well; minutes move both."""
    taken = inputs.moment(body, "dateTimeOriginal")
    if taken is not None:
        asset.local_date_time = taken.replace(tzinfo=UTC)
        exif.date_time_original = asset.file_created_at = taken.astimezone(UTC)
    if "dateTimeRelative" in body:
        moved = timedelta(minutes=body["dateTimeRelative"])
        exif.date_time_original = asset.file_created_at = (exif.date_time_original or asset.file_created_at) + moved
        asset.local_date_time += moved

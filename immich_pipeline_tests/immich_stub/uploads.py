"""Files that are brought to the server."""

import hashlib
from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.assets import before_link
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.mime import content_type
from immich_pipeline_tests.immich_world import Asset, Exif


@answers("POST /assets")
def upload(state: State, call: Call) -> Answer:
    """The same bytes once more are a duplicate, of what is in the trash too; with their checksum in the header nothing is looked at."""
    announced = call.headers.get("x-immich-checksum")
    known = _uploaded(state, call, inputs.checksum(announced)) if announced else None
    if known is not None:
        return Answer(200, {"id": known.id, "status": "duplicate"})
    content, name = _file(call)
    known = _uploaded(state, call, hashlib.sha1(content, usedforsecurity=False).digest())
    if known is not None:
        return Answer(200, {"id": known.id, "status": "duplicate"})
    fields = {key: value for key, value in call.body.items() if isinstance(value, str)}
    video = fields.get("livePhotoVideoId")
    if video is not None:
        before_link(state, call, video)
    created, modified = inputs.moment(fields, "fileCreatedAt"), inputs.moment(fields, "fileModifiedAt")
    if created is None or modified is None:
        raise inputs.invalid("fileCreatedAt", "fileCreatedAt must be a Date instance", code="invalid_type", message="")
    asset = state.world.add_asset(
        call.user,
        f"/data/upload/{call.user.id}/{name}",
        content=content,
        type="VIDEO" if content_type(name).startswith("video") else "IMAGE",
        is_favorite=inputs.query_flag(fields, "isFavorite") or False,
        visibility=inputs.choice(fields, "visibility", inputs.VISIBILITIES) or "timeline",
        file_created_at=created,
        file_modified_at=modified,
        local_date_time=created,
        live_video_id=video,
        exif=Exif(file_size=len(content)),
    )
    return Answer(201, {"id": asset.id, "status": "created"})


@answers("POST /assets/bulk-upload-check")
def check(state: State, call: Call) -> Answer:
    """Compared with whatever the checksums of the user's assets are of."""
    asked = call.body.get("assets")
    if not isinstance(asked, list):
        raise inputs.invalid(
            "assets", "assets must be an array", code="invalid_type", message="Invalid input: expected array"
        )
    own = {asset.checksum: asset for asset in state.world.assets.values() if asset.owner_id == call.user.id}
    results = []
    for one in asked:
        known = own.get(inputs.checksum(one["checksum"]))
        told: dict[str, Any] = {"id": one["id"], "action": "accept" if known is None else "reject"}
        if known is not None:
            told |= {"reason": "duplicate", "assetId": known.id, "isTrashed": known.deleted_at is not None}
        results.append(told)
    return Answer(body={"results": results})


def _uploaded(state: State, call: Call, checksum: bytes) -> Asset | None:
    own = (one for one in state.world.assets.values() if one.owner_id == call.user.id and one.library_id is None)
    return next((asset for asset in own if asset.checksum == checksum), None)


def _file(call: Call) -> tuple[bytes, str]:
    file = call.body.get("assetData")
    if not isinstance(file, tuple):
        raise Refusal(400, "File is missing: assetData")
    name, content = file
    name = call.body.get("filename") or name
    if content_type(name) == "application/octet-stream":
        raise Refusal(400, f"Unsupported file type {name}")
    return content, name

"""Users, assets, tags, stacks and albums as Immich's JSON. The order of the keys is that of the real answers."""

import base64
import hashlib
import uuid
from typing import Any

from immich_pipeline_tests.immich_stub.calls import State
from immich_pipeline_tests.immich_stub.mime import content_type
from immich_pipeline_tests.immich_stub.times import database_instant, duration_text, instant
from immich_pipeline_tests.immich_world import START, ApiKey, Asset, Exif, Face, Person, Stack, Tag, User

COLOURS = ("primary", "pink", "red", "yellow", "blue", "green", "purple", "orange", "gray", "amber")
VISIBLE = ("timeline", "archive")


def derived_id(text: str) -> str:
    """An id for what has none in the world: always the same for the same text."""
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


def user_json(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "profileImagePath": "",
        "avatarColor": COLOURS[int(user.id[:8], 16) % len(COLOURS)],
        "profileChangedAt": database_instant(START),
    }


def own_account_json(state: State, user: User) -> dict[str, Any]:
    uploads = [a for a in state.world.assets.values() if a.owner_id == user.id and a.library_id is None]
    return {
        **user_json(user),
        "profileChangedAt": instant(START),
        "storageLabel": user.name.lower(),
        "shouldChangePassword": False,
        "isAdmin": user.is_admin,
        "createdAt": instant(START),
        "deletedAt": None,
        "updatedAt": instant(START),
        "oauthId": "",
        "quotaSizeInBytes": None,
        "quotaUsageInBytes": sum(a.exif.file_size or 0 for a in uploads if a.exif),
        "status": "active",
        "license": None,
    }


def key_json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": derived_id(key.secret),
        "name": key.name,
        "createdAt": instant(START),
        "updatedAt": instant(START),
        "permissions": list(key.permissions),
    }


def exif_json(exif: Exif) -> dict[str, Any]:
    return {
        "make": exif.make,
        "model": exif.model,
        "exifImageWidth": exif.exif_image_width,
        "exifImageHeight": exif.exif_image_height,
        "fileSizeInByte": exif.file_size,
        "orientation": exif.orientation,
        "dateTimeOriginal": database_instant(exif.date_time_original) if exif.date_time_original else None,
        "modifyDate": database_instant(exif.modify_date) if exif.modify_date else None,
        "timeZone": exif.time_zone,
        "lensModel": exif.lens_model,
        "fNumber": exif.f_number,
        "focalLength": exif.focal_length,
        "iso": exif.iso,
        "exposureTime": exif.exposure_time,
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "city": exif.city,
        "state": exif.state,
        "country": exif.country,
        "description": exif.description,
        "projectionType": exif.projection_type,
        "rating": exif.rating,
    }


def asset_json(asset: Asset, *, v2: bool, with_exif: bool = False) -> dict[str, Any]:
    """An asset as searches and lists show it."""
    values: dict[str, Any] = {"id": asset.id, "createdAt": instant(asset.created_at)}
    if v2:
        values["deviceAssetId"] = asset.original_name
    values["ownerId"] = asset.owner_id
    if v2:
        values["deviceId"] = "Library Import" if asset.library_id else "WEB"
    values |= {
        "libraryId": asset.library_id,
        "type": asset.type,
        "originalPath": asset.original_path,
        "originalFileName": asset.original_name,
        "originalMimeType": content_type(asset.original_name),
        "thumbhash": base64.b64encode(asset.thumbhash).decode() if asset.thumbhash is not None else None,
        "fileCreatedAt": instant(asset.file_created_at),
        "fileModifiedAt": instant(asset.file_modified_at),
        "localDateTime": instant(asset.local_date_time),
        "updatedAt": instant(asset.updated_at),
        "isFavorite": asset.is_favorite,
        "isArchived": asset.visibility == "archive",
        "isTrashed": asset.deleted_at is not None,
        "visibility": asset.visibility,
        "duration": duration_text(asset.duration_ms) if v2 else asset.duration_ms,
    }
    if with_exif and asset.exif is not None:
        values["exifInfo"] = exif_json(asset.exif)
    return values | {
        "livePhotoVideoId": asset.live_video_id,
        "people": [],
        "checksum": base64.b64encode(asset.checksum).decode(),
        "isOffline": asset.is_offline,
        "hasMetadata": True,
        "duplicateId": asset.duplicate_id,
        "resized": True,
        "width": asset.width,
        "height": asset.height,
        "isEdited": asset.is_edited,
    }


def asset_details_json(state: State, asset: Asset) -> dict[str, Any]:
    """An asset asked for by its id: with owner, exif, tags and stack."""
    values = asset_json(asset, v2=state.v2, with_exif=True)
    values["owner"] = user_json(state.world.users[asset.owner_id])
    values["tags"] = [tag_json(state, tag, from_database=True) for tag in state.world.tags_of(asset)]
    values["stack"] = _stack_of(state, asset)
    values["people"] = _people_of(state, asset)
    if state.v2:
        values["unassignedFaces"] = [box_json(face) for face in asset.faces if face.person_id is None]
    return values


def _people_of(state: State, asset: Asset) -> list[dict[str, Any]]:
    """Everybody once; the second dialect tells their faces as well."""
    people = dict.fromkeys(face.person_id for face in asset.faces if face.person_id is not None)
    found = [person_json(state, state.world.people[one], from_database=True) for one in people]
    if state.v2:
        for person in found:
            person["faces"] = [box_json(face) for face in asset.faces if face.person_id == person["id"]]
    return found


def person_json(state: State, person: Person, *, from_database: bool = False) -> dict[str, Any]:
    _, updated = state.stamps_of(person.id)
    return {
        "id": person.id,
        "name": person.name,
        "birthDate": None,
        "thumbnailPath": "",
        "isHidden": False,
        "isFavorite": False,
        "updatedAt": (database_instant if from_database else instant)(updated),
    }


def box_json(face: Face) -> dict[str, Any]:
    (left, top, right, bottom), (width, height) = face.box, face.size
    return {
        "id": face.id,
        "boundingBoxX1": left,
        "boundingBoxY1": top,
        "boundingBoxX2": right,
        "boundingBoxY2": bottom,
        "imageWidth": width,
        "imageHeight": height,
        "sourceType": face.source,
    }


def _stack_of(state: State, asset: Asset) -> dict[str, Any] | None:
    stack = state.world.stacks.get(asset.stack_id or "")
    if stack is None:
        return None
    shown = [a for a in members(state, stack) if a.deleted_at is None and a.visibility == "timeline"]
    return {"id": stack.id, "primaryAssetId": stack.primary_asset_id, "assetCount": len(shown)}


def tag_json(state: State, tag: Tag, *, from_database: bool = False) -> dict[str, Any]:
    """Inside an asset, times come straight from PostgreSQL and are written its way."""
    created, updated = state.stamps_of(tag.id)
    write = database_instant if from_database else instant
    parent, _, name = tag.value.rpartition("/")
    parents = [t.id for t in state.world.tags.values() if t.user_id == tag.user_id and t.value == parent and parent]
    return {
        "id": tag.id,
        **({"parentId": parents[0]} if parents else {}),
        "name": name,
        "value": tag.value,
        "createdAt": write(created),
        "updatedAt": write(updated),
    }


def members(state: State, stack: Stack) -> list[Asset]:
    """Every asset of a stack, the primary one first."""
    assets = [asset for asset in state.world.assets.values() if asset.stack_id == stack.id]
    return sorted(assets, key=lambda asset: asset.id != stack.primary_asset_id)


def stack_json(state: State, stack: Stack, assets: list[Asset] | None = None) -> dict[str, Any]:
    """Immich leaves trashed, hidden and locked members out, and those whose metadata were never read."""
    found = members(state, stack) if assets is None else assets
    shown = [a for a in found if a.deleted_at is None and a.visibility in VISIBLE and a.exif is not None]
    return {
        "id": stack.id,
        "primaryAssetId": stack.primary_asset_id,
        "assets": [asset_json(asset, v2=state.v2, with_exif=True) for asset in shown],
    }

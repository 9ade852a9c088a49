"""A `World` as rows of Immich's tables, in the columns of one schema."""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb

from immich_pipeline_tests.immich_db.definition import schema_of
from immich_pipeline_tests.immich_world import Album, Asset, Exif, Tag, World

MEDIA = "/data"
EMBEDDING_SIZE = 512

_NAMES = uuid.UUID("6f1a7d0e-52a7-4f0b-9a1e-3a2f6f0c9b11")


@dataclass(frozen=True)
class Rows:
    """The rows of one table, each in the order of `columns`.

    `stamps` are the columns that only a first filling sets; later they are the database's own business. `once` are set when a row is
    inserted and left alone after that: the server's jobs and triggers keep them.
    """

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    stamps: frozenset[str] = frozenset()
    once: frozenset[str] = frozenset()


STAMPS = frozenset({"createdAt", "updatedAt", "updateId"})


def derived_id(*parts: str) -> str:
    """The id of a row that the world has no object for: the same whenever the same is asked."""
    return str(uuid.uuid5(_NAMES, "\0".join(parts)))


def update_id(moment: datetime, row_id: str) -> str:
    """The version 7 uuid of a row that was last written at `moment`."""
    rest = int.from_bytes(hashlib.md5(row_id.encode(), usedforsecurity=False).digest()) & ((1 << 62) - 1)
    milliseconds = int(moment.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | (rest & 0xFFF) << 64 | 0b10 << 62 | rest))


def embedding_of(asset: Asset) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The picture's embedding, 512 float32 of length 1: a function of its checksum, so that equal bytes are equal pictures."""
    seed = int.from_bytes(asset.checksum[:8])
    vector = np.random.default_rng(seed).standard_normal(EMBEDDING_SIZE, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def has_face(asset: Asset) -> bool:
    """Whether the fixture put a face on the asset: on every second picture that was processed, by its id."""
    return asset.type == "IMAGE" and asset.exif is not None and int(asset.id[:8], 16) % 2 == 0


def person_of(owner_id: str) -> str:
    """The id of the one person (from 3.2 on: person group) that an owner's pictures show."""
    return derived_id("person", owner_id)


def face_of(asset_id: str) -> str:
    """The id of the face on an asset that has one."""
    return derived_id("face", asset_id)


def rows_of(world: World, *, machine_learning: bool = True) -> list[Rows]:
    """The world's rows, tables that others refer to first.

    Args:
        world: `version` says in which schema.
        machine_learning: embeddings, faces and persons too; 512 numbers for each picture take their time.
    """
    schema = schema_of(world.version)
    tables = [*_users(world, schema), *_assets(world, schema), *_albums(world, schema), *_tags(world)]
    return tables + (_machine_learning(world, schema) if machine_learning else [])


def _users(world: World, schema: str) -> Iterator[Rows]:
    users = list(world.users.values())
    columns: tuple[str, ...] = ("id", "email", "name", "isAdmin")
    values: list[tuple[Any, ...]] = [(user.id, user.email, user.name, user.is_admin) for user in users]
    if schema == "3.2":
        groups = _cluster_groups(world)
        yield Rows("cluster_group", ("id",), ("id",), [(group,) for group in sorted(set(groups.values()))])
        columns += ("clusterGroupId",)
        values = [(*row, groups[row[0]]) for row in values]
    yield Rows("user", ("id",), columns, values)
    yield Rows(
        "api_key",
        ("id",),
        ("id", "name", "key", "userId", "permissions"),
        [
            (derived_id("key", key.secret), key.name, hashlib.sha256(key.secret.encode()).digest(), key.user_id, key.permissions)
            for key in world.keys.values()
        ],
    )  # fmt: skip
    yield Rows(
        "partner",
        ("sharedById", "sharedWithId"),
        ("sharedById", "sharedWithId", "inTimeline"),
        [(by, to, True) for by, to in sorted(world.partners)],
    )
    yield Rows(
        "library",
        ("id",),
        ("id", "ownerId", "name", "importPaths", "exclusionPatterns"),
        [
            (one.id, one.owner_id, one.name, one.import_paths, one.exclusion_patterns)
            for one in world.libraries.values()
        ],
    )


def _cluster_groups(world: World) -> dict[str, str]:
    return {user.id: user.cluster_group_id or derived_id("cluster group", user.id) for user in world.users.values()}


def _assets(world: World, schema: str) -> Iterator[Rows]:
    assets = list(world.assets.values())
    yield _table("asset", "id", [_asset(asset, schema) for asset in assets], once=frozenset({"isEdited"}))
    stacks = [
        (stack.id, stack.owner_id, stack.primary_asset_id, *_stamp(world, stack.primary_asset_id, stack.id))
        for stack in world.stacks.values()
    ]
    yield Rows("stack", ("id",), ("id", "ownerId", "primaryAssetId", "updatedAt", "updateId"), stacks, stamps=STAMPS)
    yield _table("asset_exif", "assetId", [_exif(asset, asset.exif) for asset in assets if asset.exif])
    jobs = ("metadataExtractedAt", "facesRecognizedAt", "duplicatesDetectedAt", "ocrAt")
    yield Rows(
        "asset_job_status",
        ("assetId",),
        ("assetId", *jobs),
        [(asset.id, *[asset.created_at] * len(jobs)) for asset in assets if asset.exif],
        once=frozenset(jobs),
    )
    yield Rows(
        "asset_file",
        ("assetId", "type", "isEdited"),
        ("assetId", "type", "isEdited", "path", "createdAt", "updatedAt", "updateId"),
        [row for asset in assets for row in _files(asset)],
        stamps=STAMPS,
    )
    edits = [(asset.id, 0, "rotate", Jsonb({"angle": 90})) for asset in assets if asset.is_edited]
    yield Rows("asset_edit", ("assetId", "sequence"), ("assetId", "sequence", "action", "parameters"), edits)
    if schema != "2.7.5":
        yield from _streams([asset for asset in assets if asset.type == "VIDEO" and asset.exif])


def _table(table: str, key: str, rows: list[dict[str, Any]], once: frozenset[str] = frozenset()) -> Rows:
    columns = tuple(rows[0]) if rows else (key,)
    return Rows(table, (key,), columns, [tuple(row.values()) for row in rows], stamps=STAMPS, once=once)


def _stamp(world: World, asset_id: str, row_id: str) -> tuple[datetime, str]:
    """A stack is as old as its primary asset; one without a primary asset is refused by the database."""
    moment = world.assets[asset_id].updated_at if asset_id in world.assets else world.now
    return moment, update_id(moment, row_id)


def _asset(asset: Asset, schema: str) -> dict[str, Any]:
    values = {
        "id": asset.id,
        "ownerId": asset.owner_id,
        "libraryId": asset.library_id,
        "type": asset.type,
        "originalPath": asset.original_path,
        "originalFileName": asset.original_name,
        "checksum": asset.checksum,
        "checksumAlgorithm": asset.checksum_algorithm,
        "fileCreatedAt": asset.file_created_at,
        "fileModifiedAt": asset.file_modified_at,
        "localDateTime": asset.local_date_time,
        "duration": asset.duration_ms,
        "width": asset.width,
        "height": asset.height,
        "thumbhash": asset.thumbhash,
        "isFavorite": asset.is_favorite,
        "isExternal": asset.is_external,
        "isOffline": asset.is_offline,
        "isEdited": asset.is_edited,
        "visibility": asset.visibility,
        "status": asset.status,
        "livePhotoVideoId": asset.live_video_id,
        "stackId": asset.stack_id,
        "duplicateId": asset.duplicate_id,
        "deletedAt": asset.deleted_at,
        "createdAt": asset.created_at,
        "updatedAt": asset.updated_at,
        "updateId": update_id(asset.updated_at, asset.id),
    }
    if schema == "2.7.5":
        values["duration"] = _clock(asset)
        values["deviceAssetId"] = asset.original_name
        values["deviceId"] = "Library Import" if asset.is_external else "WEB"
    return values


def _clock(asset: Asset) -> str | None:
    """The length as 2.7 writes it. Clients send a zero with the pictures that they upload, the library scan sends nothing."""
    if asset.duration_ms is None:
        return None if asset.is_external or asset.type != "IMAGE" else "0:00:00.00000"
    seconds, milliseconds = divmod(asset.duration_ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"


def _exif(asset: Asset, exif: Exif) -> dict[str, Any]:
    return {
        "assetId": asset.id,
        "make": exif.make,
        "model": exif.model,
        "lensModel": exif.lens_model,
        "exifImageWidth": exif.exif_image_width,
        "exifImageHeight": exif.exif_image_height,
        "fileSizeInByte": exif.file_size,
        "orientation": exif.orientation,
        "dateTimeOriginal": exif.date_time_original,
        "modifyDate": exif.modify_date,
        "timeZone": exif.time_zone,
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
        "autoStackId": exif.auto_stack_id,
        "livePhotoCID": exif.live_photo_cid,
        "updatedAt": asset.updated_at,
        "updateId": update_id(asset.updated_at, asset.id),
    }


def _files(asset: Asset) -> Iterator[tuple[Any, ...]]:
    """Preview and thumbnail where Immich puts them, for an asset that has a thumbhash; of an edited one both kinds."""
    if asset.thumbhash is None:
        return
    folder = f"{MEDIA}/thumbs/{asset.owner_id}/{asset.id[0:2]}/{asset.id[2:4]}"
    for edited in (False, True) if asset.is_edited else (False,):
        for kind, suffix in (("preview", "jpeg"), ("thumbnail", "webp")):
            path = f"{folder}/{asset.id}_{kind}{'_edited' if edited else ''}.{suffix}"
            moment = asset.updated_at
            yield asset.id, kind, edited, path, asset.created_at, moment, update_id(moment, path)


def _streams(videos: Sequence[Asset]) -> Iterator[Rows]:
    """What 3.x knows of a video: one H.264 stream of 30 pictures a second with a key frame each second, and its sound."""
    video = (
        "assetId", "index", "formatName", "formatLongName", "codecName", "pixelFormat", "bitrate", "frameCount", "timeBase",
        "colorPrimaries", "colorTransfer", "colorMatrix",
    )  # fmt: skip
    seconds = {asset.id: (asset.duration_ms or 0) // 1000 for asset in videos}
    yield Rows(
        "asset_video",
        ("assetId",),
        video,
        [
            (asset.id, 0, "mov,mp4", "QuickTime / MOV", "h264", "yuv420p", 8_000_000, seconds[asset.id] * 30, 30, 1, 1, 1)
            for asset in videos
        ],
    )  # fmt: skip
    yield Rows(
        "asset_audio",
        ("assetId",),
        ("assetId", "index", "codecName", "bitrate"),
        [(asset.id, 1, "aac", 128_000) for asset in videos],
    )
    frames = ("assetId", "pts", "ownDuration", "accDuration", "totalDuration", "packetCount", "outputFrames")
    yield Rows("asset_keyframe", ("assetId",), frames, [_key_frames(one, seconds[one]) for one in seconds])


def _key_frames(asset_id: str, seconds: int) -> tuple[Any, ...]:
    starts = [30 * second for second in range(seconds)]
    return asset_id, starts, [30] * seconds, [start + 30 for start in starts], 30 * seconds, 30 * seconds, 30 * seconds


def _albums(world: World, schema: str) -> Iterator[Rows]:
    albums = list(world.albums.values())
    columns: tuple[str, ...] = ("id", "albumName", "albumThumbnailAssetId")
    values: list[tuple[Any, ...]] = [(album.id, album.name, next(iter(album.asset_ids), None)) for album in albums]
    if schema == "2.7.5":
        columns += ("ownerId",)
        values = [(*row, album.owner_id) for row, album in zip(values, albums, strict=True)]
    yield Rows("album", ("id",), columns, values)
    users = [row for album in albums for row in _album_users(album, with_owner=schema != "2.7.5")]
    yield Rows("album_user", ("albumId", "userId"), ("albumId", "userId", "role"), users)
    members = [(album.id, asset_id) for album in albums for asset_id in album.asset_ids]
    yield Rows("album_asset", ("albumId", "assetId"), ("albumId", "assetId"), members)


def _album_users(album: Album, *, with_owner: bool) -> Iterator[tuple[str, str, str]]:
    if with_owner:
        yield album.id, album.owner_id, "owner"
    for user_id in album.shared_with:
        yield album.id, user_id, "editor"


def _tags(world: World) -> Iterator[Rows]:
    tags = list(world.tags.values())
    known = {(tag.user_id, tag.value): tag for tag in tags}
    yield Rows(
        "tag",
        ("id",),
        ("id", "userId", "value", "parentId"),
        [(tag.id, tag.user_id, tag.value, next((above.id for above in _above(tag, known)), None)) for tag in tags],
    )
    closure = [(above.id, tag.id) for tag in tags for above in (tag, *_above(tag, known))]
    yield Rows("tag_closure", ("id_ancestor", "id_descendant"), ("id_ancestor", "id_descendant"), closure)
    tagged = [(asset_id, tag.id) for tag in tags for asset_id in tag.asset_ids]
    yield Rows("tag_asset", ("assetId", "tagId"), ("assetId", "tagId"), tagged)


def _above(tag: Tag, known: dict[tuple[str, str], Tag]) -> Iterator[Tag]:
    """The tags above one, nearest first, as far as they are there."""
    value = tag.value
    while "/" in value:
        value = value.rpartition("/")[0]
        if (tag.user_id, value) in known:
            yield known[tag.user_id, value]


def _machine_learning(world: World, schema: str) -> list[Rows]:
    pictures = [asset for asset in world.assets.values() if asset.type == "IMAGE" and asset.exif]
    vectors = {asset.id: str(embedding_of(asset).tolist()) for asset in pictures}
    faces = [asset for asset in pictures if has_face(asset)]
    first_face = {asset.owner_id: face_of(asset.id) for asset in reversed(faces)}
    person = "personGroupId" if schema == "3.2" else "personId"
    person_columns = ("personGroupId" if schema == "3.2" else "id", "ownerId", "name", "faceAssetId")
    box = ("imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1", "boundingBoxX2", "boundingBoxY2")
    tables = [
        Rows("smart_search", ("assetId",), ("assetId", "embedding"), list(vectors.items())),
        Rows(
            "person",
            ("ownerId", "personGroupId") if schema == "3.2" else ("id",),
            person_columns,
            [
                (person_of(owner), owner, f"Someone of {world.users[owner].name}", first_face[owner])
                for owner in first_face
            ],
        ),
        Rows(
            "asset_face",
            ("id",),
            ("id", "assetId", person, *box),
            [(face_of(asset.id), asset.id, person_of(asset.owner_id), *_box(asset)) for asset in faces],
        ),
        Rows("face_search", ("faceId",), ("faceId", "embedding"), [(face_of(a.id), vectors[a.id]) for a in faces]),
    ]
    if schema == "3.2":
        groups = _cluster_groups(world)
        known = [(person_of(owner), groups[owner]) for owner in first_face]
        tables.insert(0, Rows("person_group", ("id",), ("id", "clusterGroupId"), known))
    return tables


def _box(asset: Asset) -> tuple[int, ...]:
    """A face in the upper left quarter of the preview that it was found on, in the preview's pixels."""
    width, height = 1440, 1440 * (asset.height or 3) // (asset.width or 4)
    return width, height, width // 8, height // 8, width // 4, height // 4

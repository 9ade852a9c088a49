"""Everything that the API tells of one asset, as one JSON value that can be compared, planned with and kept."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from immich_pipeline.immich.answers import Album, Answered, Face, Id, Text, read_answer
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ApiError, NotFound

_ENDPOINT = "GET /assets/{id}"


class StateContext:
    """What is read once for many assets of a user: the shared links that they are in. May be used by several threads.

    Nothing is asked before it is needed.
    """

    def __init__(self, client: ImmichClient) -> None:
        """For the assets of this client's user."""
        self._client = client
        self._lock = threading.Lock()
        self._links: dict[str, list[str]] | None = None

    def refresh(self) -> None:
        """Forget what was read: it is asked anew when it is needed next."""
        with self._lock:
            self._links = None

    def links_of(self, asset_id: str) -> list[str]:
        """Ids of the links of single assets that an asset is in, sorted; none of what is in the trash. Permission sharedLink.read."""
        with self._lock:
            if self._links is None:
                self._links = _by_asset((link.id, link.asset_ids) for link in self._client.shared_links())
            return self._links.get(asset_id, [])


class _Tag(Answered):
    value: Text


class _Stack(Answered):
    id: Id
    primary_asset_id: Id = Field(validation_alias="primaryAssetId")


class _Exif(Answered):
    size: int | None = Field(default=None, validation_alias="fileSizeInByte")
    date: str | None = Field(default=None, validation_alias="dateTimeOriginal")
    time_zone: Text | None = Field(default=None, validation_alias="timeZone")
    latitude: float | None = None
    longitude: float | None = None
    description: Text | None = None
    rating: int | None = None


class _Asset(Answered):
    owner_id: Id = Field(validation_alias="ownerId")
    library_id: Id | None = Field(default=None, validation_alias="libraryId")
    checksum: Text = Field(min_length=1)
    type: Text
    visibility: Text
    is_trashed: bool = Field(validation_alias="isTrashed")
    is_offline: bool = Field(validation_alias="isOffline")
    is_edited: bool = Field(validation_alias="isEdited")
    is_favorite: bool = Field(validation_alias="isFavorite")
    path: Text = Field(validation_alias="originalPath")
    name: Text = Field(validation_alias="originalFileName")
    local_date_time: str = Field(validation_alias="localDateTime")
    file_created_at: str = Field(validation_alias="fileCreatedAt")
    file_modified_at: str = Field(validation_alias="fileModifiedAt")
    live_video_id: Id | None = Field(default=None, validation_alias="livePhotoVideoId")
    duplicate_id: Id | None = Field(default=None, validation_alias="duplicateId")
    id: Id
    exif: _Exif = Field(default=_Exif(), validation_alias="exifInfo")
    tags: tuple[_Tag, ...] = Field(default=(), strict=False)
    stack: _Stack | None = None


@dataclass(frozen=True)
class Told:
    """What the server said of an asset: its state (see `state_of`), and when the asset itself was last changed."""

    state: dict[str, Any]
    updated_at: datetime


def asset_state(client: ImmichClient, asset_id: str, context: StateContext) -> dict[str, Any] | None:
    """What the server says of an asset now, see `told_of`: the state alone."""
    told = told_of(client, asset_id, context)
    return None if told is None else told.state


def told_of(client: ImmichClient, asset_id: str, context: StateContext) -> Told | None:
    """What the server says of an asset now, in the trash or not: three requests, and those of the context.

    Permissions asset.read, album.read, face.read, sharedLink.read.

    Returns:
        None when there is no such asset, or it is not this user's, or locked.

    Raises:
        ApiError: an answer is not what the API promises.
        ImmichError: the server cannot be asked.
    """
    try:
        answer, faces = client.asset(asset_id), client.faces(asset_id)
    except NotFound:
        return None
    state = state_of(answer, client.albums_of(asset_id), faces, context.links_of(asset_id.lower()))
    return Told(state, _moment("updatedAt", answer.get("updatedAt")))


def state_of(answer: object, albums: Iterable[Album], faces: Iterable[Face], links: Iterable[str]) -> dict[str, Any]:
    """The state of an asset, as JSON has it: the same for the same facts, whatever the server's version and the order it tells them in.

    Args:
        answer: what `GET /assets/{id}` answered.
        albums: the albums that it is in.
        faces: its faces.
        links: ids of the shared links of single assets that it is in.

    Returns:
        `owner`, `library`, `live_video`, `duplicate`, `stack` and `stack_primary` are ids, null where there is none. Times are UTC with
        milliseconds, `local_date` (the wall clock) without a zone. `rating` is null where there is none, `description` empty. `people`:
        by person the boxes of the faces, relative to the picture (see `Face.box`). `checksum_algorithm` is null: the API does not tell.

    Raises:
        ApiError: the answer is not what the API promises.
    """
    asset, albums = read_answer(_Asset, answer, _ENDPOINT), list(albums)
    exif, faces = asset.exif, list(faces)
    return {
        "owner": asset.owner_id,
        "checksum": asset.checksum,
        "checksum_algorithm": None,
        "visibility": asset.visibility,
        "trashed": asset.is_trashed,
        "offline": asset.is_offline,
        "edited": asset.is_edited,
        "type": asset.type.lower(),
        "library": asset.library_id,
        "path": asset.path,
        "name": asset.name,
        "size": exif.size,
        "favourite": asset.is_favorite,
        "rating": exif.rating or None,  # older versions kept "none" as 0
        "description": exif.description or "",
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "date": _instant("exifInfo.dateTimeOriginal", exif.date) if exif.date is not None else None,
        "time_zone": exif.time_zone,
        "local_date": _instant("localDateTime", asset.local_date_time).removesuffix("Z"),
        "file_created": _instant("fileCreatedAt", asset.file_created_at),
        "file_modified": _instant("fileModifiedAt", asset.file_modified_at),
        "tags": sorted(tag.value for tag in asset.tags),
        "albums": sorted(album.id for album in albums),
        "covers": sorted(album.id for album in albums if album.cover_id == asset.id),
        "links": sorted(links),
        "people": _people(faces),
        "unassigned_faces": sum(face.person is None for face in faces),
        "live_video": asset.live_video_id,
        "stack": asset.stack.id if asset.stack else None,
        "stack_primary": asset.stack.primary_asset_id if asset.stack else None,
        "duplicate": asset.duplicate_id,
    }


def _people(faces: Iterable[Face]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for face in faces:
        if face.person is not None:
            person = found.setdefault(
                face.person.id, {"person": face.person.id, "name": face.person.name, "faces": list[list[float]]()}
            )
            person["faces"].append(list(face.box))
    for person in found.values():
        person["faces"].sort()
    return [found[person_id] for person_id in sorted(found)]


def _instant(what: str, text: str) -> str:
    """A time as all states write it; the server writes the same one in two ways."""
    return _moment(what, text).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(what: str, text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ApiError(_ENDPOINT, None, f"asset.{what} is no time")


def _by_asset(links: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for link_id, asset_ids in links:
        for asset_id in asset_ids:
            found.setdefault(asset_id, []).append(link_id)
    return {asset_id: sorted(of_asset) for asset_id, of_asset in found.items()}

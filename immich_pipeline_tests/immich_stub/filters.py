"""Which assets a search is about: the flat filters of every version, and v3.2's `filter`."""

import base64
import binascii
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.calls import Call, State
from immich_pipeline_tests.immich_world import Asset

Keep = Callable[[Asset], bool]
Value = Callable[[Asset], Any]

MOMENTS: dict[str, Value] = {
    "updated": lambda asset: asset.updated_at,
    "created": lambda asset: asset.created_at,
    "taken": lambda asset: asset.file_created_at,
    "trashed": lambda asset: asset.deleted_at,
}
EXIF_FIELDS = {
    "make": "make",
    "model": "model",
    "lensModel": "lens_model",
    "city": "city",
    "state": "state",
    "country": "country",
    "rating": "rating",
    "description": "description",
    "fileSizeInBytes": "file_size",
}
FIELDS: dict[str, Value] = {
    "id": lambda asset: asset.id,
    "libraryId": lambda asset: asset.library_id,
    "type": lambda asset: asset.type,
    "visibility": lambda asset: asset.visibility,
    "isFavorite": lambda asset: asset.is_favorite,
    "isOffline": lambda asset: asset.is_offline,
    "isMotion": lambda asset: asset.live_video_id is not None,
    "isEncoded": lambda _asset: False,
    "encodedVideoPath": lambda _asset: None,
    "originalFileName": lambda asset: asset.original_name,
    "originalPath": lambda asset: asset.original_path,
    "checksum": lambda asset: asset.checksum,
    "createdAt": MOMENTS["created"],
    "updatedAt": MOMENTS["updated"],
    "takenAt": MOMENTS["taken"],
    "trashedAt": MOMENTS["trashed"],
}
DATES = ("createdAt", "updatedAt", "takenAt", "trashedAt")


def plain(text: str) -> str:
    """As Immich compares text: without accents and case."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower()


def checksum_bytes(text: str) -> bytes | None:
    """Base64 (28 characters) or hexadecimal."""
    try:
        return base64.b64decode(text, validate=True) if len(text) == 28 else bytes.fromhex(text)
    except (ValueError, binascii.Error):
        return None


def exif_value(name: str) -> Value:
    column = EXIF_FIELDS[name]
    return lambda asset: getattr(asset.exif, column) if asset.exif is not None else None


def in_scope(state: State, call: Call) -> Keep:
    """Own assets, and what partners show in the timeline. Locked ones never; what is being deleted is gone."""
    shown_by = {sharer for sharer, shown_to in state.world.partners if shown_to == call.user.id}
    owner = call.user.id

    def keep(asset: Asset) -> bool:
        if asset.visibility == "locked" or asset.status == "deleted":
            return False
        return asset.owner_id == owner or (asset.owner_id in shown_by and asset.visibility == "timeline")

    return keep


def flat(state: State, body: Mapping[str, Any]) -> list[Keep]:
    """The filters that every version knows. Null and unknown names say nothing, but for `tagIds`: null means untagged."""
    given = {name: value for name, value in body.items() if value is not None}
    keeps = [*_by_moment(given), *_by_membership(state, given), *_by_text(given)]
    for name in ("isFavorite", "isOffline", "isMotion", "isEncoded"):
        wanted = inputs.flag(given, name)
        if wanted is not None:
            keeps.append(lambda asset, value=FIELDS[name], wanted=wanted: value(asset) is wanted)  # type: ignore[misc]
    for name in ("id", "libraryId", "type"):
        if name in given:
            keeps.append(_equal(FIELDS[name], given[name]))
    for name in ("make", "model", "lensModel", "city", "state", "country", "rating"):
        if name in body:
            keeps.append(_has_exif)
            keeps.append(_equal(exif_value(name), body[name]))
    if given.get("withExif"):
        keeps.append(_has_exif)
    if body.get("withStacked") is False:
        keeps.append(lambda asset: asset.stack_id is None)
    if given.get("personIds") or "ocr" in given:
        keeps.append(lambda _asset: False)  # the world knows neither people nor text in pictures
    return keeps


def may_be(state: State, body: Mapping[str, Any]) -> Iterable[Asset]:
    """All assets, or those of the albums and tags that are asked for: a library has hundreds, and each is asked for alone."""
    structured_tests = body.get("filter") or {}
    sets: list[set[str]] = []
    for name, members in (("albumIds", in_albums), ("tagIds", tagged)):
        tests = structured_tests.get(name) or {}
        sets += [members(state, [one]) for one in [*(body.get(name) or []), *(tests.get("all") or [])]]
        sets += [members(state, tests["any"])] if tests.get("any") else []
    assets = state.world.assets
    return (assets[one] for one in set.intersection(*sets) if one in assets) if sets else assets.values()


def wants_deleted(body: Mapping[str, Any]) -> bool:
    """Asking for what was trashed, or for offline files, brings deleted assets along."""
    asked = ("withDeleted", "trashedAfter", "trashedBefore", "isOffline")
    inner = body.get("filter") or {}
    return any(body.get(name) for name in asked) or any(name in inner for name in ("trashedAt", "isOffline"))


def _has_exif(asset: Asset) -> bool:
    return asset.exif is not None


def _equal(value: Value, wanted: object) -> Keep:
    return lambda asset: value(asset) == wanted


def _by_moment(given: Mapping[str, Any]) -> list[Keep]:
    """Both ends count."""
    keeps: list[Keep] = []
    for name, value in MOMENTS.items():
        after, before = inputs.moment(given, f"{name}After"), inputs.moment(given, f"{name}Before")
        if after is not None:
            keeps.append(_compare(value, lambda found, limit: found >= limit, after))
        if before is not None:
            keeps.append(_compare(value, lambda found, limit: found <= limit, before))
    return keeps


def _compare(value: Value, test: Callable[[Any, Any], bool], limit: object) -> Keep:
    def keep(asset: Asset) -> bool:
        found = value(asset)
        return found is not None and test(found, limit)

    return keep


def _by_text(given: Mapping[str, Any]) -> list[Keep]:
    keeps: list[Keep] = []
    texts: dict[str, Value] = {name: FIELDS[name] for name in ("originalFileName", "originalPath")}
    for name, value in (texts | {"description": exif_value("description")}).items():
        if name in given:
            part = plain(given[name])
            keeps.append(lambda asset, value=value, part=part: part in plain(value(asset) or ""))  # type: ignore[misc]
    if "checksum" in given:
        keeps.append(_equal(FIELDS["checksum"], checksum_bytes(given["checksum"])))
    if "deviceAssetId" in given:
        keeps.append(_equal(FIELDS["originalFileName"], given["deviceAssetId"]))
    return keeps


def _by_membership(state: State, given: Mapping[str, Any]) -> list[Keep]:
    keeps: list[Keep] = []
    if given.get("albumIds"):
        keeps += [_among(in_albums(state, [one])) for one in inputs.uuids(given, "albumIds")]
    elif inputs.flag(given, "isNotInAlbum"):
        anywhere = in_albums(state, list(state.world.albums))
        keeps.append(lambda asset: asset.id not in anywhere)
    if given.get("tagIds"):
        keeps += [_among(tagged(state, [one])) for one in inputs.uuids(given, "tagIds")]
    return keeps


def _among(ids: set[str]) -> Keep:
    return lambda asset: asset.id in ids


def in_albums(state: State, album_ids: list[str]) -> set[str]:
    return {asset for one in album_ids if one in state.world.albums for asset in state.world.albums[one].asset_ids}


def tagged(state: State, tag_ids: list[str]) -> set[str]:
    """Assets with one of the tags or with a descendant of it."""
    wanted = [(tag.user_id, tag.value) for tag in state.world.tags.values() if tag.id in tag_ids]
    return {
        asset
        for tag in state.world.tags.values()
        if any(tag.user_id == user and (tag.value + "/").startswith(value + "/") for user, value in wanted)
        for asset in tag.asset_ids
    }


def untagged(state: State) -> Keep:
    every = {asset for tag in state.world.tags.values() for asset in tag.asset_ids}
    return lambda asset: asset.id not in every


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda found, limit: found == limit,
    "ne": lambda found, limit: found != limit,
    "in": lambda found, limit: found in limit,
    "notIn": lambda found, limit: found not in limit,
    "gt": lambda found, limit: found is not None and found > limit,
    "gte": lambda found, limit: found is not None and found >= limit,
    "lt": lambda found, limit: found is not None and found < limit,
    "lte": lambda found, limit: found is not None and found <= limit,
    "like": lambda found, limit: plain(limit) in plain(found or ""),
    "notLike": lambda found, limit: plain(limit) not in plain(found or ""),
    "startsWith": lambda found, limit: plain(found or "").startswith(plain(limit)),
    "endsWith": lambda found, limit: plain(found or "").endswith(plain(limit)),
}


def structured(state: State, given: Mapping[str, Any]) -> Keep:
    """v3.2's `filter`: everything named must hold, and one branch of `or` if there are any."""
    keeps = [_branch(state, name, tests) for name, tests in given.items() if name != "or"]
    branches = [structured(state, branch) for branch in given.get("or") or []]

    def keep(asset: Asset) -> bool:
        return all(one(asset) for one in keeps) and (not branches or any(one(asset) for one in branches))

    return keep


def _branch(state: State, name: str, tests: Mapping[str, Any]) -> Keep:
    if name in ("albumIds", "tagIds"):
        return _ids(lambda ids: in_albums(state, ids) if name == "albumIds" else tagged(state, ids), tests)
    if name in ("hasAlbums", "hasTags"):
        every = (
            in_albums(state, list(state.world.albums)) if name == "hasAlbums" else tagged(state, list(state.world.tags))
        )
        return lambda asset: (asset.id in every) is tests["eq"]
    if name in ("hasPeople", "personIds"):
        wanted = bool(tests.get("eq") or tests.get("all") or tests.get("any"))
        return lambda _asset: not wanted
    value = exif_value(name) if name in EXIF_FIELDS else FIELDS.get(name)
    if value is None:
        raise inputs.invalid(
            f"filter.{name}",
            f"filter.{name} is unknown",
            code="unrecognized_keys",
            keys=[name],
            message="Unrecognized key",
        )
    limits = {test: _limit(name, limit) for test, limit in tests.items()}
    return lambda asset: all(OPERATORS[test](value(asset), limit) for test, limit in limits.items())


def _limit(name: str, given: object) -> object:
    if name in DATES and isinstance(given, str):
        found: datetime | None = inputs.moment({name: given}, name)
        return found
    if name == "checksum":
        return checksum_bytes(given) if isinstance(given, str) else [checksum_bytes(str(one)) for one in given or []]  # type: ignore[attr-defined]
    return given


def _ids(members: Callable[[list[str]], set[str]], tests: Mapping[str, Any]) -> Keep:
    every = [members([one]) for one in tests.get("all") or []]
    some = members(tests["any"]) if tests.get("any") else None
    none = members(tests.get("none") or [])

    def keep(asset: Asset) -> bool:
        if some is not None and asset.id not in some:
            return False
        return asset.id not in none and all(asset.id in one for one in every)

    return keep

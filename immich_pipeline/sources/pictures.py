"""The pictures and the originals of an Immich server's assets: from the mounted media folder, the cache on disk, or the API."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl

from immich_pipeline.errors import UserError
from immich_pipeline.immich.cache import PictureCache, TooLargeForCacheError, picture_key
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError, NotFound, Unreachable
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.media.opening import open_regular
from immich_pipeline.media.reasons import (
    ASSET_GONE,
    CHECKSUM_MISMATCH,
    NO_KEY_OF_OWNER,
    NO_PREVIEW_ON_SERVER,
    NOT_MOUNTED,
    ORIGINAL_GONE,
    OUTSIDE_MAPPED_FOLDERS,
    ErrorKind,
    MediaError,
)
from immich_pipeline.sources.ahead import ahead
from immich_pipeline.sources.refusals import Refusals

Which = Literal["preview", "thumbnail"]

PICTURE_COLUMNS = (
    "asset_id",
    "owner_id",
    "checksum",
    "checksum_algorithm",
    "size",
    "file_modified_at",
    "updated_at",
    "thumbhash",
    "is_edited",
)
"""What `Pictures.fetch` needs to know of an asset, as in `RECORD_SCHEMA`."""
ORIGINAL_COLUMNS = ("asset_id", "owner_id", "checksum", "checksum_algorithm")
"""What `Pictures.sha256` needs to know of an asset, as in `RECORD_SCHEMA`."""

_FORMATS: dict[Which, tuple[str, ...]] = {"preview": ("jpeg", "webp"), "thumbnail": ("webp", "jpeg")}
_WHOLE_TRIES = 3
_NO_SUCH_FILE = 404


@dataclass(frozen=True, slots=True)
class Fetched:
    """An asset's picture, or why there is none.

    Attributes:
        asset_id: of the record.
        path: where the picture can be read now, links resolved; a file of the cache may be dropped when many others come in.
        problem: the reason in plain English, when there is no path.
        problem_kind: its code.
        picture: the preview, or the much smaller thumbnail where the server has no preview.
        origin: where it was found.
    """

    asset_id: str
    path: Path | None
    problem: str | None = None
    problem_kind: ErrorKind | None = None
    picture: Which | None = None
    origin: Literal["mount", "cache", "api"] | None = None


@dataclass(frozen=True, slots=True)
class Hashed:
    """What a downloaded original is, or why that is not known.

    Attributes:
        asset_id: of the record.
        sha256: 32 bytes; None when there is a problem.
        sha1: 20 bytes, also when they are not the ones on record.
        size: bytes that came; None when not all did.
        problem: the reason in plain English.
        problem_kind: its code.
    """

    asset_id: str
    sha256: bytes | None
    sha1: bytes | None
    size: int | None
    problem: str | None = None
    problem_kind: ErrorKind | None = None


class Pictures:
    """Gets pictures and hashes for assets of several owners, each with their own API key.

    What goes wrong with one asset is that asset's problem, the others go on. An owner whose key is refused again and again is not asked any
    more in that run; neither is a server that stays silent.
    """

    def __init__(self, settings: ImmichSettings, clients: Mapping[str, ImmichClient], cache: PictureCache) -> None:
        """Take over what to ask.

        Args:
            settings: where Immich's folders are mounted, how many requests may be under way, whether originals may be downloaded.
            clients: by owner id; the assets of other owners are read from the mount alone.
            cache: where downloaded pictures are kept.

        Raises:
            UserError: the mapped paths contradict each other.
        """
        self._settings, self._clients, self._cache = settings, clients, cache
        self._paths = PathMap(settings.paths)

    def fetch(self, rows: pl.DataFrame) -> Iterator[Fetched]:
        """Get the picture of each asset: the preview, or the thumbnail where the server has no preview.

        Args:
            rows: at least `PICTURE_COLUMNS`.

        Yields:
            One per row, in their order; no more than twice `concurrency` are fetched before they are asked for.

        Raises:
            CacheError: the cache cannot be written, e.g. because the disk is full; this is no fault of the asset.
        """
        records = rows.select(PICTURE_COLUMNS).iter_rows(named=True)
        return ahead(partial(self._fetch_one, Refusals()), records, self._settings.concurrency)

    def sha256(self, rows: pl.DataFrame) -> Iterator[Hashed]:
        """Download each original and hash it on the way, without keeping it.

        Where the record has a checksum of the bytes ("sha1"), what comes is compared with it.

        Args:
            rows: at least `ORIGINAL_COLUMNS`.

        Yields:
            One per row, in their order.

        Raises:
            UserError: the settings do not allow originals to be downloaded.
        """
        if self._settings.originals != "download":
            raise UserError(
                f"originals may not be downloaded (originals: {self._settings.originals}): set 'originals: download', or mount them"
            )
        records = rows.select(ORIGINAL_COLUMNS).iter_rows(named=True)
        return ahead(partial(self._hash_one, Refusals()), records, self._settings.concurrency)

    # ------------------------------------------------------------------------------------------------ pictures

    def _fetch_one(self, refusals: Refusals, record: dict[str, Any]) -> Fetched:
        try:
            return (
                self._found(refusals, record, "preview") or self._found(refusals, record, "thumbnail") or _none(record)
            )
        except MediaError as reason:
            return Fetched(record["asset_id"], None, reason.sentence, reason.kind)

    def _found(self, refusals: Refusals, record: dict[str, Any], picture: Which) -> Fetched | None:
        """One of the asset's pictures; None when the server is known to have none.

        Raises:
            MediaError: it cannot be got at.
        """
        asset_id = record["asset_id"]
        client = self._clients.get(record["owner_id"])
        try:
            path = self._mounted(record, picture)
        except MediaError as reason:
            if client is None and reason.kind == "missing":
                return None
            if client is None:
                raise
        else:
            return Fetched(asset_id, path, picture=picture, origin="mount")
        key = _key(record, picture)
        if kept := self._cache.get(key):
            return Fetched(asset_id, kept, picture=picture, origin="cache")
        data = self._downloaded(client, refusals, record, picture)
        if data is None:
            return None
        try:
            path = self._cache.put(key, data)
        except TooLargeForCacheError as error:
            raise MediaError("io_error", str(error)) from error
        return Fetched(asset_id, path, picture=picture, origin="api")

    def _mounted(self, record: dict[str, Any], picture: Which) -> Path:
        """The picture's file in Immich's media folder.

        Raises:
            MediaError: not mounted, not there ("missing"), or not to be read.
        """
        owner, asset_id = record["owner_id"], record["asset_id"]
        edited = "_edited" if record["is_edited"] else ""
        stem = f"{self._settings.media_location}/thumbs/{owner}/{asset_id[:2]}/{asset_id[2:4]}/{asset_id}_{picture}{edited}"
        missing = MediaError("missing", NO_PREVIEW_ON_SERVER)
        for extension in _FORMATS[picture]:
            located = self._paths.locate(f"{stem}.{extension}")
            if located is None:
                raise MediaError("not_mounted", NOT_MOUNTED)
            real = self._paths.resolved(located)
            if real is None:
                raise MediaError("outside_mapped_folders", OUTSIDE_MAPPED_FOLDERS)
            try:
                with open_regular(bytes(real.path)) as (_, status):
                    if status.st_size:  # else it is just being written, in place
                        return real.path
            except MediaError as reason:
                if reason.kind != "missing":
                    raise
        raise missing

    def _downloaded(
        self, client: ImmichClient, refusals: Refusals, record: dict[str, Any], picture: Which
    ) -> bytes | None:
        owner = record["owner_id"]
        if reason := refusals.given_up(owner):
            raise reason
        try:
            data = client.thumbnail(record["asset_id"], picture)
        except NotFound as error:
            refusals.answered(owner)
            if error.status == _NO_SUCH_FILE:
                return None
            raise MediaError("not_on_server", ASSET_GONE) from error
        except ImmichError as error:
            raise refusals.reason(owner, error) from error
        refusals.answered(owner)
        if not data:
            raise MediaError("empty", "the server's picture is empty (0 bytes): let Immich make its thumbnails again")
        return data

    # ------------------------------------------------------------------------------------------------ originals

    def _hash_one(self, refusals: Refusals, record: dict[str, Any]) -> Hashed:
        asset_id = record["asset_id"]
        try:
            sha256, sha1, size = self._digests(refusals, record)
        except MediaError as reason:
            return Hashed(asset_id, None, None, None, reason.sentence, reason.kind)
        if record["checksum_algorithm"] == "sha1" and sha1 != record["checksum"]:
            return Hashed(asset_id, None, sha1, size, CHECKSUM_MISMATCH, "checksum_mismatch")
        return Hashed(asset_id, sha256, sha1, size)

    def _digests(self, refusals: Refusals, record: dict[str, Any]) -> tuple[bytes, bytes, int]:
        """SHA-256, SHA-1 and size of an original.

        Raises:
            MediaError: it cannot be downloaded.
        """
        owner, asset_id = record["owner_id"], record["asset_id"]
        client = self._clients.get(owner)
        if client is None:
            raise MediaError("not_permitted", NO_KEY_OF_OWNER)
        tries_left = _WHOLE_TRIES
        while True:
            if reason := refusals.given_up(owner):
                raise reason
            tries_left -= 1
            try:
                digests = _streamed(client, asset_id)
            except NotFound as error:
                refusals.answered(owner)
                raise MediaError("not_on_server", ORIGINAL_GONE) from error
            except ImmichError as error:
                reason = refusals.reason(owner, error)
                if not (tries_left and isinstance(error, Unreachable)):  # else it broke off: from the beginning again
                    raise reason from error
            else:
                refusals.answered(owner)
                return digests


def _streamed(client: ImmichClient, asset_id: str) -> tuple[bytes, bytes, int]:
    sha256, sha1, size = hashlib.sha256(), hashlib.sha1(usedforsecurity=False), 0
    with client.original(asset_id) as blocks:
        for block in blocks:
            sha256.update(block)
            sha1.update(block)
            size += len(block)
    return sha256.digest(), sha1.digest(), size


def _key(record: dict[str, Any], picture: Which) -> str:
    return picture_key(
        checksum=record["checksum"],
        algorithm=record["checksum_algorithm"],
        size=record["size"],
        file_modified_at=record["file_modified_at"],
        thumbhash=record["thumbhash"],
        is_edited=record["is_edited"],
        updated_at=record["updated_at"],
        picture=picture,
    )


def _none(record: dict[str, Any]) -> Fetched:
    return Fetched(record["asset_id"], None, NO_PREVIEW_ON_SERVER, "not_on_server")

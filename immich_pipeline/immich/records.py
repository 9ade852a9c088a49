"""Assets as the API tells them, as frames of `RECORD_SCHEMA`."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from immich_pipeline.immich.errors import ApiError
from immich_pipeline.immich.schema import RECORD_SCHEMA

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_TIME = "%Y-%m-%dT%H:%M:%S%.f%#z"
_SHA1_BYTES = 20
_TYPES = ("image", "video", "audio", "other")
_VISIBILITIES = ("timeline", "archive", "hidden", "locked")
_NO_DURATION = "0:00:00.00000"
_DURATION = re.compile(r"(\d{1,6}):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?", re.ASCII)


class _Field(NamedTuple):
    column: str
    key: str
    read: "Callable[[str, list[Any]], pl.Series]"
    required: bool = False  # the key must be there
    nullable: bool = True


def _plain(name: str, values: list[Any]) -> pl.Series:
    return pl.Series(name, values, dtype=RECORD_SCHEMA[name], strict=True)


def _number(name: str, values: list[Any]) -> pl.Series:
    if any(value is True or value is False for value in values):  # which polars would take for 1 and 0
        raise ValueError("is true or false, not a number")
    return _plain(name, values)


def _text(name: str, values: list[Any]) -> pl.Series:
    return pl.Series(name, values, dtype=pl.String(), strict=True)


def _filled_text(name: str, values: list[Any]) -> pl.Series:
    texts = _text(name, values)
    return texts.set(texts == "", None)


def _id(name: str, values: list[Any]) -> pl.Series:
    ids = _text(name, values).str.to_lowercase()
    if not ids.str.contains(_UUID).all():
        raise ValueError("is no uuid")
    return ids


def _time(name: str, values: list[Any]) -> pl.Series:
    dtype = RECORD_SCHEMA[name]
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "ms"
    times = _text(name, values).str.to_datetime(_TIME, time_unit=unit, time_zone="UTC")
    if not times.dt.year().is_between(1, 9999).all():
        raise ValueError("is not within the years 1 to 9999")
    return times


def _wall_clock(name: str, values: list[Any]) -> pl.Series:
    return _time(name, values).dt.replace_time_zone(None)


def _bytes(name: str, values: list[Any]) -> pl.Series:
    return _text(name, values).str.decode("base64", strict=True)


def _checksum(name: str, values: list[Any]) -> pl.Series:
    checksums = _bytes(name, values)
    if not (checksums.bin.size() == _SHA1_BYTES).all():
        raise ValueError("is no SHA-1")
    return checksums


def _word(known: tuple[str, ...]) -> Callable[[str, list[Any]], pl.Series]:
    def read(name: str, values: list[Any]) -> pl.Series:
        words = _text(name, values).str.to_lowercase()
        strange = words.filter(~words.is_in(known))
        if len(strange):
            raise ValueError(f"is {strange[0][:40]!r}, which this program does not know")
        return words

    return read


def _duration(name: str, values: list[Any]) -> pl.Series:
    return _number(name, [_milliseconds(value) if isinstance(value, str) else value for value in values])


def _milliseconds(text: str) -> int | None:
    """The duration that v2 writes: null as zero hours with five decimals, else `00:00:02.966`."""
    if text == _NO_DURATION:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"is {text[:40]!r}, not a duration")
    hours, minutes, seconds, fraction = found.groups(default="0")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(f"{fraction:0<3}"[:3])


_ASSET = (
    _Field("asset_id", "id", _id, required=True, nullable=False),
    _Field("owner_id", "ownerId", _id, required=True, nullable=False),
    _Field("library_id", "libraryId", _id),
    _Field("type", "type", _word(_TYPES), required=True, nullable=False),
    _Field("original_path", "originalPath", _text, required=True, nullable=False),
    _Field("original_name", "originalFileName", _text, required=True, nullable=False),
    _Field("checksum", "checksum", _checksum, required=True, nullable=False),
    _Field("file_created_at", "fileCreatedAt", _time, required=True, nullable=False),
    _Field("file_modified_at", "fileModifiedAt", _time, required=True, nullable=False),
    _Field("local_date_time", "localDateTime", _wall_clock, required=True, nullable=False),
    _Field("updated_at", "updatedAt", _time, required=True, nullable=False),
    _Field("width", "width", _number, required=True),
    _Field("height", "height", _number, required=True),
    _Field("duration_ms", "duration", _duration, required=True),
    _Field("thumbhash", "thumbhash", _bytes, required=True),
    _Field("visibility", "visibility", _word(_VISIBILITIES), required=True, nullable=False),
    _Field("is_favorite", "isFavorite", _plain, required=True, nullable=False),
    _Field("is_trashed", "isTrashed", _plain, required=True, nullable=False),
    _Field("is_offline", "isOffline", _plain, required=True, nullable=False),
    _Field("is_edited", "isEdited", _plain, required=True, nullable=False),
    _Field("live_video_id", "livePhotoVideoId", _id),
    _Field("duplicate_id", "duplicateId", _id),
)

_EXIF = (
    _Field("size", "fileSizeInByte", _number),
    _Field("make", "make", _text),
    _Field("model", "model", _text),
    _Field("lens", "lensModel", _text),
    _Field("taken_at", "dateTimeOriginal", _time),
    _Field("time_zone", "timeZone", _text),
    _Field("latitude", "latitude", _number),
    _Field("longitude", "longitude", _number),
    _Field("orientation", "orientation", _text),
    _Field("description", "description", _filled_text),
    _Field("rating", "rating", _number),
    _Field("city", "city", _text),
    _Field("state", "state", _text),
    _Field("country", "country", _text),
)


def records_of(items: object, endpoint: str) -> pl.DataFrame:
    """Assets of a list or a search, which do not tell of stacks: `stack_id` and `stack_primary_id` are null.

    Args:
        items: the JSON that was received, of any version.
        endpoint: what was asked, for the message.

    Returns:
        Columns of `RECORD_SCHEMA`, rows in the order given. An asset without EXIF data has nulls there.

    Raises:
        ApiError: a field is missing, of another type or with a value that is not known; the message names it.
    """
    assets = _objects(items, endpoint)
    if not assets:  # every search ends with such a page or two, and 36 empty columns take their time
        return pl.DataFrame(schema=RECORD_SCHEMA)
    exif = _objects([asset.get("exifInfo") or {} for asset in assets], endpoint)
    columns = [_column(field, assets, "asset", endpoint) for field in _ASSET]
    columns += [_column(field, exif, "asset.exifInfo", endpoint) for field in _EXIF]
    frame = pl.DataFrame(columns)
    nothing = pl.lit(None, dtype=pl.String())
    return frame.with_columns(
        _algorithms(frame),
        nothing.alias("stack_id"),
        nothing.alias("stack_primary_id"),
        # v2 prints a duration for stills as well
        pl.when((pl.col("type") == "image") & (pl.col("duration_ms") == 0))
        .then(None)
        .otherwise(pl.col("duration_ms"))
        .alias("duration_ms"),
    ).select(RECORD_SCHEMA.keys())


def record_of(asset: object, endpoint: str) -> pl.DataFrame:
    """One asset asked for by id, as one row of `RECORD_SCHEMA`, its stack included.

    Raises:
        ApiError: as `records_of`.
    """
    frame = records_of([asset], endpoint)
    stack = asset.get("stack") if isinstance(asset, dict) else None
    if stack is None:
        return frame
    (stack,) = _objects([stack], endpoint)
    keys = {"stack_id": "id", "stack_primary_id": "primaryAssetId"}
    ids = [_column(_Field(name, key, _id, True, False), [stack], "asset.stack", endpoint) for name, key in keys.items()]
    return frame.with_columns(ids)


def _objects(items: object, endpoint: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError(endpoint, None, "assets are not a list of objects")
    return items


def _column(field: _Field, items: Sequence[Mapping[str, Any]], what: str, endpoint: str) -> pl.Series:
    problem: str
    try:
        values = [item[field.key] for item in items] if field.required else [item.get(field.key) for item in items]
        column = field.read(field.column, values)
        if field.nullable or not column.null_count():
            return column
        problem = "is null"
    except KeyError:
        problem = "is missing"
    except (TypeError, OverflowError, UnicodeEncodeError, pl.exceptions.PolarsError):
        problem = f"is not of the kind {RECORD_SCHEMA[field.column]}"
    except ValueError as error:
        problem = str(error)
    raise ApiError(endpoint, None, f"{what}.{field.key} {problem}")


def _algorithms(frame: pl.DataFrame) -> pl.Series:
    """The API does not tell what a checksum is of.

    Immich gives a file of an external library the checksum of its path at the time it was found, which need not be today's path. So
    nothing external is believed to have a checksum of its content, and of the rest nothing whose checksum is that of its path.
    """
    columns = (frame["library_id"], frame["original_path"], frame["checksum"])
    names = [
        "sha1-path" if library is not None or _of_path(path) == checksum else "sha1"
        for library, path, checksum in zip(*columns, strict=True)
    ]
    return pl.Series("checksum_algorithm", names, dtype=pl.String())


def _of_path(path: str) -> bytes:
    return hashlib.sha1(f"path:{path}".encode(), usedforsecurity=False).digest()

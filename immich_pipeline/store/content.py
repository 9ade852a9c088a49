"""Rows of what each file's content says."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from immich_pipeline.media.measure import FileMeasurement, MeasureOptions
from immich_pipeline.store.batches import ContentVersions
from immich_pipeline.store.frames import Changes, Frames, Table
from immich_pipeline.store.state import bump

FILE_HASH = Table("content", "file_hash", ("asset_id",))
PHOTO_METADATA = Table("content", "photo_metadata", ("asset_id",))
PERCEPTUAL_HASH = Table("content", "perceptual_hash", ("asset_id",))

_VERSION_SCHEMA: dict[str, Any] = {
    "asset_id": pl.String,
    "size": pl.Int64,
    "mtime_ns": pl.Int64,
    "code_version": pl.String,
}

FILE_HASH_SCHEMA: dict[str, Any] = _VERSION_SCHEMA | {
    "sha256": pl.Binary,
    "sha1": pl.Binary,
    "format": pl.String,
    "format_mismatch": pl.String,
    "error_kind": pl.String,
    "error": pl.String,
    "attempts": pl.Int64,
}
PHOTO_METADATA_SCHEMA: dict[str, Any] = _VERSION_SCHEMA | {
    "taken_at": pl.Datetime("us", "UTC"),
    "taken_at_local": pl.Datetime("us"),
    "utc_offset_minutes": pl.Int32,
    "subsec": pl.String,
    "time_source": pl.String,
    "make": pl.String,
    "model": pl.String,
    "serial": pl.String,
    "lens": pl.String,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "altitude": pl.Float64,
    "orientation": pl.Int16,
    "burst_id": pl.String,
    "content_id": pl.String,
    "exposure_bias": pl.Float64,
    "software": pl.String,
    "error": pl.String,
}
PERCEPTUAL_HASH_SCHEMA: dict[str, Any] = _VERSION_SCHEMA | {
    "phash": pl.Int64,
    "phash256": pl.Binary,
    "set_bits": pl.Int16,
    "usable": pl.Boolean,
    "width": pl.Int32,
    "height": pl.Int32,
    "computed_from": pl.String,
    "error_kind": pl.String,
    "error": pl.String,
}


def write_measurements(
    frames: Frames,
    measured: Iterable[FileMeasurement],
    tasks: pl.DataFrame,
    versions: ContentVersions,
    options: MeasureOptions,
) -> Changes:
    """Write what was found out about some files: those tables that `options` asked for.

    A row says which version of the file (size, mtime_ns) it is about: the one that was read, or, when nothing could be read, the one
    that was planned (`tasks`: asset_id, size, mtime_ns, attempts, source_kind). Of a server's asset it is always the planned one: the
    version is what the server says of the file.
    """
    results = list(measured)
    columns = ("asset_id", "size", "mtime_ns", "attempts", "source_kind")
    planned = {row[0]: row[1:] for row in tasks.select(columns).iter_rows()}
    changes = Changes()
    if options.hash:
        rows = [_file_hash(result, planned[result.asset_id], versions.file_hash) for result in results]
        changes += frames.merge(FILE_HASH, pl.DataFrame(rows, schema=FILE_HASH_SCHEMA, orient="row"))
    if options.metadata:
        rows = [_metadata(result, planned[result.asset_id], versions.photo_metadata) for result in results]
        changes += frames.merge(PHOTO_METADATA, pl.DataFrame(rows, schema=PHOTO_METADATA_SCHEMA, orient="row"))
    if options.pictures:
        rows = [_perceptual(result, planned[result.asset_id], versions.perceptual_hash) for result in results]
        changes += frames.merge(PERCEPTUAL_HASH, pl.DataFrame(rows, schema=PERCEPTUAL_HASH_SCHEMA, orient="row"))
    if changes.total:
        bump(frames, "content")
    return changes


def _version(result: FileMeasurement, planned: tuple[int, int, int, str]) -> tuple[str, int, int]:
    if planned[3] != "folder" or result.size is None or result.mtime_ns is None:
        return result.asset_id, planned[0], planned[1]
    return result.asset_id, result.size, result.mtime_ns


def _file_hash(result: FileMeasurement, planned: tuple[int, int, int, str], code_version: str) -> tuple[object, ...]:
    return (
        *_version(result, planned),
        code_version,
        result.sha256,
        result.sha1,
        result.format,
        result.format_mismatch,
        result.error_kind,
        result.error,
        planned[2] + 1,
    )


def _metadata(result: FileMeasurement, planned: tuple[int, int, int, str], code_version: str) -> tuple[object, ...]:
    names = list(PHOTO_METADATA_SCHEMA)[len(_VERSION_SCHEMA) :]
    found = (
        [getattr(result.metadata, name) for name in names]
        if result.metadata
        else [None] * (len(names) - 1) + [result.error]
    )
    return (*_version(result, planned), code_version, *found)


def _perceptual(result: FileMeasurement, planned: tuple[int, int, int, str], code_version: str) -> tuple[object, ...]:
    return (
        *_version(result, planned),
        code_version,
        result.phash,
        result.phash256,
        result.set_bits,
        result.usable,
        result.width,
        result.height,
        result.computed_from,
        result.picture_error_kind,
        result.picture_error,
    )

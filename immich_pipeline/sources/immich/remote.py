"""Measuring assets whose originals are not read here: by the server's preview, and by what the server says of them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.immich.cache import PictureCache
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.sources.immich.by_api import ApiReader
from immich_pipeline.sources.pictures import Fetched, Hashed, Pictures
from immich_pipeline.store.immich import FROM_PREVIEW

_QUARTER_HOUR = 15
_FARTHEST_ZONE = 14 * 60
_ORIENTATIONS = frozenset("12345678")


@contextmanager
def open_pictures(settings: Settings) -> Iterator[Pictures]:
    """The pictures of the configured server; an owner whose key is not accepted has only what is mounted."""
    immich = _immich(settings)
    with ExitStack() as stack:
        clients = {}
        if immich.url and immich.users:
            reader = ApiReader(immich)
            stack.callback(reader.close)
            reader.scopes()
            clients = reader.clients
        cache = PictureCache(settings.home / "pictures", immich.cache_mb * 1_000_000)
        yield Pictures(immich, clients, cache)


def measure_remote(
    settings: Settings, records: pl.DataFrame, options: MeasureOptions
) -> Iterator[list[FileMeasurement]]:
    """Measure assets by what the server has of them.

    The perceptual hashes are of the preview; the metadata is the server's; the SHA-1 is the server's where it is one of the bytes. The
    original is downloaded, hashed and thrown away only when the settings say `originals: download`.

    Args:
        settings: where the cache is, how many workers.
        records: `RECORD_SCHEMA` with `auto_stack_id` and `live_photo_cid` (String).
        options: what to measure.

    Yields:
        Measurements of some assets at a time, in any order; every asset once.
    """
    told = {row["asset_id"]: row for row in records.iter_rows(named=True)}
    with open_pictures(settings) as pictures:
        for part in _by_preview(settings, pictures, records, options):
            hashed = _downloaded(settings, pictures, records, part) if options.hash else {}
            yield [_told(found, told[found.asset_id], hashed.get(found.asset_id), options) for found in part]


def preview_tasks(settings: Settings, records: pl.DataFrame) -> list[FileTask]:
    """A task for the server's picture of each asset that has one; they are in the cache, or mounted, when this returns."""
    failed: list[FileMeasurement] = []
    with open_pictures(settings) as pictures:
        return list(_tasks(pictures.fetch(records), failed))


def _by_preview(
    settings: Settings, pictures: Pictures, records: pl.DataFrame, options: MeasureOptions
) -> Iterator[list[FileMeasurement]]:
    stills = records.filter(pl.col("type") == "image") if options.pictures else records.clear()
    for rows in records.join(stills, on="asset_id", how="anti").iter_slices(1000):
        yield [FileMeasurement(asset_id) for asset_id in rows["asset_id"]]
    if stills.is_empty():
        return
    failed: list[FileMeasurement] = []
    small = MeasureOptions(
        worker_memory_mb=options.worker_memory_mb, formats_extra=options.formats_extra, hash=False, metadata=False
    )
    with MeasurePool(small, workers=settings.workers, file_timeout=settings.file_timeout_seconds) as pool:
        for part in pool.measure(_tasks(pictures.fetch(stills), failed)):
            yield part + failed
            failed.clear()
    if failed:
        yield failed


def _tasks(fetched: Iterator[Fetched], failed: list[FileMeasurement]) -> Iterator[FileTask]:
    """A task for each picture that there is; the reasons of the others go to `failed`."""
    for found in fetched:
        if found.path is None:
            failed.append(
                FileMeasurement(found.asset_id, picture_error_kind=found.problem_kind, picture_error=found.problem)
            )
        else:
            folder, name = bytes(found.path.parent), bytes(found.path)[len(bytes(found.path.parent)) :].lstrip(b"/")
            yield FileTask(found.asset_id, folder, name, "")


def _downloaded(
    settings: Settings, pictures: Pictures, records: pl.DataFrame, part: list[FileMeasurement]
) -> Mapping[str, Hashed]:
    if _immich(settings).originals != "download":
        return {}
    rows = records.filter(pl.col("asset_id").is_in([found.asset_id for found in part]))
    return {hashed.asset_id: hashed for hashed in pictures.sha256(rows)}


def _told(
    found: FileMeasurement, record: Mapping[str, Any], hashed: Hashed | None, options: MeasureOptions
) -> FileMeasurement:
    """The measurement of a preview, made into that of the asset."""
    sha1 = record["checksum"] if record["checksum_algorithm"] == "sha1" else None
    # what is wrong with a preview's file is wrong with the picture, not with the asset's bytes
    kind, problem = (
        (found.error_kind, found.error) if found.error_kind else (found.picture_error_kind, found.picture_error)
    )
    return replace(
        found,
        size=None,
        mtime_ns=None,
        inode=None,
        sha256=hashed.sha256 if hashed else None,
        sha1=(hashed.sha1 if hashed and hashed.sha256 else None) or sha1,
        format=None,
        format_mismatch=None,
        metadata=metadata_told(record) if options.metadata else None,
        width=record["width"],
        height=record["height"],
        computed_from=FROM_PREVIEW if found.phash is not None else None,
        error_kind=hashed.problem_kind if hashed else None,
        error=hashed.problem if hashed else None,
        picture_error_kind=kind,
        picture_error=problem,
    )


def metadata_told(record: Mapping[str, Any]) -> PhotoMetadata:
    """What the server says of a photo, as if it were read from the file.

    The wall clock counts only where the server knows when the photo was taken; else it is merely the file's time.

    Args:
        record: a row of `RECORD_SCHEMA`, with `auto_stack_id` and `live_photo_cid`.
    """
    taken_at, local = record["taken_at"], record["local_date_time"] if record["taken_at"] else None
    return PhotoMetadata(
        taken_at=taken_at if record["time_zone"] else None,
        taken_at_local=local,
        utc_offset_minutes=_offset(taken_at, local) if record["time_zone"] else None,
        time_source="server" if taken_at else None,
        make=record["make"],
        model=record["model"],
        lens=record["lens"],
        latitude=record["latitude"],
        longitude=record["longitude"],
        orientation=int(record["orientation"]) if record["orientation"] in _ORIENTATIONS else None,
        burst_id=record["auto_stack_id"],
        content_id=record["live_photo_cid"],
    )


def _offset(taken_at: datetime | None, local: datetime | None) -> int | None:
    """Wall clock minus instant, in minutes, if it is what a time zone can be."""
    if taken_at is None or local is None:
        return None
    minutes = round((local - taken_at.replace(tzinfo=None)).total_seconds() / 60)
    return minutes if minutes % _QUARTER_HOUR == 0 and abs(minutes) <= _FARTHEST_ZONE else None


def _immich(settings: Settings) -> ImmichSettings:
    if settings.immich is None:
        raise ValueError("no Immich server is configured")
    return settings.immich

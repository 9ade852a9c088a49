"""What a snapshot of a `World` must be, computed from its objects alone."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from immich_pipeline.immich.schema import ALBUM_SCHEMA, RECORD_SCHEMA
from immich_pipeline_tests.immich_world import Asset, Exif, World


def readable(world: World, owner_ids: Iterable[str]) -> list[Asset]:
    """The assets that may be read: not locked, not deleted for good."""
    owners = set(owner_ids)
    return [
        asset
        for asset in world.assets.values()
        if asset.owner_id in owners and asset.visibility != "locked" and asset.status != "deleted"
    ]


def expected_records(world: World, owner_ids: Iterable[str]) -> pl.DataFrame:
    """RECORD_SCHEMA, sorted by asset."""
    rows = [_row(world, asset, asset.exif or Exif()) for asset in readable(world, owner_ids)]
    return pl.DataFrame(rows, schema=RECORD_SCHEMA).sort("asset_id")


def expected_albums(world: World, owner_ids: Iterable[str]) -> pl.DataFrame:
    """ALBUM_SCHEMA, sorted by asset and album."""
    by_id = {asset.id: asset for asset in readable(world, owner_ids)}
    rows = [
        (asset_id, album.id, album.name)
        for album in world.albums.values()
        for asset_id in album.asset_ids
        if asset_id in by_id and by_id[asset_id].owner_id in (album.owner_id, *album.shared_with)
    ]
    return pl.DataFrame(rows, schema=ALBUM_SCHEMA, orient="row").sort("asset_id", "album_id")


def _cut(moment: datetime | None) -> datetime | None:
    return moment and moment - timedelta(microseconds=moment.microsecond % 1000)


def _row(world: World, asset: Asset, exif: Exif) -> dict[str, object]:
    stack = world.stacks[asset.stack_id] if asset.stack_id else None
    return {
        "asset_id": asset.id,
        "owner_id": asset.owner_id,
        "library_id": asset.library_id,
        "type": asset.type.lower(),
        "original_path": asset.original_path,
        "original_name": asset.original_name,
        "checksum": asset.checksum,
        "checksum_algorithm": asset.checksum_algorithm,
        "size": exif.file_size,
        "file_created_at": _cut(asset.file_created_at),
        "file_modified_at": _cut(asset.file_modified_at),
        "local_date_time": asset.local_date_time.replace(
            tzinfo=None, microsecond=asset.local_date_time.microsecond // 1000 * 1000
        ),
        "updated_at": _cut(asset.updated_at),
        "width": asset.width,
        "height": asset.height,
        "duration_ms": asset.duration_ms,
        "thumbhash": asset.thumbhash,
        "visibility": asset.visibility,
        "is_favorite": asset.is_favorite,
        "is_trashed": asset.deleted_at is not None,
        "is_offline": asset.is_offline,
        "is_edited": asset.is_edited,
        "live_video_id": asset.live_video_id,
        "stack_id": asset.stack_id,
        "stack_primary_id": stack and stack.primary_asset_id,
        "duplicate_id": asset.duplicate_id,
        "make": exif.make,
        "model": exif.model,
        "lens": exif.lens_model,
        "taken_at": _cut(exif.date_time_original),
        "time_zone": exif.time_zone,
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "orientation": exif.orientation,
        "description": exif.description or None,
        "rating": exif.rating,
        "city": exif.city,
        "state": exif.state,
        "country": exif.country,
    }

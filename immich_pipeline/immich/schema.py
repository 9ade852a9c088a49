"""The frames that an Immich server is read into: the same ones from its API and from its database."""

import polars as pl

RECORD_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "owner_id": pl.String(),
    "library_id": pl.String(),
    "type": pl.String(),
    "original_path": pl.String(),
    "original_name": pl.String(),
    "checksum": pl.Binary(),
    "checksum_algorithm": pl.String(),
    "size": pl.Int64(),
    "file_created_at": pl.Datetime("ms", "UTC"),
    "file_modified_at": pl.Datetime("ms", "UTC"),
    "local_date_time": pl.Datetime("ms"),
    "updated_at": pl.Datetime("ms", "UTC"),
    "width": pl.Int32(),
    "height": pl.Int32(),
    "duration_ms": pl.Int64(),
    "thumbhash": pl.Binary(),
    "visibility": pl.String(),
    "is_favorite": pl.Boolean(),
    "is_trashed": pl.Boolean(),
    "is_offline": pl.Boolean(),
    "is_edited": pl.Boolean(),
    "live_video_id": pl.String(),
    "stack_id": pl.String(),
    "stack_primary_id": pl.String(),
    "duplicate_id": pl.String(),
    "make": pl.String(),
    "model": pl.String(),
    "lens": pl.String(),
    "taken_at": pl.Datetime("us", "UTC"),
    "time_zone": pl.String(),
    "latitude": pl.Float64(),
    "longitude": pl.Float64(),
    "orientation": pl.String(),
    "description": pl.String(),
    "rating": pl.Int32(),
    "city": pl.String(),
    "state": pl.String(),
    "country": pl.String(),
}
"""What the server says of an asset, one row each; equal from the API and from the database.

Ids are uuids as text in lower case. `library_id` is null for uploads. `type` is image, video, audio or other. `original_path` is the path
as the server sees it. `checksum` is 20 bytes; `checksum_algorithm` is "sha1" (of the file's bytes) or "sha1-path" (of the path: never
content identity). `size` is in bytes, null before the server has read the file's metadata. `local_date_time` is the wall clock.
Times of the record are cut to milliseconds, as the API tells them. `width` and `height` are of the upright picture, pixels;
`duration_ms` is null for stills. `visibility` is timeline, archive, hidden or locked. `is_trashed` is true for whatever carries a
deletion time, offline assets included. `description` is null when empty. `latitude` and `longitude` are degrees.
"""

EXTRA_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "auto_stack_id": pl.String(),
    "live_photo_cid": pl.String(),
}
"""What only the database knows: burst and live photo ids that the server read from the files. Rows without either are left out."""

ALBUM_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "album_id": pl.String(),
    "album_name": pl.String(),
}
"""One row per asset in an album that its owner owns or that is shared with them."""

OWNER_SCHEMA: dict[str, pl.DataType] = {
    "owner_id": pl.String(),
    "email": pl.String(),
    "name": pl.String(),
    "is_admin": pl.Boolean(),
}
"""The server's users, deleted ones left out."""

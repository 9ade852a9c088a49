"""Files of which a store knows the hashes, for tests of what is remembered by content."""

import polars as pl

from immich_pipeline.store.content import FILE_HASH, FILE_HASH_SCHEMA
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources, write_assets
from immich_pipeline_tests.store.rows import SOURCE, asset_id, assets

Hashed = tuple[str, bytes | None, bytes | None]
"""Path, SHA-256, SHA-1."""


def hashed(database: Database, *files: Hashed) -> None:
    """Store files with what is known of their bytes; of those that are there already, what is known now."""
    activate_sources(database, [SOURCE])
    rows = [
        {"asset_id": asset_id(path), "size": 10, "mtime_ns": 1, "code_version": "1", "sha256": sha256, "attempts": 1}
        for path, sha256, _ in files
    ]
    with database.frames() as frames:
        write_assets(frames, assets(*(path for path, _, _ in files)), [])
        frames.merge(FILE_HASH, pl.DataFrame(rows, schema=FILE_HASH_SCHEMA))
    with database.connect() as connection, connection.cursor() as cursor:
        known = [(sha1, asset_id(path)) for path, _, sha1 in files]
        cursor.executemany("UPDATE content.file_hash SET sha1 = %s WHERE asset_id = %s", known)


def gone(database: Database, *paths: str) -> None:
    """These files are there no longer; what was known of their bytes stays."""
    with database.frames() as frames:
        write_assets(frames, assets(), [asset_id(path) for path in paths])

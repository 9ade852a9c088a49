"""The rows of verified copies, and what is known of a file before it is copied."""

from typing import Any

import polars as pl

from immich_pipeline.store.frames import Frames

_OF_ASSET = """
    SELECT asset_id::text AS asset_id, sha256, owner_id, path, bytes, plan_id, verified_at
    FROM actions.backup WHERE asset_id = $1::uuid ORDER BY verified_at DESC, sha256"""

_RECORD = """
    INSERT INTO actions.backup AS b (asset_id, sha256, owner_id, path, bytes, plan_id)
    VALUES ($1::uuid, $2, $3, $4, $5::bigint, $6)
    ON CONFLICT (asset_id, sha256) DO UPDATE SET owner_id = EXCLUDED.owner_id, path = EXCLUDED.path, bytes = EXCLUDED.bytes,
        plan_id = EXCLUDED.plan_id, verified_at = clock_timestamp()"""

# What was measured counts only for the version of the file that the library knows now.
_SOURCE = """
    SELECT f.source_kind, f.root, f.real_path, h.sha256
    FROM library.asset a JOIN library.asset_file f USING (asset_id)
    LEFT JOIN content.file_hash h ON h.asset_id = a.asset_id AND h.size = a.size AND h.mtime_ns = a.mtime_ns
    WHERE a.asset_id = $1::uuid"""

_SIDECARS = """
    SELECT s.root, c.real_path FROM library.sidecar c JOIN library.source s USING (source_id)
    WHERE c.asset_id = $1::uuid AND s.kind = 'folder' ORDER BY c.real_path"""


def backups_of(frames: Frames, asset_id: str) -> pl.DataFrame:
    """The recorded copies of an asset, the newest first."""
    return frames.read(_OF_ASSET, asset_id)


def record_backup(
    frames: Frames, *, asset_id: str, sha256: bytes, owner_id: str, path: str, size: int, plan_id: str
) -> None:
    """Remember a copy that was verified just now; `path` is relative to the backup folder, with slashes."""
    frames.execute(_RECORD, asset_id, sha256, owner_id, path, size, plan_id)


def source_of(frames: Frames, asset_id: str) -> dict[str, Any]:
    """Where the file of an asset can be read here, and its SHA-256 where it was measured: source_kind, root, real_path, sha256."""
    found = frames.read(_SOURCE, asset_id)
    unknown = {"source_kind": None, "root": None, "real_path": None, "sha256": None}
    return found.row(0, named=True) if found.height else unknown


def sidecars_of(frames: Frames, asset_id: str) -> list[tuple[bytes, bytes]]:
    """Root and path of each sidecar that a scan of a folder has found for the asset."""
    return list(frames.read(_SIDECARS, asset_id).iter_rows())


def folder_roots(frames: Frames) -> list[bytes]:
    """The folders of photos that are looked after."""
    rows = frames.read("SELECT root FROM library.source WHERE kind = 'folder' AND active ORDER BY root")
    return rows["root"].to_list()

"""Rows for tests of the store."""

import uuid

import polars as pl

from immich_pipeline.store.library import SourceRow

ROOT = b"/photos"
SOURCE = SourceRow(
    source_id=str(uuid.uuid5(uuid.NAMESPACE_URL, "photos")), kind="folder", name="photos", owner="anna", root=ROOT
)


def asset_id(path: str) -> str:
    return str(uuid.uuid5(uuid.UUID(SOURCE.source_id), path))


def assets(*paths: str, size: int = 10, mtime_ns: int = 1, inode: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "asset_id": asset_id(path),
                "source_id": SOURCE.source_id,
                "owner": "anna",
                "real_path": path.encode(),
                "path": path,
                "folder": path.rpartition("/")[0],
                "name": path.rpartition("/")[2],
                "extension": path.rpartition(".")[2].lower(),
                "kind": "image",
                "format": "jpeg",
                "size": size,
                "mtime_ns": mtime_ns,
                "inode": inode,
                "device": 1,
            }
            for path in paths
        ]
    )

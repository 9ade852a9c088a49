"""The contents of assets: what is said of a file is remembered by its content."""

from collections.abc import Collection

import polars as pl

from immich_pipeline.dedup.facts import with_content
from immich_pipeline.store import derived
from immich_pipeline.store.frames import Frames


def contents_of(frames: Frames, asset_ids: Collection[str]) -> pl.DataFrame:
    """The content of each of these assets, by the name that finding duplicates goes by.

    Returns:
        ``asset_id`` (String) and ``content`` (Binary), sorted by asset_id; assets that are gone or whose content is not known are left
        out.
    """
    # Another file may tell the SHA-256 of one whose SHA-1 alone is known: all are needed to name a few.
    known = with_content(derived.file_hashes(frames).select("asset_id", "sha256", "sha1"))
    wanted = pl.DataFrame({"asset_id": sorted(set(asset_ids))}, schema={"asset_id": pl.String})
    found = wanted.join(known, on="asset_id", maintain_order="left").select("asset_id", "content")
    return found.filter(pl.col("content").is_not_null())

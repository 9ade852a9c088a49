"""What was seen when pictures were compared, and where the pictures are."""

import polars as pl

from immich_pipeline.store.frames import Changes, Frames, Table

LOOK = Table("duplicates", "look", ("left_content", "right_content"))

_LOOKS = """
    SELECT left_content, right_content, correlation, colour, spot, tint, same_pixels, problem FROM duplicates.look
    WHERE code_version = $1 ORDER BY left_content, right_content"""

_FILES = """
    SELECT a.asset_id::text AS asset_id, f.source_kind, f.root, f.real_path, a.extension, a.size, a.mtime_ns
    FROM library.live_asset a JOIN library.asset_file f USING (asset_id)
    WHERE a.asset_id = ANY($1::uuid[])"""


def looks_of_version(frames: Frames, code_version: str) -> pl.DataFrame:
    """What was seen by this version of the code (`LOOK_SCHEMA`), sorted by its contents."""
    return frames.read(_LOOKS, code_version)


def write_looks(frames: Frames, looks: pl.DataFrame, code_version: str) -> Changes:
    """Keep what was seen (`LOOK_SCHEMA`); what an earlier version saw of these contents is replaced."""
    return frames.merge(LOOK, looks.with_columns(code_version=pl.lit(code_version)))


def picture_files(frames: Frames, asset_ids: list[str]) -> pl.DataFrame:
    """Where some live assets' originals are.

    Columns: asset_id String, source_kind String, root and real_path Binary (null where it is not mounted here), extension String,
    size Int64, mtime_ns Int64.
    """
    return frames.read(_FILES, asset_ids)

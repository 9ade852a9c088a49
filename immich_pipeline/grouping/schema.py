"""Columns of the frames that go into and come out of grouping."""

import polars as pl

INPUT_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "source_id": pl.String(),
    "owner": pl.String(),
    "folder": pl.String(),
    "name": pl.String(),
    "extension": pl.String(),
    "kind": pl.String(),
    "size": pl.Int64(),
    "taken_at": pl.Datetime("us", "UTC"),
    "taken_at_local": pl.Datetime("us"),
    "subsec": pl.String(),
    "make": pl.String(),
    "model": pl.String(),
    "burst_id": pl.String(),
    "content_id": pl.String(),
}
"""What grouping reads: the asset's columns joined with ``photo_metadata``'s (null where unknown)."""

OPTIONAL_INPUT_SCHEMA: dict[str, pl.DataType] = {"width": pl.Int32(), "height": pl.Int32()}
"""Read where present (from ``perceptual_hashes``): the pixel size of the upright picture, to find the largest."""

CAPTURE_SCHEMA: dict[str, pl.DataType] = {
    "group_id": pl.String(),
    "asset_id": pl.String(),
    "kind": pl.String(),
    "role": pl.String(),
    "is_primary": pl.Boolean(),
    "rule": pl.String(),
    "confidence": pl.Float64(),
    "reason": pl.String(),
}
"""One row per member of a capture group, sorted by group_id, then primary first, then asset_id."""

"""Columns of the frames that go into and come out of duplicate detection."""

import polars as pl

FACTS_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "source_id": pl.String(),
    "owner": pl.String(),
    "path": pl.String(),
    "name": pl.String(),
    "extension": pl.String(),
    "kind": pl.String(),
    "size": pl.Int64(),
    "mtime_ns": pl.Int64(),
    "inode": pl.Int64(),
    "sha256": pl.Binary(),
    "content": pl.Binary(),
    "taken_at": pl.Datetime("us", "UTC"),
    "taken_at_local": pl.Datetime("us"),
    "subsec": pl.String(),
    "make": pl.String(),
    "model": pl.String(),
    "serial": pl.String(),
    "lens": pl.String(),
    "latitude": pl.Float64(),
    "longitude": pl.Float64(),
    "phash": pl.Int64(),
    "phash256": pl.Binary(),
    "usable": pl.Boolean(),
    "width": pl.Int32(),
    "height": pl.Int32(),
}
"""What is known of each asset: see :func:`immich_pipeline.dedup.facts.asset_facts`."""

CANDIDATE_SCHEMA: dict[str, pl.DataType] = {
    "owner": pl.String(),
    "left_id": pl.String(),
    "right_id": pl.String(),
    "kind": pl.String(),
    "distance": pl.Int16(),
}
"""A pair worth a look. ``left_id < right_id``; kind "exact" (equal bytes, distance 0) or "near" (64-bit pHash)."""

VERIFIED_SCHEMA: dict[str, pl.DataType] = {
    **CANDIDATE_SCHEMA,
    "distance256": pl.Int16(),
    "class": pl.String(),
    "confidence": pl.Float64(),
    "reason": pl.String(),
}
"""A candidate with its class; distance256 is null where a 256-bit hash is missing, 0 for exact pairs."""

GROUP_SCHEMA: dict[str, pl.DataType] = {
    "group_id": pl.String(),
    "owner": pl.String(),
    "class": pl.String(),
    "confidence": pl.Float64(),
    "members": pl.Int32(),
    "bytes": pl.Int64(),
    "reclaimable_bytes": pl.Int64(),
    "diameter": pl.Int16(),
}
"""One row per duplicate group, sorted by group_id."""

MEMBER_SCHEMA: dict[str, pl.DataType] = {
    "group_id": pl.String(),
    "asset_id": pl.String(),
    "is_representative": pl.Boolean(),
    "class": pl.String(),
    "distance": pl.Int16(),
    "distance256": pl.Int16(),
    "reason": pl.String(),
}
"""One row per member, sorted by group_id, representative first, then distance and asset_id; distances are to the
representative (0 for itself and its exact copies)."""

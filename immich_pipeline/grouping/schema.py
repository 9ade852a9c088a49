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
"""What grouping reads: the asset's columns joined with ``photo_metadata``'s (null where unknown). A null folder is that
of an upload, whose folder means nothing: owner, name and time have to do."""

OPTIONAL_INPUT_SCHEMA: dict[str, pl.DataType] = {
    "width": pl.Int32(),
    "height": pl.Int32(),
    "duration_ms": pl.Int64(),
    "exposure_bias": pl.Float64(),
    "utc_offset_minutes": pl.Int32(),
    "serial": pl.String(),
    "visibility": pl.String(),
    "is_trashed": pl.Boolean(),
    "is_offline": pl.Boolean(),
    "auto_stack_id": pl.String(),
    "live_photo_cid": pl.String(),
    "live_video_id": pl.String(),
    "manual_stack": pl.String(),
    "content_key": pl.String(),
}
"""Read where present, else unknown. ``width`` and ``height`` are of the upright picture in pixels; ``exposure_bias`` is in
steps; ``serial`` is the camera body's. ``visibility`` is timeline, archive, hidden or locked (null: timeline).
``auto_stack_id`` and ``live_photo_cid`` are Immich's readings of burst and content ids; ``live_video_id`` (of a still) is
the asset id of its video. ``manual_stack`` is set where a person has stacked the file: such files are left alone unless
the rules say replace_stacks. ``content_key`` is any stable name of the file's content, equal for
equal bytes only: such files are copies and never versions, and constraints may name it."""

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

CONSTRAINT_SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "subject": pl.String(),
    "other": pl.String(),
}
"""What a person decided. ``kind`` is ``set_primary`` (subject stands for its group; other is null), ``together`` or
``not_together`` (subject and other). Subject and other are asset ids or content keys; a content key means every file
that has it."""

KEPT_WHOLE = ("bracket", "focus_stack", "panorama")
"""Kinds of groups whose members look alike on purpose: no member is ever a duplicate of another."""

COMPONENT_ROLE = "video"
"""The role of a live photo's video: part of its still, and never a member of a stack."""

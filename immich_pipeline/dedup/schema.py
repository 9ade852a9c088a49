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
    "exposure_bias": pl.Float64(),
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
"""A pair worth a look. ``left_id < right_id``; kind "exact" (equal bytes, distance 0), "near" (64-bit pHash) or "immich" (only
Immich's own groups have it; distance null where one has no usable hash).
"""

VERIFIED_SCHEMA: dict[str, pl.DataType] = {
    **CANDIDATE_SCHEMA,
    "distance256": pl.Int16(),
    "correlation": pl.Float32(),
    "colour": pl.Float32(),
    "spot": pl.Float32(),
    "tint": pl.Float32(),
    "class": pl.String(),
    "confidence": pl.Float64(),
    "reason": pl.String(),
}
"""A candidate with its class; distance256 is null where a 256-bit hash is missing, 0 for exact pairs. ``correlation`` (-1 to 1, of
the fine detail), ``colour`` (mean difference of RGB values), ``spot`` (difference of brightness where it is greatest) and ``tint``
(difference of colours apart from brightness where it is greatest, 0 to 452; the others 0 to 255) are null for pairs whose pictures were
not looked at.
"""

LOOK_SCHEMA: dict[str, pl.DataType] = {
    "left_content": pl.Binary(),
    "right_content": pl.Binary(),
    "correlation": pl.Float32(),
    "colour": pl.Float32(),
    "spot": pl.Float32(),
    "tint": pl.Float32(),
    "same_pixels": pl.Boolean(),
    "problem": pl.String(),
}
"""What was seen when the pictures of two contents were compared (see ``units.picture_key``). ``left_content < right_content``.
``same_pixels``: whether the decoded, upright originals are equal, null where they were not (both) read. ``problem``: why nothing
could be seen; then the numbers are null.
"""

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

SET_SCHEMA: dict[str, pl.DataType] = {
    "set_id": pl.String(),
    "owner": pl.String(),
    "unit_id": pl.String(),
    "asset_id": pl.String(),
    "group_id": pl.String(),
    "class": pl.String(),
    "confidence": pl.Float64(),
    "diameter": pl.Int16(),
    "role": pl.String(),
}
"""What is decided together: one row per file, sorted by set_id, unit_id, asset_id. A unit is a capture (all its files) or a single
file; exactly one unit of a set is kept. ``group_id``: the duplicate group of the file, null where it has no counterpart in the set's
other units. ``class``, ``confidence`` and ``diameter`` are the set's (its weakest group's). ``role``: the file's role in its capture,
null for a file that is in none.
"""

DECISION_FACTS_SCHEMA: dict[str, pl.DataType] = {
    **FACTS_SCHEMA,
    "server_asset": pl.Boolean(),
    "library_id": pl.String(),
    "utc_offset_minutes": pl.Int32(),
    "time_zone": pl.String(),
    "time_source": pl.String(),
    "software": pl.String(),
    "format": pl.String(),
    "file_created_at": pl.Datetime("us", "UTC"),
    "is_edited": pl.Boolean(),
    "is_favorite": pl.Boolean(),
    "rating": pl.Int32(),
    "visibility": pl.String(),
    "description": pl.String(),
    "place": pl.String(),
    "albums": pl.Int32(),
    "tags": pl.List(pl.String()),
    "people": pl.Int32(),
    "faces": pl.Int32(),
    "live_video_id": pl.String(),
    "stack_id": pl.String(),
    "readable": pl.Boolean(),
    "trash_days": pl.Int32(),
}
"""What the choice of the kept one goes by. ``server_asset``: it is on an Immich server (else a file of a folder). ``library_id``: of
an external library, null for uploads and files of folders. ``time_zone`` as the server names it. ``format``: the detected format.
``place``: city, state, country, null where none. ``albums``: how many. ``people``: named persons on it. ``readable``: whether its
original can be read here (mounted, in a folder, or download allowed). ``trash_days``: how long the server keeps what is put into its
trash, 0 where that is switched off. What is not known is null.
"""

DECISION_SCHEMA: dict[str, pl.DataType] = {
    "set_id": pl.String(),
    "owner": pl.String(),
    "class": pl.String(),
    "confidence": pl.Float64(),
    "verdict": pl.String(),
    "keeper_unit": pl.String(),
    "keeper_id": pl.String(),
    "decided_by": pl.String(),
    "conflicts": pl.List(pl.String()),
    "becomes": pl.String(),
    "files": pl.Int32(),
    "reclaimable_bytes": pl.Int64(),
    "immich_keeps": pl.String(),
    "immich_loses": pl.List(pl.String()),
    "steps": pl.String(),
    "policy_hash": pl.String(),
}
"""One row per set, sorted by set_id. ``verdict``: "certain" (may be done without a person), "accepted" (a person said yes), "review"
(a person decides), "keep" (nothing is given up: all are protected, or none may be deleted). ``keeper_id``: the asset that stands for
the kept unit. ``decided_by``: the step. ``conflicts``: kinds, sorted, see ``conflict_kinds``. ``becomes``: what becomes of the others
(policies.Alternative). ``immich_keeps``: the asset that Immich would keep. ``immich_loses``: what would be lost then, in words a
person knows ("GPS", "albums" …). ``steps``: JSON, a list of {"step", "compared": {unit_id: text}, "left": [unit_id], "decided":
bool}.
"""

DECISION_MEMBER_SCHEMA: dict[str, pl.DataType] = {
    "set_id": pl.String(),
    "unit_id": pl.String(),
    "asset_id": pl.String(),
    "role": pl.String(),
    "score": pl.Int32(),
    "obstacle": pl.String(),
}
"""One row per file of a set, sorted by set_id, role (keeper, kept, loser, follows), asset_id. "keeper": stands for the kept unit;
"kept": another file of it; "loser": given up; "follows": a live photo's video that goes with its still. ``score``: completeness.
``obstacle``: why a loser cannot be given up (protected, external library not allowed …), null where it can.
"""

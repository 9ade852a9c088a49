"""Jobs, each a verb: what a person, a sensor or a schedule starts."""

import dagster as dg

CONTENT_STEP = "file_contents"
"""The step that reads files; its three assets report the same numbers."""

SET_UP_CHECK = "everything_configured_works"
_SET_UP = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("library_snapshot"), SET_UP_CHECK))

snapshot_library = dg.define_asset_job(
    "snapshot_library",
    selection=dg.AssetSelection.assets("library_snapshot", "ingest_batches") - _SET_UP,
    description="Scan the library, write what differs, and plan the work on new and changed files.",
)

examine_set_up = dg.define_asset_job(
    "examine_set_up",
    selection=_SET_UP,
    description="Look at folders, server, keys, database and mounts, and say what will work: as `immich-pipeline doctor`.",
)

measure_batch = dg.define_asset_job(
    "measure_batch",
    selection=dg.AssetSelection.assets("file_hashes", "photo_metadata", "perceptual_hashes"),
    description="Read every file of an ingest batch that is not done yet: hash, metadata, perceptual hashes.",
)

find_duplicates = dg.define_asset_job(
    "find_duplicates",
    selection=dg.AssetSelection.groups("captures", "duplicates")
    - dg.AssetSelection.assets("stacks", "duplicate_resolutions"),
    description="Group the files of one capture, find duplicates, decide which is kept, write the report.",
)

apply_stacks = dg.define_asset_job(
    "apply_stacks",
    selection=dg.AssetSelection.assets("stack_plan", "stacks"),
    description="Plan the stacks and apply the plan on the server, as far as its mode and a person's approval allow.",
)

resolve_duplicates = dg.define_asset_job(
    "resolve_duplicates",
    selection=dg.AssetSelection.assets("duplicate_plan", "duplicate_resolutions"),
    description="Plan what becomes of duplicates and apply the plan, as far as its mode and a person's approval allow.",
)

share_photos = dg.define_asset_job(
    "share_photos",
    selection=dg.AssetSelection.assets("share_plan", "shared_records"),
    description="Plan what a share job would write and apply the plan, as far as its mode and a person's approval allow.",
)

audit_month = dg.define_asset_job(
    "audit_month",
    selection=dg.AssetSelection.assets("integrity_audits"),
    description="Read a month's files again and report bit rot, missing and unreadable files.",
)

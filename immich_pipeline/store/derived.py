"""Tables computed from the whole library: captures, duplicate candidates, duplicate groups. Written as differences only."""

import polars as pl

from immich_pipeline.store.frames import Changes, Frames, Table
from immich_pipeline.store.state import bump

CAPTURE_MEMBER = Table("captures", "capture_member", ("group_id", "asset_id"))
KEPT_WHOLE = Table("captures", "kept_whole", ("set_id", "asset_id"))
FINDING = Table("captures", "finding", ("asset_id", "finding", "detail"))
CANDIDATE = Table("duplicates", "candidate", ("left_id", "right_id", "kind"))
VERIFIED_PAIR = Table("duplicates", "verified_pair", ("left_id", "right_id", "kind"))
DUPLICATE_GROUP = Table("duplicates", "duplicate_group", ("group_id",))
DUPLICATE_MEMBER = Table("duplicates", "duplicate_member", ("group_id", "asset_id"))
OPINION = Table("duplicates", "opinion", ("group_id", "asset_id"))
CROSS_OWNER = Table("duplicates", "cross_owner", ("left_id", "right_id"))
SET_MEMBER = Table("duplicates", "set_member", ("set_id", "asset_id"))
DECIDED_SET = Table("duplicates", "decided_set", ("set_id", "asset_id"))
DECISION = Table("duplicates", "decision", ("set_id",))
DECISION_MEMBER = Table("duplicates", "decision_member", ("set_id", "asset_id"))

_SET = "set_id, owner, unit_id, asset_id::text AS asset_id, group_id, class, confidence, diameter, role"
_METADATA = """
    SELECT m.asset_id::text AS asset_id, m.taken_at, m.taken_at_local, m.utc_offset_minutes, m.subsec, m.time_source, m.make, m.model,
           m.serial, m.lens, m.latitude, m.longitude, m.altitude, m.orientation, m.burst_id, m.content_id, m.exposure_bias, m.software
    FROM content.photo_metadata m JOIN library.live_asset a ON a.asset_id = m.asset_id AND a.size = m.size AND a.mtime_ns = m.mtime_ns"""

_HASHES = """
    SELECT h.asset_id::text AS asset_id, h.sha256, h.sha1, h.format AS detected_format, h.format_mismatch, h.error_kind, h.error
    FROM content.file_hash h JOIN library.live_asset a ON a.asset_id = h.asset_id AND a.size = h.size AND a.mtime_ns = h.mtime_ns"""

_PERCEPTUAL = """
    SELECT p.asset_id::text AS asset_id, p.phash, p.phash256, p.set_bits, p.usable, p.width, p.height, p.computed_from,
           p.error_kind, p.error
    FROM content.perceptual_hash p JOIN library.live_asset a ON a.asset_id = p.asset_id AND a.size = p.size AND a.mtime_ns = p.mtime_ns"""


def photo_metadata(frames: Frames) -> pl.DataFrame:
    """The photo_metadata rows of the library as it is now."""
    return frames.read(_METADATA)


def file_hashes(frames: Frames) -> pl.DataFrame:
    """The file_hashes rows of the library as it is now."""
    return frames.read(_HASHES)


def perceptual_hashes(frames: Frames) -> pl.DataFrame:
    """The perceptual_hashes rows of the library as it is now."""
    return frames.read(_PERCEPTUAL)


def read_table(frames: Frames, table: Table, columns: str) -> pl.DataFrame:
    """Some columns of a derived table, ordered by its key. `columns` is SQL written in the code that calls."""
    return frames.read(f"SELECT {columns} FROM {table.schema}.{table.name} ORDER BY {', '.join(table.key)}")


def capture_samples(frames: Frames, per_kind: int = 3) -> pl.DataFrame:
    """A few groups of each kind for people: kind, files (the primary first), reason of the primary."""
    return frames.read(
        "SELECT kind, files, reason FROM (SELECT m.kind, "
        "string_agg(a.name, ', ' ORDER BY m.is_primary DESC, a.name) AS files, min(m.reason) FILTER (WHERE m.is_primary) AS reason, "
        "row_number() OVER (PARTITION BY m.kind ORDER BY m.group_id) AS place "
        "FROM captures.capture_member m JOIN library.asset a USING (asset_id) GROUP BY m.kind, m.group_id) g "
        "WHERE place <= $1 ORDER BY kind, place",
        per_kind,
    )


def capture_findings(frames: Frames) -> pl.DataFrame:
    """What a person may want to see to about captures: finding, path, detail."""
    return frames.read(
        "SELECT f.finding, a.path, f.detail FROM captures.finding f LEFT JOIN library.asset a USING (asset_id) "
        "ORDER BY f.finding, a.path, f.detail"
    )


def write(frames: Frames, topic: str, results: dict[Table, pl.DataFrame]) -> Changes:
    """Make each table equal to its frame; the topic's revision grows only if a row really changed."""
    changes = sum((frames.replace(table, frame) for table, frame in results.items()), Changes())
    if changes.total:
        bump(frames, topic)
    return changes


def sets(frames: Frames) -> pl.DataFrame:
    """What belongs together, as it was found: the columns of `dedup.schema.SET_SCHEMA`."""
    return read_table(frames, SET_MEMBER, _SET)


def decided_sets(frames: Frames) -> pl.DataFrame:
    """What the decisions are about: these sets, or what is identical in them (`dedup.schema.SET_SCHEMA`)."""
    return read_table(frames, DECIDED_SET, _SET)

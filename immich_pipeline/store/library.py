"""The library's rows: sources, assets, sidecars, what a scan skipped."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes, Frames, Table
from immich_pipeline.store.state import bump

SOURCE = Table("library", "source", ("source_id",))
ASSET = Table("library", "asset", ("asset_id",))
SIDECAR = Table("library", "sidecar", ("source_id", "real_path"))
FOLDER = Table("library", "folder", ("source_id", "real_path"))
SKIPPED = Table("library", "skipped", ("source_id", "path", "reason"))

ASSET_COLUMNS = [
    "asset_id",
    "source_id",
    "owner",
    "real_path",
    "path",
    "folder",
    "name",
    "extension",
    "kind",
    "format",
    "size",
    "mtime_ns",
    "inode",
    "device",
]

_KNOWN = """
    SELECT a.asset_id::text AS asset_id, a.source_id::text AS source_id, a.owner, a.real_path, a.path, a.folder, a.name, a.extension,
           a.kind, a.format, a.size, a.mtime_ns, a.inode, a.device, a.gone_at IS NOT NULL AS gone, h.sha256
    FROM library.asset a
    LEFT JOIN content.file_hash h ON h.asset_id = a.asset_id AND h.size = a.size AND h.mtime_ns = a.mtime_ns
    WHERE a.source_id = $1::uuid"""

_LIVE = """
    SELECT asset_id::text AS asset_id, source_id::text AS source_id, owner, real_path, path, folder, name, extension, kind, format,
           size, mtime_ns, inode, device, visibility
    FROM library.live_asset"""

# A file that came back somewhere else: seen first when, or after, its content was last seen gone. Of very many equal files a hundred
# at a time are paired, so that the pairs stay few; the next look pairs the next.
_RETURNED = """
    WITH gone AS (
        SELECT o.*, h.sha256, row_number() OVER (PARTITION BY o.source_id, o.owner, h.sha256 ORDER BY o.real_path, o.asset_id) AS place
        FROM library.asset o JOIN content.file_hash h ON h.asset_id = o.asset_id AND h.sha256 IS NOT NULL
        WHERE o.gone_at IS NOT NULL AND o.source_id IN (SELECT source_id FROM library.source WHERE kind = 'folder')),
    here AS (
        SELECT n.*, h.sha256, row_number() OVER (PARTITION BY n.source_id, n.owner, h.sha256 ORDER BY n.real_path, n.asset_id) AS place
        FROM library.live_asset n JOIN content.file_hash h
          ON h.asset_id = n.asset_id AND h.size = n.size AND h.mtime_ns = n.mtime_ns AND h.sha256 IS NOT NULL
        WHERE h.sha256 IN (SELECT sha256 FROM gone) AND n.first_seen_at >= (SELECT min(gone_at) FROM gone))
    SELECT n.asset_id::text AS new_id, n.owner, n.source_id::text AS source_id, n.sha256, n.size, n.name, n.folder, n.path,
           o.asset_id::text AS old_id, o.name AS old_name, o.folder AS old_folder, o.path AS old_path
    FROM gone o JOIN here n USING (source_id, owner, sha256)
    WHERE n.first_seen_at >= o.gone_at AND o.place <= 100 AND n.place <= 100"""

_CONTENT_TABLES = ("file_work", "file_hash", "photo_metadata", "perceptual_hash")


@dataclass(frozen=True)
class SourceRow:
    """A place that photos come from, as the database knows it."""

    source_id: str
    kind: str
    name: str
    owner: str
    root: bytes


def activate_sources(database: Database, sources: Iterable[SourceRow]) -> None:
    """Make these sources, and no others, the library that is looked after; what others held stays known."""
    frame = pl.DataFrame([vars(source) | {"active": True} for source in sources])
    with database.frames() as frames:
        others = frames.change(
            "UPDATE library.source SET active = false WHERE active AND NOT (source_id::text = ANY($1))",
            frame["source_id"].to_list(),
        )
        if frames.merge(SOURCE, frame).total or others:
            bump(frames, "library")


def known_assets(frames: Frames, source_id: str) -> pl.DataFrame:
    """Every asset ever seen in a source, those that are gone included, with their content hash where it is known."""
    return frames.read(_KNOWN, source_id)


def known_sidecars(frames: Frames, source_id: str) -> pl.DataFrame:
    """The sidecars of a source: real_path, size, mtime_ns, media_path (of the asset each belongs to), rule."""
    return frames.read(
        "SELECT c.real_path, c.size, c.mtime_ns, a.real_path AS media_path, c.rule FROM library.sidecar c "
        "LEFT JOIN library.asset a USING (asset_id) WHERE c.source_id = $1::uuid",
        source_id,
    )


def live_assets(frames: Frames) -> pl.DataFrame:
    """The assets of the library as it is now."""
    return frames.read(_LIVE)


def write_assets(frames: Frames, rows: pl.DataFrame, gone: list[str]) -> Changes:
    """Write new and changed asset rows (a row written is a row alive) and mark others as gone."""
    changes = Changes()
    if gone:
        marked = "UPDATE library.asset SET gone_at = now() WHERE gone_at IS NULL AND asset_id = ANY($1::uuid[])"
        changes += Changes(deleted=frames.change(marked, gone))
    if rows.height:
        # A file that is back after being gone counts as first seen now.
        revived = "UPDATE library.asset SET gone_at = NULL, first_seen_at = now() WHERE gone_at IS NOT NULL AND asset_id = ANY($1::uuid[])"
        changes += Changes(updated=frames.change(revived, rows["asset_id"].to_list()))
        changes += frames.merge(ASSET, rows.select(ASSET_COLUMNS))
    if changes.total:
        bump(frames, "library")
    return changes


def folder_times(database: Database) -> pl.DataFrame:
    """The folders of the active sources and their modification times at the last scan: root, real_path, mtime_ns."""
    with database.frames() as frames:
        return frames.read(
            "SELECT s.root, f.real_path, f.mtime_ns FROM library.folder f JOIN library.source s USING (source_id) "
            "WHERE s.active ORDER BY s.root, f.real_path"
        )


def any_unsettled(database: Database) -> bool:
    """Whether the last scan saw files that were still being written."""
    with database.frames() as frames:
        return bool(frames.scalar("SELECT bool_or(unsettled) FROM library.source WHERE active"))


def record_scan(frames: Frames, source_id: str, *, files: int, unsettled: bool) -> None:
    """Remember how many files a source has, and whether some were just being written."""
    frames.execute(
        "UPDATE library.source SET scanned_files = $2::bigint, unsettled = $3::boolean "
        "WHERE source_id = $1::uuid AND (scanned_files, unsettled) IS DISTINCT FROM ($2::bigint, $3::boolean)",
        source_id,
        files,
        unsettled,
    )


def mark_unsettled(frames: Frames) -> None:
    """Say that files are not as the last scan saw them, so that the library is looked at again soon."""
    frames.execute("UPDATE library.source SET unsettled = true WHERE active AND NOT unsettled")


def returned_assets(frames: Frames) -> pl.DataFrame:
    """Pairs of a live asset and an asset that is gone, of equal content: candidates for 'moved to another disk'."""
    return frames.read(_RETURNED)


def take_over(frames: Frames, pairs: list[tuple[str, str]]) -> None:
    """Give each gone asset the file, path and content of the live one that replaced it; the live one's id disappears."""
    if not pairs:
        return
    mapping = pl.DataFrame(pairs, schema=["new_id", "old_id"], orient="row")
    with frames.staged(mapping) as stage:
        for table in _CONTENT_TABLES:
            frames.execute(f"DELETE FROM content.{table} c USING {stage} s WHERE c.asset_id = s.old_id::uuid")
            frames.execute(
                f"UPDATE content.{table} c SET asset_id = s.old_id::uuid FROM {stage} s WHERE c.asset_id = s.new_id::uuid"
            )
        frames.execute(
            "UPDATE library.asset o SET real_path = n.real_path, path = n.path, folder = n.folder, name = n.name, "
            "extension = n.extension, kind = n.kind, format = n.format, size = n.size, mtime_ns = n.mtime_ns, inode = n.inode, "
            "device = n.device, gone_at = NULL, first_seen_at = n.first_seen_at "
            f"FROM {stage} s JOIN library.asset n ON n.asset_id = s.new_id::uuid WHERE o.asset_id = s.old_id::uuid"
        )
        frames.execute(
            f"UPDATE library.sidecar c SET asset_id = s.old_id::uuid FROM {stage} s WHERE c.asset_id = s.new_id::uuid"
        )
        frames.execute(f"DELETE FROM library.asset a USING {stage} s WHERE a.asset_id = s.new_id::uuid")
    bump(frames, "library")

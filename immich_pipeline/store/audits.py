"""Which files an audit reads, and what it found."""

import polars as pl

from immich_pipeline.store.frames import Changes, Frames, Table

AUDIT_FINDING = Table("maintenance", "audit_finding", ("asset_id", "month"))

_TASKS = """
    SELECT a.asset_id::text AS asset_id, f.root, f.real_path, a.path, a.extension, a.size, a.mtime_ns, f.source_kind, h.sha256
    FROM library.live_asset a
    JOIN library.asset_file f ON f.asset_id = a.asset_id AND f.root IS NOT NULL
    JOIN content.file_hash h ON h.asset_id = a.asset_id AND h.size = a.size AND h.mtime_ns = a.mtime_ns AND h.sha256 IS NOT NULL
    LEFT JOIN content.photo_metadata m ON m.asset_id = a.asset_id
    WHERE coalesce(extract(month FROM m.taken_at_local)::int, get_byte(h.sha256, 0) % 12 + 1) = $1
    ORDER BY a.source_id, a.real_path"""


def audit_tasks(frames: Frames, month: str) -> pl.DataFrame:
    """The files that the audit of a month (`YYYY-MM`) reads: those taken in that calendar month of any year.

    So twelve audits reach the whole library; files without a date are spread over the months by their hash.

    Columns: asset_id String, root Binary, real_path Binary, path String, extension String, size Int64, mtime_ns Int64, source_kind String,
    sha256 Binary.
    """
    return frames.read(_TASKS, int(month[5:7]))


def write_findings(frames: Frames, month: str, findings: pl.DataFrame) -> Changes:
    """Keep the findings (asset_id, kind, detail) of a month's audit; an audit that is run again replaces its own."""
    return frames.replace(AUDIT_FINDING, findings.with_columns(month=pl.lit(month)), scope={"month": month})


def findings_of(frames: Frames, month: str) -> int:
    """How many findings a month's audit left."""
    return int(frames.scalar("SELECT count(*) FROM maintenance.audit_finding WHERE month = $1", month))

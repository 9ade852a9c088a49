"""The summary of a run: what the library holds, what was worked on, what was found."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from immich_pipeline.dedup.wording import words
from immich_pipeline.progress import byte_size, duration
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames

_ERRORS = """
    SELECT coalesce(h.error_kind, p.error_kind) AS kind, count(*) AS files
    FROM library.live_asset a
    LEFT JOIN content.file_hash h USING (asset_id)
    LEFT JOIN content.perceptual_hash p USING (asset_id)
    WHERE coalesce(h.error_kind, p.error_kind) IS NOT NULL
    GROUP BY 1 ORDER BY 2 DESC, 1"""

_STATE = """
    SELECT count(h.asset_id) AS tried, count(coalesce(h.sha256, h.sha1)) AS read
    FROM library.live_asset a JOIN content.file_hash h ON h.asset_id = a.asset_id AND h.size = a.size AND h.mtime_ns = a.mtime_ns"""

_SKIPPED = """
    SELECT reason, count(*) AS files FROM library.skipped JOIN library.source USING (source_id)
    WHERE active GROUP BY 1 ORDER BY 2 DESC, 1"""


@dataclass(frozen=True)
class Summary:
    """The numbers that `--summary` writes; sizes in bytes, times in seconds, memory in MB.

    `hashed` are files whose content hash was computed in this run, `unchanged` those whose hash was known, `not_done` those that could
    not be tried because a batch failed. `errors` counts by reason the files that could not be read or are no usable picture.
    """

    files: int
    sidecars: int
    skipped: dict[str, int]
    hashed: int
    unchanged: int
    not_done: int
    rows_changed: int
    errors: dict[str, int]
    duplicate_groups: dict[str, int]
    decisions: dict[str, int]
    capture_groups: dict[str, int]
    reclaimable_bytes: int
    report: str
    seconds: float
    peak_mb: float

    def as_json(self) -> str:
        """The summary as a JSON document."""
        return json.dumps(asdict(self), indent=2) + "\n"


def summarise(database: Database, work: dict[str, Any], *, report: Path, seconds: float) -> Summary:
    """Count what the database holds now; `work` is what the pass itself reported (hashed, rows_changed, peak_mb)."""
    with database.frames() as frames:
        files = int(frames.scalar("SELECT count(*) FROM library.live_asset"))
        tried, read = frames.read(_STATE).row(0)
        return Summary(
            files=files,
            sidecars=int(
                frames.scalar("SELECT count(*) FROM library.sidecar JOIN library.source USING (source_id) WHERE active")
            ),
            skipped=_counts(frames.read(_SKIPPED)),
            hashed=int(work["hashed"]),
            unchanged=max(int(read) - int(work["hashed"]), 0),
            not_done=files - int(tried),
            rows_changed=int(work["rows_changed"]),
            errors=_counts(frames.read(_ERRORS)),
            duplicate_groups=_by(
                frames, "SELECT class, count(*) FROM duplicates.duplicate_group GROUP BY 1 ORDER BY 1"
            ),
            decisions=_by(frames, "SELECT verdict, count(*) FROM duplicates.decision GROUP BY 1 ORDER BY 1"),
            capture_groups=_by(
                frames, "SELECT kind, count(DISTINCT group_id) FROM captures.capture_member GROUP BY 1 ORDER BY 1"
            ),
            reclaimable_bytes=int(
                frames.scalar("SELECT coalesce(sum(reclaimable_bytes), 0)::bigint FROM duplicates.duplicate_group")
            ),
            report=str(report),
            seconds=round(seconds, 1),
            peak_mb=round(float(work["peak_mb"]), 1),
        )


def as_table(summary: Summary) -> str:
    """The summary as lines for a terminal."""
    rows = [
        ("photos and videos", f"{summary.files:,}"),
        ("sidecars", f"{summary.sidecars:,}"),
        ("hashed in this run", f"{summary.hashed:,}"),
        ("unchanged since the last", f"{summary.unchanged:,}"),
        ("not readable, or not a picture", _listed(summary.errors)),
        ("left out", _listed(summary.skipped)),
        ("duplicate groups", _listed(summary.duplicate_groups)),
        ("decided, capture by capture", _listed(_in_words(summary.decisions))),
        ("capture groups", _listed(summary.capture_groups)),
        ("space in second copies", byte_size(summary.reclaimable_bytes)),
        ("time", duration(summary.seconds)),
        ("most memory of a process", f"{summary.peak_mb:,.0f} MB"),
        ("report", summary.report),
    ]
    if summary.not_done:
        rows.insert(
            4, ("not done yet", f"{summary.not_done:,} (a batch failed, see above; the next run takes them up)")
        )
    if summary.hashed == 0 and summary.not_done == 0 and summary.rows_changed == 0:
        rows.insert(0, ("result", "nothing to do: 0 files hashed, 0 rows changed"))
    else:
        rows.insert(0, ("result", f"{summary.hashed:,} files hashed, {summary.rows_changed:,} rows changed"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def _in_words(decisions: dict[str, int]) -> dict[str, int]:
    titles = words()["verdicts"]
    return {titles.get(verdict, verdict).lower(): count for verdict, count in decisions.items()}


def _listed(counts: dict[str, int]) -> str:
    if not counts:
        return "0"
    parts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    return f"{sum(counts.values()):,} ({parts})"


def _counts(frame: pl.DataFrame) -> dict[str, int]:
    return {str(name): int(count) for name, count in frame.iter_rows()}


def _by(frames: Frames, query: str) -> dict[str, int]:
    return _counts(frames.read(query))

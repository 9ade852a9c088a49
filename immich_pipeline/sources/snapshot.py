"""Take a snapshot: scan a source, compare it with what is known, write what differs."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from immich_pipeline.progress import Progress
from immich_pipeline.sources.library import Folder
from immich_pipeline.sources.protocol import Scan, SourceError
from immich_pipeline.sources.reconcile import reconcile
from immich_pipeline.sources.returns import adopt_returned
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes, Frames
from immich_pipeline.store.library import FOLDER, SIDECAR, SKIPPED, known_assets, record_scan, write_assets

_SETTLE_SECONDS = 5.0
"""A file written to this lately may still be being copied: the library is looked at again soon."""


@dataclass(frozen=True)
class SnapshotOutcome:
    """What a snapshot found and wrote."""

    files: int
    sidecars: int
    added: int
    changed: int
    moved: int
    gone: int
    revived: int
    unchanged: int
    kept: int
    changes: Changes
    skipped: Mapping[str, int]
    seconds: float

    def counts(self) -> dict[str, int]:
        """The counts by what became of the files."""
        names = ("sidecars", "added", "changed", "moved", "gone", "revived", "unchanged", "kept")
        return {name: getattr(self, name) for name in names}

    def sentence(self) -> str:
        """The outcome in one line."""
        news = {name: count for name, count in self.counts().items() if count and name not in {"unchanged", "sidecars"}}
        said = ", ".join(f"{count:,} {name}" for name, count in news.items()) or "nothing changed"
        return f"{self.files:,} photos and videos, {self.sidecars:,} sidecars: {said}"


def take_snapshot(database: Database, folder: Folder, *, allow_empty: bool = False) -> SnapshotOutcome:
    """Scan a folder and bring its rows up to date, in one transaction; two snapshots never overlap.

    Raises:
        SourceError: the folder cannot be read, or is empty although it held photos (unless `allow_empty`).
    """
    began = time.monotonic()
    source = folder.source
    with database.lock(f"snapshot of {source.source_id}"):
        scan_began = time.time_ns()
        progress = Progress("scanning")
        scan = source.scan(progress.at)
        with database.frames() as frames:
            known = known_assets(frames, source.source_id)
            _refuse_emptied(known, scan, folder, allow_empty=allow_empty)
            found = reconcile(known, scan.files, source.source_id, scan.unreadable_folders)
            changes = write_assets(frames, found.rows, found.gone)
            changes += _write_surroundings(frames, source.source_id, scan)
            record_scan(
                frames, source.source_id, files=scan.files.height + found.kept, unsettled=_unsettled(scan, scan_began)
            )
            adopt_returned(frames)
    return SnapshotOutcome(
        files=scan.files.height + found.kept,
        sidecars=scan.sidecars.height,
        added=found.added.height,
        changed=found.changed.height,
        moved=found.moved.height,
        gone=len(found.gone),
        revived=found.revived.height,
        unchanged=found.unchanged + found.refreshed.height,
        kept=found.kept,
        changes=changes,
        skipped=Counter(scan.skipped["reason"].to_list()),
        seconds=time.monotonic() - began,
    )


def _refuse_emptied(known: pl.DataFrame, scan: Scan, folder: Folder, *, allow_empty: bool) -> None:
    """A disk that is not mounted leaves an empty folder behind: that is no reason to take every photo for gone."""
    before = known.filter(~pl.col("gone")).height
    if before and scan.files.is_empty() and not scan.unreadable_folders and not allow_empty:
        raise SourceError(
            f"the photo folder {folder.source.root} is empty, but held {before:,} photos and videos when it was last looked at: "
            "mount the disk that they are on, or set IMMICH_PIPELINE_ALLOW_EMPTY=true if they are really gone"
        )


def _unsettled(scan: Scan, scan_began: int) -> bool:
    """Whether anything was written during the scan or shortly before it; times in the future say nothing."""
    times = pl.concat([scan.files["mtime_ns"], scan.folders["mtime_ns"]])
    return bool(times.is_between(scan_began - int(_SETTLE_SECONDS * 1e9), time.time_ns()).any())


def _write_surroundings(frames: Frames, source_id: str, scan: Scan) -> Changes:
    """Write sidecars, folders and what was skipped; only the sidecars' changes count as changes of the library."""
    here = pl.lit(source_id).alias("source_id")
    scope: dict[str, object] = {"source_id": source_id}
    frames.replace(FOLDER, scan.folders.with_columns(here).select("source_id", "real_path", "mtime_ns"), scope=scope)
    frames.replace(SKIPPED, scan.skipped.unique().with_columns(here).select("source_id", "path", "reason"), scope=scope)
    media = frames.read(
        "SELECT real_path AS media_path, asset_id::text AS asset_id FROM library.asset WHERE source_id = $1::uuid AND gone_at IS NULL",
        source_id,
    )
    columns = ("source_id", "real_path", "path", "extension", "size", "mtime_ns", "asset_id", "rule")
    sidecars = scan.sidecars.join(media, on="media_path", how="left").with_columns(here).select(columns)
    return frames.replace(SIDECAR, sidecars, scope=scope)

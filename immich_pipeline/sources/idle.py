"""Is there anything to do at all? Asked before a whole pass is started for nothing."""

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.progress import Progress
from immich_pipeline.sources.immich.watch import server_news
from immich_pipeline.sources.library import Folder, Library
from immich_pipeline.sources.protocol import Scan
from immich_pipeline.sources.reconcile import reconcile
from immich_pipeline.sources.versions import cured_kinds, versions
from immich_pipeline.sources.watch import look_for_changes
from immich_pipeline.sources.whole_library import all_current
from immich_pipeline.store.batches import any_work
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import folder_times, known_assets, known_sidecars

_LOOK_SECONDS = 30.0


def nothing_to_do(database: Database, library: Library, settings: Settings) -> bool:
    """Whether a pass would find everything as the last one left it: every file, sidecar, hash, group and the report.

    Cheap questions come first, so that a library with news is scanned once only, by the pass itself: a new, renamed or deleted file
    shows in its folder's time. Only when no folder changed is every file looked at, for those that were overwritten in place.
    """
    with database.frames() as frames:
        if any_work(frames, versions(), cured=cured_kinds(settings)):
            return False
    if not all_current(database, settings):
        return False
    if library.folder and not _folder_unchanged(database, library.folder):
        return False
    return library.server is None or server_news(database, library.server) is None


def _folder_unchanged(database: Database, folder: Folder) -> bool:
    folders = folder_times(database)
    if folders.is_empty() or look_for_changes(folders, seconds=_LOOK_SECONDS).changed:
        return False
    return _as_it_was(database, folder, folder.source.scan(Progress("looking for changes").at))


def _as_it_was(database: Database, folder: Folder, scan: Scan) -> bool:
    source_id = folder.source.source_id
    with database.frames() as frames:
        known, sidecars = known_assets(frames, source_id), known_sidecars(frames, source_id)
    found = reconcile(known, scan.files, source_id, scan.unreadable_folders)
    same_files = found.rows.is_empty() and not found.gone and not found.kept
    return same_files and _sidecars(scan.sidecars).equals(_sidecars(sidecars))


def _sidecars(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("real_path", "size", "mtime_ns", "media_path", "rule").sort("real_path")

"""Which originals of a server's assets are read here, and whether what was read is what the server means."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import polars as pl

from immich_pipeline.immich.paths import Located, PathMap
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.media.measure import FileMeasurement, FileTask, failed_measurement
from immich_pipeline.media.reasons import CHECKSUM_MISMATCH, OUTSIDE_MAPPED_FOLDERS
from immich_pipeline.progress import logger


def split_mounted(tasks: pl.DataFrame, settings: ImmichSettings | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tasks whose originals are read here, and those that are measured by what the server has of them.

    A folder that is mapped but not mounted right now is empty or missing: its files are not gone for that.

    Args:
        tasks: as `batch_tasks` gives them.
        settings: of the server; None if there is none.
    """
    folder = pl.col("source_kind") == "folder"
    if settings is None:
        return tasks.filter(folder), tasks.filter(~folder)
    roots = tasks.filter(~folder & pl.col("root").is_not_null())["root"].unique()
    mounted = [root for root in roots if settings.originals != "never" and is_mounted(root)]
    for root in set(roots) - set(mounted):
        if settings.originals != "never":
            logger.warning("%s is empty or missing: its photos are not read whole in this run", os.fsdecode(root))
    here = folder | pl.col("root").is_in(mounted).fill_null(value=False)
    return tasks.filter(here), tasks.filter(~here)


def is_mounted(root: bytes) -> bool:
    """Whether a folder is there and holds anything."""
    try:
        with os.scandir(root) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


class Originals:
    """Opens the originals of a server's assets by their real places, and compares what was read with the server's records."""

    def __init__(self, settings: ImmichSettings | None, records: pl.DataFrame) -> None:
        """Take over the mapped folders and the records (`RECORD_SCHEMA`) of the assets that will be read."""
        self._paths = PathMap(settings.paths if settings else ())
        self._records = {row["asset_id"]: row for row in records.iter_rows(named=True)}
        self._resolved = lru_cache(maxsize=10_000)(self._resolve_folder)

    def task(self, asset_id: str, root: bytes, real_path: bytes, extension: str) -> FileTask | FileMeasurement:
        """The task for a file; links in a server's folders are followed as the server does, as long as they stay in mapped folders."""
        if asset_id not in self._records:
            return FileTask(asset_id, root, real_path, extension)
        if os.path.islink(os.path.join(root, real_path)):  # noqa: PTH114, PTH118 - bytes
            located = self._paths.resolved(Located(root, real_path))
        else:  # the folder is looked at once for all files in it
            folder, _, name = real_path.rpartition(b"/")
            place = self._resolved(root, folder)
            located = Located(place, name) if place else None
        if located is None:
            task = FileTask(asset_id, root, real_path, extension)
            return failed_measurement(task, "outside_mapped_folders", OUTSIDE_MAPPED_FOLDERS)
        return FileTask(asset_id, located.root, located.real_path, extension)

    def checked(self, found: FileMeasurement) -> FileMeasurement:
        """The measurement, or the reason why it is not one of the asset: other size, other bytes."""
        record = self._records.get(found.asset_id)
        if record is None or found.error_kind or found.size is None:
            return found
        if record["size"] is not None and found.size != record["size"]:
            return _refused(found, "not_as_recorded", _other_size(found.size, record))
        if record["checksum_algorithm"] == "sha1" and found.sha1 is not None and found.sha1 != record["checksum"]:
            return _refused(found, "checksum_mismatch", CHECKSUM_MISMATCH)
        return found

    def _resolve_folder(self, root: bytes, folder: bytes) -> bytes | None:
        """The real place of a folder (the mapped one itself included) if it is within the mapped folders."""
        probe = self._paths.resolved(Located(root, folder + b"/x" if folder else b"x"))
        if probe is None:
            return None
        whole = os.path.join(probe.root, probe.real_path)  # noqa: PTH118 - bytes
        return os.path.dirname(whole)  # noqa: PTH120 - bytes


def _refused(found: FileMeasurement, kind: Any, sentence: str) -> FileMeasurement:
    task = FileTask(found.asset_id, b"", b"", "")
    refused = failed_measurement(task, kind, sentence)
    return replace(refused, peak_rss_mb=found.peak_rss_mb, seconds=found.seconds)


def _other_size(size: int, record: Mapping[str, Any]) -> str:
    return f"the file has {size:,} bytes, Immich says {record['size']:,}: let Immich scan the library, or check the mapping under 'paths'"

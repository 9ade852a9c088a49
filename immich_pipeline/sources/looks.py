"""Pairs of pictures looked at: each picture decoded once, what was seen kept chunk by chunk."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.components import pictures_of
from immich_pipeline.dedup.looks import compare_looks
from immich_pipeline.dedup.schema import LOOK_SCHEMA
from immich_pipeline.media.looks import LookTask, PictureLook, failed_look
from immich_pipeline.media.measure import FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.media.reasons import MediaError
from immich_pipeline.progress import Progress, logger
from immich_pipeline.sources.immich.originals import Originals, split_mounted
from immich_pipeline.sources.immich.remote import open_pictures
from immich_pipeline.sources.ingest import reading_slot
from immich_pipeline.sources.pictures import Pictures
from immich_pipeline.sources.shelf import Shelf
from immich_pipeline.store.batches import TRANSIENT
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes, Frames
from immich_pipeline.store.immich import records_of
from immich_pipeline.store.looks import looks_of_version, picture_files, write_looks

LOOKS = "2"
"""Version of what is seen: raise it and every pair is looked at again."""

_CHUNK_PAIRS = 1000
_CHUNK_SECONDS = 10.0
_PICTURES_AT_ONCE = 500
_MAY_MOVE = ("gif", "webp", "apng", "avifs", "heics", "heifs")
_MOVES = MediaError("unsupported", "it may move, its original is not read here, and the server's preview stands still")
_UNKNOWN = MediaError("missing", "the picture is not in the library any more")


@dataclass
class Seen:
    """What came of looking.

    Attributes:
        pairs: compared, or known not to be comparable.
        pictures: decoded.
        postponed: pairs of which a picture could not be had for a reason that may pass; the next run tries them again.
        problems: how many pictures each reason, in words, kept from being looked at.
        changes: rows written.
        seconds: wall time.
    """

    pairs: int = 0
    pictures: int = 0
    postponed: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    changes: Changes = field(default_factory=Changes)
    seconds: float = 0.0


def known_looks(frames: Frames) -> pl.DataFrame:
    """What was seen so far by the code as it is now (`LOOK_SCHEMA`)."""
    return looks_of_version(frames, LOOKS)


def look_at_pairs(
    database: Database, settings: Settings, pairs: pl.DataFrame, progress: Progress | None = None
) -> Seen:
    """Look at the pictures of pairs and keep what was seen.

    A picture is decoded once, whatever the number of its pairs. Of a server's asset the server's preview is taken, and the original
    where there is none; where the pixels of two originals may be equal, and the original can be read here, it is taken first. What was
    seen is committed as it comes, so that an interrupted run goes on where it was.

    Args:
        database: the pipeline's; call this outside of any transaction.
        settings: where the server and the data folder are, how many workers.
        pairs: `PAIR_SCHEMA` of `dedup.looks`: what is not known yet.
        progress: told of each picture; by default one that says how far it is.
    """
    seen, began = Seen(), time.monotonic()
    if pairs.is_empty():
        return seen
    pictures = pictures_of(pairs)
    progress = progress or Progress("looking at pictures", pictures.height, "pictures")
    with reading_slot(database), Shelf(settings.home) as shelf:
        rows: list[dict[str, Any]] = []
        written = time.monotonic()
        beside = _Beside(pairs, shelf, seen)
        keys = dict(pictures.select("asset_id", "content").iter_rows())
        for part in _looked_at(database, settings, pictures):
            for look in part:
                rows += beside.place(keys[look.asset_id], look)
            progress.advance(len(part))
            if len(rows) >= _CHUNK_PAIRS or time.monotonic() - written >= _CHUNK_SECONDS:
                _keep(database, rows, seen)
                rows, written = [], time.monotonic()
        _keep(database, rows, seen)
    logger.info(progress.line())
    seen.seconds = time.monotonic() - began
    return seen


def _keep(database: Database, rows: list[dict[str, Any]], seen: Seen) -> None:
    with database.frames() as frames:
        seen.changes += write_looks(frames, pl.DataFrame(rows, schema=LOOK_SCHEMA), LOOKS)


class _Beside:
    """Compares a picture with those that are there already, and keeps it for those to come."""

    def __init__(self, pairs: pl.DataFrame, shelf: Shelf, seen: Seen) -> None:
        self._shelf, self._seen = shelf, seen
        self._partners: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for left, right in pairs.select("left_content", "right_content").iter_rows():
            self._partners[left].add(right)
            self._partners[right].add(left)

    def place(self, key: bytes, look: PictureLook) -> list[dict[str, Any]]:
        """The rows of `LOOK_SCHEMA` that this picture completes."""
        self._seen.pictures += look.problem is None
        if look.problem:
            self._seen.problems[look.problem] += 1
        rows = []
        for other in sorted(partner for partner in self._partners[key] if partner in self._shelf):
            row = self._compared(key, look, other, self._shelf.get(other))
            if row:
                rows.append(row)
            self._partners[key].discard(other)
            self._partners[other].discard(key)
            if not self._partners[other]:
                self._shelf.drop(other)
        if self._partners[key]:
            self._shelf.put(key, look)
        return rows

    def _compared(self, key: bytes, look: PictureLook, other: bytes, beside: PictureLook) -> dict[str, Any] | None:
        (left_key, left), (right_key, right) = sorted([(key, look), (other, beside)], key=lambda side: side[0])
        if left.problem_kind in TRANSIENT or right.problem_kind in TRANSIENT:
            self._seen.postponed += 1
            return None
        self._seen.pairs += 1
        row: dict[str, Any] = dict.fromkeys(LOOK_SCHEMA) | {"left_content": left_key, "right_content": right_key}
        problem = left.problem or right.problem
        if problem:
            return row | {"problem": problem}
        same = left.pixels == right.pixels if left.pixels and right.pixels else None
        return row | compare_looks(left, right)._asdict() | {"same_pixels": same}


# ------------------------------------------------------------------------------------------------- where pictures come from


def _looked_at(database: Database, settings: Settings, pictures: pl.DataFrame) -> Iterator[list[PictureLook]]:
    """A look at each picture, or its problem; in any order, about that of `pictures`."""
    with database.frames() as frames:
        files = picture_files(frames, pictures["asset_id"].to_list())
        records = records_of(frames, files.filter(pl.col("source_kind") != "folder")["asset_id"].to_list())
    planned = _planned(pictures, files, settings)
    yield [_no_look(asset_id, _UNKNOWN) for asset_id in planned.filter(pl.col("first").is_null())["asset_id"]]
    options = MeasureOptions(worker_memory_mb=settings.worker_memory_mb, formats_extra=settings.formats)
    second = dict(planned.drop_nulls("second").select("asset_id", "second").iter_rows())
    failed: set[str] = set()
    with ExitStack() as stack:
        opened: Pictures | None = None
        if "preview" in set(planned["first"]) | set(planned["second"]):
            opened = stack.enter_context(open_pictures(settings))
        pool = stack.enter_context(
            MeasurePool(options, workers=settings.workers, file_timeout=settings.file_timeout_seconds)
        )
        tasks = _Tasks(opened, Originals(settings.immich, records), records)
        for part in tasks.looks(pool, planned.drop_nulls("first").with_columns(place="first")):
            again = {look.asset_id for look in part if look.problem and look.asset_id in second}
            failed |= again
            yield [look for look in part if look.asset_id not in again]
        yield from tasks.looks(pool, planned.filter(pl.col("asset_id").is_in(failed)).with_columns(place="second"))


def _planned(pictures: pl.DataFrame, files: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Where each picture is looked for `first`, and where in `second` place: "original" or "preview"; null: nowhere."""
    here, _ = split_mounted(files, settings.immich)
    known = pictures.join(files, on="asset_id", how="left", maintain_order="left").with_columns(
        readable=pl.col("asset_id").is_in(here["asset_id"].to_list())
    )
    folder = pl.col("source_kind") == "folder"
    moves = pl.col("extension").is_in(_MAY_MOVE)
    original, preview = pl.lit("original"), pl.lit("preview")
    needs_original = pl.col("readable") & (pl.col("whole") | moves)
    return known.with_columns(
        first=pl.when(pl.col("source_kind").is_null())
        .then(None)
        .when(folder | needs_original)
        .then(original)
        .otherwise(preview),
        second=pl.when(folder | pl.col("source_kind").is_null() | ~pl.col("readable"))
        .then(None)
        .when(needs_original)
        .then(preview)
        .otherwise(original),
        moves=moves,
    )


class _Tasks:
    """Makes tasks of planned pictures, fetching previews a little before they are needed."""

    def __init__(self, pictures: Pictures | None, originals: Originals, records: pl.DataFrame) -> None:
        self._pictures, self._originals, self._records = pictures, originals, records
        self._refused: list[PictureLook] = []

    def looks(self, pool: MeasurePool, planned: pl.DataFrame) -> Iterator[list[PictureLook]]:
        """A look for each row; column `place` says where."""
        if planned.is_empty():
            return
        for part in pool.looks(self._tasks(planned)):
            yield part + self._refused
            self._refused.clear()
        if self._refused:
            yield list(self._refused)
            self._refused.clear()

    def _tasks(self, planned: pl.DataFrame) -> Iterator[LookTask]:
        for part in planned.iter_slices(_PICTURES_AT_ONCE):
            yield from self._of_originals(part.filter(pl.col("place") == "original"))
            yield from self._of_previews(part.filter(pl.col("place") == "preview"))

    def _of_originals(self, part: pl.DataFrame) -> Iterator[LookTask]:
        for row in part.iter_rows(named=True):
            task = self._originals.task(row["asset_id"], row["root"], row["real_path"], row["extension"])
            if not isinstance(task, FileTask):
                self._refused.append(
                    _no_look(row["asset_id"], MediaError(task.error_kind or "missing", str(task.error)))
                )
                continue
            of_folder = row["source_kind"] == "folder"
            yield LookTask(
                task.asset_id,
                task.root,
                task.real_path,
                task.extension,
                whole=row["whole"],
                size=row["size"] or None,
                mtime_ns=row["mtime_ns"] if of_folder else None,
            )

    def _of_previews(self, part: pl.DataFrame) -> Iterator[LookTask]:
        moving = part.filter("moves")["asset_id"].to_list()
        self._refused += [_no_look(asset_id, _MOVES) for asset_id in moving]
        still = part.filter(~pl.col("moves")).select("asset_id")
        if self._pictures is None or still.is_empty():
            return
        for found in self._pictures.fetch(still.join(self._records, on="asset_id", maintain_order="left")):
            if found.path is None:
                problem = MediaError(found.problem_kind or "missing", found.problem or "")
                self._refused.append(_no_look(found.asset_id, problem))
            else:
                folder, name = bytes(found.path.parent), found.path.name.encode()
                yield LookTask(found.asset_id, folder, name, "")


def _no_look(asset_id: str, problem: MediaError) -> PictureLook:
    return failed_look(FileTask(asset_id, b"", b"", ""), problem.kind, problem.sentence)

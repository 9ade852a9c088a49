"""Everything the pipeline wants to know of one file, from one open of it.

`measure_file` runs in the worker processes. It raises nothing on account of a file: whatever is wrong with the file
becomes a reason in the result.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from immich_pipeline.media.decode import Picture, decode_gray, decoding
from immich_pipeline.media.exif import read_metadata
from immich_pipeline.media.formats import HEAD_BYTES, Detected, Format, FormatTable, detect
from immich_pipeline.media.hashing import Digests, digests_of
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.opening import open_regular, reading_error
from immich_pipeline.media.phash import perceptual_hashes
from immich_pipeline.media.preview import decode_raw
from immich_pipeline.media.reasons import OUT_OF_MEMORY, ErrorKind, MediaError

# Up to here a file is read once, into memory; a larger one is read through for its hash, then again where its
# metadata and picture are.
IN_MEMORY_BYTES = 64 << 20
DEFAULT_WORKER_MEMORY_MB = 900


@dataclass(frozen=True, slots=True)
class FileTask:
    """One file to measure.

    Attributes:
        asset_id: handed back with the result.
        root: the source's folder, as os.fsencode gives it.
        real_path: the file's path relative to the root, bytes as the file system has them.
        extension: lower case, no dot, "" if none.
    """

    asset_id: str
    root: bytes
    real_path: bytes
    extension: str


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """What to measure, and within which bounds.

    Attributes:
        worker_memory_mb: memory one worker process may add to what it has at its start, in MB.
        formats_extra: a file that extends the format table.
        hash: compute SHA-256 and SHA-1.
        metadata: read EXIF.
        pictures: compute the perceptual hashes.
    """

    worker_memory_mb: int = DEFAULT_WORKER_MEMORY_MB
    formats_extra: Path | None = None
    hash: bool = True
    metadata: bool = True
    pictures: bool = True


@dataclass(frozen=True, slots=True)
class FileMeasurement:
    """What was found out about one file. A part that was not asked for, or failed, is None.

    Attributes:
        asset_id: of the task.
        size: bytes, of the file that was read.
        mtime_ns: modification time of the file that was read.
        inode: of the file that was read.
        sha256: 32 bytes.
        sha1: 20 bytes.
        format: detected format's name, e.g. "jpeg".
        format_mismatch: a sentence when name and content disagree.
        metadata: EXIF.
        phash: 64-bit perceptual hash as a signed integer.
        phash256: 256-bit perceptual hash, 32 bytes.
        set_bits: set bits of the 64-bit hash.
        usable: the perceptual hashes may be compared with others'.
        width: of the upright full picture, pixels.
        height: of the upright full picture, pixels.
        computed_from: "picture", "scaled decode" or "embedded preview".
        error_kind: why the file could not be read (then everything else is None).
        error: the same as a sentence.
        picture_error_kind: why there is no usable perceptual hash.
        picture_error: the same as a sentence.
        peak_rss_mb: highest resident memory of the process so far.
        seconds: wall time of this file.
    """

    asset_id: str
    size: int | None = None
    mtime_ns: int | None = None
    inode: int | None = None
    sha256: bytes | None = None
    sha1: bytes | None = None
    format: str | None = None
    format_mismatch: str | None = None
    metadata: PhotoMetadata | None = None
    phash: int | None = None
    phash256: bytes | None = None
    set_bits: int | None = None
    usable: bool = False
    width: int | None = None
    height: int | None = None
    computed_from: str | None = None
    error_kind: ErrorKind | None = None
    error: str | None = None
    picture_error_kind: ErrorKind | None = None
    picture_error: str | None = None
    peak_rss_mb: float = 0.0
    seconds: float = 0.0


def failed_measurement(task: FileTask, kind: ErrorKind, sentence: str) -> FileMeasurement:
    """The result for a file of which nothing could be read: both the file and its picture have the reason."""
    return FileMeasurement(
        task.asset_id, error_kind=kind, error=sentence, picture_error_kind=kind, picture_error=sentence
    )


@cache
def format_table(extra: Path | None) -> FormatTable:
    """The format table, read once per process."""
    return FormatTable.load(extra)


def measure_file(task: FileTask, options: MeasureOptions) -> FileMeasurement:
    """Measure one file: status, content hash, format, metadata and perceptual hashes, from one open of it.

    Args:
        task: the file.
        options: what to measure.

    Returns:
        The measurement; whatever is wrong with the file is a reason in it.
    """
    started = time.perf_counter()
    try:
        with open_regular(os.path.join(task.root, task.real_path)) as (fh, status):  # noqa: PTH118 - bytes
            measurement = _measure_open(task, options, fh, status)
    except MediaError as error:
        measurement = failed_measurement(task, error.kind, error.sentence)
    except OSError as error:
        reason = reading_error(error)
        measurement = failed_measurement(task, reason.kind, reason.sentence)
    except MemoryError:
        measurement = failed_measurement(task, "out_of_memory", OUT_OF_MEMORY)
    return replace(measurement, peak_rss_mb=peak_rss_mb(), seconds=time.perf_counter() - started)


def _measure_open(task: FileTask, options: MeasureOptions, fh: BinaryIO, status: os.stat_result) -> FileMeasurement:
    if status.st_size == 0:
        raise MediaError("empty", "the file is empty (0 bytes)")
    digests, source = _read(fh, status.st_size, options.hash)
    source.seek(0)
    detected = detect(source.read(HEAD_BYTES), task.extension, format_table(options.formats_extra))
    measurement = FileMeasurement(
        task.asset_id,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        sha256=digests.sha256 if digests else None,
        sha1=digests.sha1 if digests else None,
        format=detected.format.name if detected.format else None,
        format_mismatch=detected.mismatch,
    )
    if options.metadata or options.pictures:
        measurement = _look_inside(measurement, detected, source, options)
    after = os.fstat(fh.fileno())
    if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise MediaError(
            "changed_while_reading", "the file was written to while it was read; the next run will read it again"
        )
    return measurement


def _read(fh: BinaryIO, size: int, wanted: bool) -> tuple[Digests | None, BinaryIO]:
    """The content hashes if wanted, and something to read the content from again: memory, unless the file is large."""
    if size > IN_MEMORY_BYTES:
        return (digests_of(fh) if wanted else None), fh
    content = fh.read()
    return (digests_of(io.BytesIO(content)) if wanted else None), io.BytesIO(content)


def _look_inside(
    measurement: FileMeasurement, detected: Detected, source: BinaryIO, options: MeasureOptions
) -> FileMeasurement:
    fmt = detected.format
    if fmt is None:
        reason = undetected(detected)
        return replace(measurement, picture_error_kind=reason.kind, picture_error=reason.sentence)
    metadata = _metadata(source, fmt) if options.metadata or fmt.kind == "raw" else None
    if options.pictures and fmt.kind in ("image", "raw"):
        measurement = _hash_picture(measurement, source, fmt, metadata, options)
    return replace(measurement, metadata=metadata) if options.metadata else measurement


def undetected(detected: Detected) -> MediaError:
    """The reason for a file whose content is none of the known formats."""
    return MediaError("wrong_content", detected.mismatch or "the content is none of the known formats")


def _metadata(source: BinaryIO, fmt: Format) -> PhotoMetadata:
    source.seek(0)
    try:
        return read_metadata(source, fmt)
    except MemoryError:
        return PhotoMetadata(error=OUT_OF_MEMORY)
    except Exception:  # noqa: BLE001 - the file is a stranger's; nothing in it may end the measuring of others
        return PhotoMetadata(error="the metadata is damaged and cannot be read")


def _hash_picture(
    measurement: FileMeasurement, source: BinaryIO, fmt: Format, metadata: PhotoMetadata | None, options: MeasureOptions
) -> FileMeasurement:
    hashes = None
    try:
        with decoding():
            if fmt.kind == "raw":
                orientation = metadata.orientation if metadata else None
                picture = decode_raw(source, orientation, options.worker_memory_mb)
            else:
                picture = decode_gray(source, fmt, options.worker_memory_mb)
            hashes = perceptual_hashes(picture.gray) if picture.gray else None
    except MediaError as error:
        picture = Picture(None, None, None, None, error)
    problem = picture.problem
    return replace(
        measurement,
        phash=hashes.phash if hashes else None,
        phash256=hashes.phash256 if hashes else None,
        set_bits=hashes.set_bits if hashes else None,
        usable=hashes is not None and hashes.ordinary and problem is None,
        width=picture.width,
        height=picture.height,
        computed_from=picture.computed_from,
        picture_error_kind=problem.kind if problem else None,
        picture_error=problem.sentence if problem else None,
    )


def peak_rss_mb() -> float:
    """Highest resident memory this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6

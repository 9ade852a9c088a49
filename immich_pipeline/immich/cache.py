"""Pictures that were downloaded once, kept on disk up to a size."""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from immich_pipeline.errors import UserError
from immich_pipeline.progress import byte_size

EVICT_DOWN_TO = 0.9
LEFTOVER_SECONDS = 3600.0

_KEY = re.compile(r"[0-9a-f]{32,128}")
_SHARDS = tuple(f"{number:02x}" for number in range(256))
_INCOMING = "incoming"
_TOTAL = "total"
_DIGITS = 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CacheError(UserError):
    """The cache of pictures cannot be used; the message says what to do."""


class TooLargeForCacheError(CacheError):
    """One picture alone exceeds the limit."""


def picture_key(
    *,
    checksum: bytes,
    algorithm: str,
    size: int | None,
    file_modified_at: datetime | None,
    thumbhash: bytes | None,
    is_edited: bool,
    updated_at: datetime | None = None,
    picture: Literal["preview", "thumbnail"] = "preview",
) -> str:
    """The name of an asset's picture in the cache: it changes when the picture does.

    A file with a checksum of its bytes ("sha1") is named by that; the same upload of two users is kept once. Where the checksum is of the
    path ("sha1-path"), size and modification time tell one content from the next. The thumbhash changes when the server makes the picture
    anew from something else. It is too coarse to tell two edits of one photo apart, so for edited assets the record's own time counts too.

    Args:
        checksum: of the record, 20 bytes.
        algorithm: "sha1" or "sha1-path".
        size: of the file, bytes.
        file_modified_at: of the file.
        thumbhash: of the record.
        is_edited: of the record.
        updated_at: of the record.
        picture: which of the asset's pictures.

    Returns:
        64 hex digits.
    """
    parts: list[object] = [picture, algorithm, checksum.hex(), thumbhash.hex() if thumbhash else "", bool(is_edited)]
    if algorithm != "sha1":
        parts += [size, file_modified_at.timestamp() if file_modified_at else None]
    if is_edited:
        parts.append(updated_at.timestamp() if updated_at else None)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


class PictureCache:
    """Files by key, the least recently used ones dropped when all of them together exceed a limit.

    Any number of processes and threads may use the same folder. A file appears under its key whole or not at all, whatever happens to
    the process that writes it; what a killed process left behind is removed after an hour. The files' modification times say when they
    were used last. How many bytes there are is kept in one small file, under a lock; only when that exceeds the limit is the folder
    looked through. The number never falls behind what is on disk when a process is killed, and looking through the folder puts it right.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Open the cache, or begin one.

        Args:
            folder: made if it is not there; nothing else may be kept in it.
            limit_bytes: how much the files may hold together.

        Raises:
            CacheError: the folder cannot be made or written to.
        """
        self.folder, self.limit_bytes = folder, limit_bytes
        with self._speaking():
            (folder / _INCOMING).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_leftovers()

    def get(self, key: str) -> Path | None:
        """The file of a key, marked as used now.

        Another process may drop the file before it is opened; one that is open stays readable.

        Returns:
            None when there is none.

        Raises:
            CacheError: the folder cannot be read.
        """
        path = self._path(key)
        now = time.time_ns()
        with self._speaking():
            try:
                os.utime(path, ns=(now, now))
            except (FileNotFoundError, NotADirectoryError):
                return None
        return path

    def put(self, key: str, data: bytes) -> Path:
        """Keep a picture, in place of the one that the key had, and drop others when the limit is exceeded.

        Returns:
            Its file, readable by this user alone.

        Raises:
            TooLargeForCacheError: the picture alone exceeds the limit.
            CacheError: the disk is full, or cannot be written to.
        """
        path = self._path(key)
        if len(data) > self.limit_bytes:
            raise TooLargeForCacheError(
                f"a picture of {byte_size(len(data))} does not fit into the cache of pictures ({byte_size(self.limit_bytes)}): "
                f"raise cache_mb"
            )
        with self._speaking():
            incoming = self._write(data)
            try:
                total = self._file(incoming, path, len(data))
            except BaseException:
                incoming.unlink(missing_ok=True)
                raise
            if total > self.limit_bytes:
                self._evict(keep=path)
        return path

    def total_bytes(self) -> int:
        """How many bytes the files hold together, as far as known."""
        with self._speaking(), self._locked() as total:
            return self._known(total)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a digest in lower-case hex digits")
        return self.folder / key[:2] / key

    def _write(self, data: bytes) -> Path:
        """A new file outside the shards, on disk when this returns."""
        path = self.folder / _INCOMING / secrets.token_hex(16)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have emptied the cache by hand
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as fh:
                fh.write(data)
                fh.flush()
                os.fsync(fh.fileno())  # else a power cut could leave the name without the content
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _file(self, incoming: Path, path: Path, size: int) -> int:
        """Give the new file its name; returns the bytes of all files."""
        now = time.time_ns()
        os.utime(incoming, ns=(now, now))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with self._locked() as total:
            before = path.stat().st_size if path.exists() else 0
            known = self._known(total)
            _store(total, known + size)  # first: killed in between, the number is too large rather than too small
            incoming.replace(path)
            if before:
                _store(total, known + size - before)
            return known + size - before

    def _evict(self, keep: Path) -> None:
        """Drop the least recently used files until a tenth of the limit is free again."""
        self._remove_leftovers()
        with self._locked() as total:
            if self._known(total) <= self.limit_bytes:  # another process was faster
                return
            used, sizes = self._uses()
            held = sum(sizes)
            if held > self.limit_bytes:
                target = int(self.limit_bytes * EVICT_DOWN_TO)
                held = self._drop(_oldest_until(used, sizes, held - target), held, target, keep)
            _store(total, held)

    def _drop(self, last_ns: int, held: int, target: int, keep: Path) -> int:
        """Remove files that were last used until then, to the target at most; returns the bytes that are left."""
        for entry in self._entries():
            if held <= target:
                break
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)  # again: it may have been used meanwhile
                if status.st_mtime_ns <= last_ns and entry.name != keep.name:
                    os.unlink(entry.path)  # noqa: PTH108 - an entry, not a Path
                    held -= status.st_size
        return held

    def _uses(self) -> tuple["array[int]", "array[int]"]:
        """When each file was used last, nanoseconds, and its size in bytes; 16 bytes of memory per file."""
        used, sizes = array("q"), array("q")
        for entry in self._entries():
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                used.append(status.st_mtime_ns)
                sizes.append(status.st_size)
        return used, sizes

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        for shard in _SHARDS:
            with suppress(FileNotFoundError), os.scandir(self.folder / shard) as entries:
                yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))

    def _remove_leftovers(self) -> None:
        """Remove what processes left behind that were killed while they wrote."""
        oldest = time.time() - LEFTOVER_SECONDS
        with os.scandir(self.folder / _INCOMING) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.path)  # noqa: PTH108 - an entry, not a Path

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file that holds the total, locked against every other thread and process; opened anew each time, so that this is so."""
        descriptor = os.open(self.folder / _TOTAL, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _known(self, total: int) -> int:
        """The total on record; counted when there is none that can be read."""
        text = os.pread(total, _DIGITS + 1, 0)
        if len(text) == _DIGITS and text.isdigit():
            return int(text)
        return sum(self._uses()[1])

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn what the operating system says into what the user can do."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                remedy = "free some space there, or set a smaller cache_mb"
                raise CacheError(f"the disk of the cache of pictures, {self.folder}, is full: {remedy}") from error
            reason = (error.strerror or str(error)).lower()
            raise CacheError(
                f"the cache of pictures, {self.folder}, cannot be used ({reason}): give this user the right to write there"
            ) from error


def _oldest_until(used: "array[int]", sizes: "array[int]", to_free: int) -> int:
    """The time of last use up to which files have to go to free so many bytes."""
    files = pl.DataFrame({"used": used, "size": sizes}, schema={"used": pl.Int64, "size": pl.Int64}).sort("used")
    enough = files.filter(pl.col("size").cum_sum() >= to_free)
    return int(enough["used"][0])


def _store(total: int, count: int) -> None:
    os.pwrite(total, f"{max(count, 0):0{_DIGITS}}".encode(), 0)

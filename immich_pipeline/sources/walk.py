"""Walk a folder tree by its bytes: one stat per file, no link followed, no failure fatal."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from immich_pipeline.sources.ignore import IgnoreTable

_PROGRESS_EVERY = 1000
_INT64 = 1 << 63


@dataclass
class FileColumns:
    """Regular files, column by column: a row per file would cost more than looking at it."""

    real_path: list[bytes] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    mtime_ns: list[int] = field(default_factory=list)
    inode: list[int] = field(default_factory=list)
    device: list[int] = field(default_factory=list)

    def add(self, real_path: bytes, stat: os.stat_result) -> None:
        """Keep one file, with numbers that fit a signed 64-bit column."""
        self.real_path.append(real_path)
        self.size.append(stat.st_size)
        self.mtime_ns.append(min(max(stat.st_mtime_ns, -_INT64), _INT64 - 1))
        self.inode.append(_signed(stat.st_ino))
        self.device.append(_signed(stat.st_dev))


@dataclass
class Walked:
    """Everything a walk came by; paths are relative to the root, in the order in which they were met."""

    files: FileColumns = field(default_factory=FileColumns)
    folders: list[tuple[bytes, int]] = field(default_factory=list)
    skipped: list[tuple[bytes, str]] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)


def walk(root: bytes, ignore: IgnoreTable, progress: Callable[[int], None] | None = None) -> Walked:
    """Look at every file and folder below `root`.

    A folder or file that cannot be looked at becomes a skipped row and an unreadable path. A file that disappears meanwhile is not
    there; a folder that does counts as unreadable, since it may have been renamed into a part that was read before.
    """
    found = Walked()
    real_root = os.path.realpath(root)
    pending = [b""]
    reported = 0
    while pending:
        folder = pending.pop()
        try:
            pending += _read_folder(root, real_root, folder, ignore, found)
        except OSError as error:
            found.skipped.append((folder, f"folder could not be read ({_why(error)})"))
            found.unreadable.append(folder)
        if progress and len(found.files.real_path) - reported >= _PROGRESS_EVERY:
            reported = len(found.files.real_path)
            progress(reported)
    if progress:
        progress(len(found.files.real_path))
    return found


def _read_folder(root: bytes, real_root: bytes, folder: bytes, ignore: IgnoreTable, found: Walked) -> list[bytes]:
    """Sort one folder's entries into `found`; returns the folders below it."""
    below: list[bytes] = []
    place = os.path.join(root, folder)  # noqa: PTH118 - bytes: pathlib cannot hold every name
    prefix = folder + b"/" if folder else b""
    # Before reading: what is added while the folder is read makes the time differ at the next look.
    mtime_ns = os.stat(place).st_mtime_ns  # noqa: PTH116 - bytes
    with os.scandir(place) as entries:
        for entry in entries:
            path = prefix + entry.name
            try:
                if entry.is_symlink():
                    found.skipped.append((path, _about_link(entry.path, real_root)))
                elif entry.is_dir(follow_symlinks=False):
                    below += _enter(path, ignore.reason(entry.name, "folder"), found)
                else:
                    _look_at(path, entry, ignore.reason(entry.name, "file"), found)
            except FileNotFoundError:
                continue
            except OSError as error:
                found.skipped.append((path, f"file could not be looked at ({_why(error)})"))
                found.unreadable.append(path)
    found.folders.append((folder, min(max(mtime_ns, -_INT64), _INT64 - 1)))
    return below


def _enter(path: bytes, reason: str | None, found: Walked) -> list[bytes]:
    """The folder, if it is to be read."""
    if reason is None:
        return [path]
    found.skipped.append((path, reason))
    return []


def _look_at(path: bytes, entry: os.DirEntry[bytes], reason: str | None, found: Walked) -> None:
    """Keep a file, or say why not."""
    if reason is None and entry.is_file(follow_symlinks=False):
        found.files.add(path, entry.stat(follow_symlinks=False))
    else:
        found.skipped.append((path, reason or "not a regular file (a pipe, a socket or a device)"))


def _about_link(path: bytes, real_root: bytes) -> str:
    """Why a symbolic link is left out: what it leads to is either looked at where it lies, or none of ours."""
    if not os.path.exists(path):  # noqa: PTH110 - bytes
        return "symbolic link that leads nowhere"
    target = os.path.realpath(path)
    if os.path.commonpath((target, real_root)) == real_root:
        return "symbolic link within the library (what it leads to is looked at in its own place)"
    return "symbolic link that leads out of the library"


def _signed(number: int) -> int:
    """The same 64 bits as a signed number, which is what databases hold."""
    return number - (1 << 64) if number >= _INT64 else number


def _why(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()

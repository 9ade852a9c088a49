"""Files and folders below a root, reached component by component, so that no link on the way leads anywhere else.

Names are bytes, as the file system has them. Whatever goes wrong is an `OSError` of the operating system.
"""

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import Any, BinaryIO

from immich_pipeline.errors import UserError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RENAME_NOREPLACE = 1  # linux/fs.h
_CANNOT_TELL = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
_CAN_DROP = hasattr(os, "posix_fadvise")
_LINK_ON_THE_WAY = frozenset({errno.ELOOP, errno.ENOTDIR})
_libc: Any = ctypes.CDLL(None, use_errno=True)


def components(path: bytes) -> tuple[bytes, ...]:
    """The parts of a path that stays below its root.

    Raises:
        UserError: it is empty or absolute, has an empty part, `.` or `..`, or what no file name can hold.
    """
    parts = tuple(path.split(b"/"))
    if b"\0" in path or any(part in {b"", b".", b".."} for part in parts):
        raise UserError(f"{readable(path)} is no path below a folder")
    return parts


def readable(path: bytes) -> str:
    """A path for a person: on one line, whatever is in it."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


@contextmanager
def open_folder(root: bytes, below: Sequence[bytes], *, create: bool = False, mode: int = 0o700) -> Iterator[int]:
    """A descriptor of a folder below `root`, which itself may be reached by a link.

    Args:
        root: absolute.
        below: the names of the folders on the way.
        create: make those that are not there.
        mode: of those that are made.

    Raises:
        OSError: there is none; ENOTDIR or ELOOP: something on the way is a link or a file.
    """
    here = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for name in below:
            if create:
                _make_folder(here, name, mode)
            further = os.open(name, _FOLDER, dir_fd=here)
            here, former = further, here
            os.close(former)
        yield here
    finally:
        os.close(here)


def make_top_folder(path: bytes, mode: int = 0o700) -> None:
    """Make a folder, and those above it that are not there; one that is there stays as it is.

    Folders above may be closed to this user: only what can be opened is seen to be on the disk.
    """
    try:
        os.mkdir(path, mode)  # noqa: PTH102 - bytes
    except FileExistsError:
        return
    except FileNotFoundError:
        make_top_folder(os.path.dirname(path), mode)  # noqa: PTH120 - bytes
        make_top_folder(path, mode)
        return
    with suppress(PermissionError), open_folder(os.path.dirname(path), ()) as parent:  # noqa: PTH120 - bytes
        os.fsync(parent)


def _make_folder(parent: int, name: bytes, mode: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
        os.fsync(parent)


def is_link_on_the_way(error: OSError) -> bool:
    """Whether a folder could not be opened since it is a link, or no folder at all."""
    return error.errno in _LINK_ON_THE_WAY


def status_of(folder: int, name: bytes) -> os.stat_result | None:
    """What lies at a name, links not followed; None: nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextmanager
def open_file(folder: int, name: bytes) -> Iterator[BufferedReader]:
    """A regular file of a folder, for reading.

    Raises:
        OSError: there is none; EINVAL: it is not a regular file.
    """
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


@contextmanager
def new_file(folder: int, name: bytes, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file that was not there before, for writing; on the disk when the block is left without an error."""
    with os.fdopen(os.open(name, _NEW_FILE, mode, dir_fd=folder), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def read_anew(file: BinaryIO) -> None:
    """Go back to the beginning, and have the disk read where the system lets us say so, not what it remembers."""
    file.seek(0)
    if _CAN_DROP:
        with suppress(OSError):  # some file systems remember nothing
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sha256_of(file: BufferedReader) -> bytes:
    """SHA-256 of a whole file, read anew."""
    read_anew(file)
    return hashlib.file_digest(file, "sha256").digest()


def move(from_folder: int, name: bytes, to_folder: int, new_name: bytes) -> None:
    """Rename within one file system, never over something that is there.

    Where the file system cannot promise the latter, it is looked at just before.

    Raises:
        FileExistsError: something has the new name.
        OSError: EXDEV: it is another file system.
    """
    problem = _rename_exclusively(from_folder, name, to_folder, new_name)
    if problem == 0:
        return
    if problem not in _CANNOT_TELL:
        raise OSError(problem, os.strerror(problem), os.fsdecode(name))
    if status_of(to_folder, new_name) is not None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(new_name))
    os.rename(name, new_name, src_dir_fd=from_folder, dst_dir_fd=to_folder)


def _rename_exclusively(from_folder: int, name: bytes, to_folder: int, new_name: bytes) -> int:
    """The number of the error, 0 for none."""
    rename = getattr(_libc, "renameat2", None)
    if rename is None:
        return errno.ENOSYS
    return 0 if rename(from_folder, name, to_folder, new_name, _RENAME_NOREPLACE) == 0 else ctypes.get_errno()


def remove_empty(root: bytes, below: Sequence[bytes], *, keep: int) -> None:
    """Remove a folder, and those above it, as far as they are empty; the first `keep` ones stay."""
    for length in range(len(below), keep, -1):
        try:
            with open_folder(root, below[: length - 1]) as parent:
                os.rmdir(below[length - 1], dir_fd=parent)
        except FileNotFoundError:
            continue
        except OSError:
            return

"""Files opened so that nothing in a library can hurt the one who opens them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from immich_pipeline.media.reasons import OUT_OF_MEMORY, MediaError

# Without blocking: opening a named pipe would wait for a writer. Without following a link: it may lead out of the
# library.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


@contextmanager
def open_regular(path: bytes) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file for reading.

    Args:
        path: as the file system has it.

    Yields:
        The open file and its status at the time of opening.

    Raises:
        MediaError: there is no such file, or it may not be read, or it is none.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise reading_error(error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError("not_a_file", f"this is {_what(status.st_mode)}, not a file")
        with os.fdopen(descriptor, "rb", closefd=False) as fh:
            yield fh, status
    finally:
        os.close(descriptor)


def reading_error(error: OSError) -> MediaError:
    """The reason for an error of the operating system."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return MediaError("missing", "the file is not there any more")
        case errno.EACCES | errno.EPERM:
            return MediaError("unreadable", "permission denied: the file may not be read by this user")
        case errno.ELOOP:
            return MediaError("not_a_file", "this is a link, not a file")
        case errno.ENXIO:
            return MediaError("not_a_file", "this is a socket or a device, not a file")
        case errno.ENOMEM:
            return MediaError("out_of_memory", OUT_OF_MEMORY)
    return MediaError("io_error", f"reading failed: {os.strerror(error.errno) if error.errno else error}")


def _what(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(mode) else "a device"

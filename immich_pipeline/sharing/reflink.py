"""Two files that share their bytes on the disk until one of them is written to."""

import os
from contextlib import suppress
from fcntl import ioctl

_FICLONE = 0x40049409  # linux/fs.h


def reflink(source: str, target: str) -> bool:
    """Make `target`, which must not be there, share the bytes of `source`; False where the file systems cannot (nothing is left then)."""
    with open(source, "rb") as existing, open(target, "xb") as made:
        try:
            ioctl(made.fileno(), _FICLONE, existing.fileno())
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(target)
            return False
    return True

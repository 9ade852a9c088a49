"""The content hash of a file."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

# Larger blocks gain nothing; smaller ones cost system calls (measured from 64 KiB to 8 MiB).
BLOCK_BYTES = 1 << 20


def sha256_of(fh: BinaryIO, block_bytes: int = BLOCK_BYTES) -> bytes:
    """SHA-256 of everything from the current position to the end.

    Args:
        fh: an open binary file; its position afterwards is the end.
        block_bytes: size of one read; the memory used.

    Returns:
        The 32-byte digest.

    Raises:
        OSError: the file could not be read.
    """
    digest = hashlib.sha256()
    block = memoryview(bytearray(block_bytes))
    while count := fh.readinto(block):  # type: ignore[attr-defined]
        digest.update(block[:count])
    return digest.digest()

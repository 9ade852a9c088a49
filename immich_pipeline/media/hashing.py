"""The content hashes of a file."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, NamedTuple

# Larger blocks gain nothing; smaller ones cost system calls (measured from 64 KiB to 8 MiB).
BLOCK_BYTES = 1 << 20


class Digests(NamedTuple):
    """What identifies a content: SHA-256 among our own files, SHA-1 because photo servers record no other."""

    sha256: bytes
    sha1: bytes


def digests_of(fh: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Digests:
    """SHA-256 and SHA-1 of everything from the current position to the end, in one pass.

    Args:
        fh: an open binary file; its position afterwards is the end.
        block_bytes: size of one read; the memory used.

    Returns:
        32 and 20 bytes.

    Raises:
        OSError: the file could not be read.
    """
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    block = memoryview(bytearray(block_bytes))
    while count := fh.readinto(block):  # type: ignore[attr-defined]
        sha256.update(block[:count])
        sha1.update(block[:count])
    return Digests(sha256.digest(), sha1.digest())

"""One copy of one file: written or linked under a temporary name, read a second time, and only then given its name."""

import base64
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from immich_pipeline.actions.backup_names import numbered
from immich_pipeline.actions.model import State
from immich_pipeline.actions.safe_folders import move, new_file, open_file, read_anew, status_of
from immich_pipeline.errors import UserError
from immich_pipeline.media.hashing import BLOCK_BYTES, digests_of
from immich_pipeline.progress import byte_size

PART = b".part"
"""The temporary name; no copy's name begins with a dot."""

_SPACE_EVERY = 64 * 1024 * 1024
_SHA1_BYTES = 20


class Content(NamedTuple):
    """What was read."""

    size: int
    sha256: bytes
    sha1: bytes


@dataclass(frozen=True)
class Known:
    """What is known of a content before it is copied; None: not known.

    Attributes:
        size: bytes.
        sha256: as the pipeline measured it.
        sha1: as Immich has it.
    """

    size: int | None
    sha256: bytes | None
    sha1: bytes | None

    @classmethod
    def of(cls, state: State, sha256: bytes | None) -> "Known":
        """What an ASSET STATE says. Of a file in an external library Immich keeps the checksum of its path, not of its content.

        Raises:
            UserError: nothing by which a content could be told.
        """
        checksum = base64.b64decode(state["checksum"])
        path = f"path:{state['path']}".encode("utf-8", "surrogateescape")
        of_path = hashlib.sha1(path, usedforsecurity=False).digest()
        by_content = state["library"] is None and len(checksum) == _SHA1_BYTES and checksum != of_path
        known = cls(state["size"], sha256, checksum if by_content else None)
        if known == cls(None, None, None):
            raise UserError("neither the size nor the checksum of the file is known: let Immich scan its library")
        return known

    def is_met_by(self, content: Content) -> bool:
        """Whether a content is certainly this one, byte for byte."""
        return (self.sha256, self.sha1) != (None, None) and self.problem(content) is None

    def problem(self, content: Content) -> str | None:
        """What a content differs in. Where Immich knows the checksum of the content, its word on the size counts for nothing."""
        if self.sha1 is not None and self.sha1 != content.sha1:
            return "its checksum is not the one that Immich has"
        if self.sha256 is not None and self.sha256 != content.sha256:
            return "its SHA-256 is not the one that was measured before"
        if self.sha1 is None and self.size is not None and self.size != content.size:
            return f"it has {content.size:,} bytes, and should have {self.size:,}"
        return None


@dataclass(frozen=True)
class Room:
    """How much space must stay free on the disk of the copies."""

    keep_free: int

    def check(self, folder: int, needed: int) -> None:
        """See that a file of `needed` bytes has room.

        Raises:
            UserError: it does not; says how much is missing.
        """
        disk = os.fstatvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if free < needed + self.keep_free:
            raise UserError(
                f"not enough space for backups: {byte_size(needed)} are needed and {byte_size(self.keep_free)} are to stay free, "
                f"and {byte_size(free)} are free: make room, or set duplicates.backup.folder to a larger disk"
            )


def discard_part(folder: int) -> None:
    """Remove what a copy that was broken off has left."""
    with suppress(FileNotFoundError):
        os.unlink(PART, dir_fd=folder)


def write_part(folder: int, pieces: Iterable[bytes], room: Room) -> Content:
    """Write the temporary file, hashed while it is written; it is on the disk afterwards.

    Raises:
        UserError: the space becomes too little on the way.
    """
    sha256, sha1, size, seen = hashlib.sha256(), hashlib.sha1(usedforsecurity=False), 0, 0
    with new_file(folder, PART) as file:
        for piece in pieces:
            file.write(piece)
            sha256.update(piece)
            sha1.update(piece)
            size += len(piece)
            if size - seen >= _SPACE_EVERY:
                room.check(folder, 0)
                seen = size
    return Content(size, sha256.digest(), sha1.digest())


def blocks_of(file: BinaryIO) -> Iterable[bytes]:
    """A file from its beginning, in pieces."""
    read_anew(file)
    return iter(lambda: file.read(BLOCK_BYTES), b"")


def link_part(folder: int, source_folder: int, name: bytes, opened: BinaryIO) -> bool:
    """Make the temporary name a second name of the very file that is open; False where the file systems do not allow that."""
    try:
        os.link(name, PART, src_dir_fd=source_folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    linked, wanted = status_of(folder, PART), os.fstat(opened.fileno())
    if linked is None or not os.path.samestat(linked, wanted):
        discard_part(folder)  # something else has taken the name meanwhile
        return False
    os.fsync(opened.fileno())
    return True


def read_content(folder: int, name: bytes) -> Content:
    """Read a file of the folder whole, from the disk where the system allows it."""
    with open_file(folder, name) as file:
        read_anew(file)
        size = os.fstat(file.fileno()).st_size
        digests = digests_of(file)
    return Content(size, digests.sha256, digests.sha1)


def place_part(folder: int, name: str, content: Content) -> str:
    """Give the temporary file its name, or another when that is taken; returns which.

    A file of the same content that has the name already is what a call that was broken off has left: it is taken over.
    """
    number = 1
    while True:
        chosen = numbered(name, number)
        try:
            move(folder, PART, folder, chosen.encode())
        except FileExistsError:
            if _has_content(folder, chosen.encode(), content):
                discard_part(folder)
                os.fsync(folder)
                return chosen
            number += 1
        else:
            os.fsync(folder)
            return chosen


def _has_content(folder: int, name: bytes, content: Content) -> bool:
    try:
        return read_content(folder, name) == content
    except OSError:  # a link, a folder, a file that cannot be read: not ours
        return False


def write_beside(folder: int, name: str, pieces: Iterable[bytes]) -> Content:
    """Write or replace a file that accompanies a copy; it is whole or not there."""
    discard_part(folder)
    content = write_part(folder, pieces, Room(0))
    os.rename(PART, name.encode(), src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
    return content

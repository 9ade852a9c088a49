"""What a place that photos come from can do, and the frames it answers with."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from immich_pipeline.errors import UserError

FILE_SCHEMA: dict[str, pl.DataType] = {
    "real_path": pl.Binary(),
    "path": pl.String(),
    "folder": pl.String(),
    "name": pl.String(),
    "extension": pl.String(),
    "kind": pl.String(),
    "format": pl.String(),
    "size": pl.Int64(),
    "mtime_ns": pl.Int64(),
    "inode": pl.Int64(),
    "device": pl.Int64(),
    "owner": pl.String(),
    "source_id": pl.String(),
}
"""One row per photo or video.

`real_path` is the exact path below the source's root, as bytes; `path`, `folder` ("" for the root) and `name` are its text for people:
NFC, "/" between the parts, "\N{REPLACEMENT CHARACTER}" for what cannot be decoded or shown. `extension` is in lower case and without dot;
`kind` is image, raw or video; `format` is a name of the format table, by extension; `size` is in bytes.
"""

SIDECAR_SCHEMA: dict[str, pl.DataType] = {
    "real_path": pl.Binary(),
    "path": pl.String(),
    "folder": pl.String(),
    "name": pl.String(),
    "extension": pl.String(),
    "size": pl.Int64(),
    "mtime_ns": pl.Int64(),
    "media_path": pl.Binary(),
    "rule": pl.String(),
}
"""One row per sidecar; `media_path` is the `real_path` of the file that it belongs to and `rule` why, both null where there is none."""

SKIPPED_SCHEMA: dict[str, pl.DataType] = {"path": pl.String(), "reason": pl.String()}
"""One row per file or folder that was left out. The same cause has the same words, so that reasons can be counted."""

FOLDER_SCHEMA: dict[str, pl.DataType] = {"real_path": pl.Binary(), "mtime_ns": pl.Int64()}
"""One row per folder that was read, the root (b"") included, with its modification time from just before it was read."""


class SourceError(UserError):
    """A source cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Scan:
    """What one look at a whole source found; every frame is sorted by its path.

    Attributes:
        files: `FILE_SCHEMA`.
        sidecars: `SIDECAR_SCHEMA`.
        skipped: `SKIPPED_SCHEMA`.
        folders: `FOLDER_SCHEMA`.
        unreadable_folders: real paths of folders, and of single files, that could not be looked at. What is known below them is not gone.
    """

    files: pl.DataFrame
    sidecars: pl.DataFrame
    skipped: pl.DataFrame
    folders: pl.DataFrame
    unreadable_folders: tuple[bytes, ...]


class PhotoSource(Protocol):
    """A place that photos come from."""

    @property
    def source_id(self) -> str:
        """A uuid; the same place has the same id in every run and every database."""
        ...

    @property
    def kind(self) -> str:
        """What sort of place it is, e.g. "folder"."""
        ...

    @property
    def owner(self) -> str:
        """Whose photos these are."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def scan(self, progress: Callable[[int], None] | None = None) -> Scan:
        """Look at everything in the source.

        Args:
            progress: called now and then with the number of files seen so far.

        Raises:
            SourceError: the source cannot be reached.
        """
        ...


def source_id_of(kind: str, key: bytes) -> str:
    """The id of a source (uuid, version 5) from its kind and what identifies it there: the resolved root, or a configured name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"immich-pipeline:{kind}:{key.hex()}"))

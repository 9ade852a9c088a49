"""The quarantine of a folder of photos says itself what it holds, so that everything can be put back without this program."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Literal

from immich_pipeline.actions.quarantine_pieces import Piece
from immich_pipeline.actions.safe_folders import new_file, open_folder, readable, status_of

MANIFEST = b"manifest.jsonl"
README = b"README.txt"
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Manifest:
    """An open manifest; each line is on the disk when `note` returns."""

    def __init__(self, descriptor: int) -> None:
        """Take over the descriptor, which stays the caller's to close."""
        self._descriptor = descriptor

    def note(
        self, do: Literal["move", "back"], piece: Piece, found: Mapping[str, Any], about: Mapping[str, str]
    ) -> None:
        """Say what is about to be done with a file.

        Args:
            do: into the quarantine, or back out of it.
            piece: the file.
            found: its sha256 (hex), size and mtime_ns, as read just now.
            about: the ids of the set and of the action.
        """
        places = (piece.path, piece.target_path)
        source, target = places if do == "move" else places[::-1]
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "do": do,
            **about,
            "from": base64.b64encode(source).decode(),
            "to": base64.b64encode(target).decode(),
            "from_text": readable(source),
            **found,
        }
        # a line that was broken off by a crash must not swallow this one
        begin = b"" if self._ends_with_line() else b"\n"
        _write_whole(self._descriptor, begin + json.dumps(line).encode() + b"\n")
        os.fsync(self._descriptor)

    def _ends_with_line(self) -> bool:
        size = os.fstat(self._descriptor).st_size
        return size == 0 or os.pread(self._descriptor, 1, size - 1) == b"\n"


@contextmanager
def open_manifest(root: bytes, quarantine: str) -> Iterator[Manifest]:
    """Open the manifest of a folder of photos; the quarantine is made if need be, with a text that says what it is."""
    with open_folder(root, (os.fsencode(quarantine),), create=True) as folder:
        if status_of(folder, README) is None:
            text = files(__package__).joinpath("quarantine_readme.txt").read_text(encoding="utf-8")
            with suppress(FileExistsError), new_file(folder, README) as readme:
                readme.write(text.encode())
        descriptor = os.open(MANIFEST, _APPEND, 0o600, dir_fd=folder)
        try:
            os.fsync(folder)
            yield Manifest(descriptor)
        finally:
            os.close(descriptor)


def _write_whole(descriptor: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(descriptor, left) :]

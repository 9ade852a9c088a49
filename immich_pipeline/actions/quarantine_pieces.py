"""Which files an action of the operation `quarantine` is about, and where each is before and after."""

import base64
import binascii
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from immich_pipeline.actions.model import Action
from immich_pipeline.actions.safe_folders import components, is_link_on_the_way, open_folder, readable, status_of
from immich_pipeline.errors import UserError

Facts: TypeAlias = Mapping[str, Any]
"""Of something that lies at a path: `size`, `mtime_ns`, and `problem`: why it cannot be dealt with, null where it can."""


@dataclass(frozen=True)
class Piece:
    """A file of the plan.

    Attributes:
        key: the asset's id; for a sidecar, with a number behind.
        root: the folder of photos, absolute.
        parts: where the file is below it.
        target: the folder in the quarantine that it goes to, below the root.
        size: bytes when planned.
        mtime_ns: modification time when planned; None: not known.
        sha256: when planned; None for a sidecar.
    """

    key: str
    root: bytes
    parts: tuple[bytes, ...]
    target: tuple[bytes, ...]
    size: int
    mtime_ns: int | None
    sha256: bytes | None

    @property
    def name(self) -> bytes:
        """The file's bare name, the same in both places."""
        return self.parts[-1]

    @property
    def folder(self) -> tuple[bytes, ...]:
        """Where it was planned to be."""
        return self.parts[:-1]

    @property
    def path(self) -> bytes:
        """Below the root."""
        return b"/".join(self.parts)

    @property
    def target_path(self) -> bytes:
        """In the quarantine, below the root."""
        return b"/".join((*self.target, self.name))

    def __str__(self) -> str:
        """The path for a person."""
        return readable(os.path.join(self.root, self.path))  # noqa: PTH118 - bytes

    def is_as_planned(self, facts: Facts | None) -> bool:
        """Whether what lies there looks like the planned file."""
        return (
            facts is not None
            and facts["problem"] is None
            and facts["size"] == self.size
            and self.mtime_ns in {None, facts["mtime_ns"]}
        )

    def here(self, device: int | None = None) -> Facts | None:
        """What lies where the file was planned to be; None: nothing. On another device than the quarantine's, that is a problem."""
        return _facts(self.root, self.folder, self.name, device)

    def there(self) -> Facts | None:
        """What lies in its place in the quarantine; None: nothing."""
        return _facts(self.root, self.target, self.name, None)


@dataclass(frozen=True)
class Pieces:
    """The files of one action.

    Attributes:
        kept: stay where they are.
        moved: go to the quarantine: the losers, what follows them, and sidecars that are theirs alone.
    """

    kept: tuple[Piece, ...]
    moved: tuple[Piece, ...]

    @classmethod
    def of(cls, action: Action, quarantine: str) -> "Pieces":
        """Read an action; nothing on the disk is looked at.

        Raises:
            UserError: it does not name its files as it should, or one by a path that leads out of its root.
        """
        payload = action.payload
        place = (os.fsencode(quarantine), action.action_id("duplicates").encode())
        kept_ids = [payload["keeper"], *payload["kept"]]
        moved_ids = [*payload["losers"], *payload.get("follows", {}).values()]
        try:
            files = {entry["asset_id"]: list(_pieces(entry, place)) for entry in payload["files"]}
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise UserError("the plan does not say where the files are: plan again") from None
        if set(kept_ids) & set(moved_ids) or not {payload["keeper"], *payload["kept"], *payload["losers"]} <= set(
            files
        ):
            raise UserError("the plan does not say of each file where it is, and whether it is kept: plan again")
        kept = tuple(files[asset_id][0] for asset_id in kept_ids)
        moved = tuple(piece for asset_id in moved_ids for piece in files.get(asset_id, ()))
        if {(piece.root, piece.parts) for piece in kept} & {(piece.root, piece.parts) for piece in moved}:
            raise UserError("the plan keeps and moves the same file: plan again")
        return cls(kept, moved)

    @property
    def roots(self) -> list[bytes]:
        """The folders of photos that the files are in."""
        return sorted({piece.root for piece in (*self.kept, *self.moved)})


def device_of(root: bytes, quarantine: str) -> int:
    """The file system that the quarantine of a folder of photos is on, or will be.

    Raises:
        UserError: the folder cannot be looked at, or something else has the quarantine's name.
    """
    try:
        with open_folder(root, ()) as folder:
            found = status_of(folder, os.fsencode(quarantine)) or os.fstat(folder)
    except OSError as error:
        raise unreadable(root, error) from error
    if not stat.S_ISDIR(found.st_mode):
        raise UserError(f"{quarantine} in {readable(root)} is a link or a file: take it away, it is to be a folder")
    return found.st_dev


def unreadable(path: bytes, error: OSError) -> UserError:
    """That something could not be looked at."""
    reason = (error.strerror or "unknown reason").lower()
    return UserError(f"{readable(path)} cannot be read ({reason}): is it mounted, and may this user read it?")


def _pieces(entry: Mapping[str, Any], place: tuple[bytes, ...]) -> Iterator[Piece]:
    root = base64.b64decode(entry["root"], validate=True)
    if not root.startswith(b"/"):
        raise ValueError("a root is absolute")
    yield _piece(entry["asset_id"], root, entry, place, bytes.fromhex(entry["sha256"]))
    for number, sidecar in enumerate(entry.get("sidecars", ()), start=1):
        yield _piece(f"{entry['asset_id']} {number}", root, sidecar, place, None)


def _piece(key: str, root: bytes, entry: Mapping[str, Any], place: tuple[bytes, ...], sha256: bytes | None) -> Piece:
    parts = components(base64.b64decode(entry["path"], validate=True))
    return Piece(key, root, parts, (*place, *parts[:-1]), int(entry["size"]), entry.get("mtime_ns"), sha256)


def _facts(root: bytes, folder: tuple[bytes, ...], name: bytes, device: int | None) -> dict[str, Any] | None:
    try:
        with open_folder(root, folder) as opened:
            found = status_of(opened, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_link_on_the_way(error):
            return {"size": None, "mtime_ns": None, "problem": "a folder on the way to it is a link or a file now"}
        raise unreadable(os.path.join(root, *folder, name), error) from error  # noqa: PTH118 - bytes
    return None if found is None else _told(found, device)


def _told(found: os.stat_result, device: int | None) -> dict[str, Any]:
    problem = None
    if not stat.S_ISREG(found.st_mode):
        problem = "it is a link or no file now"
    elif device is not None and found.st_dev != device:
        problem = "it is on another file system than the quarantine: only what is on the same one can be moved"
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "problem": problem}

"""Verified copies of the files of assets, made before these are put into the trash; undo uploads them again.

`<folder>/<owner>/<first two of the id>/<asset id>/` holds the copy under the name of the file, `<name>.xmp` where the mount has a
sidecar, and `<name>.json`: what was known of the asset, and where the copy comes from. Nobody else may look into the folders (0700).

An upload that is mounted on the same file system becomes a second name of the same file (a hard link): Immich never rewrites an original,
it only takes the name away, so that the content stays and costs no space. Its mode stays, too. Files of external libraries, which people
edit in place, are always copied.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from immich_pipeline.actions.backup_files import (
    PART,
    Content,
    Known,
    Room,
    blocks_of,
    discard_part,
    link_part,
    place_part,
    read_content,
    write_beside,
    write_part,
)
from immich_pipeline.actions.backup_names import safe_name
from immich_pipeline.actions.backup_place import check_place
from immich_pipeline.actions.backup_source import Mounted, mounted_of
from immich_pipeline.actions.model import State
from immich_pipeline.actions.safe_folders import components, make_top_folder, open_file, open_folder
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.store import backups as rows
from immich_pipeline.store.database import Database

Fetch: TypeAlias = Callable[[], AbstractContextManager[Iterator[bytes]]]
"""How to get the bytes from the server, e.g. `lambda: client.original(asset_id)`; entering it asks for them, leaving it is the end."""

_FOLDER = "backups"
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Backup:
    """A verified copy.

    Attributes:
        asset_id: whose file it is.
        sha256: of its content, 32 bytes.
        path: where it lies; a regular file below the backup folder.
        bytes: its size.
    """

    asset_id: str
    sha256: bytes
    path: Path
    bytes: int


class BackupStore:
    """The folder of copies and the rows of `actions.backup`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        """Take over; nothing is created yet.

        Raises:
            UserError: the backup folder lies inside a photo folder or inside Immich's media.
        """
        backup = settings.duplicates.backup
        self._database, self._settings = database, settings
        # where a link stands for the folder itself, it is the user's own
        self._folder = Path(os.path.realpath(backup.folder or settings.home / _FOLDER))
        self._room = Room(backup.keep_free_mb * _MEGABYTE)
        with database.frames() as frames:
            roots = rows.folder_roots(frames)
        check_place(self._folder, settings, roots)

    @property
    def folder(self) -> Path:
        """Where the copies are, without links."""
        return self._folder

    def keep(self, asset_id: str, owner_id: str, state: State, fetch: Fetch | None, plan_id: str) -> Backup:
        """Make a verified copy, unless there is one of this very content. May be called again after being broken off anywhere.

        The bytes are taken from the mount where the file is there and is the right one, else from `fetch`.

        Args:
            asset_id: the asset; a live photo's video is an asset of its own.
            owner_id: whose it is.
            state: the ASSET STATE of it; written beside the copy.
            fetch: how to download it; None: only the mount.
            plan_id: for which plan.

        Raises:
            UserError: not enough space, no source, or the bytes are not what they should be. Nothing is recorded then.
            ImmichError: the download failed.
        """
        asset_id = _checked(asset_id)
        with self._database.frames() as frames:
            source = rows.source_of(frames, asset_id)
            sidecars = rows.sidecars_of(frames, asset_id)
        known = Known.of(state, source["sha256"])
        for backup, content in self._contents(asset_id):
            if known.is_met_by(content):
                return backup
        mounted = mounted_of(self._settings, source, sidecars)
        with _readable_errors(asset_id), self._open(owner_id, asset_id) as (folder, place):
            copy = _Copy(folder, known, self._room, mounted, fetch, is_upload=state["library"] is None)
            try:
                name, content = copy.make(safe_name(state["name"]))
                about = {"asset_id": asset_id, "owner_id": owner_id, "plan_id": plan_id, "state": dict(state)}
                copy.write_beside(name, content, about)
            except Exception:
                discard_part(folder)
                raise
            path = os.fsdecode(b"/".join((*place, name.encode())))
            self._record(asset_id, owner_id, path, content, plan_id)
        return Backup(asset_id, content.sha256, self._folder / path, content.size)

    def mounted(self, asset_id: str) -> Mounted | None:
        """Where the file of an asset is on this machine, if anywhere."""
        with self._database.frames() as frames:
            source = rows.source_of(frames, _checked(asset_id))
        return mounted_of(self._settings, source, [])

    def verified(self, asset_id: str) -> Backup | None:
        """The newest recorded copy whose file is still there with the right size; its content is not read."""
        return next(iter(self._recorded(_checked(asset_id))), None)

    def check(self, asset_id: str) -> Backup | None:
        """As `verified`, and its content was read just now and has the recorded SHA-256."""
        return next((backup for backup, _ in self._contents(_checked(asset_id))), None)

    def restore_bytes(self, asset_id: str) -> Path:
        """The copy to upload again, its SHA-256 checked just now.

        Raises:
            UserError: there is none, or its content is not what was recorded.
        """
        backup = self.check(asset_id)
        if backup is None:
            raise UserError(
                f"there is no copy of the asset {asset_id} in {self._folder} that is as it was verified: bring the folder back"
            )
        return backup.path

    @contextmanager
    def _open(self, owner_id: str, asset_id: str) -> Iterator[tuple[int, tuple[bytes, ...]]]:
        """The folder of an asset, made if need be, and where it is below the backup folder."""
        place = tuple(part.encode() for part in (safe_name(owner_id), asset_id[:2], asset_id))
        make_top_folder(os.fsencode(self._folder))
        with open_folder(os.fsencode(self._folder), place, create=True) as folder:
            discard_part(folder)
            yield folder, place

    def _record(self, asset_id: str, owner_id: str, path: str, content: Content, plan_id: str) -> None:
        with self._database.frames() as frames:
            rows.record_backup(
                frames, asset_id=asset_id, sha256=content.sha256, owner_id=owner_id, path=path, size=content.size, plan_id=plan_id
            )  # fmt: skip

    def _recorded(self, asset_id: str) -> Iterator[Backup]:
        """The copies of an asset that are there with the right size, the newest first."""
        with self._database.frames() as frames:
            found = rows.backups_of(frames, asset_id)
        for row in found.iter_rows(named=True):
            if self._size(row["path"]) == row["bytes"]:
                yield Backup(asset_id, row["sha256"], self._folder / row["path"], row["bytes"])

    def _contents(self, asset_id: str) -> Iterator[tuple[Backup, Content]]:
        """Those of `_recorded` that are intact, and what was read of each."""
        for backup in self._recorded(asset_id):
            *folders, name = components(os.fsencode(backup.path.relative_to(self._folder)))
            try:
                with open_folder(os.fsencode(self._folder), folders) as folder:
                    content = read_content(folder, name)
            except OSError:
                continue
            if content.sha256 == backup.sha256:
                yield backup, content

    def _size(self, path: str) -> int | None:
        """The size of a regular file below the backup folder; None when it is none, or a link is on the way."""
        *folders, name = components(os.fsencode(path))
        try:
            with open_folder(os.fsencode(self._folder), folders) as folder, open_file(folder, name) as file:
                return os.fstat(file.fileno()).st_size
        except OSError:
            return None


@dataclass
class _Copy:
    """One copy in the making."""

    folder: int
    known: Known
    room: Room
    mounted: Mounted | None
    fetch: Fetch | None
    is_upload: bool
    came_from: str = ""

    def make(self, name: str) -> tuple[str, Content]:
        """Get the bytes from the first source that has the right ones; returns the name that the copy got."""
        content = self._from_mount(self.mounted) if self.mounted else None
        if content is None:
            content = self._from_server()
        return place_part(self.folder, name, content), content

    def write_beside(self, name: str, content: Content, about: Mapping[str, Any]) -> None:
        """The sidecars and the metadata."""
        sidecars = []
        for addition, pieces in self.mounted.sidecars() if self.mounted else ():
            written = write_beside(self.folder, name + addition, pieces)
            sidecars.append({"name": name + addition, "sha256": written.sha256.hex()})
        found = {
            "name": name,
            "bytes": content.size,
            "sha256": content.sha256.hex(),
            "sha1": content.sha1.hex(),
            "from": self.came_from,
            "sidecars": sidecars,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        text = json.dumps({**about, **found}, indent=1, sort_keys=True)
        write_beside(self.folder, name + ".json", [text.encode()])

    def _from_mount(self, mounted: Mounted) -> Content | None:
        """Link or copy the mounted file; None when it is not there or is not the right one."""
        with mounted.open() as opened:
            if opened is None:
                return None
            source_folder, name, file = opened
            if self.is_upload and link_part(self.folder, source_folder, name, file):
                first, self.came_from = read_content(self.folder, PART), "the mount, a hard link"
            else:
                self.room.check(self.folder, os.fstat(file.fileno()).st_size)
                first, self.came_from = write_part(self.folder, blocks_of(file), self.room), "the mount"
        if self.known.problem(first) is None:
            return self._read_again(first)
        discard_part(self.folder)
        return None

    def _from_server(self) -> Content:
        if self.fetch is None:
            raise UserError("its file cannot be read here, and is not to be downloaded: mount it, or give a key")
        self.room.check(self.folder, self.known.size or 0)
        with self.fetch() as pieces:
            first, self.came_from = write_part(self.folder, pieces, self.room), "the server"
        problem = self.known.problem(first)
        if problem is not None:
            raise UserError(f"what the server sent is not the file: {problem}")
        return self._read_again(first)

    def _read_again(self, first: Content) -> Content:
        os.fsync(self.folder)
        if read_content(self.folder, PART) != first:
            raise UserError("what was written reads differently the second time: check the disk of the backups")
        return first


@contextmanager
def _readable_errors(asset_id: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UserError(
            f"the file of the asset {asset_id} could not be backed up ({reason}): check duplicates.backup.folder"
        ) from error


def _checked(asset_id: str) -> str:
    """An id as PostgreSQL writes it.

    Raises:
        UserError: it is none.
    """
    try:
        return str(uuid.UUID(asset_id))
    except ValueError:
        raise UserError(f"{asset_id!r} is no id of an asset") from None

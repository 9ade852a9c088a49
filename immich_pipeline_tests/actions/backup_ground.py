"""An asset of a server in the pipeline's database, its file mounted or only to be downloaded, and a store of copies."""

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from immich_pipeline.actions.backup import Backup, BackupStore, Fetch
from immich_pipeline.config import Settings
from immich_pipeline.immich.settings import ImmichSettings, PathMapping
from immich_pipeline.policies import BackupSettings, DuplicateSettings
from immich_pipeline.store.database import Database

ANNA = "11111111-0000-4000-8000-000000000001"
PICTURE = bytes(range(256)) * 40


def immich_settings(mount: Path, **more: Any) -> ImmichSettings:
    return ImmichSettings(
        database_url=SecretStr("postgresql://nowhere"), paths=(PathMapping(immich="/data", here=mount),), **more
    )


def settings_of(place: Path, backup: Mapping[str, Any] | None = None, **more: Any) -> Settings:
    duplicates = DuplicateSettings(backup=BackupSettings(**{"keep_free_mb": 0, **(backup or {})}))
    return Settings(home=place / "home", immich=immich_settings(place / "mount", **more), duplicates=duplicates)


class Pantry:
    """One server source; assets are added by `asset`."""

    def __init__(self, database: Database, place: Path, **backup: Any) -> None:
        self.database, self.place = database, place
        self.mount = place / "mount"
        self.mount.mkdir(parents=True, exist_ok=True)
        self.backup = backup
        self.downloads = 0
        self.asset_ids: list[str] = []
        self.source_id = str(uuid.uuid4())
        with database.connect() as connection:
            connection.execute(
                "INSERT INTO library.source (source_id, kind, name, owner, root, active) VALUES (%s, 'immich', 'i', 'anna', 'i', true)",
                (self.source_id,),
            )

    def settings(self, **more: Any) -> Settings:
        return settings_of(self.place, self.backup, **more)

    def store(self, **more: Any) -> BackupStore:
        return BackupStore(self.database, self.settings(**more))

    def asset(self, name: str = "one.jpg", content: bytes = PICTURE, *, mounted: bool = False, **more: Any) -> str:
        """Add an asset; `sha256`: as the pipeline measured it."""
        asset_id = str(uuid.uuid4())
        self.asset_ids.append(asset_id)
        path = name.encode("utf-8", "surrogateescape")
        if mounted:
            whole = Path(os.fsdecode(os.fsencode(self.mount) + b"/" + path))
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(content)
        with self.database.connect() as connection:
            connection.execute(
                "INSERT INTO library.asset (asset_id, source_id, owner, real_path, path, folder, name, extension, kind, format, size, "
                "mtime_ns, inode, device) VALUES (%s, %s, 'anna', %s, 'p', 'f', 'n', 'jpg', 'image', 'jpeg', %s, 1, 1, -1)",
                (asset_id, self.source_id, path, len(content)),
            )
            if mounted:
                connection.execute(
                    "INSERT INTO library.mounted_file VALUES (%s, %s, %s)", (asset_id, os.fsencode(self.mount), path)
                )
            if "sha256" in more:
                connection.execute(
                    "INSERT INTO content.file_hash (asset_id, size, mtime_ns, code_version, sha256) VALUES (%s, %s, 1, '1', %s)",
                    (asset_id, len(content), more["sha256"]),
                )
        return asset_id

    def fetch(self, content: bytes = PICTURE, error: Exception | None = None, pieces: int = 1000) -> Fetch:
        @contextmanager
        def download() -> Iterator[Iterator[bytes]]:
            self.downloads += 1
            yield sent()

        def sent() -> Iterator[bytes]:
            for place in range(0, len(content), pieces):
                yield content[place : place + pieces]
                if error:
                    raise error

        return download

    def keep(
        self, asset_id: str, state: dict[str, Any] | None = None, fetch: Fetch | None = None, **more: Any
    ) -> Backup:
        return self.store(**more).keep(asset_id, ANNA, state or state_of(), fetch, "plan-1")

    def rows(self) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            return connection.execute(
                "SELECT asset_id::text, sha256, owner_id, path, bytes, plan_id FROM actions.backup "
                "WHERE asset_id = ANY(%s::uuid[]) ORDER BY verified_at",
                (self.asset_ids,),
            ).fetchall()

    def files(self) -> list[str]:
        """Names of everything below the backup folder."""
        return sorted(path.name for path in self.store().folder.rglob("*") if not path.is_dir())


def state_of(content: bytes = PICTURE, name: str = "one.jpg", **more: Any) -> dict[str, Any]:
    checksum = base64.b64encode(hashlib.sha1(content).digest()).decode()
    state = {"owner": ANNA, "checksum": checksum, "library": None, "path": f"/data/{name}", "name": name}
    return state | {"size": len(content), "description": "x"} | more


def external(content: bytes = PICTURE, **more: Any) -> dict[str, Any]:
    """Of a file in an external library, the server knows the checksum of the path alone."""
    of_path = base64.b64encode(hashlib.sha1(b"path:/data/one.jpg").digest()).decode()
    return state_of(content, library=str(uuid.uuid4()), checksum=of_path, **more)


def metadata(backup: Backup) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(f"{backup.path}.json").read_text(encoding="utf-8"))
    return told

"""No write without a recent backup, unless told otherwise."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.backup_age import newest_backup, require_backup
from immich_pipeline.sharing.media_folder import MediaFolder

TWO_DAYS = timedelta(hours=48)


def dump(folder: Path, name: str, hours: float, content: bytes = b"dump") -> None:
    (folder / "backups").mkdir(exist_ok=True)
    path = folder / "backups" / name
    path.write_bytes(content)
    os.utime(path, (time.time() - hours * 3600,) * 2)


def test_an_old_backup_or_none_is_refused_and_a_young_one_is_enough(tmp_path: Path) -> None:
    media = MediaFolder("/data", tmp_path)
    with pytest.raises(
        UserError, match="there is no backup of Immich's database in /data/backups, and one not older than 48 hours"
    ):
        require_backup(media, TWO_DAYS)
    dump(tmp_path, "immich-db-backup-1.sql.gz", 50)
    dump(tmp_path, "immich-db-backup-2.sql.gz.tmp", 1)
    dump(tmp_path, "immich-db-backup-3.sql.gz", 1, b"")
    with pytest.raises(UserError, match=r"the newest backup of Immich's database in /data/backups is of 20.* UTC"):
        require_backup(media, TWO_DAYS)
    require_backup(media, timedelta(hours=51))
    require_backup(media, None)
    dump(tmp_path, "immich-db-backup-4.sql.gz", 47)
    require_backup(media, TWO_DAYS)
    newest = newest_backup(media)
    assert newest is not None
    assert timedelta(hours=46) < datetime.now(UTC) - newest < timedelta(hours=48)

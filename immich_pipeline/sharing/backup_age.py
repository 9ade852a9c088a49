"""How old the newest backup of Immich's database is: the server dumps it into its media folder, every night unless told otherwise."""

import os
from datetime import UTC, datetime, timedelta

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.media_folder import MediaFolder

_FOLDER = "backups"
_FINISHED = (".sql.gz", ".sql")
"""A dump that is being written, or was broken off, has another ending."""


def newest_backup(media: MediaFolder) -> datetime | None:
    """When the newest finished dump was written (UTC); None when there is none. Empty files do not count."""
    try:
        with os.scandir(media.place(f"{media.location}/{_FOLDER}")) as entries:
            dumps = [entry.stat() for entry in entries if entry.name.endswith(_FINISHED) and entry.is_file()]
    except FileNotFoundError:
        return None
    written = [found.st_mtime for found in dumps if found.st_size]
    return datetime.fromtimestamp(max(written), UTC) if written else None


def require_backup(media: MediaFolder, max_age: timedelta | None) -> None:
    """Make sure that Immich's database was dumped recently enough.

    Args:
        media: the media folder.
        max_age: how old the newest dump may be; None: none is asked for.

    Raises:
        UserError: there is none, or it is older.
    """
    if max_age is None:
        return
    newest = newest_backup(media)
    folder = f"{media.location}/{_FOLDER}"
    if newest is None:
        what = f"there is no backup of Immich's database in {folder}"
    elif datetime.now(UTC) - newest > max_age:
        what = f"the newest backup of Immich's database in {folder} is of {newest:%Y-%m-%d %H:%M} UTC"
    else:
        return
    raise UserError(
        f"{what}, and one not older than {max_age.total_seconds() / 3600:g} hours is asked for: start the job 'Create Database "
        "Backup' (Administration, Jobs), set sharing.backup_max_age_hours, or sharing.require_backup: false if backups are made otherwise"
    )

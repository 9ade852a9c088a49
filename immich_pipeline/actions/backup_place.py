"""Where copies may lie: never where photos are looked for, or they would be photos themselves."""

import os
from collections.abc import Iterable
from pathlib import Path

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError


def check_place(folder: Path, settings: Settings, roots: Iterable[bytes]) -> None:
    """See that the backup folder is in no folder of photos and in none of Immich's.

    Args:
        folder: without links; need not be there yet.
        settings: name the folder of photos and where Immich's are mounted.
        roots: the folders that the database knows.

    Raises:
        UserError: it is; says in which.
    """
    photos = {os.fsdecode(root) for root in roots} | ({str(settings.folder)} if settings.folder else set())
    mounted = {str(mapping.here) for mapping in settings.immich.paths} if settings.immich else set()
    above = (folder, *folder.parents)
    for root in sorted(photos | mounted):
        if any(_is_same(place, Path(os.path.realpath(root))) for place in above):
            what = "Immich's media" if root in mounted else "the library"
            raise UserError(
                f"the backup folder lies inside {what}: {folder} is in {root}; set duplicates.backup.folder to another place"
            )


def _is_same(place: Path, root: Path) -> bool:
    """Whether two paths are one folder, by name or since one is mounted in two places."""
    if place == root:
        return True
    try:
        return place.samefile(root)
    except OSError:
        return False

"""What is on this machine: folders of photos, mounted folders of Immich, the data folder and the room in it."""

import os
import shutil
import tempfile

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.settings import ImmichSettings, PathMapping
from immich_pipeline.progress import byte_size
from immich_pipeline.sources.doctor.look import Notes
from immich_pipeline.sources.folder import check_root

_MEGABYTE = 1_000_000
THUMBS = "thumbs"


def look_at_folder(settings: Settings, notes: Notes) -> bool:
    """Whether the folder of photos can be read."""
    folder = settings.folder
    if folder is None:
        return False
    if settings.photos is None:
        notes.ok(
            str(folder),
            "no folder and no server is named: the demo library is used, and generated when it is not there",
        )
        return True
    check_root(folder)
    with os.scandir(folder) as entries:
        if next(entries, None) is None:
            notes.warning(str(folder), "is empty", "mount the disk that the photos are on, or name another folder")
        else:
            notes.ok(str(folder), "is there and can be read")
    return True


def look_at_mapping(mapping: PathMapping, notes: Notes) -> bool:
    """Whether a folder of Immich's is mounted here and can be read."""
    subject = f"{mapping.immich} -> {mapping.here}"
    remedy = (
        f"mount the folder that Immich sees as {mapping.immich} at {mapping.here}, or correct 'here' in the settings"
    )
    try:
        with os.scandir(mapping.here) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        if isinstance(error, PermissionError):
            remedy = f"let this user read {mapping.here} and the folders above it, or run as its owner"
        notes.problem(subject, f"{mapping.here} {_reason(error)}", remedy)
        return False
    if not os.access(mapping.here, os.X_OK):
        notes.problem(
            subject, f"{mapping.here} can be listed, but files in it cannot be opened", "give execute permission on it"
        )
        return False
    if empty:
        notes.problem(subject, f"{mapping.here} is empty, as if nothing were mounted there", remedy)
        return False
    notes.ok(subject, "is there and can be read")
    return True


def look_at_media_folder(settings: ImmichSettings, notes: Notes) -> bool:
    """Whether Immich's own previews can be read from a mounted folder."""
    located = PathMap(settings.paths).locate(f"{settings.media_location}/{THUMBS}")
    api = bool(settings.url and settings.users)
    subject = f"{settings.media_location}/{THUMBS}"
    if located is None:
        if api:
            notes.ok(subject, "is not mapped: previews come through the API, which is slower")
        else:
            notes.warning(
                subject,
                "is not mapped, and there is no key for the API: there are no previews to compare pictures by",
                f"map {settings.media_location} under 'paths', or add url and users",
            )
        return False
    try:
        with os.scandir(located.path) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        notes.warning(
            subject,
            f"{located.path} {_reason(error)}; "
            + ("previews come through the API" if api else "there are no previews"),
            f"set media_location to Immich's media folder as Immich sees it, and map the folder that holds '{THUMBS}'",
        )
        return False
    if empty:
        notes.warning(subject, f"{located.path} is empty", "map the folder that Immich keeps its previews in")
    else:
        notes.ok(subject, f"previews are read from {located.path}")
    return not empty


def check_mappings(settings: ImmichSettings, notes: Notes) -> bool:
    """Whether the mappings make sense together."""
    try:
        PathMap(settings.paths)
    except UserError as error:
        notes.problem("paths", str(error))
        return False
    return True


def look_at_data_folder(settings: Settings, notes: Notes) -> bool:
    """Whether the data folder can be written to and has room for the cache of pictures."""
    home = settings.home
    subject = str(home)
    try:
        there = next(folder for folder in (home, *home.parents) if folder.exists())
        if there == home:
            with tempfile.TemporaryFile(dir=home):
                pass
        elif not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            notes.problem(
                subject, f"cannot be made in {there}", "set IMMICH_PIPELINE_HOME to a folder that may be written to"
            )
            return False
        free = shutil.disk_usage(there).free
    except OSError as error:
        notes.problem(subject, _reason(error), "set IMMICH_PIPELINE_HOME to a folder that may be written to")
        return False
    wanted = settings.immich.cache_mb * _MEGABYTE if settings.immich else 0
    if free < wanted:
        notes.warning(
            subject,
            f"can be written to, but {byte_size(free)} are free and the cache of pictures may take {byte_size(wanted)}",
            "free some space, set IMMICH_PIPELINE_HOME to another disk, or lower cache_mb",
        )
    else:
        notes.ok(subject, f"can be written to, {byte_size(free)} are free")
    return True


def look_at_backup_folder(settings: Settings, notes: Notes) -> bool:
    """Whether copies of files can be written to the folder that is named for them, and have room."""
    backup = settings.duplicates.backup
    if backup.folder is None:
        return True
    subject, remedy = str(backup.folder), "set duplicates.backup.folder to a folder that may be written to"
    try:
        there = next(folder for folder in (backup.folder, *backup.folder.parents) if folder.exists())
        free = shutil.disk_usage(there).free
    except OSError as error:
        notes.problem(subject, _reason(error), remedy)
        return False
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        notes.problem(subject, "copies of duplicates cannot be written to it", remedy)
        return False
    if free <= backup.keep_free_mb * _MEGABYTE:
        notes.problem(
            subject,
            f"{byte_size(free)} are free, and duplicates.backup.keep_free_mb leaves that much free",
            "free some space, name another folder, or lower keep_free_mb",
        )
        return False
    notes.ok(subject, f"copies of duplicates can be written to it, {byte_size(free)} are free")
    return True


def may_be_written(settings: Settings) -> bool:
    """Whether files of the folder of photos could be moved within it."""
    folder = settings.folder
    return folder is not None and (not folder.exists() or os.access(folder, os.W_OK | os.X_OK))


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there"
    if isinstance(error, NotADirectoryError):
        return "is a file, not a folder"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    return f"cannot be read ({(error.strerror or 'unknown reason').lower()})"

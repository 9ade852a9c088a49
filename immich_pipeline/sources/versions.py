"""Algorithm versions of the content assets: raise one and its rows are made again."""

import importlib.util

from immich_pipeline.config import Settings
from immich_pipeline.store.batches import NOT_DOWNLOADED_THEN, NOT_MOUNTED_THEN, ContentVersions

FILE_HASHES = "2"
PHOTO_METADATA = "2"
PERCEPTUAL_HASHES = "1"


_NOW_READ = {"never": [], "mount": [NOT_MOUNTED_THEN], "download": [NOT_MOUNTED_THEN, NOT_DOWNLOADED_THEN]}


def versions() -> ContentVersions:
    """The versions as the planner compares them with each row."""
    return ContentVersions(file_hash=FILE_HASHES, photo_metadata=PHOTO_METADATA, perceptual_hash=PERCEPTUAL_HASHES)


def cured_kinds(settings: Settings) -> list[str]:
    """Why something could not be done that now can: a decoder is installed, originals are mounted or may be downloaded."""
    cured = ["missing_extra"] if importlib.util.find_spec("pillow_heif") else []
    originals = settings.immich.originals if settings.immich else "never"
    return cured + _NOW_READ[originals]

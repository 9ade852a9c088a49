"""Algorithm versions of the content assets: raise one and its rows are made again."""

import importlib.util

from immich_pipeline.store.batches import ContentVersions

FILE_HASHES = "2"
PHOTO_METADATA = "1"
PERCEPTUAL_HASHES = "1"


def versions() -> ContentVersions:
    """The versions as the planner compares them with each row."""
    return ContentVersions(file_hash=FILE_HASHES, photo_metadata=PHOTO_METADATA, perceptual_hash=PERCEPTUAL_HASHES)


def cured_kinds() -> list[str]:
    """Error kinds that need no longer be: pictures that had no decoder when they were read, once the extra is installed."""
    return ["missing_extra"] if importlib.util.find_spec("pillow_heif") else []

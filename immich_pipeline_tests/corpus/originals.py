"""Pictures to make copies and edits of: the samples beside the repository, and computed ones."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import imagehash
from PIL import Image, ImageOps

from immich_pipeline.demo.scenes import choose_variants, paint
from immich_pipeline_tests.media.photos import natural

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/samples"
SMALLEST_SIDE = 300
_SEED = 5
_DIFFERENT = 14
_FOLDERS = ("jpeg", "heif", "multiformat", "orientation", "raster", "hard_negatives", "duplicates", "generated", "raw")


@dataclass(frozen=True)
class Original:
    """A picture, upright, in RGB, and what to call it."""

    name: str
    image: Image.Image


def sample_photos(longest: int) -> Iterator[Original]:
    """Every sample that is a picture of some size, each scene once, made small.

    Args:
        longest: pixels on the long side at most.
    """
    hashes: list[imagehash.ImageHash] = []
    for folder in _FOLDERS:
        for file in sorted((SAMPLES / folder).iterdir()):
            image = _opened(file, longest)
            if image is None or min(image.size) < SMALLEST_SIDE:
                continue
            found = imagehash.phash(image)
            # A picture that is there in several formats or sizes, or edited, is one scene.
            if found.hash.sum() == found.hash.size / 2 and all(found - other > _DIFFERENT for other in hashes):
                hashes.append(found)
                yield Original(f"{folder}/{file.name}", image)


def _opened(file: Path, longest: int) -> Image.Image | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file) as image:
                if image.mode not in ("RGB", "L", "CMYK"):
                    return None
                image.draft("RGB", (longest, longest))
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError):
            return None
    upright.thumbnail((longest, longest))
    upright.info.clear()
    return upright


def painted(count: int, longest: int) -> Iterator[Original]:
    """Scenes of the demo library."""
    for scene, variant in enumerate(choose_variants(_SEED, count)):
        size = (longest, longest * 3 // 4) if scene % 3 else (longest * 3 // 4, longest)
        yield Original(f"painted/{scene}", Image.fromarray(paint(_SEED, scene, variant, *size)))


def structured(count: int, longest: int) -> Iterator[Original]:
    """Pictures of noise at all scales."""
    for seed in range(count):
        yield Original(f"structured/{seed}", natural(longest, longest * 2 // 3, seed=seed))

"""Small real photos for tests, generated."""

import os
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with structure at every scale; pictures of different seeds do not resemble each other."""
    generator = np.random.default_rng(seed)
    layers = []
    for cells in (3, 6, 12, 24):
        noise = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layers.append(np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC), dtype=np.float32))
    weights = (0.5, 0.25, 0.15, 0.1)
    blended = sum(weight * layer for weight, layer in zip(weights, layers, strict=True))
    return Image.fromarray(np.clip(blended, 0, 255).astype(np.uint8))


def save_jpeg(
    path: Path, picture: Image.Image, *, taken: datetime | None = None, quality: int = 90, subsec: str | None = None
) -> Path:
    """Write a JPEG, with a capture time if one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken:
        details = exif.get_ifd(ExifTags.IFD.Exif)
        details[ExifTags.Base.DateTimeOriginal] = taken.strftime("%Y:%m:%d %H:%M:%S")
        if subsec:
            details[ExifTags.Base.SubsecTimeOriginal] = subsec
        exif[ExifTags.Base.Make] = "Testcam"
        exif[ExifTags.Base.Model] = "T1"
    picture.save(path, "JPEG", quality=quality, exif=exif)
    return path


def small_library(folder: Path) -> Path:
    """Ten photos: two equal ones, one re-encoded smaller, a broken file, an empty file, six that stand alone."""
    for number in range(6):
        save_jpeg(folder / "2024" / f"IMG_{number:04d}.jpg", scene(number), taken=datetime(2024, 5, 1, 10, number))
    (folder / "Backup").mkdir()
    (folder / "Backup" / "IMG_0000.jpg").write_bytes((folder / "2024" / "IMG_0000.jpg").read_bytes())
    save_jpeg(folder / "chat" / "received.jpg", scene(1).resize((240, 180)), quality=60)
    (folder / "broken.jpg").write_bytes((folder / "2024" / "IMG_0002.jpg").read_bytes()[:2000])
    (folder / "empty.jpg").write_bytes(b"")
    an_hour_ago = time.time() - 3600  # else a scan says that they are just being written
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (an_hour_ago, an_hour_ago))
    return folder

"""Small upright JPEGs of pictures, for reports."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from immich_pipeline.media.decode import (
    decoder_of,
    decoding,
    load_scaled,
    open_picture,
    orientation_of,
    to_gray,
    upright,
)
from immich_pipeline.media.formats import HEAD_BYTES, detect
from immich_pipeline.media.measure import FileTask, MeasureOptions, format_table, undetected
from immich_pipeline.media.opening import open_regular
from immich_pipeline.media.preview import embedded_jpegs, open_embedded, preview_orientation
from immich_pipeline.media.raw_facts import raw_facts
from immich_pipeline.media.reasons import MediaError

THUMBNAIL_PIXELS = 160
_QUALITY = 80
_TRANSPARENT_MODES = frozenset(("RGBA", "LA", "PA", "RGBa", "La"))
_COLOUR_MODES = frozenset(("P", "RGB", "CMYK", "YCbCr"))


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture small enough to put into a report.

    Attributes:
        asset_id: of the task.
        jpeg: upright JPEG, at most THUMBNAIL_PIXELS on its long side; None when there is none.
        error: why there is none, a sentence.
    """

    asset_id: str
    jpeg: bytes | None = None
    error: str | None = None


def thumbnail_file(task: FileTask, options: MeasureOptions) -> Thumbnail:
    """Make the thumbnail of one file.

    Args:
        task: the file.
        options: its memory limit and format table.

    Returns:
        The thumbnail, or the reason why there is none.
    """
    try:
        with decoding(), open_regular(os.path.join(task.root, task.real_path)) as (fh, _):  # noqa: PTH118 - bytes
            return Thumbnail(task.asset_id, _thumbnail(fh, task, options))
    except MediaError as error:
        return Thumbnail(task.asset_id, error=error.sentence)


def _thumbnail(fh: BinaryIO, task: FileTask, options: MeasureOptions) -> bytes:
    image, turn = open_for_viewing(fh, task.extension, options)
    load_scaled(image, "RGB", 2 * THUMBNAIL_PIXELS)
    small = on_white(image)
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    jpeg = io.BytesIO()
    upright(small, turn or orientation_of(image)).save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue()


def open_for_viewing(fh: BinaryIO, extension: str, options: MeasureOptions) -> tuple[Image.Image, int | None]:
    """Open what a person would see of a file, reading headers only: the picture, or the largest one embedded in a RAW.

    Args:
        fh: an open binary file, at its beginning.
        extension: of its name, lower case.
        options: its memory limit and format table.

    Returns:
        The picture, not decoded yet, and for a RAW how to turn it (EXIF orientation; None: the picture's own).

    Raises:
        MediaError: there is no picture, or it must not be decoded.
        OSError: the file could not be read.
    """
    detected = detect(fh.read(HEAD_BYTES), extension, format_table(options.formats_extra))
    if detected.format is None:
        raise undetected(detected)
    if detected.format.kind == "raw":
        return _largest_embedded(fh, options)
    if detected.format.kind == "image":
        return open_picture(fh, decoder_of(detected.format), options.worker_memory_mb), None
    raise MediaError("unsupported", "no thumbnail: this is not a picture")


def _largest_embedded(fh: BinaryIO, options: MeasureOptions) -> tuple[Image.Image, int]:
    """The largest JPEG embedded in a RAW, be it only a thumbnail, and how to turn it."""
    raw = raw_facts(fh)
    jpegs = embedded_jpegs(fh, raw.tiles)
    if not jpegs:
        raise MediaError("no_preview", "no thumbnail: the RAW file contains no preview")
    image = open_embedded(fh, jpegs[0], options.worker_memory_mb)
    return image, preview_orientation(image, raw, None)


def on_white(image: Image.Image) -> Image.Image:
    """The picture in RGB; what is transparent becomes white, as on the report's page."""
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, colours).convert("RGB")
    return (image if image.mode in _COLOUR_MODES else to_gray(image)).convert("RGB")

"""Pictures opened safely and made small, gray and upright, ready for hashing.

Every picture comes from a stranger: only the decoder of its detected format sees it, its size is checked before
anything is decoded, and whatever a decoder raises becomes a MediaError with a reason.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PsdImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from immich_pipeline.media.limits import Decoder, check_size, decoders, decoding_bytes
from immich_pipeline.media.opening import reading_error
from immich_pipeline.media.reasons import OUT_OF_MEMORY, MediaError

if TYPE_CHECKING:
    from immich_pipeline.media.formats import Format

# JPEGs are decoded at 1/2, 1/4 or 1/8 as long as both sides keep this many pixels; 12 megapixels (4000 x 3000) just
# reach 1/8. On 160 variants of real photos (1 to 12 megapixels) the 64-bit hash then differs from that of the full decode
# by at most 2 bits, the 256-bit one by at most 10 (5 % of them: by 4 or more). With 512 it is nearer (half as many differ)
# but takes a third more time.
SCALED_SIDE = 375

_ORIENTATION_TAG = 0x0112
_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATIONS = range(1, 9)
SIDEWAYS = range(5, 9)
_DIRECT_MODES = frozenset(("1", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"))
_MODE_NAMES = {
    "LAB": "CIE Lab colours",
    "F": "floating-point gray values",
    "I": "32-bit gray values",
    "HSV": "HSV colours",
}
_DEEPEST_GRAY = 0xFFFF

# Pillow loads a plugin when it first needs it, and all of them when it finds none; these are all that decoders.toml
# names.
PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PsdImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# One core per worker: the pool starts as many workers as there are cores.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, or as much as is known of one that could not be decoded.

    Attributes:
        gray: mode "L", upright, possibly scaled down; None if not decoded.
        width: of the upright full picture, pixels.
        height: of the upright full picture, pixels.
        computed_from: "picture", "scaled decode", "embedded preview" or "rendered RAW".
        problem: why `gray` is missing, or must not be compared.
    """

    gray: Image.Image | None
    width: int | None
    height: int | None
    computed_from: str | None
    problem: MediaError | None = None


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever a decoder raises into a MediaError, and keep Pillow from warning about what we check ourselves."""
    allowed = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("out_of_memory", OUT_OF_MEMORY) from error
    except Exception as error:  # a decoder fed with hostile data may raise anything
        raise _reason(error) from error
    finally:
        Image.MAX_IMAGE_PIXELS = allowed


def _reason(error: Exception) -> MediaError:
    message = str(error).lower()
    if isinstance(error, OSError) and error.errno:  # the disk's, not the decoder's
        return reading_error(error)
    if "memory" in message:
        return MediaError("out_of_memory", OUT_OF_MEMORY)
    if isinstance(error, EOFError) or "truncated" in message or "end of file" in message:
        return MediaError("truncated", "truncated: the end of the picture is missing")
    if isinstance(error, NotImplementedError) or "unsupported" in message or "not supported" in message:
        return MediaError("unsupported", "not hashed: this variant of the format cannot be decoded")
    if isinstance(error, UnidentifiedImageError):
        return MediaError("corrupt", "damaged: the picture's header cannot be read")
    return MediaError("corrupt", "damaged: the picture cannot be decoded")


def decoder_of(fmt: Format) -> Decoder:
    """How pictures of a format are decoded.

    Raises:
        MediaError: "unsupported", there is no decoder.
    """
    decoder = decoders().get(fmt.name)
    if decoder is None or decoder.none:
        title = decoder.none if decoder and decoder.none else f"the format {fmt.name}"
        raise MediaError("unsupported", f"not hashed: no decoder for {title}")
    return decoder


def open_picture(fh: BinaryIO, decoder: Decoder, memory_mb: int) -> Image.Image:
    """Open a picture, reading its header only, and check its size.

    Args:
        fh: an open binary file; it stays open and must outlive the picture.
        decoder: of the picture's format.
        memory_mb: memory a worker may use, in MB.

    Raises:
        MediaError: the picture cannot or must not be decoded.
    """
    fh.seek(0)
    with decoding():
        image = _open_optional(fh, decoder) if decoder.needs else Image.open(fh, formats=decoder.pillow)
        needed = _scaled_bytes(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else None
        check_size(decoder, *image.size, needed or decoding_bytes(decoder, *image.size, image.mode), memory_mb)
    return image


def _open_optional(fh: BinaryIO, decoder: Decoder) -> Image.Image:
    module, extra = decoder.needs
    try:
        plugin = importlib.import_module(module)
    except ImportError as error:
        raise MediaError("missing_extra", f"not hashed: install immich-pipeline[{extra}]") from error
    check_boxes(fh)
    plugin.options.DECODE_THREADS = 1
    picture: Image.Image = plugin.HeifImageFile(fh)
    return picture


def check_boxes(fh: BinaryIO) -> None:
    """Refuse a HEIF file whose outermost boxes reach beyond its end.

    libheif decodes it to a half-gray picture without a word.

    Raises:
        MediaError: "truncated".
    """
    end = fh.seek(0, io.SEEK_END)
    start = 0
    while start < end:
        fh.seek(start)
        head = fh.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:  # a 64-bit size follows
            size = int.from_bytes(head[8:], "big")
        if size == 0:  # to the end
            break
        start += max(size, 8)
    fh.seek(0)
    if start > end:
        raise MediaError("truncated", "truncated: the end of the picture is missing")


def _scaled_bytes(image: JpegImagePlugin.JpegImageFile) -> int:
    """Memory for the scaled decode of a JPEG.

    Its small picture and, if it is progressive, all coefficients of the full one, 2 bytes each.
    """
    width, height = image.size
    scale = max(scale for scale in (1, 2, 4, 8) if scale == 1 or min(width, height) >= scale * SCALED_SIDE)
    small = width * height * 5 // scale**2
    if not image.info.get("progressive"):
        return small
    sampling = [(horizontal, vertical) for _, horizontal, vertical, _ in image.layer]
    full = max(h for h, _ in sampling) * max(v for _, v in sampling)
    return small + 2 * width * height * sum(h * v for h, v in sampling) // max(1, full)


def load_scaled(image: Image.Image, mode: str, side: int) -> bool:
    """Decode a picture; a JPEG at the smallest scale that keeps both sides at `side` pixels or more, in the given mode.

    Returns:
        Whether it was scaled down.

    Raises:
        MediaError: it cannot be decoded.
    """
    full = image.size
    with decoding():
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(mode, (side, side))
        image.load()
    return image.size != full


def orientation_of(image: Image.Image, default: int = 1) -> int:
    """The EXIF orientation, 1 to 8, that is still to be applied to a picture.

    Args:
        image: an open picture.
        default: the answer where there is none or it makes no sense.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = image.getexif().get(_ORIENTATION_TAG)
        except Exception:  # noqa: BLE001 - a broken EXIF block; the metadata reader reports it, the picture is fine
            return default
    return value if isinstance(value, int) and value in _ORIENTATIONS else default


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as it is meant to be looked at."""
    transpose = _UPRIGHT.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height after `upright`."""
    width, height = size
    return (height, width) if orientation in SIDEWAYS else (width, height)


def to_gray(image: Image.Image) -> Image.Image:
    """A loaded picture as 8-bit gray.

    Luma of ITU-R 601 for colours, the upper byte of 16-bit gray; transparency is ignored.

    Raises:
        MediaError: "unsupported" for pixel layouts without a defined gray value.
    """
    if image.mode == "L":
        return image
    if image.mode in _DIRECT_MODES:
        return image.convert("L")
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.asarray(image)
        if deep.min() >= 0 and deep.max() <= _DEEPEST_GRAY:
            return Image.fromarray((deep >> 8).astype(np.uint8))
    raise MediaError(
        "unsupported", f"not hashed: the picture has {_MODE_NAMES.get(image.mode, 'an unusual kind of colours')}"
    )


def decode_gray(fh: BinaryIO, fmt: Format, memory_mb: int) -> Picture:
    """Decode a picture (not a RAW) for hashing.

    Args:
        fh: an open binary file.
        fmt: the detected format.
        memory_mb: memory a worker may use, in MB.

    Returns:
        The gray upright picture; or, with `problem`, whatever is known of it.
    """
    size: tuple[int | None, int | None] = (None, None)
    try:
        image = open_picture(fh, decoder_of(fmt), memory_mb)
        full = image.size
        # Known before the picture is decoded, in case that fails. TIFF and HEIC have their upright size already.
        size = upright_size(full, orientation_of(image) if "exif" in image.info else 1)
        scaled = load_scaled(image, "L", SCALED_SIDE)
        orientation = orientation_of(image)  # again: a PNG may have it behind the pixels
        size = upright_size(full, orientation)
        with decoding():
            gray = upright(to_gray(image), orientation)
    except MediaError as problem:
        return Picture(None, *size, None, problem)
    return Picture(gray, *size, "scaled decode" if scaled else "picture")

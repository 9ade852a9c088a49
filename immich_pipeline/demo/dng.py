"""A small valid DNG: the values of a sensor behind a Bayer filter, with a JPEG preview and EXIF.

Source: Adobe's Digital Negative Specification 1.4 (required tags, meaning of the colour matrix).
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from immich_pipeline.demo.exif import Shot, picture_directory
from immich_pipeline.demo.scenes import Pixels
from immich_pipeline.demo.tiff import BYTE, LONG, SHORT, SRATIONAL, Directory, encode

_PREVIEW_SIDE = 1024
_WHITE = 16_383  # 14 bits
_GAMMA = 2.2
_STRIP_OFFSETS, _SUB_DIRECTORIES = 0x0111, 0x014A
_JPEG, _UNCOMPRESSED = 7, 1
_YCBCR, _COLOUR_FILTER_ARRAY = 6, 32_803
# From XYZ to the colours of a camera that sees as sRGB does (IEC 61966-2-1), row by row.
_XYZ_TO_SRGB = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)
_D65 = 21


def dng_file(pixels: Pixels, shot: Shot) -> bytes:
    """A DNG of a picture.

    Args:
        pixels: uint8 RGB, height x width x 3; height and width even.
        shot: what to write as EXIF.
    """
    preview = Image.fromarray(pixels)
    preview.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    saved = io.BytesIO()
    preview.save(saved, "JPEG", quality=88)
    first = picture_directory(shot)
    _picture(first, preview.size, 3, (_JPEG, _YCBCR), saved.getvalue())
    first.numbers(0x00FE, LONG, 1)  # a reduced picture
    first.numbers(0xC612, BYTE, 1, 4, 0, 0)
    first.numbers(0xC613, BYTE, 1, 1, 0, 0)
    first.text(0xC614, f"{shot.camera.make} {shot.camera.model}")
    first.fractions(0xC621, *_XYZ_TO_SRGB, kind=SRATIONAL)
    first.fractions(0xC628, 1, 1, 1, denominator=1)
    first.numbers(0xC65A, SHORT, _D65)
    first.below[_SUB_DIRECTORIES] = _sensor(pixels)
    return encode(first)


def _picture(directory: Directory, size: tuple[int, int], channels: int, coding: tuple[int, int], data: bytes) -> None:
    width, height = size
    directory.numbers(0x0100, LONG, width)
    directory.numbers(0x0101, LONG, height)
    directory.numbers(0x0102, SHORT, *[16 if channels == 1 else 8] * channels)
    directory.numbers(0x0103, SHORT, coding[0])
    directory.numbers(0x0106, SHORT, coding[1])
    directory.blobs[_STRIP_OFFSETS] = data
    directory.numbers(0x0115, SHORT, channels)
    directory.numbers(0x0116, LONG, height)
    directory.numbers(0x0117, LONG, len(data))
    directory.numbers(0x011C, SHORT, 1)


def _sensor(pixels: Pixels) -> Directory:
    directory = Directory()
    height, width = pixels.shape[:2]
    _picture(directory, (width, height), 1, (_UNCOMPRESSED, _COLOUR_FILTER_ARRAY), mosaic(pixels).tobytes())
    directory.numbers(0x00FE, LONG, 0)  # the picture itself
    directory.numbers(0x828D, SHORT, 2, 2)
    directory.numbers(0x828E, BYTE, 0, 1, 1, 2)  # red, green; green, blue
    directory.numbers(0xC617, SHORT, 1)
    directory.numbers(0xC61D, SHORT, _WHITE)
    return directory


def mosaic(pixels: Pixels) -> npt.NDArray[np.uint16]:
    """What a sensor with a red-green, green-blue filter would count: linear light, one colour per pixel.

    Args:
        pixels: uint8 RGB, height x width x 3.

    Returns:
        Little-endian uint16, height x width.
    """
    table = np.round((np.arange(256) / 255) ** _GAMMA * _WHITE).astype("<u2")
    counted: npt.NDArray[np.uint16] = np.empty(pixels.shape[:2], dtype="<u2")
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        counted[row::2, column::2] = table[pixels[row::2, column::2, colour]]
    return counted

"""The picture of a RAW file: the largest JPEG its camera embedded.

Cameras embed up to four JPEGs, and each make keeps them elsewhere: in TIFF directories, in maker notes, in a heap, in
boxes. All of them begin with the same three bytes and a header that states a size, so the file is searched for those;
lossless JPEG (how sensor data is often stored) and the tiles of a tiled picture are not previews and are left out.
"""

from __future__ import annotations

import importlib
import io
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

from PIL import Image

from immich_pipeline.media.decode import (
    SCALED_SIDE,
    SIDEWAYS,
    Picture,
    decoding,
    load_scaled,
    open_picture,
    orientation_of,
    to_gray,
    upright,
    upright_size,
)
from immich_pipeline.media.limits import check_size, decoders, decoding_bytes
from immich_pipeline.media.raw_facts import RawFacts, raw_facts
from immich_pipeline.media.reasons import MediaError

# The EXIF thumbnail is 160 x 120 whatever the picture's shape, with black bars: its hash is up to 40 of 64 bits off
# (of 5 % of photos: 20 or more). Thumbnails of up to 256 pixels exist too; the smallest real preview seen has 640.
# Below this, no hash is compared.
SMALLEST_PREVIEW = 320

_SOI = b"\xff\xd8\xff"
_BLOCK_BYTES = 1 << 20
_MOST_CANDIDATES = 4096
_MOST_SEGMENTS = 64
_MOST_DECODED = 6
_MOST_HEADER_BYTES = 4 << 20
_MARKER = 0xFF
_SEGMENT_BYTES = 9  # marker, length, and what a frame header begins with: precision, height, width
_DCT_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive: not lossless (0xC3)
_NO_SIZE = frozenset((*range(0xC3, 0xD0), *range(0xD0, 0xDB))) - {
    0xC4,
    0xC8,
    0xCC,
}  # other frames, restarts, start of scan


@dataclass(frozen=True, slots=True)
class EmbeddedJpeg:
    """A JPEG inside another file.

    Attributes:
        offset: bytes from the start of the file.
        width: pixels.
        height: pixels.
    """

    offset: int
    width: int
    height: int

    @property
    def most_bytes(self) -> int:
        """How long it can be; where it ends is not known before it is decoded."""
        return 3 * self.width * self.height + _MOST_HEADER_BYTES

    @property
    def large(self) -> bool:
        """Whether it is a preview rather than a thumbnail."""
        return max(self.width, self.height) >= SMALLEST_PREVIEW


def embedded_jpegs(fh: BinaryIO, tiles: frozenset[int] = frozenset()) -> list[EmbeddedJpeg]:
    """All JPEGs in a file that could be previews, the largest first.

    Args:
        fh: an open binary file.
        tiles: offsets that are parts of a picture.

    Raises:
        OSError: the file could not be read.
    """
    found = []
    for offset in _candidates(fh):
        size = None if offset in tiles else _jpeg_size(fh, offset)
        if size:
            found.append(EmbeddedJpeg(offset, *size))
    return sorted(found, key=lambda jpeg: (-jpeg.width * jpeg.height, jpeg.offset))


def _candidates(fh: BinaryIO) -> list[int]:
    """Offsets of everything that begins like a JPEG; read in blocks, since a RAW can be large."""
    offsets: list[int] = []
    start = 0
    while len(offsets) < _MOST_CANDIDATES:
        fh.seek(start)
        block = fh.read(_BLOCK_BYTES + len(_SOI) - 1)
        at = block.find(_SOI)
        while at >= 0:
            offsets.append(start + at)
            at = block.find(_SOI, at + 1)
        if len(block) < _BLOCK_BYTES + len(_SOI) - 1:
            break
        start += _BLOCK_BYTES
    return offsets[:_MOST_CANDIDATES]


def _jpeg_size(fh: BinaryIO, offset: int) -> tuple[int, int] | None:
    """Width and height of an 8-bit DCT JPEG; None for anything else."""
    fh.seek(offset + 2)
    for _ in range(_MOST_SEGMENTS):
        segment = fh.read(_SEGMENT_BYTES)
        if len(segment) < _SEGMENT_BYTES or segment[0] != _MARKER or segment[1] in _NO_SIZE:
            return None
        length, precision, height, width = struct.unpack_from(">HBHH", segment, 2)
        if segment[1] in _DCT_FRAMES:
            return (width, height) if precision == 8 and width and height else None  # noqa: PLR2004 - bits
        fh.seek(length - 7, io.SEEK_CUR)
    return None


def open_embedded(fh: BinaryIO, jpeg: EmbeddedJpeg, memory_mb: int) -> Image.Image:
    """Open an embedded JPEG, reading its header only.

    Raises:
        MediaError: it cannot or must not be decoded.
    """
    fh.seek(jpeg.offset)
    part = io.BytesIO(fh.read(jpeg.most_bytes))
    return open_picture(part, decoders()["jpeg"], memory_mb)


def preview_orientation(image: Image.Image, raw: RawFacts, orientation: int | None) -> int:
    """How a preview is to be turned.

    Args:
        image: the opened preview, not scaled yet.
        raw: of the RAW file.
        orientation: EXIF orientation of the RAW file, from its metadata.

    Returns:
        EXIF orientation: the preview's own if it has EXIF that says so; else the RAW's, unless the preview is upright
        already, which shows when the sensor's picture lies and the preview stands.
    """
    own = orientation_of(image, default=0)
    if own:
        return own
    turn = orientation or raw.orientation or 1
    if raw.size and turn in SIDEWAYS:
        lies, preview_lies = raw.size[0] > raw.size[1], image.size[0] > image.size[1]
        return turn if lies == preview_lies else 1
    return turn


def decode_raw(fh: BinaryIO, orientation: int | None, memory_mb: int) -> Picture:
    """The largest embedded preview of a RAW file, decoded for hashing.

    Args:
        fh: an open binary file.
        orientation: EXIF orientation of the RAW file, from its metadata; None if unknown.
        memory_mb: memory a worker may use, in MB.

    Returns:
        The gray upright picture with the size of the full one. With `problem` if there is no preview, or only a
        thumbnail; a RAW that is complete is then developed if the extra for that is installed.

    Raises:
        OSError: the file could not be read.
    """
    raw = raw_facts(fh)
    lack = MediaError("no_preview", "no preview is embedded")
    thumbnail = Picture(None, *_full_size(raw, orientation, (0, 0)), None)
    for jpeg in embedded_jpegs(fh, raw.tiles)[:_MOST_DECODED]:
        try:
            picture = _decode_embedded(fh, jpeg, raw, orientation, memory_mb)
        except MediaError as error:
            lack = MediaError(error.kind, f"the embedded preview is damaged or cut off ({error})")
            continue
        if jpeg.large:
            return picture
        thumbnail = picture
        if lack.kind == "no_preview":
            lack = MediaError("no_preview", f"only a {jpeg.width}x{jpeg.height} thumbnail is embedded")
        break
    return _develop(fh, raw, lack, thumbnail, memory_mb)


def _decode_embedded(
    fh: BinaryIO, jpeg: EmbeddedJpeg, raw: RawFacts, orientation: int | None, memory_mb: int
) -> Picture:
    image = open_embedded(fh, jpeg, memory_mb)
    size = image.size
    turn = preview_orientation(image, raw, orientation)
    load_scaled(image, "L", SCALED_SIDE)
    with decoding():
        gray = upright(to_gray(image), turn)
    return Picture(gray, *_full_size(raw, orientation, upright_size(size, turn)), "embedded preview")


def _full_size(raw: RawFacts, orientation: int | None, preview: tuple[int, int]) -> tuple[int | None, int | None]:
    """Upright size of the full picture: what the file says, unless its preview is even larger."""
    if raw.size and raw.size[0] * raw.size[1] >= preview[0] * preview[1]:
        return upright_size(raw.size, orientation or raw.orientation or 1)
    return preview if all(preview) else (None, None)


def _develop(fh: BinaryIO, raw: RawFacts, lack: MediaError, thumbnail: Picture, memory_mb: int) -> Picture:
    """The picture of a RAW without a preview, developed; or the thumbnail with the reason not to compare it."""
    problem = MediaError(lack.kind, f"not hashed: {lack}")
    if raw.complete and raw.size:
        try:
            return _developed(fh, raw.size, thumbnail, memory_mb)
        except MediaError as error:
            if error.kind == "missing_extra":
                problem = MediaError(
                    "missing_extra", f"not hashed: {lack}; install immich-pipeline[raw] to develop the RAW itself"
                )
            else:
                problem = MediaError(lack.kind, f"not hashed: {lack}, and the RAW itself cannot be developed")
    return replace(thumbnail, problem=problem)


def _developed(fh: BinaryIO, size: tuple[int, int], thumbnail: Picture, memory_mb: int) -> Picture:
    decoder = decoders()["raw"]
    check_size(decoder, *size, decoding_bytes(decoder, *size, "RGB"), memory_mb)
    try:
        rawpy = importlib.import_module(decoder.needs[0])
    except ImportError as error:
        raise MediaError("missing_extra", f"install immich-pipeline[{decoder.needs[1]}]") from error
    fh.seek(0)
    with decoding(), rawpy.imread(fh) as opened:
        pixels = opened.postprocess(half_size=True, use_camera_wb=True, output_bps=8)  # upright
    return replace(thumbnail, gray=to_gray(Image.fromarray(pixels)), computed_from="rendered RAW")

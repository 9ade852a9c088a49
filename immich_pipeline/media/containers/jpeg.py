"""JPEG: EXIF and XMP in APP1 segments, GoPro's fields in APP6, wherever they stand among the other segments."""

from __future__ import annotations

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.found import Found, exif_start
from immich_pipeline.media.containers.gopro import GPMF_PREFIX, media_unique_id

_START_OF_SCAN, _END_OF_IMAGE, _APP1, _APP6 = 0xDA, 0xD9, 0xE1, 0xE6
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RST0-7, SOI: no length follows
_EXIF_PREFIX = b"Exif\0"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_MAX_SEGMENTS = 5000
_MAX_EXIF = 4 * 1024 * 1024


def find_in_jpeg(reader: BoundedReader, found: Found) -> None:
    """Collect the EXIF blocks and XMP packets of a JPEG, and the id of a burst.

    A segment holds 64 KB; larger EXIF goes on in following APP1 segments, which have the prefix but no TIFF header.
    """
    exif = b""
    for marker, position, size in _segments(reader):
        if marker not in (_APP1, _APP6):
            continue
        data = reader.read_at(position, size)
        if marker == _APP6:
            if data.startswith(GPMF_PREFIX):
                found.burst_id = found.burst_id or media_unique_id(data[len(GPMF_PREFIX) :])
            continue
        if data.startswith(_XMP_PREFIX):
            found.xmp.append(data[len(_XMP_PREFIX) :])
        elif data.startswith(_EXIF_PREFIX):
            if exif and exif_start(data) is None:
                exif = (exif + data[len(_EXIF_PREFIX) + 1 :])[:_MAX_EXIF]
                continue
            _add(exif, reader, found)
            exif = data
    _add(exif, reader, found)


def _add(exif: bytes, reader: BoundedReader, found: Found) -> None:
    if exif:
        found.add_exif(exif, reader)


def _segments(reader: BoundedReader) -> list[tuple[int, int, int]]:
    """(marker, position, size) of the segments before the picture data; ends where the structure ends to make sense."""
    segments: list[tuple[int, int, int]] = []
    position = 2
    while len(segments) < _MAX_SEGMENTS:
        head = reader.read_at(position, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_START_OF_SCAN, _END_OF_IMAGE):  # noqa: PLR2004
            break
        if head[1] == 0xFF:  # noqa: PLR2004 - fill byte
            position += 1
            continue
        if head[1] in _STANDALONE:
            position += 2
            continue
        size = int.from_bytes(head[2:], "big")
        if size < 2:  # noqa: PLR2004 - the length counts itself
            break
        segments.append((head[1], position + 4, size - 2))
        position += 2 + size
    return segments

"""RAW files that are not TIFF: Fujifilm RAF, Minolta MRW and Sigma X3F, each with EXIF somewhere inside."""

from __future__ import annotations

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.found import Found
from immich_pipeline.media.containers.jpeg import find_in_jpeg

_RAF_JPEG = 84  # position of the embedded JPEG's offset and length, big-endian
_MRW_EXIF = b"\0TTW"
_MAX_BLOCKS = 1000
_X3F_JPEG = 18  # data format of a preview that is a JPEG
_JPEG_START = b"\xff\xd8"


def find_in_raf(reader: BoundedReader, found: Found) -> None:
    """Collect the metadata of a RAF from the JPEG in it."""
    place = reader.read_at(_RAF_JPEG, 8)
    _find_in_embedded(reader.part(int.from_bytes(place[:4], "big"), int.from_bytes(place[4:], "big")), found)


def find_in_mrw(reader: BoundedReader, found: Found) -> None:
    """Collect the metadata of an MRW from its TIFF block."""
    end = 8 + int.from_bytes(reader.read_at(4, 4), "big")
    position = 8
    for _ in range(_MAX_BLOCKS):
        head = reader.read_at(position, 8)
        if position >= end or len(head) < 8:  # noqa: PLR2004
            return
        size = int.from_bytes(head[4:], "big")
        if head[:4] == _MRW_EXIF:
            found.add_exif(reader.read_at(position + 8, size), reader)
        position += 8 + size


def find_in_x3f(reader: BoundedReader, found: Found) -> None:
    """Collect the metadata of an X3F from the JPEGs that its directory (at the end of the file) lists."""
    directory = int.from_bytes(reader.read_at(reader.size - 4, 4), "little")
    head = reader.read_at(directory, 12)
    if head[:4] != b"SECd":
        found.problems.append("the directory of the X3F is missing: the file was not copied to its end")
        return
    for number in range(min(int.from_bytes(head[8:12], "little"), _MAX_BLOCKS)):
        entry = reader.read_at(directory + 12 + 12 * number, 12)
        offset, size = int.from_bytes(entry[:4], "little"), int.from_bytes(entry[4:8], "little")
        section = reader.read_at(offset, 16)
        if section[:4] == b"SECi" and int.from_bytes(section[12:16], "little") == _X3F_JPEG:
            _find_in_embedded(reader.part(offset + 28, size - 28), found)


def _find_in_embedded(jpeg: BoundedReader, found: Found) -> None:
    if jpeg.read_at(0, 2) == _JPEG_START:
        find_in_jpeg(jpeg, found)
    else:
        found.problems.append("the embedded JPEG with the metadata is missing")

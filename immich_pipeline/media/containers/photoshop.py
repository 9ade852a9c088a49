"""Photoshop documents: EXIF and XMP are image resources (Adobe Photoshop File Formats Specification)."""

from __future__ import annotations

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.found import Found

_HEADER = 26
_MAX_RESOURCES = 2000
_EXIF, _XMP = 1058, 1060


def find_in_photoshop(reader: BoundedReader, found: Found) -> None:
    """Collect the EXIF block and XMP packet of a Photoshop document."""
    position = _HEADER + 4 + int.from_bytes(reader.read_at(_HEADER, 4), "big")
    end = position + 4 + int.from_bytes(reader.read_at(position, 4), "big")
    position += 4
    for _ in range(_MAX_RESOURCES):
        head = reader.read_at(position, 7)
        if position >= end or head[:4] != b"8BIM" or len(head) < 7:  # noqa: PLR2004
            return
        # The name is padded so that it takes an even number of bytes with its length, and so is the data.
        size_at = position + 6 + (head[6] + 2) // 2 * 2
        size = int.from_bytes(reader.read_at(size_at, 4), "big")
        kind = int.from_bytes(head[4:6], "big")
        if kind == _EXIF:
            found.add_exif(reader.read_at(size_at + 4, size), reader)
        elif kind == _XMP:
            found.xmp.append(reader.read_at(size_at + 4, size))
        position = size_at + 4 + size + size % 2

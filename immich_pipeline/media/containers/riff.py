"""WebP: EXIF and XMP in chunks of a RIFF file. Some writers put JPEG's "Exif" prefix before the EXIF, some do not."""

from __future__ import annotations

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.found import Found

_MAX_CHUNKS = 50_000  # an animation has one per frame


def find_in_webp(reader: BoundedReader, found: Found) -> None:
    """Collect the EXIF block and XMP packet of a WebP."""
    position = 12
    for _ in range(_MAX_CHUNKS):
        head = reader.read_at(position, 8)
        if len(head) < 8:  # noqa: PLR2004
            return
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            found.add_exif(reader.read_at(position + 8, size), reader)
        elif head[:4] == b"XMP ":
            found.xmp.append(reader.read_at(position + 8, size))
        position += 8 + size + size % 2

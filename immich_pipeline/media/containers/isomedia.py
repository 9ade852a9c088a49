"""The top level of files made of boxes: which boxes hold metadata, for HEIF, AVIF, CR3, MP4, QuickTime, JPEG 2000 and JPEG XL alike."""

from __future__ import annotations

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.boxes import Box, boxes
from immich_pipeline.media.containers.found import Found
from immich_pipeline.media.containers.heif import find_in_meta
from immich_pipeline.media.containers.quicktime import XMP_UUID, find_in_movie

_JP2_EXIF_UUID = b"JpgTiffExif->JP2"


def find_in_boxes(reader: BoundedReader, found: Found) -> None:
    """Collect the metadata of a file made of boxes."""
    for box in boxes(reader, 0, reader.size):
        if box.kind == b"meta":
            find_in_meta(reader, box, found)
        elif box.kind == b"moov":
            find_in_movie(reader, box, found)
        elif box.kind == b"uuid":
            _uuid(reader, box, found)
        elif box.kind == b"Exif":  # JPEG XL: the distance to the TIFF header, then the block
            found.add_exif(reader.read_at(box.start + 4, box.size - 4), reader)
        elif box.kind == b"xml ":
            found.xmp.append(reader.read_at(box.start, box.size))
        elif box.kind == b"brob" and reader.read_at(box.start, 4) in (b"Exif", b"xml "):
            found.problems.append("the metadata is compressed with Brotli and was not read")


def _uuid(reader: BoundedReader, box: Box, found: Found) -> None:
    kind = reader.read_at(box.start, 16)
    if kind == XMP_UUID:
        found.xmp.append(reader.read_at(box.start + 16, box.size - 16))
    elif kind == _JP2_EXIF_UUID:
        found.add_exif(reader.read_at(box.start + 16, box.size - 16), reader)

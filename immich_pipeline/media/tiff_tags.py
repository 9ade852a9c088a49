"""The fields of an EXIF block (a TIFF structure), read by exifread's directory reader.

exifread's ``process_file`` knows few containers, walks preview directories and stops at the first odd field. Its ``ExifHeader`` reads one
directory at a time; here it gets the directories of the image, of EXIF and of GPS, and of Apple's maker note, each on its own, so that
damage in one leaves the others.
"""

from __future__ import annotations

import io
import logging
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exifread.core.exif_header import ExifHeader

from immich_pipeline.media.bounded import BoundedReader, TooMuchWorkError
from immich_pipeline.media.clean_text import clean_text
from immich_pipeline.media.containers.found import TiffBlock

# exifread warns of every odd field of every file; what matters is in ``problems``.
logging.getLogger("exifread").setLevel(logging.CRITICAL)

_EXIF_POINTER, _GPS_POINTER, _MAKER_NOTE, _XMP = 0x8769, 0x8825, 0x927C, 0x02BC

# Tag numbers: EXIF 3.0 (CIPA DC-008), DNG 1.7. RAW formats keep EXIF's fields in the image's directory too, so one table serves both.
_PICTURE_TAGS: dict[int, tuple[str, None]] = {
    0x010F: ("Make", None),
    0x0110: ("Model", None),
    0x0112: ("Orientation", None),
    0x0131: ("Software", None),
    0x0132: ("DateTime", None),
    _EXIF_POINTER: ("ExifPointer", None),
    _GPS_POINTER: ("GpsPointer", None),
    0x9003: ("DateTimeOriginal", None),
    0x9004: ("DateTimeDigitized", None),
    0x9010: ("OffsetTime", None),
    0x9011: ("OffsetTimeOriginal", None),
    0x9012: ("OffsetTimeDigitized", None),
    0x9204: ("ExposureBiasValue", None),
    0x9290: ("SubSecTime", None),
    0x9291: ("SubSecTimeOriginal", None),
    0x9292: ("SubSecTimeDigitized", None),
    0xA431: ("BodySerialNumber", None),
    0xA434: ("LensModel", None),
    0xC62F: ("CameraSerialNumber", None),
}
_GPS_TAGS: dict[int, tuple[str, None]] = {
    1: ("GPSLatitudeRef", None),
    2: ("GPSLatitude", None),
    3: ("GPSLongitudeRef", None),
    4: ("GPSLongitude", None),
    5: ("GPSAltitudeRef", None),
    6: ("GPSAltitude", None),
    7: ("GPSTimeStamp", None),
    29: ("GPSDateStamp", None),
}
# As ExifTool's tag tables document Apple's maker note.
_APPLE_TAGS: dict[int, tuple[str, None]] = {0x000B: ("BurstUUID", None), 0x0011: ("ContentIdentifier", None)}
_APPLE_PREFIX = b"Apple iOS\0"
_APPLE_DIRECTORY = 14  # after prefix, version and byte order

_DAMAGED = "a part of the EXIF data is damaged"
# What exifread raises on hostile files, apart from our own TooMuchWorkError (a ValueError).
_EXIFREAD_ERRORS = (ValueError, IndexError, KeyError, TypeError, AttributeError, ArithmeticError, struct.error)


@dataclass(slots=True)
class TiffTags:
    """Fields of one or more EXIF blocks by their EXIF names; of several with a name the first counts.

    Attributes:
        values: As exifread gives them: text, bytes that are no UTF-8, or a list of numbers and fractions.
        xmp: XMP packets found in a directory.
        problems: Sentences.
    """

    values: dict[str, Any] = field(default_factory=dict)
    xmp: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        """A field as clean text."""
        return clean_text(self.values.get(name))

    def numbers(self, name: str) -> list[float]:
        """A field's numbers; empty if it has none, or one is no number (0/0)."""
        values = self.values.get(name)
        numbers = [_float(value) for value in values] if isinstance(values, list) else []
        finite = [number for number in numbers if number is not None]
        return finite if len(finite) == len(numbers) else []

    def number(self, name: str) -> float | None:
        """A field's first number."""
        return next(iter(self.numbers(name)), None)


def read_tags(block: TiffBlock, tags: TiffTags) -> None:
    """Add the fields of an EXIF block.

    Args:
        block: The block.
        tags: Where to.

    Raises:
        OSError: The disk failed.
    """
    reader = block.reader
    header = _header(reader, reader.read_at(0, 1))
    first = header.s2n(4, 4)
    if block.role == "gps":
        _read_directory(header, first, _GPS_TAGS, tags)
        return
    fields = _read_directory(header, first, _PICTURE_TAGS, tags)
    _read_xmp(header, reader, first, tags)
    exif_directory = _pointer(fields, "ExifPointer")
    if exif_directory:
        fields = {**_read_directory(header, exif_directory, _PICTURE_TAGS, tags), **fields}
    gps_directory = _pointer(fields, "GpsPointer")
    if gps_directory:
        _read_directory(header, gps_directory, _GPS_TAGS, tags)
    _read_apple(header, reader, exif_directory or first, tags)


def _header(reader: BoundedReader, endian: bytes) -> ExifHeader:
    """A reader of exifread's; "I" is little-endian, anything else big. Without details it skips maker notes, comments and XMP."""
    return ExifHeader(reader, endian.decode("latin-1"), 0, 0, strict=False, detailed=False)  # type: ignore[arg-type]


def _read_directory(
    header: ExifHeader, offset: int, names: Mapping[int, tuple[str, None]], tags: TiffTags
) -> dict[str, Any]:
    """Add one directory's named fields; those read before any damage are kept."""
    header.tags = {}
    try:
        header.dump_ifd(offset, "", tag_dict=names)
    except TooMuchWorkError as problem:
        tags.problems.append(str(problem))
    except _EXIFREAD_ERRORS:
        tags.problems.append(_DAMAGED)
    known = {name for name, _ in names.values()}
    fields = {name.strip(): tag.values for name, tag in header.tags.items() if name.strip() in known}
    for name, value in fields.items():
        if value:
            tags.values.setdefault(name, value)
    return fields


def _pointer(fields: Mapping[str, Any], name: str) -> int:
    values = fields.get(name)
    return values[0] if isinstance(values, list) and values and isinstance(values[0], int) else 0


def _find_value(header: ExifHeader, directory: int, wanted: int) -> tuple[int, int] | None:
    """(position, size) of a field of bytes that exifread skips."""
    for number in range(header.s2n(directory, 2)):
        entry = directory + 2 + 12 * number
        if header.s2n(entry, 2) == wanted:
            return header.s2n(entry + 8, 4), header.s2n(entry + 4, 4)
    return None


def _read_xmp(header: ExifHeader, reader: BoundedReader, directory: int, tags: TiffTags) -> None:
    data = _read_bytes(header, reader, directory, _XMP, tags)
    if data:
        tags.xmp.append(data)


def _read_apple(header: ExifHeader, reader: BoundedReader, directory: int, tags: TiffTags) -> None:
    """Add the ids of Apple's maker note; its offsets count from its own beginning."""
    note = _read_bytes(header, reader, directory, _MAKER_NOTE, tags)
    if note.startswith(_APPLE_PREFIX):
        note_header = _header(BoundedReader(io.BytesIO(note), 0, len(note), reader.budget), note[12:13])
        _read_directory(note_header, _APPLE_DIRECTORY, _APPLE_TAGS, tags)


def _read_bytes(header: ExifHeader, reader: BoundedReader, directory: int, tag: int, tags: TiffTags) -> bytes:
    try:
        place = _find_value(header, directory, tag)
        return reader.read_at(*place) if place else b""
    except TooMuchWorkError as problem:
        tags.problems.append(str(problem))
        return b""


def _float(value: object) -> float | None:
    """A number of exifread's: int, fraction (perhaps n/0), or a float wrapped in a tuple; None if it is not finite."""
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (ArithmeticError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None

"""HEIF and AVIF: EXIF and XMP are items, found by the tables of the "meta" box (ISO/IEC 14496-12, 8.11; ISO/IEC 23008-12, annex A)."""

from __future__ import annotations

from dataclasses import dataclass

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.boxes import Box, boxes
from immich_pipeline.media.containers.found import Found

_MAX_ITEMS = 10_000
_MAX_EXTENTS = 64
_IN_FILE, _IN_IDAT = 0, 1


@dataclass(frozen=True, slots=True)
class _Location:
    method: int
    extents: tuple[tuple[int, int], ...]


class _Cursor:
    """Big-endian numbers one after the other; beyond the end they are 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def number(self, size: int) -> int:
        self.at += size
        return int.from_bytes(self._data[self.at - size : self.at], "big")

    @property
    def ended(self) -> bool:
        return self.at >= len(self._data)


def find_in_meta(reader: BoundedReader, meta: Box, found: Found) -> None:
    """Collect the EXIF blocks and XMP packets of a HEIF or AVIF picture from its "meta" box."""
    parts = {box.kind: box for box in boxes(reader, meta.start + 4, meta.end)}
    if b"iinf" not in parts or b"iloc" not in parts:
        return
    wanted = _metadata_items(reader, parts[b"iinf"])
    locations = _locations(reader.read_at(parts[b"iloc"].start, parts[b"iloc"].size)) if wanted else {}
    for item, kind in wanted.items():
        data = _item_data(reader, locations.get(item), parts.get(b"idat"))
        if not data:
            found.problems.append(f"the {kind} data lies beyond the end of the file or is stored in an unknown way")
        elif kind == "XMP":
            found.xmp.append(data)
        else:
            # The block begins with the distance to the TIFF header; what lies between is a prefix, which is looked for anyway.
            found.add_exif(data[4:], reader)


def _metadata_items(reader: BoundedReader, info: Box) -> dict[int, str]:
    """Ids of the items that are EXIF or XMP."""
    version = reader.read_at(info.start, 1)
    items: dict[int, str] = {}
    skip = 6 if version == b"\0" else 8
    for number, box in enumerate(boxes(reader, info.start + skip, info.end)):
        if number >= _MAX_ITEMS:
            break
        entry = reader.read_at(box.start, min(box.size, 256))
        cursor = _Cursor(entry)
        entry_version = cursor.number(1)
        cursor.number(3)
        item = cursor.number(4 if entry_version == 3 else 2)  # noqa: PLR2004 - ids grew in version 3
        cursor.number(2)
        kind, texts = entry[cursor.at : cursor.at + 4], entry[cursor.at + 4 :].split(b"\0")
        if kind == b"Exif":
            items[item] = "EXIF"
        elif kind == b"mime" and b"application/rdf+xml" in texts:
            items[item] = "XMP"
    return items


def _locations(data: bytes) -> dict[int, _Location]:
    """The "iloc" table: where each item's bytes are."""
    cursor = _Cursor(data)
    version = cursor.number(1)
    cursor.number(3)
    sizes = cursor.number(2)
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    count = cursor.number(4 if version == 2 else 2)  # noqa: PLR2004 - counts and ids grew in version 2
    locations: dict[int, _Location] = {}
    for _ in range(min(count, _MAX_ITEMS)):
        if cursor.ended:
            break
        item = cursor.number(4 if version == 2 else 2)  # noqa: PLR2004
        method = cursor.number(2) & 15 if version else _IN_FILE
        cursor.number(2)
        base = cursor.number(base_size)
        extents = []
        for _ in range(min(cursor.number(2), _MAX_EXTENTS)):
            cursor.number(index_size if version else 0)
            offset = cursor.number(offset_size)
            extents.append((base + offset, cursor.number(length_size)))
        locations[item] = _Location(method, tuple(extents))
    return locations


def _item_data(reader: BoundedReader, location: _Location | None, idat: Box | None) -> bytes:
    """An item's bytes; none if they are not there or stored in a way we do not know (as a part of another item)."""
    if location is None:
        return b""
    if location.method == _IN_FILE:
        source = reader
    elif location.method == _IN_IDAT and idat:
        source = reader.part(idat.start, idat.size)
    else:
        return b""
    # A length of 0 means the rest.
    return b"".join(source.read_at(offset, length or source.size) for offset, length in location.extents)

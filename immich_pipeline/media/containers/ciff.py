"""Canon CRW: a "camera image file format" heap (Canon's CIFF specification 1.0), which has its own records instead of EXIF."""

from __future__ import annotations

from collections.abc import Iterator

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.found import Found, OwnFields
from immich_pipeline.media.times import unix_wall_clock

_MAX_DEPTH = 8
_MAX_RECORDS = 2000
_MAX_VALUE = 1024
_DIRECTORIES = (0x2800, 0x3000)
_MAKE_AND_MODEL, _FIRMWARE, _SERIAL, _CAPTURED_TIME, _IMAGE_INFO = 0x080A, 0x080B, 0x180B, 0x180E, 0x1810
_WANTED = (_MAKE_AND_MODEL, _FIRMWARE, _SERIAL, _CAPTURED_TIME, _IMAGE_INFO)
_ORIENTATIONS = {0: 1, 90: 6, 180: 3, 270: 8}  # degrees clockwise -> EXIF


def find_in_ciff(reader: BoundedReader, found: Found) -> None:
    """Collect the records of a CRW."""
    head = reader.read_at(0, 6)
    order: str = "little" if head[:2] == b"II" else "big"
    start = _number(head[2:6], order)
    records: dict[int, bytes] = {}
    for tag, data in _records(reader.part(start, reader.size), order, _MAX_DEPTH):
        records.setdefault(tag, data)
    make, _, model = records.get(_MAKE_AND_MODEL, b"").partition(b"\0")
    found.own = OwnFields(
        "ciff",
        make=make.decode("latin-1"),
        model=model.decode("latin-1"),
        software=records.get(_FIRMWARE, b"").decode("latin-1"),
        serial=str(_number(records[_SERIAL][:4], order)) if _SERIAL in records else None,
        local=unix_wall_clock(_number(records.get(_CAPTURED_TIME, b"")[:4], order)),
        orientation=_ORIENTATIONS.get(_number(records[_IMAGE_INFO][12:16], order)) if _IMAGE_INFO in records else None,
    )


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "little" else "big")


def _records(heap: BoundedReader, order: str, depth: int) -> Iterator[tuple[int, bytes]]:
    """(tag, value) of the wanted records of a heap and the heaps in it. A heap's directory lies behind its data, its place at the end."""
    directory = _number(heap.read_at(heap.size - 4, 4), order)
    count = _number(heap.read_at(directory, 2), order)
    for number in range(min(count, _MAX_RECORDS)):
        entry = heap.read_at(directory + 2 + 10 * number, 10)
        tag = _number(entry[:2], order)
        identity = tag & 0x3FFF
        size, offset = _number(entry[2:6], order), _number(entry[6:10], order)
        if tag & 0xC000 == 0x4000 and identity in _WANTED:  # noqa: PLR2004 - the value is in the entry itself
            yield identity, entry[2:10]
        elif identity & 0x3800 in _DIRECTORIES and depth:
            yield from _records(heap.part(offset, size), order, depth - 1)
        elif identity in _WANTED:
            yield identity, heap.read_at(offset, min(size, _MAX_VALUE))

"""What a RAW file says of its picture: full size, orientation, where its data lie and whether all of it is there.

Only the structure is read. TIFF-based files (most makes), Canon CR3, Fujifilm RAF, Minolta MRW and Sigma X3F are
known; of others nothing is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import SEEK_END
from typing import BinaryIO

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # plain, Olympus (three), Panasonic
_MOST_IFDS = 64
_MOST_VALUES = 1 << 16
_TYPE_CODES = {1: "B", 3: "H", 4: "I", 13: "I"}  # BYTE, SHORT, LONG, IFD

WIDTH, HEIGHT, ORIENTATION, SUB_IFDS, EXIF_IFD = 0x0100, 0x0101, 0x0112, 0x014A, 0x8769
STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES = 0x0111, 0x0117, 0x0144, 0x0145
EXIF_WIDTH, EXIF_HEIGHT = 0xA002, 0xA003
# Panasonic's own: the sensor's borders, in IFD 0 of an RW2.
BORDER_TOP, BORDER_LEFT, BORDER_BOTTOM, BORDER_RIGHT = 4, 5, 6, 7
_BORDERS = (BORDER_TOP, BORDER_LEFT, BORDER_BOTTOM, BORDER_RIGHT)
_SIZES = (WIDTH, HEIGHT, EXIF_WIDTH, EXIF_HEIGHT)
_PLACES = (SUB_IFDS, EXIF_IFD, STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES)
_WANTED = frozenset((ORIENTATION, *_SIZES, *_PLACES, *_BORDERS))

Ifd = dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class RawFacts:
    """Structure of a RAW file; None and empty where unknown.

    Attributes:
        size: width and height of the full picture as the sensor has it, not turned, pixels.
        orientation: EXIF orientation.
        tiles: where the tiles of tiled pictures begin, bytes from the start; a JPEG there is a part of a picture, not
            a picture.
        complete: the largest picture's data lie wholly within the file.
    """

    size: tuple[int, int] | None = None
    orientation: int | None = None
    tiles: frozenset[int] = field(default_factory=frozenset)
    complete: bool = False


def raw_facts(fh: BinaryIO) -> RawFacts:
    """Read the structure of a RAW file.

    Args:
        fh: an open binary file; its position afterwards is anywhere.

    Raises:
        OSError: the file could not be read.
    """
    fh.seek(0)
    head = fh.read(_CR3_HEAD_BYTES)
    for recognise, read in _READERS:
        if recognise(head):
            try:
                return read(fh, head)
            except (struct.error, IndexError):  # shorter than it says
                return RawFacts()
    return RawFacts()


def _tiff(fh: BinaryIO, head: bytes) -> RawFacts:
    del head
    ifds = list(_ifds(fh, 0))
    size, largest = _full_size(ifds)
    orientation = ifds[0].get(ORIENTATION, (None,))[0] if ifds else None
    tiles = frozenset(offset for ifd in ifds if len(ifd.get(TILE_OFFSETS, ())) > 1 for offset in ifd[TILE_OFFSETS])
    return RawFacts(size, orientation, tiles, _data_within(largest, fh.seek(0, SEEK_END)))


def _ifds(fh: BinaryIO, base: int) -> Iterator[Ifd]:
    """All directories of a TIFF that begins at `base`: the chain, sub-directories, EXIF."""
    fh.seek(base)
    order = "<" if fh.read(4)[:1] == b"I" else ">"
    pending = [struct.unpack(order + "I", fh.read(4))[0]]
    seen: set[int] = {0}
    while pending and len(seen) <= _MOST_IFDS:
        offset = pending.pop(0)
        if offset in seen:
            continue
        seen.add(offset)
        ifd, following = _read_ifd(fh, base, offset, order)
        pending += [following, *ifd.get(SUB_IFDS, ()), *ifd.get(EXIF_IFD, ())]
        yield ifd


def _read_ifd(fh: BinaryIO, base: int, offset: int, order: str) -> tuple[Ifd, int]:
    fh.seek(base + offset)
    count_bytes = fh.read(2)
    if len(count_bytes) < 2:  # noqa: PLR2004 - beyond the end: a cut file
        return {}, 0
    (count,) = struct.unpack(order + "H", count_bytes)
    table = fh.read(12 * count + 4)
    ifd: Ifd = {}
    for start in range(0, min(len(table) // 12, count) * 12, 12):
        tag, kind, length = struct.unpack_from(order + "HHI", table, start)
        if tag in _WANTED and kind in _TYPE_CODES and 0 < length <= _MOST_VALUES:
            ifd[tag] = _values(fh, base, table[start + 8 : start + 12], order, f"{length}{_TYPE_CODES[kind]}")
    following = struct.unpack(order + "I", table[12 * count :])[0] if len(table) == 12 * count + 4 else 0
    return {tag: values for tag, values in ifd.items() if values}, following


def _values(fh: BinaryIO, base: int, field_bytes: bytes, order: str, layout: str) -> tuple[int, ...]:
    length = struct.calcsize(order + layout)
    if length > len(field_bytes):
        fh.seek(base + struct.unpack(order + "I", field_bytes)[0])
        field_bytes = fh.read(length)
    return struct.unpack(order + layout, field_bytes[:length]) if len(field_bytes) >= length else ()


def _full_size(ifds: list[Ifd]) -> tuple[tuple[int, int] | None, Ifd]:
    """The size of the largest picture, and its directory.

    The EXIF's own size is preferred: it leaves the sensor's hidden border out.
    """
    largest: Ifd = {}
    size: tuple[int, int] | None = None
    exif: tuple[int, int] | None = None
    for ifd in ifds:
        here = _ifd_size(ifd)
        if here and (size is None or here[0] * here[1] > size[0] * size[1]):
            size, largest = here, ifd
        if EXIF_WIDTH in ifd and EXIF_HEIGHT in ifd:
            exif = (ifd[EXIF_WIDTH][0], ifd[EXIF_HEIGHT][0])
    if exif and (size is None or _nearly(exif, size)):
        size = exif
    return size, largest


def _ifd_size(ifd: Ifd) -> tuple[int, int] | None:
    if WIDTH in ifd and HEIGHT in ifd:
        return ifd[WIDTH][0], ifd[HEIGHT][0]
    if all(tag in ifd for tag in _BORDERS):
        return ifd[BORDER_RIGHT][0] - ifd[BORDER_LEFT][0], ifd[BORDER_BOTTOM][0] - ifd[BORDER_TOP][0]
    return None


def _nearly(exif: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether an EXIF size is that of the full picture (some makes write the preview's)."""
    return all(0.9 * there <= here <= there for here, there in zip(exif, size, strict=True))


def _data_within(ifd: Ifd, file_bytes: int) -> bool:
    offsets = ifd.get(STRIP_OFFSETS) or ifd.get(TILE_OFFSETS) or ()
    lengths = ifd.get(STRIP_BYTES) or ifd.get(TILE_BYTES) or ()
    ends = [offset + length for offset, length in zip(offsets, lengths, strict=False)]
    return bool(ends) and max(ends) <= file_bytes


_CR3_HEAD_BYTES = 1 << 16
_CR3_BLOCK = b"CMT1"  # the box with the TIFF of IFD 0


def _cr3(fh: BinaryIO, head: bytes) -> RawFacts:
    at = head.find(_CR3_BLOCK)
    ifds = list(_ifds(fh, at + len(_CR3_BLOCK))) if at >= 0 else []
    if not ifds:
        return RawFacts()
    return RawFacts(_ifd_size(ifds[0]), ifds[0].get(ORIENTATION, (None,))[0])


_RAF_DIRECTORY_AT = 92
_RAF_CROPPED_SIZE = 0x0111


def _raf(fh: BinaryIO, head: bytes) -> RawFacts:
    """Fujifilm: a directory of (tag, length, value), big-endian; the cropped size is height, width."""
    (at,) = struct.unpack_from(">I", head, _RAF_DIRECTORY_AT)
    fh.seek(at)
    (count,) = struct.unpack(">I", fh.read(4))
    for _ in range(min(count, _MOST_VALUES)):
        tag, length = struct.unpack(">HH", fh.read(4))
        value = fh.read(length)
        if tag == _RAF_CROPPED_SIZE:
            height, width = struct.unpack(">HH", value)
            return RawFacts((width, height))
    return RawFacts()


def _mrw(fh: BinaryIO, head: bytes) -> RawFacts:
    """Minolta: block PRD, after an 8-byte version the sensor's height and width, then the picture's."""
    del fh
    at = head.find(b"\0PRD")
    if at < 0:
        return RawFacts()
    height, width = struct.unpack_from(">HH", head, at + 20)
    return RawFacts((width, height))


_X3F_TURNS = {90: 6, 180: 3, 270: 8}  # degrees clockwise to EXIF orientation


def _x3f(fh: BinaryIO, head: bytes) -> RawFacts:
    """Sigma: the header has columns, rows and rotation at byte 28, little-endian."""
    del fh
    width, height, degrees = struct.unpack_from("<III", head, 28)
    return RawFacts((width, height), _X3F_TURNS.get(degrees, 1))


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, bytes], RawFacts]], ...] = (
    (lambda head: head.startswith(_TIFF_HEADS), _tiff),
    (lambda head: head[4:11] == b"ftypcrx", _cr3),
    (lambda head: head.startswith(b"FUJIFILMCCD-RAW"), _raf),
    (lambda head: head.startswith(b"\0MRM"), _mrw),
    (lambda head: head.startswith(b"FOVb"), _x3f),
)

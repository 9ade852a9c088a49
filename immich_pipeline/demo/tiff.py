"""Write TIFF directories: the form of EXIF blocks, of maker notes and of DNG files."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10
_FORMATS = {SHORT: "H", LONG: "L", RATIONAL: "L", SRATIONAL: "l"}
_INLINE_BYTES = 4

Fraction = tuple[int, int]


@dataclass
class Directory:
    """Fields of one directory: (type, value) by tag number. Blobs and further directories are written behind it, with their offsets."""

    fields: dict[int, tuple[int, bytes | Sequence[int] | Sequence[Fraction]]] = field(default_factory=dict)
    blobs: dict[int, bytes] = field(default_factory=dict)
    below: dict[int, "Directory"] = field(default_factory=dict)

    def text(self, tag: int, value: str) -> None:
        """Set an ASCII field; other characters become question marks."""
        self.fields[tag] = (ASCII, value.encode("ascii", "replace") + b"\0")

    def numbers(self, tag: int, kind: int, *values: int) -> None:
        """Set a field of whole numbers."""
        self.fields[tag] = (kind, bytes(values) if kind in (BYTE, UNDEFINED) else values)

    def fractions(self, tag: int, *values: float, denominator: int = 10_000, kind: int = RATIONAL) -> None:
        """Set a field of fractions with one denominator."""
        self.fields[tag] = (kind, [(round(value * denominator), denominator) for value in values])


def encode(directory: Directory, prefix: bytes | None = None, endian: Literal["<", ">"] = "<") -> bytes:
    """A TIFF with one directory.

    Args:
        directory: its fields and what is below it.
        prefix: bytes to begin with instead of a TIFF's header; the directory follows at once. Offsets count from its first byte.
        endian: byte order as `struct` writes it.
    """
    if prefix is None:
        prefix = struct.pack(f"{endian}2sHL", b"II" if endian == "<" else b"MM", 42, 8)
    out = bytearray(prefix)
    _write(out, directory, endian)
    return bytes(out)


def _write(out: bytearray, directory: Directory, endian: str) -> int:
    """Append a directory and everything it points to; returns its offset."""
    start = len(out)
    tags = sorted([*directory.fields, *directory.blobs, *directory.below])
    out += bytes(2 + 12 * len(tags) + 4)
    struct.pack_into(f"{endian}H", out, start, len(tags))
    for place, tag in enumerate(tags):
        kind, count, value = _value(out, directory, tag, endian)
        if len(value) > _INLINE_BYTES:
            value = struct.pack(f"{endian}L", _append(out, value))
        struct.pack_into(f"{endian}HHL4s", out, start + 2 + 12 * place, tag, kind, count, value)
    return start


def _value(out: bytearray, directory: Directory, tag: int, endian: str) -> tuple[int, int, bytes]:
    if tag in directory.below:
        _align(out)
        return LONG, 1, struct.pack(f"{endian}L", _write(out, directory.below[tag], endian))
    if tag in directory.blobs:
        return LONG, 1, struct.pack(f"{endian}L", _append(out, directory.blobs[tag]))
    kind, value = directory.fields[tag]
    if isinstance(value, bytes):
        return kind, len(value), value
    flat = [number for item in value for number in (item if isinstance(item, tuple) else (item,))]
    return kind, len(value), struct.pack(f"{endian}{len(flat)}{_FORMATS[kind]}", *flat)


def _append(out: bytearray, data: bytes) -> int:
    _align(out)
    start = len(out)
    out += data
    return start


def _align(out: bytearray) -> None:
    out += bytes(len(out) % 2)

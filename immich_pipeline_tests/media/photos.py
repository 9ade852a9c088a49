"""Pictures for the media tests, generated: nothing here is anybody's photo."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

ORIENTATION = 0x0112


def natural(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """A picture with structure at all scales, as photos have, and no symmetry."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24, 48):
        noise = rng.integers(0, 256, (cells, cells + 1, 3), dtype=np.uint8)
        resized = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        picture += np.asarray(resized, dtype=float) / cells**0.5
    picture -= picture.min()
    return Image.fromarray((picture * (255 / picture.max())).astype(np.uint8))


def saved(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file's content."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(image: Image.Image, orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    """A file whose EXIF says how to turn the picture."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return saved(image, kind, exif=exif, **options)


def png_declaring(width: int, height: int) -> bytes:
    """A few bytes that claim to be a large picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        import zlib

        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


class Tiff:
    """Writes TIFF-based files: directories of (tag, type, values), blobs beside them.

    Example: `Tiff().ifd([(0x100, 4, (640,))]).blob(jpeg)`; offsets are known as soon as the blob is added.
    """

    def __init__(self, order: str = "<", head: bytes | None = None) -> None:
        self.order = order
        self.data = bytearray(head or (b"II*\0" if order == "<" else b"MM\0*"))
        self.data += bytes(4)
        self._link = 4  # where the offset of the next directory belongs

    def blob(self, content: bytes) -> int:
        """Add bytes; returns their offset."""
        self.data += bytes(len(self.data) % 2)
        offset = len(self.data)
        self.data += content
        return offset

    def ifd(self, entries: list[tuple[int, int, tuple[int, ...]]], *, chained: bool = True) -> int:
        """Add a directory, of SHORT (3) and LONG (4) values; returns its offset."""
        fields = []
        for tag, kind, values in sorted(entries):
            packed = struct.pack(f"{self.order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
            if len(packed) > 4:
                packed = struct.pack(self.order + "I", self.blob(packed))
            fields.append(struct.pack(self.order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
        offset = self.blob(struct.pack(self.order + "H", len(fields)) + b"".join(fields) + bytes(4))
        if chained:
            struct.pack_into(self.order + "I", self.data, self._link, offset)
            self._link = len(self.data) - 4
        return offset

    def content(self) -> bytes:
        """The file."""
        return bytes(self.data)


def bayer_dng(image: Image.Image, orientation: int = 1) -> bytes:
    """A small uncompressed DNG without a preview, as some programs write: 16-bit RGGB mosaic of the picture."""
    rgb = np.asarray(image.convert("RGB"), dtype=np.uint16) * 64
    mosaic = rgb[:, :, 1].copy()
    mosaic[0::2, 0::2] = rgb[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = rgb[1::2, 1::2, 2]
    pixels = mosaic.astype("<u2").tobytes()
    tiff = Tiff()
    strip = tiff.blob(pixels)
    model = tiff.blob(b"Generated camera\0")
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    matrix = tiff.blob(struct.pack("<18i", *identity))
    neutral = tiff.blob(struct.pack("<6I", 1, 1, 1, 1, 1, 1))
    entries = [
        (0x00FE, 4, (0,)),
        (0x0100, 4, (image.width,)),
        (0x0101, 4, (image.height,)),
        (0x0102, 3, (16,)),
        (0x0103, 3, (1,)),
        (0x0106, 3, (32803,)),
        (0x0111, 4, (strip,)),
        (ORIENTATION, 3, (orientation,)),
        (0x0115, 3, (1,)),
        (0x0116, 4, (image.height,)),
        (0x0117, 4, (len(pixels),)),
        (0x828D, 3, (2, 2)),
        (0xC61D, 4, (0x3FC0,)),
    ]
    extra = [
        struct.pack("<HHII", 0x010F, 2, 17, model),
        struct.pack("<HHII", 0x0110, 2, 17, model),
        struct.pack("<HHI4B", 0x828E, 1, 4, 0, 1, 1, 2),
        struct.pack("<HHI4B", 0xC612, 1, 4, 1, 4, 0, 0),
        struct.pack("<HHII", 0xC614, 2, 17, model),
        struct.pack("<HHII", 0xC621, 10, 9, matrix),
        struct.pack("<HHII", 0xC628, 5, 3, neutral),
    ]
    plain = [
        struct.pack("<HHI", tag, kind, len(values))
        + struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values).ljust(4, b"\0")
        for tag, kind, values in entries
    ]
    fields = sorted(plain + extra, key=lambda field: struct.unpack_from("<H", field)[0])
    offset = tiff.blob(struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4))
    struct.pack_into("<I", tiff.data, 4, offset)
    return tiff.content()

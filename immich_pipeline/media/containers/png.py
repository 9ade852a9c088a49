"""PNG: EXIF in an eXIf chunk or, by older programs, in hexadecimal in a text chunk; XMP in a text chunk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from immich_pipeline.media.bounded import MAX_READ, BoundedReader
from immich_pipeline.media.containers.found import Found

_MAX_CHUNKS = 60_000  # a 500 MB picture in chunks of 8 KB
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_EXIF_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1")
_APP1_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def find_in_png(reader: BoundedReader, found: Found) -> None:
    """Collect the EXIF blocks and XMP packets of a PNG."""
    for kind, position, size in _chunks(reader):
        if kind == b"eXIf":
            found.add_exif(reader.read_at(position, size), reader)
        elif kind in _TEXT_CHUNKS:
            keyword, _, rest = reader.read_at(position, size).partition(b"\0")
            if keyword == _XMP_KEYWORD or keyword in _EXIF_KEYWORDS:
                _add_text(keyword, _text(kind, rest), reader, found)


def _chunks(reader: BoundedReader) -> Iterator[tuple[bytes, int, int]]:
    position = 8
    for _ in range(_MAX_CHUNKS):
        head = reader.read_at(position, 8)
        if len(head) < 8 or head[4:] == b"IEND":  # noqa: PLR2004
            return
        size = int.from_bytes(head[:4], "big")
        yield head[4:], position + 8, size
        position += 12 + size


def _text(kind: bytes, rest: bytes) -> bytes | None:
    """The text of a text chunk behind its keyword; None if it is damaged."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflate(rest[1:])
    # iTXt: compression flag, method, language, translated keyword, text
    compressed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    text = parts[-1]
    return _inflate(text) if compressed else text


def _inflate(data: bytes) -> bytes | None:
    """Decompress with a limit on the result."""
    try:
        return zlib.decompressobj().decompress(data, MAX_READ)
    except zlib.error:
        return None


def _add_text(keyword: bytes, text: bytes | None, reader: BoundedReader, found: Found) -> None:
    profile = text if keyword == _XMP_KEYWORD else _profile(text)
    if profile is None:
        found.problems.append("a metadata chunk of the PNG is damaged")
    elif keyword == _XMP_KEYWORD:
        found.xmp.append(profile)
    elif profile.startswith(_APP1_XMP):
        found.xmp.append(profile[len(_APP1_XMP) :])
    else:
        found.add_exif(profile, reader)


def _profile(text: bytes | None) -> bytes | None:
    r"""The bytes of ImageMagick's "\nexif\n     1234\n45786966..."."""
    lines = (text or b"").strip().split(b"\n", 2)
    try:
        return bytes.fromhex(lines[2].decode("ascii"))
    except (IndexError, ValueError):
        return None

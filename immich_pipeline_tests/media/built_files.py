"""Small files of every container, made here byte by byte, so that the tests of metadata need no photo of anybody's."""

import struct
import zlib
from collections.abc import Sequence

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SIGNED_RATIONAL, BYTE, DOUBLE = 2, 3, 4, 5, 7, 10, 1, 12
Value = str | bytes | Sequence[int] | Sequence[tuple[int, int]] | Sequence[float]
Entry = tuple[int, int, Value]

MAKE, MODEL, ORIENTATION, SOFTWARE, DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0131, 0x0132
ORIGINAL, DIGITIZED, OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9003, 0x9004, 0x9010, 0x9011, 0x9012
SUBSEC, SUBSEC_ORIGINAL, SUBSEC_DIGITIZED = 0x9290, 0x9291, 0x9292
BIAS, MAKER_NOTE, SERIAL, LENS, DNG_SERIAL, XMP = 0x9204, 0x927C, 0xA431, 0xA434, 0xC62F, 0x02BC

IMAGE: list[Entry] = [(MAKE, ASCII, "Canon"), (MODEL, ASCII, "Canon EOS R6"), (ORIENTATION, SHORT, [6])]
EXIF: list[Entry] = [
    (ORIGINAL, ASCII, "2021:06:05 14:03:02"),
    (SUBSEC_ORIGINAL, ASCII, "37"),
    (OFFSET_ORIGINAL, ASCII, "+02:00"),
]
GPS: list[Entry] = [
    (1, ASCII, "S"),
    (2, RATIONAL, [(33, 1), (30, 1), (36, 1)]),
    (3, ASCII, "W"),
    (4, RATIONAL, [(70, 1), (15, 1), (0, 1)]),
    (5, BYTE, [0]),
    (6, RATIONAL, [(5205, 10)]),
]


def _pack(kind: int, value: Value, order: str) -> tuple[int, bytes]:
    if isinstance(value, str):
        value = value.encode() + b"\0"
    if isinstance(value, bytes):
        return len(value), value
    if kind in (RATIONAL, SIGNED_RATIONAL):
        letter = "I" if kind == RATIONAL else "i"
        return len(value), b"".join(struct.pack(order + letter * 2, *pair) for pair in value)
    letter = {SHORT: "H", LONG: "I", BYTE: "B", UNDEFINED: "B", DOUBLE: "d"}[kind]
    return len(value), struct.pack(f"{order}{len(value)}{letter}", *value)


def directory(entries: Sequence[Entry], at: int, order: str = "<") -> bytes:
    """A TIFF directory at a position, its values behind it."""
    table, values = b"", b""
    values_at = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        count, data = _pack(kind, value, order)
        if len(data) > 4:
            table += struct.pack(order + "HHII", tag, kind, count, values_at + len(values))
            values += data + b"\0" * (len(data) % 2)
        else:
            table += struct.pack(order + "HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack(order + "H", len(entries)) + table + b"\0" * 4 + values


def tiff(
    image: Sequence[Entry] = IMAGE,
    exif: Sequence[Entry] | None = EXIF,
    gps: Sequence[Entry] | None = None,
    order: str = "<",
    magic: bytes | None = None,
) -> bytes:
    """A TIFF structure with the directories of the image, of EXIF and of GPS."""
    magic = magic or (b"II*\0" if order == "<" else b"MM\0*")
    image = list(image)
    pointers = [(0x8769, exif), (0x8825, gps)]
    placed = image + [(tag, LONG, [0]) for tag, entries in pointers if entries is not None]
    at = 8 + len(directory(placed, 8, order))
    bodies = b""
    for tag, entries in pointers:
        if entries is not None:
            image.append((tag, LONG, [at + len(bodies)]))
            bodies += directory(entries, at + len(bodies), order)
    return magic + struct.pack(order + "I", 8) + directory(image, 8, order) + bodies


def apple_note(burst: str | None, content: str | None) -> bytes:
    """An iPhone's maker note; its offsets count from its beginning."""
    entries: list[Entry] = [(tag, ASCII, text) for tag, text in ((0x0B, burst), (0x11, content)) if text]
    return b"Apple iOS\0\0\1MM" + directory(entries, 14, ">")


def xmp(**properties: str) -> bytes:
    """An XMP packet; names are written prefix_Local."""
    spaces = {
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "other": "http://example.org/",
    }
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    written = " ".join(f'{name.replace("_", ":", 1)}="{value}"' for name, value in properties.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"<rdf:Description {declared} {written}/></rdf:RDF></x:xmpmeta>"
    ).encode()


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(*segments: bytes) -> bytes:
    """A JPEG's headers with nothing to see."""
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xda\0\2" + b"\0" * 16 + b"\xff\xd9"


def exif_segment(block: bytes) -> bytes:
    """An APP1 segment with EXIF."""
    return segment(0xE1, b"Exif\0\0" + block)


def gopro_field(name: bytes, kind: bytes, *values: bytes) -> bytes:
    """A field of GoPro's; of the kind NUL it holds others."""
    body = b"".join(values)
    size, count = (1, len(body)) if kind == b"\0" else (len(values[0]), len(values))
    return name + kind + struct.pack(">BH", size, count) + body + b"\0" * (-len(body) % 4)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    """A PNG of one grey pixel with more chunks."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    )


def raw_profile(kind: str, data: bytes) -> bytes:
    """ImageMagick's text of a binary profile."""
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{kind}\n{len(data):8}\n{lines}\n".encode()


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """A RIFF file of WebP chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box."""
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + kind + data


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    """A file type box."""
    return box(b"ftyp", major, b"\0\0\0\0", *compatible)


def heif(
    items: Sequence[tuple[bytes, bytes]],
    *,
    brand: bytes = b"heic",
    version: int = 1,
    in_idat: bool = False,
    method: int | None = None,
    info_version: int = 0,
) -> bytes:
    """A HEIF with metadata items (kind, data); a kind with "/" is a MIME type."""
    infos = b""
    for number, (kind, _) in enumerate(items, start=1):
        name = kind if b"/" not in kind else b"mime"
        tail = b"\0" + (kind + b"\0" if b"/" in kind else b"")
        identity = struct.pack(">I" if version == 2 else ">H", number)
        infos += box(b"infe", bytes([3 if version == 2 else 2, 0, 0, 0]), identity, b"\0\0", name, tail)
    count = struct.pack(">I" if info_version else ">H", len(items))
    iinf = box(b"iinf", bytes([info_version, 0, 0, 0]), count, infos)
    data = b"".join(data for _, data in items)
    idat = box(b"idat", data) if in_idat else b""

    def meta(first: int) -> bytes:
        table = struct.pack(">HI" if version == 2 else ">HH", 0x4440, len(items))
        at = first
        for number, (_, content) in enumerate(items, start=1):
            table += struct.pack(">I" if version == 2 else ">H", number)
            table += struct.pack(">H", (1 if in_idat else 0) if method is None else method) if version else b""
            table += struct.pack(">HIHII", 0, 0, 1, at, len(content))
            at += len(content)
        iloc = box(b"iloc", bytes([version, 0, 0, 0]), table)
        return box(b"meta", b"\0" * 4, box(b"hdlr", b"\0" * 8 + b"pict" + b"\0" * 13), iinf, iloc, idat)

    head = ftyp(brand, b"mif1", brand)
    first = 0 if in_idat else len(head) + len(meta(0)) + 8
    return head + meta(first) + (b"" if in_idat else box(b"mdat", data))


def exif_item(block: bytes, prefix: bytes = b"Exif\0\0") -> tuple[bytes, bytes]:
    """An EXIF item of a HEIF: the distance to the TIFF header, a prefix, the block."""
    return b"Exif", struct.pack(">I", len(prefix)) + prefix + block


def movie_header(seconds: int, version: int = 0) -> bytes:
    """A movie header with its creation time, seconds since 1904."""
    return box(b"mvhd", bytes([version, 0, 0, 0]), struct.pack(">Q" if version else ">I", seconds), b"\0" * 96)


def atom(kind: bytes, text: str) -> bytes:
    """A QuickTime user data text."""
    data = text.encode()
    return box(kind, struct.pack(">HH", len(data), 0x15C7), data)


def keyed(fields: dict[str, str], quicktime: bool = True) -> bytes:
    """A "meta" box with keys and values, as Apple and Android write them."""
    names = b"".join(box(b"mdta", key.encode()) for key in fields)
    keys = box(b"keys", b"\0" * 4, struct.pack(">I", len(fields)), names)
    values = b""
    for number, text in enumerate(fields.values(), start=1):
        values += box(struct.pack(">I", number), box(b"data", struct.pack(">II", 1, 0), text.encode()))
    handler = box(b"hdlr", b"\0" * 8 + b"mdta" + b"\0" * 12)
    return box(b"meta", b"" if quicktime else b"\0" * 4, handler, keys, box(b"ilst", values))


def cr3(image: bytes, exif: bytes, gps: bytes) -> bytes:
    """A CR3: three TIFF structures in boxes of Canon's."""
    uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    parts = (
        box(b"CNCV", b"CanonCR3"),
        box(b"CMT1", image),
        box(b"CMT2", exif),
        box(b"CMT3", tiff([], None)),
        box(b"CMT4", gps),
    )
    moov = box(b"moov", box(b"uuid", uuid, *parts), movie_header(0))
    return ftyp(b"crx ", b"crx ", b"isom") + moov + box(b"mdat", b"\0" * 32)


def raf(picture: bytes) -> bytes:
    """A RAF: a header that says where the JPEG is."""
    head = b"FUJIFILMCCD-RAW 0201FF383501X-T3".ljust(84, b"\0") + struct.pack(">II", 100, len(picture))
    return head.ljust(100, b"\0") + picture


def mrw(block: bytes) -> bytes:
    """An MRW: blocks, one of them a TIFF structure."""
    blocks = b"\0PRD" + struct.pack(">I", 4) + b"\0" * 4 + b"\0TTW" + struct.pack(">I", len(block)) + block
    return b"\0MRM" + struct.pack(">I", len(blocks)) + blocks + b"\0" * 32


def x3f(picture: bytes, data_format: int = 18) -> bytes:
    """An X3F: sections, a directory of them, and its place in the last four bytes."""
    head = b"FOVb".ljust(40, b"\0")
    image = b"SECi" + struct.pack("<IIIIII", 0x20000, 2, data_format, 1, 1, 0) + picture
    other = b"SECp" + b"\0" * 20
    directory_at = len(head) + len(image) + len(other)
    listed = struct.pack("<II4s", len(head), len(image), b"IMA2") + struct.pack(
        "<II4s", len(head) + len(image), len(other), b"PROP"
    )
    return head + image + other + b"SECd" + struct.pack("<II", 0x20000, 2) + listed + struct.pack("<I", directory_at)


def crw_heap(records: Sequence[tuple[int, bytes]]) -> bytes:
    """A heap of a CRW: values, the directory, its place."""
    values, listed = b"", b""
    for tag, data in records:
        if tag & 0x4000:
            listed += struct.pack("<H", tag) + data.ljust(8, b"\0")
        else:
            listed += struct.pack("<HII", tag, len(data), len(values))
            values += data
    return values + struct.pack("<H", len(records)) + listed + struct.pack("<I", len(values))


def crw(records: Sequence[tuple[int, bytes]]) -> bytes:
    """A CRW: a header and a heap."""
    return b"II" + struct.pack("<I", 26) + b"HEAPCCDR" + b"\0" * 12 + crw_heap(records)


def photoshop(*resources: tuple[int, str, bytes]) -> bytes:
    """A Photoshop document with image resources (id, name, data)."""
    body = b""
    for identity, name, data in resources:
        pascal = bytes([len(name)]) + name.encode()
        body += b"8BIM" + struct.pack(">H", identity) + pascal + b"\0" * (len(pascal) % 2)
        body += struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"8BPS\0\1".ljust(26, b"\0") + struct.pack(">I", 0) + struct.pack(">I", len(body)) + body

"""QuickTime, MP4, 3GP and Canon's CR3: fields of the "moov" box.

Sources: ISO/IEC 14496-12 ("mvhd"), Apple's QuickTime File Format ("udta", "meta" with "keys" and "ilst"), 3GPP TS 26.244; Canon's boxes as
observed in CR3 files.
"""

from __future__ import annotations

from collections.abc import Iterator

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.containers.boxes import Box, boxes
from immich_pipeline.media.containers.found import Found, OwnFields, Role
from immich_pipeline.media.gps import parse_iso6709
from immich_pipeline.media.times import quicktime_instant

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANON_ROLES: dict[bytes, Role] = {b"CMT1": "image", b"CMT2": "exif", b"CMT4": "gps"}

# Field names of user data atoms and of Apple's and Android's metadata keys.
_ATOMS = {
    b"\xa9xyz": "location",
    b"\xa9day": "date",
    b"\xa9mak": "make",
    b"\xa9mod": "model",
    b"\xa9swr": "software",
    b"\xa9too": "software",
}
_KEYS = {
    b"com.apple.quicktime.location.ISO6709": "location",
    b"com.apple.quicktime.creationdate": "date",
    b"com.apple.quicktime.make": "make",
    b"com.apple.quicktime.model": "model",
    b"com.apple.quicktime.software": "software",
    b"com.apple.quicktime.content.identifier": "content_id",
    b"com.android.manufacturer": "make",
    b"com.android.model": "model",
}
_MAX_FIELD = 2048
_MAX_KEYS = 1000


def find_in_movie(reader: BoundedReader, moov: Box, found: Found) -> None:
    """Collect the fields of a "moov" box, and the EXIF blocks that Canon's CR3 has in it."""
    own = OwnFields("quicktime")
    texts: dict[str, str] = {}
    for box in boxes(reader, moov.start, moov.end):
        if box.kind == b"mvhd":
            own.instant = quicktime_instant(_creation_seconds(reader.read_at(box.start, min(box.size, 12))))
        elif box.kind == b"udta":
            _collect(texts, _user_data(reader, box))
        elif box.kind == b"meta":
            _collect(texts, _metadata(reader, box))
        elif box.kind == b"uuid":
            _uuid(reader, box, found)
    own.place = parse_iso6709(texts.pop("location", None))
    own.date_text = texts.pop("date", None)
    for name, text in texts.items():
        setattr(own, name, text)
    found.own = own


def _collect(texts: dict[str, str], fields: Iterator[tuple[str, bytes]]) -> None:
    """Keep the first text of each field."""
    for name, data in fields:
        text = data.decode("utf-8", "replace").strip("\0 ")
        if text:
            texts.setdefault(name, text)


def _creation_seconds(header: bytes) -> int:
    """Creation time of a movie header: 64 bits in version 1, else 32; 0 if cut."""
    data = header[4:12] if header[:1] == b"\1" else header[4:8]
    return int.from_bytes(data, "big") if len(header) == 12 else 0  # noqa: PLR2004


def _user_data(reader: BoundedReader, udta: Box) -> Iterator[tuple[str, bytes]]:
    for box in boxes(reader, udta.start, udta.end):
        if box.kind in _ATOMS:
            # QuickTime: length of the text, language, text.
            data = reader.read_at(box.start, min(box.size, _MAX_FIELD))
            yield _ATOMS[box.kind], data[4 : 4 + int.from_bytes(data[:2], "big")]
        elif box.kind == b"meta":
            yield from _metadata(reader, box)


def _metadata(reader: BoundedReader, meta: Box) -> Iterator[tuple[str, bytes]]:
    """Fields of a "meta" box. MP4 puts a version before its boxes, QuickTime does not."""
    skip = 0 if reader.read_at(meta.start, 8)[4:] == b"hdlr" else 4
    keys: list[bytes] = []
    for box in boxes(reader, meta.start + skip, meta.end):
        if box.kind == b"keys":
            keys = _keys(reader, box)
        elif box.kind == b"ilst":
            yield from _items(reader, box, keys)


def _keys(reader: BoundedReader, box: Box) -> list[bytes]:
    names = []
    for entry in boxes(reader, box.start + 8, box.end):
        names.append(reader.read_at(entry.start, min(entry.size, _MAX_FIELD)))
        if len(names) >= _MAX_KEYS:
            break
    return names


def _items(reader: BoundedReader, ilst: Box, keys: list[bytes]) -> Iterator[tuple[str, bytes]]:
    for item in boxes(reader, ilst.start, ilst.end):
        number = int.from_bytes(item.kind, "big")
        name = _KEYS.get(keys[number - 1]) if 0 < number <= len(keys) else _ATOMS.get(item.kind)
        value = next(boxes(reader, item.start, item.end), None)
        if name and value and value.kind == b"data":
            # type (4), locale (4), value
            yield name, reader.read_at(value.start + 8, min(max(value.size - 8, 0), _MAX_FIELD))


def _uuid(reader: BoundedReader, box: Box, found: Found) -> None:
    kind = reader.read_at(box.start, 16)
    if kind == XMP_UUID:
        found.xmp.append(reader.read_at(box.start + 16, box.size - 16))
    elif kind == _CANON_UUID:
        for part in boxes(reader, box.start + 16, box.end):
            if part.kind in _CANON_ROLES:
                found.add_exif(reader.read_at(part.start, part.size), reader, _CANON_ROLES[part.kind])

"""The containers of tiny films: a header and metadata, no pictures. No encoder is needed.

Source: ISO/IEC 14496-12 (file type and movie header boxes), Apple's QuickTime File Format (metadata keys and items).
"""

import struct

from immich_pipeline.demo.exif import Shot

_FROM_1904_TO_1970 = 2_082_844_800
_TIMESCALE = 600
_MATRIX = struct.pack(">9L", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UTF8 = 1


def film(shot: Shot, seconds: float, brand: bytes = b"isom") -> bytes:
    """An MP4, or with the brand "qt  " a QuickTime file.

    Args:
        shot: when, with what, and the content id of a live photo.
        seconds: how long it claims to be.
        brand: four letters.
    """
    values = {
        "com.apple.quicktime.make": shot.camera.make,
        "com.apple.quicktime.model": shot.camera.model,
        "com.apple.quicktime.creationdate": shot.instant.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    if shot.content_id:
        values["com.apple.quicktime.content.identifier"] = shot.content_id
    movie = _box(b"moov", _header(shot, seconds), _metadata(values))
    return _box(b"ftyp", brand, struct.pack(">L", 512), brand) + movie + _box(b"mdat", bytes(64))


def _box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">L4s", len(data) + 8, kind) + data


def _header(shot: Shot, seconds: float) -> bytes:
    moment = int(shot.instant.timestamp()) + _FROM_1904_TO_1970
    times = struct.pack(">4L", moment, moment, _TIMESCALE, round(seconds * _TIMESCALE))
    rate_and_volume = struct.pack(">LH10x", 0x10000, 0x100)
    return _box(b"mvhd", bytes(4), times, rate_and_volume, _MATRIX, bytes(24), struct.pack(">L", 1))


def _metadata(values: dict[str, str]) -> bytes:
    handler = _box(b"hdlr", bytes(8), b"mdta", bytes(13))
    names = [_box(b"mdta", name.encode()) for name in values]
    keys = _box(b"keys", struct.pack(">LL", 0, len(names)), *names)
    items = [
        _box(struct.pack(">L", number), _box(b"data", struct.pack(">LL", _UTF8, 0), value.encode()))
        for number, value in enumerate(values.values(), start=1)
    ]
    return _box(b"meta", handler, keys, _box(b"ilst", *items))

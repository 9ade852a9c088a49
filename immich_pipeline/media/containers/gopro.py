"""GoPro's own fields (GPMF): a name of four letters, a type, a size and a count, then the values, padded to four bytes.

Layout and names as in GoPro's description of the format and as ExifTool reads them.
"""

from __future__ import annotations

GPMF_PREFIX = b"GoPro\0"
"""How a JPEG's APP6 segment with such fields begins."""

_MEDIA_UNIQUE_ID = b"MUID"
_NESTED = 0
_HEAD = 8


def media_unique_id(fields: bytes) -> str | None:
    """The id that the pictures of one burst share, as ExifTool and Immich write it: hex digits; None where there is none.

    Args:
        fields: What follows the prefix; the rest of a damaged block is left aside.
    """
    place = 0
    while place + _HEAD <= len(fields):
        name, kind, size = fields[place : place + 4], fields[place + 4], fields[place + 5]
        length = size * int.from_bytes(fields[place + 6 : place + 8], "big")
        place += _HEAD
        if kind == _NESTED:  # what it holds follows at once
            continue
        if name == _MEDIA_UNIQUE_ID and 0 < length <= len(fields) - place:
            return fields[place : place + length].hex()
        place += length + -length % 4
    return None

"""What the walkers of containers bring back."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Literal

from immich_pipeline.media.bounded import BoundedReader
from immich_pipeline.media.gps import Place

TIFF_HEADERS = (b"II*\0", b"MM\0*", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")
"""How TIFF begins: as standardised, as Panasonic and as Olympus vary it."""

_EXIF_HEADERS = (b"II*\0", b"MM\0*")
_PREFIX = 64  # bytes before the header that writers are known to add: "Exif\0\0", a length, padding

Role = Literal["image", "exif", "gps"]


@dataclass(frozen=True, slots=True)
class TiffBlock:
    """A TIFF structure and what its first directory is: that of the image, or (in CR3) that of EXIF or GPS."""

    reader: BoundedReader
    role: Role = "image"


@dataclass(slots=True)
class OwnFields:
    """What a container says in fields of its own, outside EXIF and XMP.

    Attributes:
        source: Where it comes from.
        date_text: A wall clock with its offset.
        instant: The time in UTC.
        local: The wall clock.
        make, model, serial, software, content_id: As in ``PhotoMetadata``, not yet cleaned.
        orientation: As EXIF counts it.
        place: Where.
    """

    source: Literal["quicktime", "ciff"]
    date_text: str | None = None
    instant: datetime | None = None
    local: datetime | None = None
    make: str | None = None
    model: str | None = None
    serial: str | None = None
    software: str | None = None
    content_id: str | None = None
    orientation: int | None = None
    place: Place | None = None


@dataclass(slots=True)
class Found:
    """Everything found in one file, in the file's order; problems are sentences."""

    tiff: list[TiffBlock] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)
    own: OwnFields | None = None
    burst_id: str | None = None
    problems: list[str] = field(default_factory=list)

    def add_exif(self, data: bytes, like: BoundedReader, role: Role = "image") -> None:
        """Add an EXIF block, whatever prefix it has; a block without a TIFF header becomes a problem.

        Args:
            data: The block.
            like: A reader of the file; the block's reader shares its budget.
            role: What the block's first directory is.
        """
        start = exif_start(data)
        if start is None:
            self.problems.append("the EXIF data has no valid header")
            return
        stream: BinaryIO = io.BytesIO(data)
        self.tiff.append(TiffBlock(BoundedReader(stream, start, len(data) - start, like.budget), role))


def exif_start(data: bytes) -> int | None:
    """Where the TIFF header begins in an EXIF block, behind any of the known prefixes; None if there is none."""
    places = [data.find(header, 0, _PREFIX) for header in _EXIF_HEADERS]
    return min((place for place in places if place >= 0), default=None)

"""Boxes of ISO base media files (ISO/IEC 14496-12), which HEIF, AVIF, CR3, MP4, QuickTime, JPEG 2000 and JPEG XL are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from immich_pipeline.media.bounded import BoundedReader

_MAX_BOXES = 10_000


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its four letters, and where its content begins and ends in the file."""

    kind: bytes
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.end - self.start


def boxes(reader: BoundedReader, start: int, end: int) -> Iterator[Box]:
    """The boxes between two positions, not those within them. Ends where the structure ends to make sense.

    A box that says to be longer than its surroundings is cut, as in a file that was not copied to its end.
    """
    position = start
    end = min(end, reader.size)
    for _ in range(_MAX_BOXES):
        head = reader.read_at(position, 16)
        if position + 8 > end or len(head) < 8:  # noqa: PLR2004
            return
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - position
        if size < header:
            return
        box_end = min(position + size, end)
        yield Box(head[4:8], min(position + header, box_end), box_end)
        position = box_end

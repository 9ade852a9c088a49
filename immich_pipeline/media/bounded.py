"""Reading a stranger's file with a limit on the work it can cause.

Offsets, lengths and counts in a file are claims. Everything that reads metadata reads through ``BoundedReader``: positions are held within
the file, one read returns a bounded number of bytes, and all readers of one file share a ``Budget``, so that a structure that goes in
circles, or declares four thousand million entries, ends in ``TooMuchWorkError`` within a moment instead of never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

MAX_READ = 4 * 1024 * 1024
"""The most bytes one ``read`` returns. EXIF blocks with a large maker note reach 1 MB."""


# What a read beyond the end costs, in reads: a cut file causes some hundreds, nonsense taken for a directory without end tens of thousands.
_READ_OF_NOTHING = 20


class TooMuchWorkError(ValueError):
    """The file caused more reads than any honest file does."""


@dataclass(slots=True)
class Budget:
    """What may still be read of one file. An ordinary photo needs about 300 reads and 100 KB."""

    reads: int = 100_000
    size: int = 64 * 1024 * 1024

    def spend(self, size: int) -> None:
        """Take one read of ``size`` bytes off the budget.

        Raises:
            TooMuchWorkError: It is used up.
        """
        self.reads -= 1 if size else _READ_OF_NOTHING
        self.size -= size
        if self.reads < 0 or self.size < 0:
            raise TooMuchWorkError("the metadata is damaged or far too large; only part of it was read")


class BoundedReader:
    """A part of a binary file as a file of its own: read-only, seekable, bounded.

    It has as much of a file's interface as parsers need (``seek``, ``tell``, ``read``). Several readers may share one file; each seeks
    before it reads.
    """

    def __init__(self, fh: BinaryIO, start: int, size: int, budget: Budget) -> None:
        self._fh = fh
        self._start = start
        self.size = size
        self.budget = budget
        self._position = 0

    @classmethod
    def of_file(cls, fh: BinaryIO, budget: Budget | None = None) -> BoundedReader:
        """A reader of a whole file."""
        return cls(fh, 0, fh.seek(0, 2), budget or Budget())

    def part(self, start: int, size: int) -> BoundedReader:
        """A reader of a part of this one, cut to what exists; it shares the budget."""
        start = min(max(start, 0), self.size)
        return BoundedReader(self._fh, self._start + start, min(max(size, 0), self.size - start), self.budget)

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a position; one outside is moved to the nearest end."""
        base = (0, self._position, self.size)[whence]
        self._position = min(max(base + position, 0), self.size)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def read(self, size: int = MAX_READ) -> bytes:
        """At most ``size`` bytes, never more than ``MAX_READ``; fewer at the end.

        Raises:
            TooMuchWorkError: The budget is used up.
            OSError: The disk failed.
        """
        size = min(size if size >= 0 else MAX_READ, MAX_READ, self.size - self._position)
        self.budget.spend(size)
        self._fh.seek(self._start + self._position)
        data = self._fh.read(size)
        self._position += len(data)
        return data

    def read_at(self, position: int, size: int) -> bytes:
        """At most ``size`` bytes from a position; as ``read``."""
        self.seek(position)
        return self.read(size)

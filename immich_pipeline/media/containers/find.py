"""Choose the walker for a file by its first bytes; a wrong extension therefore costs no metadata."""

from __future__ import annotations

from collections.abc import Callable

from immich_pipeline.media.bounded import BoundedReader, TooMuchWorkError
from immich_pipeline.media.containers.camera_raw import find_in_mrw, find_in_raf, find_in_x3f
from immich_pipeline.media.containers.ciff import find_in_ciff
from immich_pipeline.media.containers.found import TIFF_HEADERS, Found, TiffBlock
from immich_pipeline.media.containers.isomedia import find_in_boxes
from immich_pipeline.media.containers.jpeg import find_in_jpeg
from immich_pipeline.media.containers.photoshop import find_in_photoshop
from immich_pipeline.media.containers.png import find_in_png
from immich_pipeline.media.containers.riff import find_in_webp

Walker = Callable[[BoundedReader, Found], None]

_BOX_KINDS = (b"ftyp", b"JXL ", b"jP  ", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_BIG_TIFF = (b"II+\0", b"MM\0+")


def find_metadata(reader: BoundedReader) -> Found:
    """Everything in a file that holds metadata.

    Args:
        reader: The whole file.

    Returns:
        What was found; nothing for a kind of file that is not known here. A file that causes too much work gives what was found till then.

    Raises:
        OSError: The disk failed.
    """
    found = Found()
    walker = _walker(reader.read_at(0, 16))
    if walker:
        try:
            walker(reader, found)
        except TooMuchWorkError as problem:
            found.problems.append(str(problem))
    return found


def _walker(head: bytes) -> Walker | None:
    for offset, start, walker in _WALKERS:
        if head.startswith(start, offset):
            return walker
    return None


def _find_in_tiff(reader: BoundedReader, found: Found) -> None:
    found.tiff.append(TiffBlock(reader))


def _find_in_big_tiff(reader: BoundedReader, found: Found) -> None:
    del reader
    found.problems.append("the metadata of a BigTIFF was not read")


_WALKERS: tuple[tuple[int, bytes | tuple[bytes, ...], Walker], ...] = (
    (0, b"\xff\xd8", find_in_jpeg),
    (0, b"\x89PNG\r\n\x1a\n", find_in_png),
    (8, b"WEBP", find_in_webp),
    (0, b"FUJIFILMCCD-RAW", find_in_raf),
    (0, b"\0MRM", find_in_mrw),
    (0, b"FOVb", find_in_x3f),
    (6, b"HEAPCCDR", find_in_ciff),
    (0, b"8BPS", find_in_photoshop),
    (0, TIFF_HEADERS, _find_in_tiff),
    (0, _BIG_TIFF, _find_in_big_tiff),
    (4, _BOX_KINDS, find_in_boxes),
)

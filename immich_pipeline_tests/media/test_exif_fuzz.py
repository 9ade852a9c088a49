"""Whatever bytes a file holds, reading its metadata returns, soon, and with values fit for a table."""

import io
import math
import struct
import zlib
from dataclasses import fields
from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.media.exif import read_metadata
from immich_pipeline.media.formats import HEAD_BYTES, FormatTable, detect
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline_tests.media import built_files as built

TABLE = FormatTable.load()
NOTE: built.Entry = (built.MAKER_NOTE, built.UNDEFINED, built.apple_note("burst", "content"))
PACKET = built.xmp(exif_DateTimeOriginal="2021-06-05T14:03:02", exif_GPSLatitude="39,6.9N", exif_GPSLongitude="8,1E")
BLOCK = built.tiff([*built.IMAGE, (built.XMP, built.BYTE, PACKET)], [*built.EXIF, NOTE], built.GPS)
KEYS = {"com.apple.quicktime.creationdate": "2019-07-24T11:25:40+0300", "com.apple.quicktime.make": "Apple"}
FILES = [
    BLOCK,
    built.tiff([*built.IMAGE], [*built.EXIF, NOTE], built.GPS, order=">"),
    built.jpeg(built.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PACKET), built.exif_segment(BLOCK)),
    built.png(
        built.chunk(b"eXIf", BLOCK), built.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(PACKET))
    ),
    built.png(built.chunk(b"tEXt", b"Raw profile type exif\0" + built.raw_profile("exif", BLOCK))),
    built.webp((b"EXIF", BLOCK), (b"XMP ", PACKET)),
    built.heif([built.exif_item(BLOCK), (b"application/rdf+xml", PACKET)]),
    built.heif([built.exif_item(BLOCK)], version=2, info_version=1, in_idat=True),
    built.cr3(built.tiff(exif=None), built.tiff(built.EXIF, None), built.tiff(built.GPS, None)),
    built.ftyp(b"qt  ")
    + built.box(b"moov", built.movie_header(3_646_801_540), built.keyed(KEYS), built.atom(b"\xa9xyz", "+1+2/")),
    built.raf(built.jpeg(built.exif_segment(BLOCK))),
    built.mrw(BLOCK),
    built.x3f(built.jpeg(built.exif_segment(BLOCK))),
    built.crw(
        [(0x300A, built.crw_heap([(0x080A, b"Canon\0D30\0"), (0x180E, struct.pack("<III", 1_514_811_812, 0, 0))]))]
    ),
    built.photoshop((1058, "", BLOCK), (1060, "", PACKET)),
    PACKET,
]
NAMES = ["jpg", "xmp", "mov", "nef", ""]
# Numbers that break parsers: nothing, everything, the sign bit, and small ones that lead back to the beginning.
BAD = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\1",
    b"\1\0\0\0",
    b"\x08\0\0\0",
    b"\xff\xff",
    b"\0\0",
]

thorough = settings(max_examples=250, deadline=10_000, derandomize=True, database=None)


def check(content: bytes, extension: str) -> PhotoMetadata:
    detected = detect(content[:HEAD_BYTES], extension, TABLE)
    fmt = detected.format or TABLE.by_name("jpeg")
    assert fmt is not None
    metadata = read_metadata(io.BytesIO(content), fmt)
    for name in (field.name for field in fields(metadata)):
        value = getattr(metadata, name)
        if isinstance(value, str):
            assert value
            assert "\0" not in value
            assert value.isprintable()
            value.encode("utf-8")
        elif isinstance(value, float):
            assert math.isfinite(value)
    assert metadata.taken_at is None or metadata.taken_at.tzinfo is UTC
    assert metadata.taken_at_local is None or metadata.taken_at_local.tzinfo is None
    assert (metadata.time_source is None) == (metadata.taken_at is None and metadata.taken_at_local is None)
    assert (metadata.latitude is None) == (metadata.longitude is None)
    assert metadata.orientation is None or 1 <= metadata.orientation <= 8
    return metadata


@thorough
@given(st.sampled_from([file[:16] for file in FILES]), st.binary(max_size=400), st.sampled_from(NAMES))
def test_random_bytes_behind_every_signature(head: bytes, tail: bytes, extension: str) -> None:
    check(head + tail, extension)


@thorough
@given(st.sampled_from(FILES), st.data())
def test_files_cut_anywhere(file: bytes, data: st.DataObject) -> None:
    check(file[: data.draw(st.integers(0, len(file)))], data.draw(st.sampled_from(NAMES)))


@thorough
@given(st.sampled_from(FILES), st.data())
def test_files_with_changed_bytes(file: bytes, data: st.DataObject) -> None:
    changed = bytearray(file)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(file) - 1))
        bad = data.draw(st.one_of(st.sampled_from(BAD), st.binary(min_size=1, max_size=4)))
        changed[at : at + len(bad)] = bad
    check(bytes(changed), data.draw(st.sampled_from(NAMES)))


@thorough
@given(st.sampled_from(FILES), st.sampled_from(FILES), st.data())
def test_files_spliced_together(one: bytes, other: bytes, data: st.DataObject) -> None:
    at, source = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    check(one[:at] + other[source:] + one[at:], data.draw(st.sampled_from(NAMES)))


def test_whole_files_have_metadata_and_no_error() -> None:
    for file in FILES:
        metadata = check(file, "xmp" if file == PACKET else "jpg")
        assert metadata.taken_at_local is not None
        assert metadata.error is None

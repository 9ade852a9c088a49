import io
import struct
import zlib

import pytest

from immich_pipeline.media.bounded import MAX_READ, BoundedReader, Budget, TooMuchWorkError
from immich_pipeline.media.containers.boxes import Box, boxes
from immich_pipeline.media.containers.find import find_metadata
from immich_pipeline.media.containers.found import Found
from immich_pipeline_tests.media import built_files as built

BLOCK = built.tiff()
BEYOND = "the EXIF data lies beyond the end of the file or is stored in an unknown way"
NO_HEADER = "the EXIF data has no valid header"


def found_in(content: bytes, budget: Budget | None = None) -> Found:
    return find_metadata(BoundedReader.of_file(io.BytesIO(content), budget))


def blocks_of(found: Found) -> list[bytes]:
    return [block.reader.read_at(0, MAX_READ) for block in found.tiff]


BIG = built.segment(0xE2, b"\0" * 60_000)
CONTAINERS = {
    "jpeg": built.jpeg(built.exif_segment(BLOCK)),
    "jpeg with a large segment before": built.jpeg(built.segment(0xE0, b"JFIF\0"), BIG, BIG, built.exif_segment(BLOCK)),
    "jpeg with fill bytes and restart marks": built.jpeg(b"\xff\xff\xff", built.exif_segment(BLOCK)).replace(
        b"\xff\xe1", b"\xff\xd0\xff\xe1"
    ),
    "jpeg in two segments": built.jpeg(built.exif_segment(BLOCK[:50]), BIG, built.exif_segment(BLOCK[50:])),
    "png": built.png(built.chunk(b"eXIf", BLOCK)),
    "png with JPEG's prefix": built.png(built.chunk(b"eXIf", b"Exif\0\0" + BLOCK)),
    "png of ImageMagick": built.png(
        built.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(built.raw_profile("exif", BLOCK)))
    ),
    "png of ImageMagick, plain": built.png(
        built.chunk(b"tEXt", b"Raw profile type APP1\0" + built.raw_profile("generic", b"Exif\0\0" + BLOCK))
    ),
    "webp": built.webp((b"VP8X", b"\x08" + b"\0" * 9), (b"ICCP", b"odd"), (b"EXIF", BLOCK)),
    "webp with JPEG's prefix": built.webp((b"EXIF", b"Exif\0\0" + BLOCK)),
    "heic": built.heif([built.exif_item(BLOCK)]),
    "heic without prefix": built.heif([(b"hvc1", b"picture"), built.exif_item(BLOCK, b"")]),
    "heic, old tables": built.heif([built.exif_item(BLOCK)], version=0),
    "heic, new tables": built.heif([built.exif_item(BLOCK)], version=2, info_version=1),
    "heic, inside the tables": built.heif([(b"hvc1", b"picture"), built.exif_item(BLOCK)], in_idat=True),
    "avif": built.heif([built.exif_item(BLOCK)], brand=b"avif"),
    "jxl": built.box(b"JXL ", b"\r\n\x87\n") + built.ftyp(b"jxl ") + built.box(b"Exif", b"\0\0\0\0", BLOCK),
    "jp2": built.box(b"jP  ", b"\r\n\x87\n") + built.box(b"uuid", b"JpgTiffExif->JP2", BLOCK),
    "raf": built.raf(built.jpeg(built.exif_segment(BLOCK))),
    "mrw": built.mrw(BLOCK),
    "x3f": built.x3f(built.jpeg(built.exif_segment(BLOCK))),
    "psd": built.photoshop((1005, "odd", b"odd"), (1058, "", BLOCK)),
    "tiff": BLOCK,
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_exif_block_is_found(name: str) -> None:
    found = found_in(CONTAINERS[name])
    assert found.problems == []
    assert [block.role for block in found.tiff] == ["image"]
    assert blocks_of(found) == [BLOCK]


PACKET = built.xmp(xmp_CreateDate="2021-06-05T14:03:02")
APP1_XMP = b"http://ns.adobe.com/xap/1.0/\0" + PACKET
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@pytest.mark.parametrize(
    "content",
    [
        built.jpeg(built.segment(0xE1, APP1_XMP), built.segment(0xE1, b"something else")),
        built.png(built.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET)),
        built.png(built.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0\0" + zlib.compress(PACKET))),
        built.png(
            built.chunk(b"tEXt", b"Raw profile type APP1\0" + built.raw_profile("generic", APP1_XMP)),
            built.chunk(b"tEXt", b"a\0b"),
        ),
        built.webp((b"XMP ", PACKET)),
        built.heif([(b"application/rdf+xml", PACKET), (b"text/plain", b"hello")]),
        built.ftyp(b"mp42") + built.box(b"uuid", XMP_UUID, PACKET) + built.box(b"uuid", b"\0" * 16),
        built.ftyp(b"mp42") + built.box(b"moov", built.box(b"uuid", XMP_UUID, PACKET), built.box(b"uuid", b"\0" * 16)),
        built.box(b"JXL ", b"\r\n\x87\n") + built.box(b"xml ", PACKET),
        built.photoshop((1060, "", PACKET)),
    ],
)
def test_the_xmp_packet_is_found(content: bytes) -> None:
    found = found_in(content)
    assert (found.xmp, found.tiff, found.problems) == ([PACKET], [], [])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (built.jpeg(built.exif_segment(b"nonsense")), NO_HEADER),
        (
            built.png(built.chunk(b"zTXt", b"Raw profile type exif\0\0damaged")),
            "a metadata chunk of the PNG is damaged",
        ),
        (built.png(built.chunk(b"tEXt", b"Raw profile type exif\0one line")), "a metadata chunk of the PNG is damaged"),
        (
            built.png(built.chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nxx")),
            "a metadata chunk of the PNG is damaged",
        ),
        (
            built.png(built.chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0damaged")),
            "a metadata chunk of the PNG is damaged",
        ),
        (built.heif([built.exif_item(BLOCK)])[: -len(BLOCK) - 10], BEYOND),
        (built.heif([built.exif_item(BLOCK)], method=2), BEYOND),
        (built.heif([built.exif_item(BLOCK)], method=1), BEYOND),
        (built.heif([built.exif_item(b"nonsense")]), NO_HEADER),
        (
            built.box(b"JXL ", b"\r\n\x87\n") + built.box(b"brob", b"Exif", b"?"),
            "the metadata is compressed with Brotli and was not read",
        ),
        (built.raf(b"nonsense"), "the embedded JPEG with the metadata is missing"),
        (built.x3f(built.jpeg())[:-20], "the directory of the X3F is missing: the file was not copied to its end"),
        (b"II+\0\x08\0\0\0", "the metadata of a BigTIFF was not read"),
    ],
)
def test_what_could_not_be_read_is_said(content: bytes, problem: str) -> None:
    found = found_in(content)
    assert (found.problems, found.tiff, found.xmp) == ([problem], [], [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        built.jpeg(),
        b"\xff\xd8\xff\xe1\0\0",  # a length that does not count itself
        b"\xff\xd8garbage",
        b"\xff\xd8" + b"\xff" * 100,
        built.png(),
        built.png()[:-12],
        built.webp(),
        b"RIFF\0\0\0\0WEBPEX",
        built.heif([]),
        built.heif([(b"hvc1", b"picture")]),
        built.ftyp(b"heic") + built.box(b"meta", b"\0" * 4),
        built.ftyp(b"mp42") + b"\0\0\0\4moov",  # a size less than its header
        built.ftyp(b"mp42") + b"\0\0\0\1moov\0\0\0\0\0\0\0\4",
        built.box(b"JXL ", b"\r\n\x87\n") + built.box(b"brob", b"jumb"),
        built.x3f(built.jpeg(), data_format=11),
        b"\0MRM\0\0\xff\xff",
        built.photoshop()[:20],
        b"8BPS\0\1".ljust(26, b"\0") + b"\0\0\0\0\0\0\0\x108BIM\4",
        b"8BPS\0\1".ljust(26, b"\0") + b"\0\0\0\0\0\0\0\x10nonsense",
        b"no container",
    ],
)
def test_without_metadata_nothing_is_found_and_nothing_is_wrong(content: bytes) -> None:
    found = found_in(content)
    assert (found.tiff, found.xmp, found.own, found.problems) == ([], [], None, [])


def test_an_item_may_be_listed_without_a_place() -> None:
    whole = built.heif([built.exif_item(BLOCK)])
    assert found_in(whole.replace(b"iloc", b"free")).problems == []
    at = whole.index(b"iloc") + 4
    assert found_in(whole[: at + 6] + b"\0\0" + whole[at + 8 :]).problems == [BEYOND]


def test_an_items_place_may_have_several_parts_and_a_length_of_0_for_the_rest() -> None:
    content = built.heif([built.exif_item(BLOCK)])
    at = content.index(b"iloc") + 4 + 8 + 2 + 2 + 2 + 4 + 2 + 4
    assert struct.unpack_from(">I", content, at)[0] == len(BLOCK) + 10
    assert blocks_of(found_in(content[:at] + b"\0" * 4 + content[at + 4 :])) == [BLOCK]


def test_more_items_are_announced_than_there_are() -> None:
    content = built.heif([built.exif_item(BLOCK)])
    at = content.index(b"iloc") + 4 + 6
    assert blocks_of(found_in(content[:at] + b"\xff\xff" + content[at + 2 :])) == [BLOCK]


def test_a_heif_with_too_many_items_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immich_pipeline.media.containers.heif._MAX_ITEMS", 2)
    assert found_in(built.heif([(b"hvc1", b"a"), (b"hvc1", b"b"), built.exif_item(BLOCK)])).tiff == []
    assert blocks_of(found_in(built.heif([(b"hvc1", b"a"), built.exif_item(BLOCK)]))) == [BLOCK]


def test_cr3_has_three_blocks_with_roles() -> None:
    image, exif, gps = built.tiff(exif=None), built.tiff(built.EXIF, None), built.tiff(built.GPS, None)
    found = found_in(built.cr3(image, exif, gps))
    assert [block.role for block in found.tiff] == ["image", "exif", "gps"]
    assert blocks_of(found) == [image, exif, gps]


LOCATION, DATE = "com.apple.quicktime.location.ISO6709", "com.apple.quicktime.creationdate"
MAKE, MODEL = "com.apple.quicktime.make", "com.apple.quicktime.model"
IDENTIFIER, SOFTWARE = "com.apple.quicktime.content.identifier", "com.apple.quicktime.software"


def test_a_film_of_a_phone() -> None:
    fields = {
        "com.apple.quicktime.unknown": "x",
        LOCATION: "+32.0929+034.8620+028.516/",
        DATE: "2019-07-24T11:25:40+0300",
        MAKE: "Apple",
        MODEL: "iPhone 6",
        SOFTWARE: "12.3",
        IDENTIFIER: "1745E022",
    }
    for meta in (built.keyed(fields), built.keyed(fields, quicktime=False)):
        moov = built.box(b"moov", built.movie_header(3_646_801_540), meta)
        own = found_in(built.ftyp(b"qt  ") + built.box(b"mdat", b"\0" * 99) + moov).own
        assert own is not None
        assert (own.source, own.date_text, own.make, own.model) == (
            "quicktime",
            "2019-07-24T11:25:40+0300",
            "Apple",
            "iPhone 6",
        )
        assert (own.software, own.content_id, str(own.instant)) == ("12.3", "1745E022", "2019-07-24 08:25:40+00:00")
        assert own.place is not None
        assert own.place.altitude == 28.516


def test_a_film_with_user_data() -> None:
    atoms = [
        (b"\xa9xyz", "+51.4169-000.0806/"),
        (b"\xa9mak", "Samsung"),
        (b"\xa9mod", ""),
        (b"\xa9cmt", "hello"),
        (b"\xa9mak", "second"),
    ]
    inner = built.keyed({"com.android.model": "SM-S906U"})
    user_data = built.box(b"udta", *(built.atom(kind, text) for kind, text in atoms), inner)
    own = found_in(
        built.ftyp(b"mp42")
        + built.box(b"moov", built.movie_header(3_570_596_428, version=1), user_data, built.box(b"trak"))
    ).own
    assert own is not None
    assert (own.make, own.model, str(own.instant)) == ("Samsung", "SM-S906U", "2017-02-22 08:20:28+00:00")
    assert own.place is not None
    assert own.place.latitude == 51.4169


def test_metadata_in_itunes_style_and_odd_values() -> None:
    def data(text: str) -> bytes:
        return built.box(b"data", struct.pack(">II", 1, 0), text.encode())

    items = built.box(
        b"ilst",
        built.box(b"\xa9day", data("2021-06-05T14:03:02+02:00")),
        built.box(b"\xa9too", built.box(b"name", b"no value")),
        built.box(b"\xa9mod"),
        built.box(b"\0\0\0\7", data("no such key")),
    )
    meta = built.box(b"meta", b"\0" * 4, built.box(b"hdlr", b"\0" * 20), items)
    own = found_in(built.ftyp(b"mp42") + built.box(b"moov", built.box(b"mvhd", b"\0cut"), built.box(b"udta", meta))).own
    assert own is not None
    assert (own.date_text, own.software, own.model, own.instant) == ("2021-06-05T14:03:02+02:00", None, None, None)


def test_keys_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immich_pipeline.media.containers.quicktime._MAX_KEYS", 1)
    own = found_in(built.ftyp(b"qt  ") + built.box(b"moov", built.keyed({MAKE: "Apple", MODEL: "iPhone 6"}))).own
    assert own is not None
    assert (own.make, own.model) == ("Apple", None)


RECORDS = [
    (0x080A, b"Canon\0Canon EOS D30\0"),
    (0x080B, b"Firmware Version 1.0\0"),
    (0x180B, struct.pack("<I", 930402471)),
    (0x180E, struct.pack("<III", 1_514_811_812, 0, 0)),
    (0x1810, struct.pack("<IIfiIII", 2160, 1440, 1.0, 90, 8, 24, 1)),
    (0x2007, b"a JPEG"),
    (0x5834, b"other"),
]


def test_a_crw_has_records_of_its_own() -> None:
    found = found_in(built.crw([(0x300A, built.crw_heap(RECORDS))]))
    own = found.own
    assert own is not None
    assert (own.source, own.make, own.model, own.serial) == ("ciff", "Canon", "Canon EOS D30\0", "930402471")
    assert (own.software, str(own.local), own.orientation) == ("Firmware Version 1.0\0", "2018-01-01 13:03:32", 6)
    assert found.problems == []


def test_a_crw_with_values_in_the_directory_or_without_records() -> None:
    own = found_in(built.crw([(0x580B, struct.pack("<I", 77))])).own
    assert own is not None
    assert (own.serial, own.make, own.local, own.orientation) == ("77", "", None, None)
    big = bytearray(built.crw([]))
    big[:2] = b"MM"
    assert found_in(bytes(big)).own is not None


def test_a_crw_that_contains_itself_ends() -> None:
    assert found_in(built.crw([(0x300A, built.crw_heap([(0x300A, built.crw_heap([]))]))])).own is not None
    # Every record of the directory leads to the whole heap again: 20 to the power of 8 visits without a budget.
    count = 20
    listed = b"".join(struct.pack("<HII", 0x300A, 2 + 10 * count + 4, 0) for _ in range(count))
    heap = struct.pack("<H", count) + listed + struct.pack("<I", 0)
    found = found_in(b"II" + struct.pack("<I", 26) + b"HEAPCCDR" + b"\0" * 12 + heap)
    assert found.problems == ["the metadata is damaged or far too large; only part of it was read"]


def many(kind: bytes) -> bytes:
    return built.box(kind) * 20_000


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8" + built.segment(0xE2, b"") * 6000 + built.exif_segment(BLOCK),
        built.png(*[built.chunk(b"IDAT", b"")] * 60_000, built.chunk(b"eXIf", BLOCK)),
        built.webp(*[(b"ANMF", b"")] * 50_000, (b"EXIF", BLOCK)),
        built.ftyp(b"jxl ") + many(b"free") + built.box(b"Exif", b"\0" * 4, BLOCK),
        b"\0MRM\0\xff\xff\xff" + (b"\0PRD" + b"\0" * 4) * 1000 + b"\0TTW" + struct.pack(">I", len(BLOCK)) + BLOCK,
        built.photoshop(*[(1, "", b"")] * 2000, (1058, "", BLOCK)),
    ],
)
def test_the_number_of_parts_is_limited(content: bytes) -> None:
    found = found_in(content)
    assert (found.tiff, found.problems) == ([], [])


def test_boxes_with_long_sizes_open_ends_and_cut_ends() -> None:
    content = (
        struct.pack(">I4sQ", 1, b"long", 20)
        + b"1234"
        + built.box(b"norm", b"ab")
        + struct.pack(">I4s", 0, b"rest")
        + b"xyz"
    )
    reader = BoundedReader.of_file(io.BytesIO(content))
    assert list(boxes(reader, 0, 10**18)) == [Box(b"long", 16, 20), Box(b"norm", 28, 30), Box(b"rest", 38, 41)]
    assert [box.size for box in boxes(reader, 0, 25)] == [4]
    cut = BoundedReader.of_file(io.BytesIO(struct.pack(">I4s", 1, b"long") + b"\0\0\0\0\0\0\0\xff"))
    assert list(boxes(cut, 0, 12)) == [Box(b"long", 12, 12)]


def test_a_reader_stays_within_its_part() -> None:
    reader = BoundedReader.of_file(io.BytesIO(b"0123456789"))
    part = reader.part(2, 5)
    assert (part.read(), part.tell(), part.read()) == (b"23456", 5, b"")
    assert (part.seek(-9), part.seek(99), part.seek(-1, 2), part.read(9)) == (0, 5, 4, b"6")
    assert (part.seek(1), part.seek(2, 1)) == (1, 3)
    assert (part.read_at(1, 2), part.read(-1), part.read_at(0, 0)) == (b"34", b"56", b"")
    assert part.part(3, 99).read() == b"56"
    assert reader.part(-5, 3).read() == b"012"
    assert reader.part(99, 3).read() == reader.part(3, -3).read() == b""


def test_one_read_is_bounded_and_all_reads_share_a_budget() -> None:
    reader = BoundedReader.of_file(io.BytesIO(b"\0" * (MAX_READ + 1)))
    assert len(reader.read(10**12)) == MAX_READ
    reader = BoundedReader.of_file(io.BytesIO(b"\0" * 10), Budget(reads=2, size=100))
    reader.part(0, 5).read()
    reader.read()
    with pytest.raises(TooMuchWorkError):
        reader.read()
    reader = BoundedReader.of_file(io.BytesIO(b"\0" * 10), Budget(reads=9, size=15))
    reader.read()
    with pytest.raises(TooMuchWorkError, match="only part of it was read"):
        reader.read_at(0, 10)

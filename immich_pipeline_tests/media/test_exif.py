import io
import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from immich_pipeline.media.bounded import BoundedReader, Budget
from immich_pipeline.media.containers.found import TiffBlock
from immich_pipeline.media.exif import read_metadata
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.tiff_tags import TiffTags, read_tags
from immich_pipeline_tests.media import built_files as built

TABLE = FormatTable.load()
JPEG = TABLE.by_name("jpeg")
SIDECAR = TABLE.by_name("xmp")
DAMAGED = "a part of the EXIF data is damaged"
TOO_MUCH = "the metadata is damaged or far too large; only part of it was read"


def read(content: bytes) -> PhotoMetadata:
    assert JPEG is not None
    return read_metadata(io.BytesIO(content), JPEG)


def of_exif(
    image: list[built.Entry] | None = None,
    exif: list[built.Entry] | None = None,
    gps: list[built.Entry] | None = None,
    order: str = "<",
) -> PhotoMetadata:
    return read(built.jpeg(built.exif_segment(built.tiff(image or [], exif or [], gps, order))))


@pytest.mark.parametrize("order", ["<", ">"])
def test_everything_that_exif_tells(order: str) -> None:
    image = [
        *built.IMAGE,
        (built.SOFTWARE, built.ASCII, "Firmware 1.2"),
        (built.DATE_TIME, built.ASCII, "2022:01:01 10:00:00"),
    ]
    exif = [
        *built.EXIF,
        (built.SERIAL, built.ASCII, "0123"),
        (built.LENS, built.ASCII, "EF100mm f/2.8L Macro IS USM"),
        (built.BIAS, built.SIGNED_RATIONAL, [(-2, 3)]),
    ]
    assert of_exif(image, exif, built.GPS, order) == PhotoMetadata(
        taken_at=datetime(2021, 6, 5, 12, 3, 2, 370_000, tzinfo=UTC),
        taken_at_local=datetime(2021, 6, 5, 14, 3, 2, 370_000),
        utc_offset_minutes=120,
        subsec="37",
        time_source="exif_original",
        make="Canon",
        model="Canon EOS R6",
        serial="0123",
        lens="EF100mm f/2.8L Macro IS USM",
        latitude=pytest.approx(-33.51),
        longitude=pytest.approx(-70.25),
        altitude=520.5,
        orientation=6,
        exposure_bias=pytest.approx(-2 / 3),
        software="Firmware 1.2",
    )


def test_a_file_without_metadata_has_none_and_no_error() -> None:
    assert read(built.jpeg()) == read(b"") == read(b"no picture") == PhotoMetadata()


@pytest.mark.parametrize("magic", [b"IIU\0", b"IIRO", b"IIRS"])
def test_raw_files_that_vary_tiff(magic: bytes) -> None:
    assert read(built.tiff(magic=magic)).make == "Canon"
    assert read(built.tiff(order=">", magic=b"MMOR")).model == "Canon EOS R6"


def test_raw_files_that_keep_everything_in_one_directory() -> None:
    metadata = read(built.tiff([*built.IMAGE, *built.EXIF, (built.DNG_SERIAL, built.ASCII, "77")], None))
    assert (metadata.taken_at_local, metadata.serial) == (datetime(2021, 6, 5, 14, 3, 2, 370_000), "77")


def test_cr3_names_the_fields_of_each_block() -> None:
    image, exif, gps = built.tiff(built.IMAGE, None), built.tiff(built.EXIF, None), built.tiff(built.GPS, None)
    metadata = read(built.cr3(image, exif, gps))
    assert (metadata.make, metadata.subsec, metadata.altitude, metadata.error) == ("Canon", "37", 520.5, None)
    assert metadata.latitude == pytest.approx(-33.51)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_ids_of_an_iphone(order: str) -> None:
    note = (built.MAKER_NOTE, built.UNDEFINED, built.apple_note("9AF2-burst", "1745E022-content"))
    metadata = of_exif([(built.MAKE, built.ASCII, "Apple")], [*built.EXIF, note], order=order)
    assert (metadata.burst_id, metadata.content_id, metadata.error) == ("9AF2-burst", "1745E022-content", None)


@pytest.mark.parametrize(
    "note", [b"Apple iOS\0", b"Apple iOS\0\0\1MM\0\1", b"Nikon\0\2", b"Apple iOS\0\0\1II" + b"\xff" * 40]
)
def test_a_strange_maker_note_has_no_ids(note: bytes) -> None:
    metadata = of_exif([(built.MAKE, built.ASCII, "Apple")], [*built.EXIF, (built.MAKER_NOTE, built.UNDEFINED, note)])
    assert (metadata.burst_id, metadata.content_id, metadata.subsec) == (None, None, "37")


def test_burst_ids_of_other_phones_are_in_xmp() -> None:
    for name in ("GCamera_BurstID", "GCamera_CameraBurstID"):
        packet = built.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + built.xmp(**{name: "burst-7"}))
        assert read(built.jpeg(packet, built.exif_segment(built.tiff()))).burst_id == "burst-7"


def test_the_burst_id_of_a_gopro_is_in_fields_of_its_own() -> None:
    words = [bytes([0, 0, 0, number]) for number in range(1, 9)]
    name, unique = built.gopro_field(b"DVNM", b"c", b"G", b"o", b"!"), built.gopro_field(b"MUID", b"L", *words)
    device = built.gopro_field(b"DEVC", b"\0", name, unique)
    for fields, expected in (
        (device, "".join(word.hex() for word in words)),
        (unique[:20], None),
        (name + unique[:5], None),
        (built.gopro_field(b"MUID", b"L", b""), None),
    ):
        assert read(built.jpeg(built.segment(0xE6, b"GoPro\0" + fields))).burst_id == expected
    assert read(built.jpeg(built.segment(0xE6, b"other" + device))).burst_id is None
    twice = [built.segment(0xE6, b"GoPro\0" + built.gopro_field(b"MUID", b"L", word)) for word in words]
    assert read(built.jpeg(*twice)).burst_id == words[0].hex()


def original(text: str, *more: built.Entry) -> PhotoMetadata:
    return of_exif([], [(built.ORIGINAL, built.ASCII, text), *more])


def test_an_offset_in_the_date_itself() -> None:
    metadata = original("2021:06:05 14:03:02-04:00")
    assert (metadata.taken_at, metadata.utc_offset_minutes) == (datetime(2021, 6, 5, 18, 3, 2, tzinfo=UTC), -240)


def test_without_an_offset_the_instant_is_unknown() -> None:
    metadata = original("2021:06:05 14:03:02")
    assert (metadata.taken_at, metadata.taken_at_local, metadata.utc_offset_minutes) == (
        None,
        datetime(2021, 6, 5, 14, 3, 2),
        None,
    )


@pytest.mark.parametrize(
    ("twin", "offset", "expected"),
    [
        ((built.DIGITIZED, built.ASCII, "2021:06:05 14:03:02"), (built.OFFSET_DIGITIZED, built.ASCII, "+02:00"), 120),
        ((built.DIGITIZED, built.ASCII, "2021:06:05 14:03:03"), (built.OFFSET_DIGITIZED, built.ASCII, "+02:00"), None),
        ((built.DATE_TIME, built.ASCII, "2021:06:05 14:03:02"), (built.OFFSET, built.ASCII, "+02:00"), 120),
        (
            (built.DATE_TIME, built.ASCII, "2023:01:01 09:00:00"),
            (built.OFFSET, built.ASCII, "+08:00"),
            None,
        ),  # an editor's
        ((built.DATE_TIME, built.ASCII, "2021:06:05 14:03:02"), (built.OFFSET_ORIGINAL, built.ASCII, "   :  "), None),
    ],
)
def test_the_offset_of_another_time_counts_if_it_shows_the_same_clock(
    twin: built.Entry, offset: built.Entry, expected: int | None
) -> None:
    assert original("2021:06:05 14:03:02", twin, offset).utc_offset_minutes == expected


def test_the_digitised_time_may_have_the_offset_of_the_original() -> None:
    exif: list[built.Entry] = [
        (built.ORIGINAL, built.ASCII, "0000:00:00 00:00:00"),
        (built.DIGITIZED, built.ASCII, "2021:06:05 14:03:02"),
        (built.SUBSEC_DIGITIZED, built.ASCII, "5"),
        (built.OFFSET_DIGITIZED, built.ASCII, "-03:00"),
    ]
    metadata = of_exif([], exif)
    assert (metadata.time_source, metadata.utc_offset_minutes, metadata.subsec) == ("exif_digitized", -180, "5")


def gps_clock(day: str, hours: int, minutes: int, seconds: tuple[int, int]) -> list[built.Entry]:
    return [(29, built.ASCII, day), (7, built.RATIONAL, [(hours, 1), (minutes, 1), seconds])]


def test_the_gps_clock_tells_the_offset() -> None:
    metadata = of_exif(
        [], [(built.ORIGINAL, built.ASCII, "2021:06:05 14:03:02")], gps_clock("2021:06:05", 12, 3, (150, 100))
    )
    assert (metadata.utc_offset_minutes, metadata.taken_at) == (120, datetime(2021, 6, 5, 12, 3, 2, tzinfo=UTC))
    stale = of_exif([], [(built.ORIGINAL, built.ASCII, "2021:06:05 14:03:02")], gps_clock("2021:06:05", 11, 40, (0, 1)))
    assert (stale.utc_offset_minutes, stale.taken_at) == (None, None)


def test_the_gps_clock_alone_is_an_instant_without_a_wall_clock() -> None:
    metadata = of_exif(
        [(built.DATE_TIME, built.ASCII, "2023:01:01 09:00:00")], [], gps_clock("2021:06:05", 12, 3, (1, 1))
    )
    assert metadata == PhotoMetadata(taken_at=datetime(2021, 6, 5, 12, 3, 1, tzinfo=UTC), time_source="gps")
    assert of_exif([], [], [(29, built.ASCII, "2021:06:05"), (7, built.RATIONAL, [(12, 1)])]) == PhotoMetadata()
    assert of_exif([], [], gps_clock("2021:06:05", 12, 3, (0, 0))) == PhotoMetadata()


def test_the_time_of_modification_is_the_last_resort() -> None:
    image: list[built.Entry] = [
        (built.DATE_TIME, built.ASCII, "2021:06:05 14:03:02"),
        (built.OFFSET, built.ASCII, "+01:00"),
        (built.SUBSEC, built.ASCII, "25"),
    ]
    metadata = of_exif(image)
    assert (metadata.time_source, metadata.utc_offset_minutes, metadata.subsec) == ("exif_modified", 60, "25")
    assert of_exif([(built.DATE_TIME, built.ASCII, "2000:01:01 00:00:00")]) == PhotoMetadata()


def test_digits_of_the_fraction_may_be_a_number() -> None:
    assert original("2021:06:05 14:03:02", (built.SUBSEC_ORIGINAL, built.SHORT, [12])).subsec == "12"
    assert original("2021:06:05 14:03:02", (built.SUBSEC_ORIGINAL, built.SIGNED_RATIONAL, [(-5, 1)])).subsec is None


@pytest.mark.parametrize(
    ("name", "text", "subsec"),
    [
        ("exif_DateTimeOriginal", "2021-06-05T14:03:02.25+02:00", "25"),
        ("photoshop_DateCreated", "2021-06-05T14:03:02+02:00", None),
        ("xmp_CreateDate", "2021-06-05T14:03:02+02:00", None),
    ],
)
def test_xmp_fills_in_a_missing_time(name: str, text: str, subsec: str | None) -> None:
    packet = built.xmp(**{name: text}, tiff_Make="Leica", tiff_Model="Q2")
    for content in (
        built.jpeg(built.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)),
        built.tiff([(built.XMP, built.BYTE, packet)], None),
    ):
        metadata = read(content)
        assert (metadata.time_source, metadata.utc_offset_minutes, metadata.subsec) == ("xmp", 120, subsec)
        assert (metadata.taken_at_local or datetime.min).replace(microsecond=0) == datetime(2021, 6, 5, 14, 3, 2)
        assert (metadata.make, metadata.model) == ("Leica", "Q2")


def test_exif_counts_more_than_xmp() -> None:
    packet = built.xmp(
        exif_DateTimeOriginal="1999-01-01T10:00:00",
        tiff_Make="Nobody",
        exif_GPSLatitude="1,1N",
        exif_GPSLongitude="2,2E",
    )
    segment = built.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    metadata = read(built.jpeg(segment, built.exif_segment(built.tiff(gps=built.GPS))))
    assert (metadata.make, metadata.time_source, metadata.altitude) == ("Canon", "exif_original", 520.5)


@pytest.mark.parametrize(
    ("altitude", "reference", "expected"),
    [
        ("14839/10", "0", 1483.9),
        ("12.5", "1", -12.5),
        ("1/0", "0", None),
        ("nan", "0", None),
        ("high", "0", None),
        ("7", "", 7.0),
    ],
)
def test_xmp_fills_in_a_missing_place(altitude: str, reference: str, expected: float | None) -> None:
    assert SIDECAR is not None
    packet = built.xmp(
        exif_GPSLatitude="39,6.9N",
        exif_GPSLongitude="108,24.0581W",
        exif_GPSAltitude=altitude,
        exif_GPSAltitudeRef=reference,
    )
    metadata = read_metadata(io.BytesIO(packet), SIDECAR)
    assert (metadata.latitude, metadata.longitude) == (pytest.approx(39.115), pytest.approx(-108.400968, abs=1e-6))
    assert metadata.altitude == expected


def test_a_damaged_packet_is_told_beside_what_another_says() -> None:
    bad = built.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<")
    good = built.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + built.xmp(tiff_Make="Leica"))
    metadata = read(built.jpeg(bad, good))
    assert (metadata.make, metadata.error) == ("Leica", "the XMP data is damaged")


def test_films() -> None:
    fields = {
        "com.apple.quicktime.location.ISO6709": "+32.0929+034.8620+028.516/",
        "com.apple.quicktime.creationdate": "2019-07-24T11:25:40+0300",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.content.identifier": "1745E022",
    }
    film = built.ftyp(b"qt  ") + built.box(b"moov", built.movie_header(3_646_801_540), built.keyed(fields))
    assert read(film) == PhotoMetadata(
        taken_at=datetime(2019, 7, 24, 8, 25, 40, tzinfo=UTC),
        taken_at_local=datetime(2019, 7, 24, 11, 25, 40),
        utc_offset_minutes=180,
        time_source="quicktime",
        make="Apple",
        latitude=32.0929,
        longitude=34.862,
        altitude=28.516,
        content_id="1745E022",
    )
    plain = built.ftyp(b"mp42") + built.box(b"moov", built.movie_header(3_646_801_540))
    assert read(plain) == PhotoMetadata(taken_at=datetime(2019, 7, 24, 8, 25, 40, tzinfo=UTC), time_source="quicktime")
    no_zone = built.box(
        b"moov", built.movie_header(0), built.keyed({"com.apple.quicktime.creationdate": "2019-07-24T11:25:40"})
    )
    assert read(built.ftyp(b"qt  ") + no_zone) == PhotoMetadata()


def test_crw() -> None:
    records = [(0x080A, b"Canon\0Canon EOS D30\0"), (0x180E, struct.pack("<III", 1_514_811_812, 0, 0))]
    metadata = read(built.crw([(0x300A, built.crw_heap(records))]))
    assert metadata == PhotoMetadata(
        taken_at_local=datetime(2018, 1, 1, 13, 3, 32), time_source="ciff", make="Canon", model="Canon EOS D30"
    )


@pytest.mark.parametrize(
    ("entry", "field", "expected"),
    [
        ((built.ORIENTATION, built.SHORT, [0]), "orientation", None),
        ((built.ORIENTATION, built.SHORT, [10825]), "orientation", None),
        ((built.ORIENTATION, built.ASCII, "6"), "orientation", None),
        ((built.MAKE, built.ASCII, b"K\xf6niglich"), "make", "Königlich"),
        ((built.MAKE, built.ASCII, "  \0"), "make", None),
        ((built.MAKE, built.LONG, [1, 2]), "make", None),
        ((built.MODEL, built.ASCII, "x" * 900), "model", "x" * 200),
        ((built.MODEL, built.ASCII, b"a\x1b\x07b\0\xff"), "model", "ab"),
        ((built.BIAS, built.SIGNED_RATIONAL, [(1, 0)]), "exposure_bias", None),
        ((built.BIAS, built.SIGNED_RATIONAL, [(9000, 1)]), "exposure_bias", None),
        ((built.BIAS, built.DOUBLE, [0.5]), "exposure_bias", 0.5),
        ((built.BIAS, built.DOUBLE, [float("inf")]), "exposure_bias", None),
        ((0x8769, built.ASCII, "not a pointer"), "subsec", None),
        ((0x8825, built.LONG, [0]), "latitude", None),
    ],
)
def test_impossible_values_are_unknown(entry: built.Entry, field: str, expected: Any) -> None:
    metadata = read(built.tiff([entry], None))
    assert getattr(metadata, field) == expected


@pytest.mark.parametrize(
    "gps",
    [
        [
            (1, built.ASCII, ""),
            (2, built.RATIONAL, [(0, 0)] * 3),
            (3, built.ASCII, ""),
            (4, built.RATIONAL, [(0, 0)] * 3),
        ],
        [
            (1, built.ASCII, "N"),
            (2, built.RATIONAL, [(0, 1)] * 3),
            (3, built.ASCII, "E"),
            (4, built.RATIONAL, [(0, 1)] * 3),
        ],
        [(1, built.ASCII, "N"), (2, built.RATIONAL, [(95, 1)]), (3, built.ASCII, "E"), (4, built.RATIONAL, [(5, 1)])],
        [(2, built.RATIONAL, [(33, 1)]), (4, built.RATIONAL, [(5, 1)])],
    ],
)
def test_empty_or_impossible_places_are_none(gps: list[built.Entry]) -> None:
    assert of_exif(gps=gps) == PhotoMetadata()


def test_depths_are_negative() -> None:
    gps = [entry for entry in built.GPS if entry[0] != 5]
    assert of_exif(gps=[*gps, (5, built.BYTE, [1])]).altitude == -520.5


def test_damage_in_one_directory_leaves_the_others() -> None:
    # A float that the file ends in: exifread then has a field of one value without a value, and gives up on the directory.
    block = bytearray(built.tiff([*built.IMAGE, (0x9999, built.DOUBLE, [1.0])], built.EXIF))
    at = block.index(struct.pack("<HHI", 0x9999, built.DOUBLE, 1)) + 8
    block[at : at + 4] = struct.pack("<I", len(block) - 2)
    metadata = read(bytes(block))
    assert (metadata.make, metadata.model, metadata.error) == ("Canon", "Canon EOS R6", DAMAGED)


def test_directories_without_end_are_left_in_a_moment() -> None:
    # 5,000 fields of 999 fractions each, all from the same bytes.
    entry = struct.pack("<HHII", 0x9999, built.RATIONAL, 999, 8)
    block = (
        b"II*\0"
        + struct.pack("<IH", 8, 5000)
        + struct.pack("<HHII", built.MAKE, built.ASCII, 4, 0x00313233)
        + entry * 5000
    )
    metadata = read(built.jpeg(built.exif_segment(block)))
    assert (metadata.error, metadata.make) == (TOO_MUCH, "321")


def test_a_used_up_budget_is_told_wherever_it_ends() -> None:
    block = built.tiff([(built.XMP, built.BYTE, built.xmp(tiff_Make="Leica")), *built.IMAGE], built.EXIF, built.GPS)
    problems = set()
    for reads in range(0, 400):
        tags = TiffTags()
        reader = BoundedReader.of_file(io.BytesIO(block), Budget(reads=reads))
        try:
            read_tags(TiffBlock(reader), tags)
        except ValueError as problem:
            problems.add(str(problem))
        problems.update(tags.problems)
        if reader.budget.reads > 0:
            break
    assert problems == {TOO_MUCH}
    assert tags.problems == []
    assert tags.text("Make") == "Canon"


def test_at_the_very_start_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = BoundedReader.of_file

    def poor(fh: io.BytesIO) -> BoundedReader:
        return fresh(fh, Budget(reads=1))

    monkeypatch.setattr(BoundedReader, "of_file", poor)
    assert read(built.tiff()) == PhotoMetadata(error=TOO_MUCH)


def test_the_position_of_the_file_does_not_matter() -> None:
    assert JPEG is not None
    fh = io.BytesIO(built.jpeg(built.exif_segment(built.tiff())))
    fh.seek(17)
    assert read_metadata(fh, JPEG).make == "Canon"

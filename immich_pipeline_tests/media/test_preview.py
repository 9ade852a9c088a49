from __future__ import annotations

import io
import struct
import sys

import imagehash
import pytest
from PIL import Image

from immich_pipeline.media.decode import Picture
from immich_pipeline.media.phash import perceptual_hashes
from immich_pipeline.media.preview import EmbeddedJpeg, decode_raw, embedded_jpegs
from immich_pipeline.media.raw_facts import RawFacts, raw_facts
from immich_pipeline_tests.media.photos import Tiff, bayer_dng, natural, oriented, saved

MEMORY_MB = 900
UPRIGHT = natural(640, 430, seed=9)
PREVIEW = saved(UPRIGHT, quality=90)
GRAY = natural(800, 600, seed=2).convert("L").convert("RGB")
THUMBNAIL = saved(UPRIGHT.resize((160, 120)))


def raw_file(
    *blobs: bytes,
    order: str = "<",
    head: bytes | None = None,
    orientation: int = 1,
    size: tuple[int, int] = (6000, 4000),
) -> bytes:
    """A RAW as most cameras write it: IFD 0 with a sub-directory for the sensor's data, JPEGs behind."""
    tiff = Tiff(order, head)
    sensor = tiff.blob(bytes(range(200)))
    sub = tiff.ifd(
        [(0x0100, 4, (size[0],)), (0x0101, 4, (size[1],)), (0x0111, 4, (sensor,)), (0x0117, 4, (200,))], chained=False
    )
    tiff.ifd([(0x0100, 4, (160,)), (0x0101, 4, (120,)), (0x0112, 3, (orientation,)), (0x014A, 4, (sub,))])
    for blob in blobs:
        tiff.blob(blob)
    return tiff.content()


def decoded(content: bytes, orientation: int | None = None) -> Picture:
    return decode_raw(io.BytesIO(content), orientation, MEMORY_MB)


def bits(picture: Picture, reference: Image.Image) -> int:
    assert picture.gray is not None
    return (perceptual_hashes(picture.gray).phash % 2**64 ^ int(str(imagehash.phash(reference)), 16)).bit_count()


@pytest.mark.parametrize(("order", "head"), [("<", None), (">", None), ("<", b"IIRO"), ("<", b"IIU\0")])
def test_the_largest_preview_is_hashed_never_the_thumbnail(order: str, head: bytes | None) -> None:
    picture = decoded(raw_file(THUMBNAIL, PREVIEW, THUMBNAIL, order=order, head=head))
    assert picture.problem is None
    assert picture.computed_from == "embedded preview"
    assert (picture.width, picture.height) == (6000, 4000)
    assert bits(picture, UPRIGHT) <= 2


def test_the_raws_orientation_turns_its_preview() -> None:
    sideways = UPRIGHT.transpose(Image.Transpose.ROTATE_90)  # 430 x 640, to be turned clockwise
    for content, orientation in [
        (raw_file(saved(sideways), orientation=6, size=(4000, 6000)), None),
        (raw_file(saved(sideways), size=(4000, 6000)), 6),
    ]:
        picture = decoded(content, orientation)
        assert (picture.width, picture.height) == (6000, 4000)
        assert bits(picture, UPRIGHT) <= 2


def test_a_preview_with_exif_of_its_own_is_turned_by_that() -> None:
    content = raw_file(oriented(UPRIGHT.transpose(Image.Transpose.ROTATE_180), 3), orientation=1)
    assert bits(decoded(content), UPRIGHT) <= 2


def test_a_preview_that_is_upright_already_is_left() -> None:
    standing = natural(430, 640, seed=4)
    picture = decoded(raw_file(saved(standing), orientation=8))
    assert (picture.width, picture.height) == (4000, 6000)
    assert bits(picture, standing) <= 2


def test_a_turn_by_180_degrees_does_not_show_in_the_shape() -> None:
    picture = decoded(raw_file(saved(UPRIGHT.transpose(Image.Transpose.ROTATE_180)), orientation=3))
    assert bits(picture, UPRIGHT) <= 2


def test_only_a_thumbnail_is_hashed_but_not_to_be_compared() -> None:
    picture = decoded(raw_file(THUMBNAIL))
    assert picture.gray is not None
    assert picture.problem is not None
    assert picture.problem.kind == "no_preview"
    assert "only a 160x120 thumbnail is embedded" in str(picture.problem)
    assert (picture.width, picture.height) == (6000, 4000)


def test_no_jpeg_at_all() -> None:
    picture = decoded(b"\0MRM" + bytes(200))
    assert picture.problem is not None
    assert (picture.problem.kind, str(picture.problem)) == ("no_preview", "not hashed: no preview is embedded")
    assert (picture.gray, picture.width, picture.height) == (None, None, None)


def test_a_cut_preview_is_not_replaced_by_the_thumbnail_in_silence() -> None:
    content = raw_file(THUMBNAIL, PREVIEW)
    picture = decoded(content[: len(content) - len(PREVIEW) // 2] + b"")
    assert picture.problem is not None
    assert picture.problem.kind == "truncated"
    assert str(picture.problem).startswith("not hashed: the embedded preview is damaged or cut off (truncated: ")


def test_a_smaller_complete_preview_is_better_than_a_cut_large_one() -> None:
    large = saved(natural(1280, 860, seed=9))
    content = raw_file(PREVIEW, large)
    picture = decoded(content[: len(content) - len(large) // 2])
    assert picture.problem is None
    assert bits(picture, UPRIGHT) <= 2


def test_a_preview_larger_than_what_the_file_says_counts() -> None:
    picture = decoded(raw_file(PREVIEW, size=(320, 200)))
    assert (picture.width, picture.height) == UPRIGHT.size


def test_without_any_structure_the_previews_size_is_taken() -> None:
    picture = decoded(b"unknown maker" + PREVIEW)
    assert (picture.width, picture.height) == UPRIGHT.size
    assert picture.problem is None


# ---------------------------------------------------------------------------------------------- finding JPEGs


def frame(marker: int, width: int = 800, height: int = 600, precision: int = 8) -> bytes:
    return b"\xff\xd8\xff" + bytes((marker,)) + struct.pack(">HBHHB", 11, precision, height, width, 1) + bytes(3)


@pytest.mark.parametrize(
    "content",
    [
        frame(0xC3),  # lossless: sensor data
        frame(0xC0, precision=12),
        frame(0xC0, width=0),
        b"\xff\xd8\xff\xda" + bytes(20),
        b"\xff\xd8\xff\xe0" + struct.pack(">H", 2000) + bytes(20),  # ends before its size
        b"\xff\xd8\xff\xe0" + struct.pack(">H", 9) + bytes(40),  # no marker where one belongs
        b"\xff\xd8" + (b"\xff\xe0\x00\x07" + bytes(5)) * 70,  # no end of headers
    ],
)
def test_what_begins_like_a_jpeg_and_is_no_preview(content: bytes) -> None:
    assert embedded_jpegs(io.BytesIO(b"raw" + content)) == []


def test_candidates_are_found_across_blocks_and_sorted() -> None:
    gap = bytes((1 << 20) - 1)
    fh = io.BytesIO(gap + frame(0xC0) + gap + frame(0xC2, 1600, 1200) + bytes(10))
    assert embedded_jpegs(fh) == [
        EmbeddedJpeg(2 * len(gap) + len(frame(0xC0)), 1600, 1200),
        EmbeddedJpeg(len(gap), 800, 600),
    ]


def test_a_flood_of_candidates_is_bounded() -> None:
    assert len(embedded_jpegs(io.BytesIO(frame(0xC0) * 70_000))) == 4096


def test_tiles_of_a_picture_are_no_previews() -> None:
    tiff = Tiff()
    tiles = (tiff.blob(PREVIEW), tiff.blob(PREVIEW))
    tiff.ifd([(0x0100, 4, (1280,)), (0x0101, 4, (430,)), (0x0144, 4, tiles), (0x0145, 4, (len(PREVIEW),) * 2)])
    content = tiff.content()
    assert raw_facts(io.BytesIO(content)) == RawFacts((1280, 430), None, frozenset(tiles), True)
    assert embedded_jpegs(io.BytesIO(content), frozenset(tiles)) == []


# ----------------------------------------------------------------------------------------------- developing


def test_a_raw_without_preview_is_developed() -> None:
    pytest.importorskip("rawpy")
    picture = decoded(bayer_dng(GRAY))
    assert picture.problem is None
    assert picture.computed_from == "rendered RAW"
    assert (picture.width, picture.height) == (800, 600)
    assert bits(picture, GRAY) <= 8  # a rendering of its own, the same picture


def test_a_developed_raw_is_upright() -> None:
    pytest.importorskip("rawpy")
    picture = decoded(bayer_dng(GRAY, orientation=6))
    assert (picture.width, picture.height) == (600, 800)
    assert bits(picture, GRAY.transpose(Image.Transpose.ROTATE_270)) <= 8


def test_without_the_extra_a_complete_raw_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    found = decoded(bayer_dng(natural(800, 600))).problem
    assert found is not None
    assert (found.kind, str(found)) == (
        "missing_extra",
        "not hashed: no preview is embedded; install immich-pipeline[raw] to develop the RAW itself",
    )


def test_what_cannot_be_developed_keeps_its_reason() -> None:
    pytest.importorskip("rawpy")
    found = decoded(raw_file()).problem
    assert found is not None
    assert found.kind == "no_preview"
    assert str(found) == "not hashed: no preview is embedded, and the RAW itself cannot be developed"


def test_a_raw_too_large_to_develop_is_not_tried() -> None:
    found = decode_raw(io.BytesIO(bayer_dng(natural(800, 600))), None, memory_mb=1).problem
    assert found is not None
    assert "cannot be developed" in str(found)


# ------------------------------------------------------------------------------------------------ raw_facts


def facts(content: bytes) -> RawFacts:
    return raw_facts(io.BytesIO(content))


def test_facts_of_a_tiff() -> None:
    assert facts(raw_file(orientation=6)) == RawFacts((6000, 4000), 6, frozenset(), True)
    assert not facts(raw_file(orientation=6)[:150]).complete


def test_the_exifs_size_leaves_the_border_out() -> None:
    def with_exif(width: int, height: int) -> bytes:
        tiff = Tiff()
        exif = tiff.ifd([(0xA002, 4, (width,)), (0xA003, 4, (height,))], chained=False)
        tiff.ifd([(0x0100, 4, (6024,)), (0x0101, 4, (4024,)), (0x8769, 4, (exif,))])
        return tiff.content()

    assert facts(with_exif(6000, 4000)).size == (6000, 4000)
    assert facts(with_exif(1616, 1080)).size == (6024, 4024)  # the preview's


def test_exif_alone_gives_the_size() -> None:
    tiff = Tiff()
    tiff.ifd([(0xA002, 4, (300,)), (0xA003, 4, (200,))])
    assert facts(tiff.content()).size == (300, 200)


def test_panasonics_borders() -> None:
    tiff = Tiff(head=b"IIU\0")
    tiff.ifd([(4, 3, (8,)), (5, 3, (12,)), (6, 3, (3008,)), (7, 3, (4012,))])
    assert facts(tiff.content()).size == (4000, 3000)


def test_a_loop_of_directories_ends() -> None:
    tiff = Tiff()
    offset = tiff.ifd([(0x0100, 4, (10,)), (0x0101, 4, (10,))])
    struct.pack_into("<I", tiff.data, len(tiff.data) - 4, offset)
    assert facts(tiff.content()).size == (10, 10)


def test_a_flood_of_directories_ends() -> None:
    tiff = Tiff()
    for _ in range(200):
        tiff.ifd([(0x0100, 4, (10,)), (0x0101, 4, (10,))])
    tiff.ifd([(0x0100, 4, (99,)), (0x0101, 4, (99,))])
    assert facts(tiff.content()).size == (10, 10)


@pytest.mark.parametrize("length", [0, 3, 6, 8, 9, 10, 15, 30])
def test_cut_files_have_no_facts(length: int) -> None:
    tiff = Tiff()
    tiff.ifd([(0x0100, 4, (10,)), (0x0101, 4, (10,))])
    assert facts(tiff.content()[:length]).size is None


def test_values_beyond_the_end_and_of_other_types_are_left_out() -> None:
    table = struct.pack("<HHII", 0x0111, 4, 9, 5000) + struct.pack("<HHII", 0x0100, 2, 4, 0)
    table += struct.pack("<HHII", 0x0101, 4, 0, 0) + struct.pack("<HHII", 0x0117, 4, 1 << 30, 0)
    assert facts(b"II*\0\x08\0\0\0" + struct.pack("<H", 4) + table + bytes(4)) == RawFacts()


def test_facts_of_a_cr3() -> None:
    head = struct.pack(">I8s", 24, b"ftypcrx ") + bytes(12)
    tiff = Tiff()
    tiff.ifd([(0x0100, 4, (5472,)), (0x0101, 4, (3648,)), (0x0112, 3, (8,))])
    assert facts(head + b"CMT1" + tiff.content()) == RawFacts((5472, 3648), 8)
    assert facts(head) == RawFacts()
    assert facts(head + b"CMT1II*\0\0\0\0\0") == RawFacts()


def test_facts_of_a_raf() -> None:
    def raf(*entries: bytes) -> bytes:
        head = b"FUJIFILMCCD-RAW".ljust(92, b" ") + struct.pack(">I", 100)
        return head.ljust(100, b"\0") + struct.pack(">I", len(entries)) + b"".join(entries)

    other = struct.pack(">HHHH", 0x0100, 4, 3000, 4000)
    cropped = struct.pack(">HHHH", 0x0111, 4, 2848, 4272)
    assert facts(raf(other, cropped)).size == (4272, 2848)
    assert facts(raf(other)) == RawFacts()
    assert facts(raf(other, cropped)[:-10]) == RawFacts()


def test_facts_of_an_mrw() -> None:
    block = b"\0PRD" + struct.pack(">I8sHHHH", 24, b"27820001", 1944, 2560, 1936, 2568)
    assert facts(b"\0MRM" + bytes(4) + block).size == (2568, 1936)
    assert facts(b"\0MRM" + bytes(40)) == RawFacts()


@pytest.mark.parametrize(("degrees", "orientation"), [(0, 1), (90, 6), (180, 3), (270, 8)])
def test_facts_of_an_x3f(degrees: int, orientation: int) -> None:
    head = b"FOVb".ljust(28, b"\0") + struct.pack("<III", 2640, 1760, degrees)
    assert facts(head) == RawFacts((2640, 1760), orientation)

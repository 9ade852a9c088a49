from __future__ import annotations

import errno
import io
import struct
import sys
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from immich_pipeline.media import decode
from immich_pipeline.media.decode import Picture, check_boxes, decode_gray, decoding
from immich_pipeline.media.formats import Format, FormatTable
from immich_pipeline.media.limits import Decoder, check_size, decoders, decoding_bytes
from immich_pipeline.media.phash import perceptual_hashes
from immich_pipeline.media.reasons import ERROR_KINDS, MediaError
from immich_pipeline_tests.media.photos import natural, oriented, png_declaring, saved

MEMORY_MB = 900


def format_named(name: str) -> Format:
    found = FormatTable.load().by_name(name)
    assert found is not None
    return found


def decoded(content: bytes, name: str, memory_mb: int = MEMORY_MB) -> Picture:
    return decode_gray(io.BytesIO(content), format_named(name), memory_mb)


def problem(content: bytes, name: str, memory_mb: int = MEMORY_MB) -> MediaError:
    picture = decoded(content, name, memory_mb)
    assert picture.gray is None
    assert picture.computed_from is None
    assert picture.problem is not None
    return picture.problem


def bits_from_imagehash(picture: Picture, reference: Image.Image) -> int:
    assert picture.problem is None
    assert picture.gray is not None
    ours = perceptual_hashes(picture.gray).phash % 2**64
    return (ours ^ int(str(imagehash.phash(reference)), 16)).bit_count()


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("jpeg", "JPEG", {"quality": 90}),
        ("png", "PNG", {}),
        ("webp", "WEBP", {"lossless": True}),
        ("tiff", "TIFF", {"compression": "tiff_deflate"}),
        ("bmp", "BMP", {}),
        ("jp2", "JPEG2000", {}),
        ("avif", "AVIF", {"quality": 90}),
    ],
)
def test_every_format_gives_the_hash_of_its_picture(name: str, kind: str, options: dict[str, Any]) -> None:
    image = natural()
    picture = decoded(saved(image, kind, **options), name)
    assert bits_from_imagehash(picture, image) <= 2
    assert (picture.width, picture.height, picture.computed_from) == (640, 480, "picture")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "kind"), [("jpeg", "JPEG"), ("png", "PNG"), ("tiff", "TIFF"), ("webp", "WEBP")])
def test_the_upright_picture_is_hashed(orientation: int, name: str, kind: str) -> None:
    content = oriented(natural(400, 250), orientation, kind)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    picture = decoded(content, name)
    assert (picture.width, picture.height) == upright.size == ((250, 400) if orientation > 4 else (400, 250))
    assert bits_from_imagehash(picture, upright) <= 2


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_at_a_scale_that_keeps_the_hash(orientation: int) -> None:
    content = oriented(natural(2101, 1403, seed=5), orientation, quality=90)
    picture = decoded(content, "jpeg")
    assert picture.computed_from == "scaled decode"
    assert picture.gray is not None
    assert min(picture.gray.size) == 702  # a half; a quarter would be less than 375
    assert sorted((picture.width or 0, picture.height or 0)) == [1403, 2101]
    assert bits_from_imagehash(picture, ImageOps.exif_transpose(Image.open(io.BytesIO(content)))) <= 2


def test_deep_gray_keeps_its_upper_byte() -> None:
    gray = natural().convert("L")
    deep = Image.fromarray(np.asarray(gray, dtype=np.uint16) << 8)
    assert bits_from_imagehash(decoded(saved(deep, "PNG"), "png"), gray) == 0
    wide = Image.fromarray(np.asarray(gray, dtype=np.int32) << 8)
    assert bits_from_imagehash(decoded(saved(wide, "TIFF"), "tiff"), gray) == 0


def test_transparency_is_ignored() -> None:
    image = natural()
    image.putalpha(0)
    assert bits_from_imagehash(decoded(saved(image, "PNG"), "png"), natural()) == 0


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "L"])
def test_unusual_pixel_layouts(mode: str) -> None:
    image = natural().convert(mode)
    name, kind = ("jpeg", "JPEG") if mode == "CMYK" else ("png", "PNG")
    content = saved(image, kind)
    assert bits_from_imagehash(decoded(content, name), Image.open(io.BytesIO(content))) == 0


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image.fromarray(np.full((40, 40), 0.5, dtype=np.float32)), "floating-point gray values"),
        (Image.fromarray(np.full((40, 40), 1 << 20, dtype=np.int32)), "32-bit gray values"),
        (Image.fromarray(np.full((40, 40), -1, dtype=np.int32)), "32-bit gray values"),
        (Image.new("LAB", (40, 40)), "CIE Lab colours"),
    ],
)
def test_layouts_without_a_gray_value_are_named(image: Image.Image, words: str) -> None:
    found = problem(saved(image, "TIFF"), "tiff")
    assert (found.kind, str(found)) == ("unsupported", f"not hashed: the picture has {words}")


def test_a_truncated_jpeg_keeps_its_size() -> None:
    content = oriented(natural(), 6, quality=95)
    picture = decoded(content[: len(content) // 2], "jpeg")
    assert picture.problem is not None
    assert picture.problem.kind == "truncated"
    assert (picture.gray, picture.width, picture.height) == (None, 480, 640)


def test_a_truncated_png() -> None:
    content = saved(natural(), "PNG")
    assert problem(content[: len(content) // 2], "png").kind == "truncated"


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "gif", "bmp", "jp2", "avif"])
def test_noise_is_damaged_in_every_format(name: str) -> None:
    found = problem(b"no picture at all" * 40, name)
    assert (found.kind, str(found)) == ("corrupt", "damaged: the picture's header cannot be read")


def test_damaged_data() -> None:
    content = bytearray(saved(natural(), "PNG"))
    at = content.index(b"IDAT") + 4
    content[at : at + 40] = bytes(40)
    found = problem(bytes(content), "png")
    assert (found.kind, str(found)) == ("corrupt", "damaged: the picture cannot be decoded")


def test_a_bomb_is_refused_by_its_header() -> None:
    found = problem(png_declaring(60_000, 60_000), "png")
    assert found.kind == "too_large"
    assert "60000 x 60000 pixels (3,600 megapixels)" in str(found)
    assert "limit is 100 megapixels" in str(found)


def test_a_bomb_does_not_change_pillows_own_limit() -> None:
    before = Image.MAX_IMAGE_PIXELS
    problem(png_declaring(60_000, 60_000), "png")
    assert before == Image.MAX_IMAGE_PIXELS is not None


def test_memory_decides_what_is_too_large() -> None:
    content = saved(Image.new("RGB", (1000, 1000)), "PNG")
    found = problem(content, "png", memory_mb=4)
    assert found.kind == "too_large"
    assert str(found) == (
        "a picture of 1 megapixels needs about 0.0 GB to decode, more than the 0.0 GB a worker may use "
        "(raise IMMICH_PIPELINE_WORKER_MEMORY_MB)"
    )
    assert decoded(content, "png", memory_mb=6).problem is None


def test_a_jpeg_needs_little_memory_unless_it_is_progressive() -> None:
    image = natural(2400, 1600)
    assert decoded(saved(image), "jpeg", memory_mb=5).problem is None
    progressive = saved(image, progressive=True, subsampling=0)
    assert problem(progressive, "jpeg", memory_mb=20).kind == "too_large"
    assert decoded(progressive, "jpeg", memory_mb=30).problem is None
    assert decoded(saved(image, progressive=True, subsampling=2), "jpeg", memory_mb=20).problem is None


def test_the_estimate_covers_decoder_picture_and_gray_copy() -> None:
    assert decoding_bytes(Decoder(bytes_per_pixel=12), 10, 10, "RGB") == 100 * (12 + 4 + 1)
    assert decoding_bytes(Decoder(), 10, 10, "I;16") == 100 * 3


def test_a_picture_without_pixels() -> None:
    with pytest.raises(MediaError, match="damaged: the picture says it is 0 x 32 pixels"):
        check_size(Decoder(), 0, 32, 0, MEMORY_MB)


def test_formats_without_a_decoder_are_named() -> None:
    assert str(problem(b"\xff\x0a", "jxl")) == "not hashed: no decoder for JPEG XL"
    other = Format("new", "image", ("new",), "image/new")
    found = decode_gray(io.BytesIO(b""), other, MEMORY_MB).problem
    assert found is not None
    assert (found.kind, str(found)) == ("unsupported", "not hashed: no decoder for the format new")


def test_every_image_format_of_the_table_has_a_row() -> None:
    images = {fmt.name for fmt in FormatTable.load().formats if fmt.kind == "image"}
    assert images <= set(decoders())


def test_pillow_knows_every_plugin_the_table_names() -> None:
    named = {plugin for decoder in decoders().values() for plugin in decoder.pillow}
    assert named <= set(Image.OPEN)
    assert len(decode.PLUGINS) == len(named)


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic(orientation: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    image = natural()
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    pillow_heif.from_pillow(image).save(buffer, quality=90, exif=exif.tobytes())
    picture = decoded(buffer.getvalue(), "heif")
    upright = ImageOps.exif_transpose(pillow_heif.open_heif(buffer).to_pillow())
    assert (picture.width, picture.height) == upright.size
    assert bits_from_imagehash(picture, upright) <= 2
    assert problem(buffer.getvalue()[:-100], "heif").kind == "truncated"


def test_noise_as_heic_is_no_crash() -> None:
    pytest.importorskip("pillow_heif")
    assert problem(struct.pack(">I", 24) + b"ftypheic" + bytes(12), "heif").kind in ("corrupt", "truncated")


def test_without_the_extra_heic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # what an import finds when the package is absent
    found = problem(b"\0\0\0\x18ftypheic", "heif")
    assert (found.kind, str(found)) == ("missing_extra", "not hashed: install immich-pipeline[heif]")


@pytest.mark.parametrize(
    ("boxes", "complete"),
    [
        (struct.pack(">I4s4x", 12, b"ftyp"), True),
        (struct.pack(">I4s4x", 13, b"ftyp"), False),
        (struct.pack(">I4sQ", 1, b"mdat", 16), True),
        (struct.pack(">I4sQ", 1, b"mdat", 1 << 40), False),
        (struct.pack(">I4s9x", 0, b"mdat"), True),
        (struct.pack(">I4s", 3, b"mdat"), True),
    ],
)
def test_boxes_that_reach_beyond_the_end(boxes: bytes, complete: bool) -> None:
    fh = io.BytesIO(boxes)
    if complete:
        check_boxes(fh)
        assert fh.tell() == 0
    else:
        with pytest.raises(MediaError, match="truncated"):
            check_boxes(fh)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("Memory allocation error: could not allocate"), "out_of_memory"),
        (EOFError(), "truncated"),
        (RuntimeError("Invalid input: Unexpected end of file"), "truncated"),
        (NotImplementedError(), "unsupported"),
        (RuntimeError("Unsupported feature"), "unsupported"),
        (OSError(errno.EIO, "Input/output error"), "io_error"),
        (ZeroDivisionError("division by zero"), "corrupt"),
        (MediaError("too_large", "too large"), "too_large"),
    ],
)
def test_whatever_a_decoder_raises_becomes_a_reason(error: Exception, kind: str) -> None:
    with pytest.raises(MediaError) as caught, decoding():
        raise error
    assert caught.value.kind == kind
    assert kind in ERROR_KINDS
    assert "Error" not in str(caught.value)


@pytest.mark.parametrize(("name", "kind"), [("png", "PNG"), ("webp", "WEBP"), ("jpeg", "JPEG")])
def test_broken_exif_leaves_the_picture_as_it_is(name: str, kind: str) -> None:
    content = saved(natural(), kind, exif=b"Exif\0\0nonsense")
    assert decode.orientation_of(Image.open(io.BytesIO(content)), default=5) == 5
    picture = decoded(content, name)
    assert picture.problem is None
    assert (picture.width, picture.height) == (640, 480)


@pytest.mark.parametrize("orientation", [0, 9, 10825])
def test_senseless_orientations_are_ignored(orientation: int) -> None:
    picture = decoded(oriented(natural(), orientation), "jpeg")
    assert (picture.width, picture.height) == (640, 480)

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from immich_pipeline.media.looks import COLOUR_BYTES, GRAY_BYTES, LookTask, PictureLook, look_file
from immich_pipeline.media.measure import FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline_tests.media import hostile_work
from immich_pipeline_tests.media.photos import Tiff, natural, oriented, saved

OPTIONS = MeasureOptions()
PICTURE = natural(300, 200)


def task(file: Path, **more: object) -> LookTask:
    values = {"whole": True} | more
    return LookTask(
        file.name, os.fsencode(file.parent), os.fsencode(file.name), file.suffix[1:].lower(), **values  # type: ignore[arg-type]
    )  # fmt: skip


def look(folder: Path, content: bytes, name: str = "a.jpg", **more: object) -> PictureLook:
    file = folder / name
    file.write_bytes(content)
    return look_file(task(file, **more), OPTIONS)


def pixels(folder: Path, content: bytes, name: str = "a.jpg", **more: object) -> bytes:
    found = look(folder, content, name, **more)
    assert found.problem is None
    assert found.pixels is not None
    assert len(found.pixels) == 32
    return found.pixels


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # type: ignore[arg-type]


def test_a_look(tmp_path: Path) -> None:
    found = look(tmp_path, saved(PICTURE, "PNG"), "a.png", whole=False)
    assert (len(found.gray), len(found.rgb), found.pixels) == (GRAY_BYTES, COLOUR_BYTES, None)
    assert (found.width, found.height, found.problem) == (300, 200, None)
    gray = np.frombuffer(found.gray, np.uint8).reshape(256, 256).astype(int)
    assert abs(gray.mean() - np.asarray(PICTURE.convert("L")).mean()) < 2
    plain = FileTask("x", os.fsencode(tmp_path), b"a.png", "png")
    assert look_file(plain, OPTIONS).gray == found.gray


def test_a_large_jpeg_is_decoded_small_unless_its_pixels_are_wanted(tmp_path: Path) -> None:
    content = saved(natural(1600, 1200), quality=90)
    small, whole = look(tmp_path, content, whole=False), look(tmp_path, content)
    assert small.pixels is None
    assert whole.pixels is not None
    assert (small.width, small.height) == (whole.width, whole.height) == (1600, 1200)
    one, other = (np.frombuffer(found.gray, np.uint8).astype(int) for found in (small, whole))
    assert np.abs(one - other).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_looks_upright(tmp_path: Path, orientation: int) -> None:
    turn_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = PICTURE.transpose(turn_back[orientation]) if orientation > 1 else PICTURE
    found = look(tmp_path, oriented(stored, orientation, "PNG"), "a.png")
    upright = look(tmp_path, saved(PICTURE, "PNG"), "b.png")
    assert (found.width, found.height) == (300, 200)
    assert found.pixels == upright.pixels
    one, other = (np.frombuffer(each.gray, np.uint8).astype(int) for each in (found, upright))
    assert np.abs(one - other).max() <= 2


def test_the_same_pixels_in_other_files(tmp_path: Path) -> None:
    expected = pixels(tmp_path, saved(PICTURE, "PNG"), "a.png")
    opaque = PICTURE.convert("RGBA")
    for kind, image, options in (
        ("BMP", PICTURE, {}),
        ("TIFF", PICTURE, {"compression": "tiff_lzw"}),
        ("WEBP", PICTURE, {"lossless": True}),
        ("PNG", PICTURE, {"compress_level": 1}),
        ("PNG", opaque, {}),
    ):
        content = saved(image, kind, **options)
        assert pixels(tmp_path, content, f"b.{kind.lower()}") == expected, kind
    jpeg = saved(PICTURE, quality=85)
    as_decoded = Image.open(tmp_path / "b.bmp")
    assert pixels(tmp_path, saved(as_decoded, "PNG"), "c.png") == expected
    with_comment = saved(PICTURE, quality=85, comment=b"edited elsewhere")
    assert with_comment != jpeg
    assert pixels(tmp_path, with_comment) == pixels(tmp_path, jpeg) != expected


def test_one_pixel_more_or_less(tmp_path: Path) -> None:
    expected = pixels(tmp_path, saved(PICTURE, "PNG"), "a.png")
    changed = PICTURE.copy()
    changed.putpixel((299, 199), (0, 0, 0))
    assert pixels(tmp_path, saved(changed, "PNG"), "b.png") != expected
    assert pixels(tmp_path, saved(PICTURE.crop((0, 0, 299, 200)), "PNG"), "b.png") != expected
    flat, standing = Image.new("RGB", (40, 60)), Image.new("RGB", (60, 40))
    assert pixels(tmp_path, saved(flat, "PNG"), "b.png") != pixels(tmp_path, saved(standing, "PNG"), "b.png")


def test_gray_palette_and_bilevel_pictures_are_their_colours(tmp_path: Path) -> None:
    for image in (PICTURE.convert("L"), PICTURE.quantize(16), PICTURE.convert("1")):
        direct = pixels(tmp_path, saved(image, "PNG"), "a.png")
        assert pixels(tmp_path, saved(image.convert("RGB"), "PNG"), "b.png") == direct, image.mode


def test_transparency_counts(tmp_path: Path) -> None:
    veil = PICTURE.convert("RGBA")
    veil.putalpha(Image.linear_gradient("L").resize(PICTURE.size))
    one = pixels(tmp_path, saved(veil, "PNG"), "a.png")
    assert one == pixels(tmp_path, saved(veil, "TIFF"), "a.tif")
    assert one != pixels(tmp_path, saved(PICTURE, "PNG"), "a.png")
    gray = Image.merge("LA", (PICTURE.convert("L"), veil.getchannel("A")))
    assert pixels(tmp_path, saved(gray, "PNG"), "a.png") == pixels(
        tmp_path, saved(gray.convert("RGBA"), "PNG"), "b.png"
    )
    palette = PICTURE.quantize(16)
    assert pixels(tmp_path, saved(palette, "PNG", transparency=3), "a.png") != pixels(
        tmp_path, saved(palette, "PNG"), "b.png"
    )


def test_other_profiles_are_other_colours(tmp_path: Path) -> None:
    srgb = profile("sRGB")
    plain, tagged = saved(PICTURE, "PNG"), saved(PICTURE, "PNG", icc_profile=srgb)
    assert pixels(tmp_path, plain, "a.png") != pixels(tmp_path, tagged, "b.png")
    assert pixels(tmp_path, saved(PICTURE, "TIFF", icc_profile=srgb), "c.tif") == pixels(tmp_path, tagged, "b.png")


def test_colours_are_compared_as_the_profile_means_them(tmp_path: Path) -> None:
    red, green, blue = PICTURE.split()
    swapped = Image.merge("RGB", (green, red, blue))
    meant = profile("sRGB").replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    expected = look(tmp_path, saved(PICTURE, "PNG"), "a.png")
    found = look(tmp_path, saved(swapped, "PNG", icc_profile=meant), "b.png")
    assert look(tmp_path, saved(swapped, "PNG"), "c.png").rgb != expected.rgb
    for one, other in ((found.rgb, expected.rgb), (found.gray, expected.gray)):
        assert np.abs(np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)).max() <= 2


@pytest.mark.parametrize("unusable", [profile("LAB"), b"no profile", profile("sRGB")[:200]])
def test_a_profile_that_is_broken_or_not_of_rgb_colours_is_left_out(tmp_path: Path, unusable: bytes) -> None:
    expected = look(tmp_path, saved(PICTURE, "PNG"), "a.png")
    found = look(tmp_path, saved(PICTURE, "PNG", icc_profile=unusable), "b.png")
    assert found.problem is None
    assert (found.gray, found.rgb) == (expected.gray, expected.rgb)


def test_deep_gray_and_inks_have_forms_of_their_own(tmp_path: Path) -> None:
    deep = Image.fromarray(np.arange(60_000, dtype=np.uint16).reshape(200, 300))
    one, other = pixels(tmp_path, saved(deep, "PNG"), "a.png"), pixels(tmp_path, saved(deep, "TIFF"), "a.tif")
    assert one == other
    shallow = Image.fromarray((np.asarray(deep) >> 8).astype(np.uint8))
    assert pixels(tmp_path, saved(shallow, "PNG"), "b.png") != one
    inks = PICTURE.convert("CMYK")
    assert pixels(tmp_path, saved(inks, "TIFF"), "a.tif") != pixels(tmp_path, saved(PICTURE, "TIFF"), "b.tif")


def test_nothing_is_said_of_pixels_that_decoding_changes(tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65535, (20, 30, 3)).astype(">u2")
    tiff = Tiff(">")
    offset = tiff.blob(deep.tobytes())
    tiff.ifd(
        [
            (0x100, 4, (30,)), (0x101, 4, (20,)), (0x102, 3, (16, 16, 16)), (0x103, 3, (1,)), (0x106, 3, (2,)), (0x111, 4, (offset,)),
            (0x115, 3, (3,)), (0x116, 4, (20,)), (0x117, 4, (deep.nbytes,)),
        ]
    )  # fmt: skip
    found = look(tmp_path, bytes(tiff.data), "deep.tif")
    assert (found.problem, found.pixels, found.width) == (None, None, 30)
    assert look(tmp_path, saved(PICTURE, "AVIF"), "a.avif").pixels is None
    numbers = Image.fromarray(np.arange(60_000, dtype=np.int32).reshape(200, 300))
    found = look(tmp_path, saved(numbers, "TIFF"), "a.tif")
    assert (found.problem, found.pixels) == (None, None)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(PICTURE).save(tmp_path / "a.heic", quality=90)
    found = look_file(task(tmp_path / "a.heic"), OPTIONS)
    assert (found.problem, found.width) == (None, 300)
    assert found.pixels is not None


def test_a_transparent_picture_lies_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    found = look(tmp_path, saved(clear, "PNG"), "a.png")
    assert set(found.gray) == {255}
    assert set(found.rgb) == {255}


def test_what_moves_is_not_compared_by_its_first_picture(tmp_path: Path) -> None:
    frames = [natural(64, 48, seed=seed) for seed in range(3)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        found = look(tmp_path, content, f"a.{kind.lower()}")
        assert (found.problem_kind, found.gray) == ("unsupported", b""), kind
        assert "several pictures" in str(found.problem)
    assert look(tmp_path, saved(frames[0], "GIF"), "a.gif").problem is None


def test_a_photo_with_pictures_behind_it_is_a_photo_but_not_the_same(tmp_path: Path) -> None:
    jpeg = saved(PICTURE, quality=90)
    with_depth = saved(
        Image.open(tmp_path / _written(tmp_path, jpeg)), "MPO", save_all=True, append_images=[PICTURE.resize((30, 20))]
    )
    found = look(tmp_path, with_depth, "b.jpg")
    assert (found.problem, found.width) == (None, 300)
    assert found.pixels != look(tmp_path, jpeg, "c.jpg").pixels


def _written(folder: Path, content: bytes) -> str:
    (folder / "o.jpg").write_bytes(content)
    return "o.jpg"


def test_a_raw_is_looked_at_by_its_preview(tmp_path: Path) -> None:
    tiff = Tiff()
    preview = saved(natural(640, 480), quality=90)
    offset = tiff.blob(preview)
    tiff.ifd([(0x100, 4, (640,)), (0x101, 4, (480,)), (0x201, 4, (offset,)), (0x202, 4, (len(preview),))])
    found = look(tmp_path, bytes(tiff.data), "a.nef")
    assert (found.problem, found.pixels, found.width, found.height) == (None, None, 640, 480)


def test_a_picture_too_large_to_decode_in_full_is_decoded_small(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(natural(1600, 1200)))
    found = look_file(task(tmp_path / "a.jpg"), MeasureOptions(worker_memory_mb=20))
    assert (found.problem, found.pixels, found.width) == (None, None, 1600)


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"", "a.jpg", "empty"),
        (b"<html></html>", "a.jpg", "wrong_content"),
        (saved(PICTURE)[:2000], "a.jpg", "truncated"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a.mp4", "unsupported"),
    ],
)
def test_reasons(tmp_path: Path, content: bytes, name: str, kind: str) -> None:
    found = look(tmp_path, content, name)
    assert (found.problem_kind, found.gray, found.rgb, found.pixels) == (kind, b"", b"", None)
    assert found.problem


def test_the_file_must_be_the_one_that_was_hashed(tmp_path: Path) -> None:
    content = saved(PICTURE)
    assert look(tmp_path, content, size=len(content)).problem is None
    status = (tmp_path / "a.jpg").stat()
    assert look_file(task(tmp_path / "a.jpg", mtime_ns=status.st_mtime_ns), OPTIONS).problem is None
    for version in ({"size": 1}, {"mtime_ns": 1}):
        found = look_file(task(tmp_path / "a.jpg", **version), OPTIONS)
        assert found.problem_kind == "changed_while_reading"
    assert look_file(task(tmp_path / "gone.jpg"), OPTIONS).problem_kind == "missing"


def test_the_pool_looks_too(tmp_path: Path) -> None:
    files = []
    for number in range(6):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(saved(natural(200, 150, seed=number)))
    files.append(tmp_path / "gone.jpg")
    wanted = [task(file) for file in files]
    with MeasurePool(OPTIONS, workers=2) as pool:
        found = {made.asset_id: made for results in pool.looks(wanted) for made in results}
    assert found == {each.asset_id: look_file(each, OPTIONS) for each in wanted}
    assert found["gone.jpg"].problem_kind == "missing"


def test_a_picture_that_ends_its_worker_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immich_pipeline.media.pool.look_file", hostile_work.work)
    tasks = [FileTask("kill-1", os.fsencode(tmp_path), b"", "")]
    with MeasurePool(OPTIONS, workers=1) as pool:
        found = [made for results in pool.looks(tasks) for made in results]
    assert [made.problem_kind for made in found] == ["worker_died"]

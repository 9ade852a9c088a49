import io
import struct
from datetime import datetime

import exifread
import numpy as np
import pytest
from PIL import Image

from immich_pipeline.demo.copies import HEIGHT, WIDTH, can_write_heic, files_of, painted, view
from immich_pipeline.demo.dng import dng_file, mosaic
from immich_pipeline.demo.exif import Shot, exif_block
from immich_pipeline.demo.plan import CAMERA, PHONE, PIXEL, Copy, Photo
from immich_pipeline.demo.scenes import LEAST_DISTANCE, PAINTERS, Canvas, choose_variants, paint
from immich_pipeline.demo.tiff import ASCII, LONG, SHORT, Directory, encode
from immich_pipeline.demo.video import film
from immich_pipeline.media.exif import read_metadata
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.phash import perceptual_hashes
from immich_pipeline.media.preview import embedded_jpegs

TAKEN = datetime(2023, 6, 15, 17, 30, 5, 120_000)
SHOT = Shot(TAKEN, -210, PIXEL, (-33.8523, 151.2108))


def metadata_of(content: bytes, extension: str) -> PhotoMetadata:
    fmt = FormatTable.load().by_extension(extension)
    assert fmt is not None
    return read_metadata(io.BytesIO(content), fmt)


def hash_of(picture: Image.Image) -> int:
    return perceptual_hashes(picture.convert("L")).phash


def distance(one: int, other: int) -> int:
    return ((one ^ other) & (2**64 - 1)).bit_count()


# ---- scenes


@pytest.mark.parametrize("scene", range(len(PAINTERS)))
def test_a_scene_is_the_same_picture_in_every_size(scene: int) -> None:
    large, small = paint(7, scene, 0, 300, 200), paint(7, scene, 0, 96, 64)
    assert (large.shape, small.shape, large.dtype) == ((200, 300, 3), (64, 96, 3), np.uint8)
    assert distance(hash_of(Image.fromarray(large)), hash_of(Image.fromarray(small))) <= 8
    assert np.array_equal(paint(7, scene, 0, 96, 64), small)


def test_other_seeds_scenes_and_variants_are_other_pictures() -> None:
    pictures = [paint(*which, 48, 32).tobytes() for which in ((1, 0, 0), (2, 0, 0), (1, 7, 0), (1, 0, 1))]
    assert len(set(pictures)) == 4


def test_scenes_that_look_alike_are_painted_anew() -> None:
    variants = choose_variants(5, 60)
    assert max(variants) > 0
    hashes = [hash_of(Image.fromarray(paint(5, scene, variant, 96, 64))) for scene, variant in enumerate(variants)]
    pairs = [(one, other) for place, one in enumerate(hashes) for other in hashes[:place]]
    assert min(distance(*pair) for pair in pairs) >= LEAST_DISTANCE


def test_masks_beyond_the_edge_paint_nothing() -> None:
    canvas = Canvas(np.random.default_rng(0), 30, 20)
    for mask in (
        canvas.disk(-1, -1, 0.2),
        canvas.disk(2, 2, 0.2),
        canvas.rectangle(1.2, 0, 1.4, 1),
        canvas.rectangle(-0.4, 0, -0.2, 1),
    ):
        canvas.paint(mask, np.ones(3, dtype=np.float32))
    assert canvas.rgb.max() == 0


# ---- EXIF


def test_exif_says_when_where_and_with_what() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif_block(SHOT))
    found = metadata_of(out.getvalue(), "jpg")
    assert (found.taken_at_local, found.utc_offset_minutes, found.subsec) == (TAKEN, -210, "120")
    assert found.taken_at == SHOT.instant
    assert (found.make, found.model, found.lens, found.serial) == ("Google", "Pixel 8", PIXEL.lens, None)
    assert (found.latitude, found.longitude) == (pytest.approx(-33.8523, abs=1e-5), pytest.approx(151.2108, abs=1e-5))
    assert (found.software, found.error) == ("HDR+ 1.0", None)


def test_a_camera_without_zone_or_place_writes_neither() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(
        out, "JPEG", exif=exif_block(Shot(TAKEN, 60, CAMERA, (1.0, 2.0), orientation=6), "Editor")
    )
    found = metadata_of(out.getvalue(), "jpg")
    assert (found.taken_at, found.utc_offset_minutes, found.latitude, found.subsec) == (None, None, None, "12")
    assert (found.serial, found.orientation, found.software) == ("4711001", 6, "Editor")


def test_bursts_and_live_photos_have_ids() -> None:
    out = io.BytesIO()
    shot = Shot(TAKEN, 0, PHONE, burst_id="BURST-1", content_id="LIVE-2")
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif_block(shot))
    found = metadata_of(out.getvalue(), "jpg")
    assert (found.burst_id, found.content_id) == ("BURST-1", "LIVE-2")


def test_times_are_kept_to_the_millisecond() -> None:
    assert Shot(TAKEN, 120, PIXEL).nanoseconds == 1_686_843_005_120_000_000


# ---- TIFF and DNG


def test_values_stand_inline_or_behind_and_blobs_at_even_offsets() -> None:
    below = Directory()
    below.text(2, "abc")
    directory = Directory(blobs={5: b"xyz", 6: b"data"}, below={7: below})
    directory.numbers(3, SHORT, 1, 2)
    directory.numbers(4, LONG, 7, 8)
    content = encode(directory)
    (count,) = struct.unpack_from("<H", content, 8)
    entries = [struct.unpack_from("<HHL4s", content, 10 + 12 * place) for place in range(count)]
    assert [entry[0] for entry in entries] == [3, 4, 5, 6, 7]
    assert entries[0] == (3, SHORT, 2, struct.pack("<HH", 1, 2))
    offsets = [int.from_bytes(entry[3], "little") for entry in entries[1:]]
    assert struct.unpack_from("<LL", content, offsets[0]) == (7, 8)
    assert (content[offsets[1] :][:3], content[offsets[2] :][:4]) == (b"xyz", b"data")
    assert all(offset % 2 == 0 for offset in offsets)
    assert struct.unpack_from("<HHHL4s", content, offsets[3]) == (1, 2, ASCII, 4, b"abc\0")


@pytest.fixture(scope="module")
def dng() -> tuple[bytes, np.ndarray]:
    pixels = paint(3, 5, 0, WIDTH, HEIGHT)
    return dng_file(pixels, Shot(TAKEN, 60, CAMERA)), pixels


def test_a_dng_has_a_large_preview_of_its_picture(dng: tuple[bytes, np.ndarray]) -> None:
    content, pixels = dng
    (preview,) = embedded_jpegs(io.BytesIO(content))
    assert (preview.width, preview.height) == (1024, 683)
    picture = Image.open(io.BytesIO(content[preview.offset :]))
    assert distance(hash_of(picture), hash_of(Image.fromarray(pixels))) <= 2


def test_a_dng_has_exif(dng: tuple[bytes, np.ndarray]) -> None:
    tags = exifread.process_file(io.BytesIO(dng[0]), details=False)
    assert str(tags["EXIF DateTimeOriginal"]) == "2023:06:15 17:30:05"
    assert str(tags["Image Model"]) == "PENTAX K-1"
    assert metadata_of(dng[0], "dng").taken_at_local == TAKEN


def test_a_raw_developer_opens_a_dng(dng: tuple[bytes, np.ndarray]) -> None:
    rawpy = pytest.importorskip("rawpy")
    content, pixels = dng
    with rawpy.imread(io.BytesIO(content)) as raw:
        assert raw.raw_image_visible.shape == (HEIGHT, WIDTH)
        assert np.array_equal(raw.raw_image_visible, mosaic(pixels))
        thumb = raw.extract_thumb()
        assert thumb.format == rawpy.ThumbFormat.JPEG
        developed = raw.postprocess(
            no_auto_bright=True, use_camera_wb=True, gamma=(2.2, 0), output_color=rawpy.ColorSpace.sRGB
        )
    assert developed.shape == pixels.shape
    assert np.abs(developed.astype(int) - pixels.astype(int)).mean() < 12
    assert distance(hash_of(Image.fromarray(developed)), hash_of(Image.fromarray(pixels))) <= 4


# ---- videos


@pytest.mark.parametrize(("brand", "extension"), [(b"qt  ", "mov"), (b"isom", "mp4")])
def test_a_film_says_when_and_with_what(brand: bytes, extension: str) -> None:
    shot = Shot(TAKEN, 120, PHONE, content_id="LIVE-2")
    found = metadata_of(film(shot, 2.5, brand), extension)
    assert (found.taken_at, found.make, found.content_id) == (shot.instant.replace(microsecond=0), "Apple", "LIVE-2")
    assert metadata_of(film(SHOT, 1, brand), extension).content_id is None


# ---- copies


def test_a_portrait_lies_on_its_side_and_its_copy_stands() -> None:
    photo = Photo("a.jpg", 5, Shot(TAKEN, 0, PHONE, orientation=6), copies=[Copy("b.jpg", "upright")])
    pixels = view(painted(1, 0, photo), photo)
    original, upright = (Image.open(io.BytesIO(content)) for _, content in files_of(photo, pixels))
    assert (original.size, upright.size) == ((WIDTH, HEIGHT), (HEIGHT, WIDTH))
    turned = original.transpose(Image.Transpose.ROTATE_270)
    assert distance(hash_of(turned), hash_of(upright)) <= 2
    assert distance(hash_of(original), hash_of(upright)) > 16


def test_every_kind_of_copy_opens() -> None:
    hows = ["exact", "reencoded", "chat", "edited", "png", "webp", *(["heic"] if can_write_heic() else [])]
    photo = Photo("a.jpg", 1, SHOT, copies=[Copy(f"{how}", how) for how in hows], raw_paths=["a.dng", "b.dng"])  # type: ignore[arg-type]
    files = dict(files_of(photo, view(painted(1, 0, photo), photo)))
    assert files["exact"] == files["a.jpg"]
    assert files["a.dng"] == files["b.dng"]
    sizes = {
        how: Image.open(io.BytesIO(files[how])).size for how in ("a.jpg", "reencoded", "chat", "edited", "png", "webp")
    }
    assert sizes == {
        "a.jpg": (1200, 800),
        "reencoded": (1200, 800),
        "chat": (1024, 683),
        "edited": (1200, 786),
        "png": (600, 400),
        "webp": (1200, 800),
    }
    assert metadata_of(files["reencoded"], "jpg").taken_at_local is None
    assert metadata_of(files["edited"], "jpg").software == "Demo Editor 1.0"
    if can_write_heic():
        assert metadata_of(files["heic"], "heic").taken_at_local == TAKEN


def test_frames_of_a_burst_are_views_of_one_painting() -> None:
    frames = [Photo("a.jpg", 2, SHOT), Photo("b.jpg", 2, SHOT, (3, 1))]
    painting = painted(1, 0, frames[0])
    one, other = (view(painting, frame) for frame in frames)
    assert np.array_equal(one[1:, 3:], other[:-1, :-3])

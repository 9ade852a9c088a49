from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from immich_pipeline.media import measure
from immich_pipeline.media import thumbnail as thumbnail_module
from immich_pipeline.media.measure import (
    FileMeasurement,
    FileTask,
    MeasureOptions,
    failed_measurement,
    format_table,
    measure_file,
    peak_rss_mb,
)
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.opening import open_regular, reading_error
from immich_pipeline.media.phash import perceptual_hashes
from immich_pipeline.media.reasons import ERROR_KINDS, MediaError
from immich_pipeline.media.thumbnail import THUMBNAIL_PIXELS, Thumbnail, thumbnail_file
from immich_pipeline_tests.media.photos import Tiff, natural, oriented, png_declaring, saved

OPTIONS = MeasureOptions()


def task_of(file: Path) -> FileTask:
    return FileTask("some-id", os.fsencode(file.parent), os.fsencode(file.name), file.suffix[1:].lower())


def measured(file: Path, content: bytes, options: MeasureOptions = OPTIONS) -> FileMeasurement:
    file.write_bytes(content)
    return measure_file(task_of(file), options)


def failure(measurement: FileMeasurement) -> tuple[str | None, str | None]:
    """The reason of a file that could not be read at all."""
    assert measurement.sha256 is None
    assert measurement.picture_error_kind == measurement.error_kind in ERROR_KINDS
    assert measurement.picture_error == measurement.error
    assert not measurement.usable
    return measurement.error_kind, measurement.error


# -------------------------------------------------------------------------------------------- what is measured


def test_everything_about_a_photo(tmp_path: Path) -> None:
    content = oriented(natural(), 6, quality=90)
    file = tmp_path / "a.jpg"
    found = measured(file, content)
    status = file.stat()
    assert (found.asset_id, found.size, found.mtime_ns, found.inode) == (
        "some-id",
        len(content),
        status.st_mtime_ns,
        status.st_ino,
    )
    assert found.sha256 == hashlib.sha256(content).digest()
    assert (found.format, found.format_mismatch) == ("jpeg", None)
    assert isinstance(found.metadata, PhotoMetadata)
    upright = Image.open(io.BytesIO(content)).convert("L").transpose(Image.Transpose.ROTATE_270)
    expected = perceptual_hashes(upright)
    assert found.phash is not None
    assert (found.phash % 2**64 ^ expected.phash % 2**64).bit_count() <= 2
    assert len(found.phash256 or b"") == 32
    assert (found.set_bits, found.usable) == (32, True)
    assert (found.width, found.height, found.computed_from) == (480, 640, "picture")
    assert (found.error_kind, found.error, found.picture_error_kind, found.picture_error) == (None,) * 4
    assert 10 < found.peak_rss_mb < 2000
    assert 0 < found.seconds < 60


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    content = saved(natural())
    nothing = measured(tmp_path / "a.jpg", content, MeasureOptions(hash=False, metadata=False, pictures=False))
    assert (nothing.sha256, nothing.metadata, nothing.phash, nothing.picture_error) == (None, None, None, None)
    assert nothing.format == "jpeg"
    pictures = measured(tmp_path / "a.jpg", content, MeasureOptions(hash=False, metadata=False))
    assert pictures.usable
    assert (pictures.sha256, pictures.metadata) == (None, None)
    metadata = measured(tmp_path / "a.jpg", content, MeasureOptions(hash=False, pictures=False))
    assert metadata.metadata is not None
    assert metadata.phash is None


@pytest.mark.parametrize("wanted", [True, False])
def test_a_large_file_is_streamed_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    content = saved(natural())
    small = measured(tmp_path / "a.jpg", content)
    monkeypatch.setattr(measure, "IN_MEMORY_BYTES", 1000)
    large = measured(tmp_path / "a.jpg", content, MeasureOptions(hash=wanted))
    assert large.sha256 == (small.sha256 if wanted else None)
    assert (large.phash, large.phash256, large.metadata) == (small.phash, small.phash256, small.metadata)


def test_a_flat_picture_is_hashed_but_not_usable_and_no_error(tmp_path: Path) -> None:
    found = measured(tmp_path / "a.png", saved(Image.new("RGB", (64, 64), "red"), "PNG"))
    assert (found.set_bits, found.usable, found.picture_error) == (1, False, None)


def test_videos_and_sidecars_have_no_picture_and_that_is_no_error(tmp_path: Path) -> None:
    video = measured(tmp_path / "a.mp4", b"\0\0\0\x18ftypisom" + bytes(200))
    sidecar = measured(tmp_path / "a.xmp", b'<?xml version="1.0"?><x/>')
    for found in (video, sidecar):
        assert found.sha256 is not None
        assert (found.phash, found.usable, found.computed_from) == (None, False, None)
        assert (found.error, found.picture_error) == (None, None)


def test_a_raw_is_hashed_by_its_preview(tmp_path: Path) -> None:
    tiff = Tiff()
    tiff.ifd([(0x0100, 4, (6000,)), (0x0101, 4, (4000,)), (0x0112, 3, (8,))])
    tiff.blob(saved(natural()))
    found = measured(tmp_path / "a.nef", tiff.content(), MeasureOptions(metadata=False))
    assert (found.format, found.usable, found.computed_from) == ("nef", True, "embedded preview")
    assert (found.width, found.height) == (4000, 6000)
    assert found.metadata is None


def test_names_of_any_bytes(tmp_path: Path) -> None:
    name = b"caf\xe9 \xff.jpg" if sys.platform == "linux" else "café.jpg".encode()
    (tmp_path / os.fsdecode(name)).write_bytes(saved(natural()))
    assert measure_file(FileTask("x", os.fsencode(tmp_path), name, "jpg"), OPTIONS).usable


# ------------------------------------------------------------------------------------------------- bad pictures


def test_a_picture_that_lies_about_its_name_is_measured_for_what_it_is(tmp_path: Path) -> None:
    found = measured(tmp_path / "a.heic", saved(natural()))
    assert (found.format, found.usable) == ("jpeg", True)
    assert "content is JPEG" in (found.format_mismatch or "")


def test_a_web_page_named_jpg(tmp_path: Path) -> None:
    found = measured(tmp_path / "a.jpg", b"<!DOCTYPE html><html><body>404</body></html>")
    assert (found.picture_error_kind, found.error_kind) == ("wrong_content", None)
    assert found.sha256 is not None
    assert "web page" in (found.picture_error or "")


def test_unknown_content(tmp_path: Path) -> None:
    found = measured(tmp_path / "a.zzz", b"\x01\x02\x03" * 10)
    assert (found.picture_error_kind, found.picture_error) == (
        "wrong_content",
        "the content is none of the known formats",
    )


def test_a_bad_picture_keeps_its_hash_and_metadata(tmp_path: Path) -> None:
    content = saved(natural())
    for data, kind in [(content[: len(content) // 2], "truncated"), (png_declaring(60_000, 60_000), "too_large")]:
        found = measured(tmp_path / ("a.jpg" if kind == "truncated" else "a.png"), data)
        assert found.sha256 == hashlib.sha256(data).digest()
        assert found.metadata is not None
        assert (found.picture_error_kind, found.usable, found.phash) == (kind, False, None)
        assert found.error is None


class NoMemory(io.BytesIO):
    """Content whose reading needs more memory than there is."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise MemoryError

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence:
            raise MemoryError
        return 0


def test_memory_that_runs_out_over_metadata_or_picture_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = format_table(None).by_name("nef")
    assert raw is not None
    monkeypatch.setattr(measure, "read_metadata", lambda fh, _fmt: fh.read())
    assert "more memory" in (measure._metadata(NoMemory(), raw).error or "")
    found = measure._hash_picture(FileMeasurement("x"), NoMemory(), raw, None, OPTIONS)
    assert (found.picture_error_kind, found.usable) == ("out_of_memory", False)


def test_a_reader_that_gives_up_on_metadata_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ArithmeticError("a case nobody thought of")

    monkeypatch.setattr(measure, "read_metadata", failing)
    found = measured(tmp_path / "a.jpg", saved(natural()))
    assert found.metadata == PhotoMetadata(error="the metadata is damaged and cannot be read")
    assert found.usable


DAMAGED = [
    ("a.jpg", saved(natural(300, 200), quality=60, exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(20))),
    ("a.png", saved(natural(40, 30), "PNG")),
    ("a.gif", saved(natural(60, 40).convert("P"), "GIF")),
    ("a.tif", saved(natural(40, 30), "TIFF", compression="tiff_lzw")),
    ("a.webp", saved(natural(100, 80), "WEBP")),
    ("a.avif", saved(natural(100, 80), "AVIF")),
    ("a.nef", Tiff().content() + saved(natural(400, 300), quality=40)),
    ("a.x3f", b"FOVb" + bytes(40)),
    ("a.raf", b"FUJIFILMCCD-RAW" + bytes(120)),
]


@given(sample=st.sampled_from(DAMAGED), seed=st.integers(0, 2**32), cut=st.floats(0.1, 1))
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_damaged_is_measured_or_has_a_reason(
    tmp_path: Path, sample: tuple[str, bytes], seed: int, cut: float
) -> None:
    name, content = sample
    dice = random.Random(seed)
    damaged = bytearray(content[: max(1, int(len(content) * cut))])
    for _ in range(dice.randrange(12)):
        damaged[dice.randrange(min(len(damaged), dice.choice((64, 4096))))] = dice.randrange(256)
    found = measured(tmp_path / name, bytes(damaged))
    assert found.sha256 == hashlib.sha256(damaged).digest()
    assert (found.phash is None) <= (found.picture_error is not None or found.format in (None, "mp4", "mov"))


# --------------------------------------------------------------------------------------------------- bad files


def test_missing(tmp_path: Path) -> None:
    found = measure_file(task_of(tmp_path / "gone.jpg"), OPTIONS)
    assert failure(found) == ("missing", "the file is not there any more")


def test_empty(tmp_path: Path) -> None:
    assert failure(measured(tmp_path / "a.jpg", b"")) == ("empty", "the file is empty (0 bytes)")


def test_a_folder(tmp_path: Path) -> None:
    assert failure(measure_file(task_of(tmp_path), OPTIONS)) == ("not_a_file", "this is a folder, not a file")


@pytest.mark.timeout(10)
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    found = measure_file(task_of(tmp_path / "a.jpg"), OPTIONS)
    assert failure(found) == ("not_a_file", "this is a named pipe, not a file")


def test_a_device(tmp_path: Path) -> None:
    found = measure_file(FileTask("x", b"/dev", b"null", ""), OPTIONS)
    assert failure(found) == ("not_a_file", "this is a device, not a file")


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.jpg")
        found = measure_file(task_of(tmp_path / "a.jpg"), OPTIONS)
    assert found.error_kind == "not_a_file"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(saved(natural()))
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret")
    assert failure(measure_file(task_of(tmp_path / "a.jpg"), OPTIONS)) == ("not_a_file", "this is a link, not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x")
    file.chmod(0)
    assert failure(measure_file(task_of(file), OPTIONS))[0] == "unreadable"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOENT, "missing"),
        (errno.ENOTDIR, "missing"),
        (errno.EACCES, "unreadable"),
        (errno.EPERM, "unreadable"),
        (errno.ELOOP, "not_a_file"),
        (errno.ENXIO, "not_a_file"),
        (errno.ENOMEM, "out_of_memory"),
        (errno.EIO, "io_error"),
        (errno.ESTALE, "io_error"),
    ],
)
def test_errors_of_the_system_have_a_kind_and_a_sentence(code: int, kind: str) -> None:
    reason = reading_error(OSError(code, "text"))
    assert reason.kind == kind
    assert "Errno" not in str(reason)


def test_an_error_without_a_number_keeps_its_words() -> None:
    assert str(reading_error(OSError("the share went away"))) == "reading failed: the share went away"


def test_written_to_while_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(saved(natural()))
    with open_regular(os.fsencode(file)) as (fh, before):
        with file.open("ab") as other:
            other.write(b"more")
        with pytest.raises(MediaError) as caught:
            measure._measure_open(task_of(file), OPTIONS, fh, before)
    assert caught.value.kind == "changed_while_reading"


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError(errno.EIO, "Input/output error"), "io_error"), (MemoryError(), "out_of_memory")]
)
def test_a_disk_that_fails_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(measure, "_read", failing)  # no disk here can be made to fail
    assert failure(measured(tmp_path / "a.jpg", b"x"))[0] == kind


def test_a_failed_measurement_has_the_reason_twice() -> None:
    assert failure(failed_measurement(FileTask("x", b"", b"", ""), "timeout", "too slow")) == ("timeout", "too slow")


def test_peak_memory_is_in_megabytes() -> None:
    assert 10 < peak_rss_mb() < 4000


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_peak_memory_knows_the_systems_unit(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    here = peak_rss_mb() * 1e6 / (1 if sys.platform == "darwin" else 1024)
    monkeypatch.setattr(sys, "platform", platform)
    assert peak_rss_mb() >= here * (1 if platform == "darwin" else 1024) / 1e6


# -------------------------------------------------------------------------------------------------- thumbnails


def thumbnail(file: Path, content: bytes) -> Thumbnail:
    file.write_bytes(content)
    return thumbnail_file(task_of(file), OPTIONS)


def picture_of(made: Thumbnail) -> Image.Image:
    assert made.error is None
    assert made.jpeg is not None
    image = Image.open(io.BytesIO(made.jpeg))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert max(image.size) == THUMBNAIL_PIXELS
    return image


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_thumbnails_are_small_upright_jpegs(tmp_path: Path, mode: str) -> None:
    image = picture_of(thumbnail(tmp_path / "a.jpg", oriented(natural(2000, 1200).convert(mode), 6)))
    assert image.size == (96, 160)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    image = natural(400, 400)
    image.putalpha(0)
    assert picture_of(thumbnail(tmp_path / "a.png", saved(image, "PNG"))).getpixel((80, 80)) == (255, 255, 255)
    palette = natural(400, 400).convert("P")
    palette.paste(0, (0, 0, 400, 400))
    content = saved(palette, "PNG", transparency=0)
    assert picture_of(thumbnail(tmp_path / "a.png", content)).getpixel((80, 80)) == (255, 255, 255)


def test_palettes_and_deep_gray(tmp_path: Path) -> None:
    picture_of(thumbnail(tmp_path / "a.gif", saved(natural().convert("P"), "GIF")))
    deep = Image.new("I;16", (400, 300), 40_000)
    assert picture_of(thumbnail(tmp_path / "a.png", saved(deep, "PNG"))).getpixel((5, 5)) == (156, 156, 156)


def test_the_thumbnail_of_a_raw_is_turned_by_the_raw(tmp_path: Path) -> None:
    tiff = Tiff()
    tiff.ifd([(0x0100, 4, (6000,)), (0x0101, 4, (4000,)), (0x0112, 3, (6,))])
    tiff.blob(saved(natural()))
    assert picture_of(thumbnail(tmp_path / "a.nef", tiff.content())).size == (120, 160)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.nef", b"II*\0" + bytes(40), "no thumbnail: the RAW file contains no preview"),
        ("a.mp4", b"\0\0\0\x18ftypisom" + bytes(40), "no thumbnail: this is not a picture"),
        ("a.jpg", b"<html></html>", "named .jpg but the content is a web page (HTML)"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(40), "damaged: the picture's header cannot be read"),
    ],
)
def test_why_there_is_no_thumbnail(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    assert thumbnail(tmp_path / name, content) == Thumbnail("some-id", error=words)


def test_no_thumbnail_of_a_missing_file(tmp_path: Path) -> None:
    assert thumbnail_file(task_of(tmp_path / "gone.jpg"), OPTIONS).error == "the file is not there any more"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EIO, "Input/output error"), "reading failed: Input/output error"),
        (MemoryError(), "this needed more memory than a worker may use (raise IMMICH_PIPELINE_WORKER_MEMORY_MB)"),
    ],
)
def test_no_thumbnail_when_reading_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(thumbnail_module, "detect", failing)  # no disk here can be made to fail
    assert thumbnail(tmp_path / "a.jpg", saved(natural())).error == words

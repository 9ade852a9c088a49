"""The sample photos beside the repository, through the pool."""

from __future__ import annotations

import os
from pathlib import Path

import imagehash
import pytest
from PIL import Image, ImageOps

from immich_pipeline.media.measure import FileMeasurement, FileTask
from immich_pipeline.media.pool import MeasurePool

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/samples"
# One of each kind of trouble; what is not listed here and not in the folder "corrupt" must be hashed or be no picture.
TROUBLE = {
    "corrupt/drew__reallybig.bmp": "too_large",
    "corrupt/pheif__200MP.heic": "too_large",
    "corrupt/pillow__decompression_bomb.gif": "too_large",
    "generated/bomb_declared_60000x60000.png": "too_large",
    "generated/html_404.jpg": "wrong_content",
    "generated/truncated_half.heic": "truncated",
    "generated/truncated_half.jpg": "truncated",
    "generated/zero_bytes.jpg": "empty",
    "raw/bep__sample.arw": "no_preview",
    "raw/bep__sample.cr2": "truncated",
    "raw/bep__sample.dng": "no_preview",
    "raw/bep__sample.nef": "no_preview",
    "wrong_extension/etv__pixel.jpg": "wrong_content",
}


@pytest.fixture(scope="module")
def found() -> dict[str, FileMeasurement]:
    if not SAMPLES.is_dir():
        pytest.skip("needs ../shared/samples")
    files = sorted(file for file in SAMPLES.rglob("*") if file.is_file())
    root = os.fsencode(SAMPLES)
    tasks = [
        FileTask(str(file.relative_to(SAMPLES)), root, os.fsencode(file.relative_to(SAMPLES)), file.suffix[1:].lower())
        for file in files
    ]
    with MeasurePool(workers=2) as pool:
        results = {result.asset_id: result for results in pool.measure(tasks) for result in results}
    assert len(results) == len(files)
    return results


def test_no_worker_dies_and_memory_stays_bounded(found: dict[str, FileMeasurement]) -> None:
    kinds = {result.picture_error_kind for result in found.values()}
    assert not kinds & {"worker_died", "timeout", "out_of_memory", "io_error"}
    assert max(result.peak_rss_mb for result in found.values()) < 1000


def test_every_trouble_is_named(found: dict[str, FileMeasurement]) -> None:
    for name, kind in TROUBLE.items():
        if name in found:
            assert found[name].picture_error_kind == kind, found[name].picture_error
    unexpected = {
        name: result.picture_error
        for name, result in found.items()
        if result.picture_error and name not in TROUBLE and not name.startswith("corrupt/")
    }
    assert unexpected == {}


def test_only_empty_files_have_no_content_hash(found: dict[str, FileMeasurement]) -> None:
    assert {result.error_kind for result in found.values() if result.sha256 is None} == {"empty"}


def test_hashes_are_within_2_bits_of_imagehash(found: dict[str, FileMeasurement]) -> None:
    distances = []
    for name, result in found.items():
        if result.format == "jpeg" and result.phash is not None:
            with Image.open(SAMPLES / name) as image:
                reference = int(str(imagehash.phash(ImageOps.exif_transpose(image))), 16)
            distances.append((reference ^ result.phash % 2**64).bit_count())
    assert sum(distance <= 2 for distance in distances) >= 0.99 * len(distances) > 0


def test_a_pair_of_raw_and_jpeg_has_near_hashes(found: dict[str, FileMeasurement]) -> None:
    raw, jpeg = (found[name].phash for name in ("raw/evan__CRW.CRW", "generated/PAIR_CRW.jpg"))
    assert raw == jpeg is not None

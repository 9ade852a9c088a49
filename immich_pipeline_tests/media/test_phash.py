from __future__ import annotations

import imagehash
import numpy as np
import pytest
from PIL import Image

from immich_pipeline.media.phash import cosine_matrix, perceptual_hashes
from immich_pipeline_tests.media.photos import natural


@pytest.mark.parametrize("seed", range(24))
def test_both_hashes_are_those_of_imagehash(seed: int) -> None:
    sizes = [(640, 480), (480, 640), (97, 61), (1000, 333), (64, 64), (33, 1000)]
    gray = natural(*sizes[seed % len(sizes)], seed=seed).convert("L")
    hashes = perceptual_hashes(gray)
    assert hashes.phash % 2**64 == int(str(imagehash.phash(gray)), 16)
    assert hashes.phash256.hex() == str(imagehash.phash(gray, hash_size=16))


def test_the_signed_value_fits_a_bigint_and_keeps_all_bits() -> None:
    values = [perceptual_hashes(natural(seed=seed).convert("L")).phash for seed in range(8)]
    assert all(-(2**63) <= value < 2**63 for value in values)
    assert min(values) < 0  # the mean's bit is the first and nearly always set


@pytest.mark.parametrize("value", [1, 77, 255])
def test_a_flat_picture_has_the_mean_only(value: int) -> None:
    hashes = perceptual_hashes(np.full((50, 80), value, dtype=np.uint8))
    assert hashes.phash % 2**64 == 0x8000000000000000
    assert hashes.set_bits == 1
    assert not hashes.ordinary


def test_a_black_picture_has_no_bit() -> None:
    hashes = perceptual_hashes(Image.new("L", (64, 64)))
    assert (hashes.phash, hashes.phash256, hashes.set_bits) == (0, bytes(32), 0)


def test_ordinary_pictures_have_half_of_the_bits() -> None:
    hashes = perceptual_hashes(natural().convert("L"))
    assert hashes.set_bits == 32 == (hashes.phash % 2**64).bit_count()
    assert hashes.ordinary


def test_an_array_and_a_picture_give_the_same() -> None:
    gray = natural(seed=3).convert("L")
    assert perceptual_hashes(np.asarray(gray)) == perceptual_hashes(gray)


def test_the_matrix_is_the_cosine_transform() -> None:
    from scipy.fftpack import dct

    pixels = np.random.default_rng(0).random((32, 32))
    matrix = cosine_matrix(8)
    assert np.allclose(matrix @ pixels @ matrix.T, dct(dct(pixels, axis=0), axis=1)[:8, :8])

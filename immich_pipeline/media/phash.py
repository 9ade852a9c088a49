"""The perceptual hash of a picture: two pictures that look alike have hashes that differ in few bits.

Defined exactly as `imagehash.phash` does, with hash_size 8 (64 bits) and 16 (256 bits), so that hashes can be
compared with those of other tools: gray picture, resized by Lanczos to 4 x hash_size squared whatever its aspect,
discrete cosine transform (type II, not normalised), the lowest hash_size x hash_size frequencies including the mean,
one bit each: above their median or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

HASH_SIZE = 8
LARGE_HASH_SIZE = 16
OVERSAMPLING = 4
# A picture with any detail has half of its bits above the median; flat or synthetic ones do not, and match each other
# by chance.
ORDINARY_SET_BITS = HASH_SIZE * HASH_SIZE // 2


def cosine_matrix(hash_size: int) -> npt.NDArray[np.float64]:
    """The first rows of the DCT-II matrix: D[k, n] = 2 cos(pi k (2n + 1) / 2N), N = 4 hash_size.

    Returns:
        float64, hash_size x 4 hash_size. `D @ X @ D.T` are the lowest frequencies of a square picture X.
    """
    size = hash_size * OVERSAMPLING
    k = np.arange(hash_size)[:, np.newaxis]
    n = np.arange(size)[np.newaxis, :]
    matrix: npt.NDArray[np.float64] = 2.0 * np.cos(np.pi * k * (2 * n + 1) / (2 * size))
    return matrix


_COSINES = {size: cosine_matrix(size) for size in (HASH_SIZE, LARGE_HASH_SIZE)}


@dataclass(frozen=True, slots=True)
class PerceptualHashes:
    """Both hashes of one picture.

    Attributes:
        phash: 64 bits, row-major, most significant first, as a signed integer (what PostgreSQL's bigint holds).
        phash256: 256 bits, row-major, most significant first, 32 bytes.
        set_bits: number of set bits in the 64.
    """

    phash: int
    phash256: bytes
    set_bits: int

    @property
    def ordinary(self) -> bool:
        """Whether the picture has enough detail for its hash to mean something."""
        return self.set_bits == ORDINARY_SET_BITS


def hash_bits(gray: Image.Image, hash_size: int) -> npt.NDArray[np.bool_]:
    """The bits of one hash.

    Args:
        gray: mode "L", any size.
        hash_size: 8 or 16.

    Returns:
        bool, hash_size x hash_size.
    """
    side = hash_size * OVERSAMPLING
    pixels = np.asarray(gray.resize((side, side), Image.Resampling.LANCZOS), dtype=np.float64)
    cosines = _COSINES[hash_size]
    # Rounded: the coefficients of a flat picture are zero but for rounding dust, half of which would otherwise count
    # as set bits.
    low = np.round(cosines @ pixels @ cosines.T, 6)
    bits: npt.NDArray[np.bool_] = low > np.median(low)
    return bits


def perceptual_hashes(gray: Image.Image | npt.NDArray[np.uint8]) -> PerceptualHashes:
    """Both perceptual hashes of an upright picture.

    Args:
        gray: a Pillow picture of mode "L", or uint8 of shape height x width.

    Returns:
        The hashes; deterministic for the same pixels.
    """
    picture = gray if isinstance(gray, Image.Image) else Image.fromarray(gray)
    small = hash_bits(picture, HASH_SIZE)
    packed = np.packbits(small).tobytes()
    return PerceptualHashes(
        phash=int.from_bytes(packed, "big", signed=True),
        phash256=np.packbits(hash_bits(picture, LARGE_HASH_SIZE)).tobytes(),
        set_bits=int(small.sum()),
    )

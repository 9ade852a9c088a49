"""A hash of what a file shows, pixel by pixel: equal for two files that hold one picture and differ in metadata or packing only.

SHA-256 over the form of the pixels, the upright width and height, the number of pictures in the file, the colour profile,
and the upright pixels row by row. The form is "RGB" (8 bit each; gray, bilevel and palette pictures are written so),
"RGBA" where a pixel is not opaque, "CMYK", or "gray16" (16-bit gray, little-endian). The profile counts as it is: equal
numbers under different profiles are different colours, and what a missing profile means is not guessed.
"""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from immich_pipeline.media.decode import upright

_EXACT_FORMATS = frozenset(("JPEG", "MPO", "PNG", "BMP", "GIF", "TIFF", "WEBP"))
_RGB_MODES = frozenset(("1", "L", "P", "RGB"))
_ALPHA_MODES = frozenset(("LA", "PA", "RGBA"))
_ROWS = 256
_BYTE_DEPTH = 8
_OPAQUE = 255


def can_be_hashed(image: Image.Image) -> bool:
    """Whether decoding gives all that a file holds, so that equal pixels mean an equal picture.

    Not where 16-bit colours become 8-bit ones, or where the decoder does not tell whether they did.

    Args:
        image: opened, not decoded yet.
    """
    if image.format == "HEIF":
        return image.info.get("bit_depth") == _BYTE_DEPTH
    reduced = not image.mode.startswith("I;16") and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    return image.format in _EXACT_FORMATS and not reduced


def pixel_hash(image: Image.Image, orientation: int) -> bytes | None:
    """The hash of a picture decoded in full.

    Args:
        image: decoded, and :func:`can_be_hashed` before that.
        orientation: how to turn it, 1 to 8.

    Returns:
        32 bytes; None for pixels without a form of their own here.
    """
    form = _form(image)
    if form is None:
        return None
    turned = upright(image, orientation)
    profile = hashlib.sha256(image.info.get("icc_profile") or b"").hexdigest()
    gamma = (image.info.get("gamma"), image.info.get("chromaticity"))
    frames = getattr(image, "n_frames", 1)
    digest = hashlib.sha256(f"{form} {turned.size} {frames} {profile} {gamma}\n".encode())
    for top in range(0, turned.height, _ROWS):
        strip = turned.crop((0, top, turned.width, min(top + _ROWS, turned.height)))
        digest.update(_strip(strip, form))
    return digest.digest()


def _form(image: Image.Image) -> str | None:
    if image.mode in _ALPHA_MODES or (image.mode in _RGB_MODES and "transparency" in image.info):
        lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
        return "RGB" if lowest == _OPAQUE else "RGBA"
    if image.mode in _RGB_MODES:
        return "RGB"
    if image.mode == "CMYK":
        return "CMYK"
    return "gray16" if image.mode.startswith("I;16") else None


def _strip(strip: Image.Image, form: str) -> bytes:
    if form == "gray16":
        return np.asarray(strip).astype("<u2").tobytes()
    return (strip if strip.mode == form else strip.convert(form)).tobytes()

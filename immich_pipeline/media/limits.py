"""How large a picture may be: checked from its header, before anything is decoded.

A few bytes can declare a picture of gigabytes. The limits, and the memory each decoder needs, are data: decoders.toml.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from immich_pipeline.media.reasons import MediaError

MEGA = 1_000_000
# Bytes per pixel as Pillow holds a picture in memory; every mode with colours takes four.
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_COLOUR_PIXEL_BYTES = 4
_GRAY_COPY_BYTES = 1


@dataclass(frozen=True, slots=True)
class Decoder:
    """What is known about decoding one format; a row of decoders.toml."""

    pillow: tuple[str, ...] = ()
    megapixels: int = 100
    bytes_per_pixel: float = 0.0
    needs: tuple[str, ...] = ()
    none: str | None = None


def _decoder(row: dict[str, Any]) -> Decoder:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Decoder(**fields)


@cache
def decoders() -> dict[str, Decoder]:
    """All rows of decoders.toml by format name."""
    text = (files(__package__) / "decoders.toml").read_text(encoding="utf-8")
    return {name: _decoder(row) for name, row in tomllib.loads(text).items()}


def decoding_bytes(decoder: Decoder, width: int, height: int, mode: str) -> int:
    """Memory that decoding a picture to gray needs at its peak, estimated from its header.

    Args:
        decoder: of the picture's format.
        width: pixels.
        height: pixels.
        mode: Pillow's name of the pixel layout.

    Returns:
        Bytes.
    """
    per_pixel = decoder.bytes_per_pixel + _PIXEL_BYTES.get(mode, _COLOUR_PIXEL_BYTES) + _GRAY_COPY_BYTES
    return int(width * height * per_pixel)


def check_size(decoder: Decoder, width: int, height: int, needed_bytes: int, memory_mb: int) -> None:
    """Refuse a picture that is too large to decode.

    Args:
        decoder: of the picture's format.
        width: pixels, from the header.
        height: pixels, from the header.
        needed_bytes: memory that decoding would take.
        memory_mb: memory a worker may use, in MB.

    Raises:
        MediaError: "corrupt" for a picture without pixels, "too_large" for one beyond the limits.
    """
    if width < 1 or height < 1:
        raise MediaError("corrupt", f"damaged: the picture says it is {width} x {height} pixels")
    megapixels = width * height / MEGA
    if megapixels > decoder.megapixels:
        raise MediaError(
            "too_large",
            f"the picture says it is {width} x {height} pixels ({megapixels:,.0f} megapixels); "
            f"for this format the limit is {decoder.megapixels} megapixels",
        )
    if needed_bytes > memory_mb * MEGA:
        raise MediaError(
            "too_large",
            f"a picture of {megapixels:,.0f} megapixels needs about {needed_bytes / 1e9:.1f} GB to decode, "
            f"more than the {memory_mb / 1e3:.1f} GB a worker may use (raise IMMICH_PIPELINE_WORKER_MEMORY_MB)",
        )

"""Imported by the server that workers are forked from: what the first file would load is there before the first fork.

Tables, lazily loaded parts of numpy and Pillow's decoder cost each worker 50 ms otherwise, and its own copy in memory.
"""

from __future__ import annotations

import io

from PIL import Image

from immich_pipeline.media.decode import load_scaled, open_picture, to_gray
from immich_pipeline.media.limits import decoders
from immich_pipeline.media.measure import DEFAULT_WORKER_MEMORY_MB, format_table
from immich_pipeline.media.phash import perceptual_hashes


def warm_up() -> None:
    """Load the format tables, and hash one small picture."""
    format_table(None)
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 64)).save(jpeg, "JPEG")
    image = open_picture(jpeg, decoders()["jpeg"], DEFAULT_WORKER_MEMORY_MB)
    load_scaled(image, "L", 64)
    perceptual_hashes(to_gray(image))


warm_up()

"""Pictures of numbers, drawn with Pillow alone."""

from collections.abc import Iterable
from io import BytesIO

import polars as pl
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 52
PAPER, INK, SOFT, GRID, BAR = "#ffffff", "#1d2327", "#5b6670", "#e3e7ea", "#1c6fb8"
LABELS_ON_AXIS = 16
GRID_LINES = 4
SMALL, LARGE = 13, 15


def distance_histogram_png(
    distances: Iterable[int] | pl.Series, *, radius: int = 8, title: str = "Distances of candidate pairs"
) -> bytes:
    """How many pairs lie how many bits apart, as a PNG of 640 x 280 pixels.

    Args:
        distances: Hamming distances of the pairs, at least 0.
        radius: The axis reaches at least this far.
        title: Above the plot.
    """
    counts = pl.Series(distances, dtype=pl.Int64).value_counts()
    bars = dict(counts.rows())
    last = max(radius, *bars) if bars else radius
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(SMALL), ImageFont.load_default(LARGE)
    draw.text((LEFT, TOP / 2), title, INK, large, anchor="lm")
    top = _scale(draw, max(bars.values(), default=0), small)
    _bars(draw, bars, last, top, small)
    draw.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - SMALL), "bits that differ", SOFT, small, anchor="mm")
    if not bars:
        draw.text(((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2), "no pairs", SOFT, large, anchor="mm")
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def nice_step(highest: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … with which GRID_LINES steps reach ``highest``."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if step * GRID_LINES >= highest:
                return step
        power *= 10


def _scale(draw: ImageDraw.ImageDraw, highest: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> int:
    """Draw the lines and numbers of the upright axis; returns the number at its top."""
    step = nice_step(highest)
    for line in range(GRID_LINES + 1):
        y = HEIGHT - BOTTOM - line * (HEIGHT - TOP - BOTTOM) / GRID_LINES
        draw.line((LEFT, y, WIDTH - RIGHT, y), GRID if line else SOFT)
        draw.text((LEFT - 8, y), f"{line * step:,}", SOFT, font, anchor="rm")
    return step * GRID_LINES


def _bars(
    draw: ImageDraw.ImageDraw,
    bars: dict[int, int],
    last: int,
    top: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    width = (WIDTH - LEFT - RIGHT) / (last + 1)
    floor = HEIGHT - BOTTOM
    label_every = -(-(last + 1) // LABELS_ON_AXIS)
    for distance in range(last + 1):
        x = LEFT + distance * width
        if bars.get(distance):
            # One pair among millions is still to be seen.
            height = max(2.0, bars[distance] / top * (HEIGHT - TOP - BOTTOM))
            draw.rectangle((x + width * 0.12, floor - height, x + width * 0.88, floor - 1), BAR)
        if distance % label_every == 0:
            draw.text((x + width / 2, floor + SMALL), str(distance), SOFT, font, anchor="mm")

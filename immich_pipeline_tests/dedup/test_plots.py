from io import BytesIO

import numpy as np
import polars as pl
import pytest
from PIL import Image

from immich_pipeline.dedup.plots import BAR, BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, distance_histogram_png, nice_step

BLUE = tuple(bytes.fromhex(BAR[1:]))


def bar_heights(png: bytes, bars: int) -> list[int]:
    with Image.open(BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.size == (640, 280)
        pixels = np.asarray(image.convert("RGB"))
    blue = (pixels == np.array(BLUE)).all(axis=2)
    width = (WIDTH - LEFT - RIGHT) / bars
    return [int(blue[:, round(LEFT + (bar + 0.5) * width)].sum()) for bar in range(bars)]


def test_bars_stand_for_counts() -> None:
    heights = bar_heights(distance_histogram_png(pl.Series([0] * 200 + [2] * 100 + [8])), 9)
    full = HEIGHT - TOP - BOTTOM
    assert heights[0] == pytest.approx(full, abs=1)
    assert heights[2] == pytest.approx(full / 2, abs=1)
    assert heights[8] >= 2, "one pair among many is still to be seen"
    assert [heights[bar] for bar in (1, 3, 4, 5, 6, 7)] == [0] * 6


def test_the_axis_grows_with_the_distances() -> None:
    assert bar_heights(distance_histogram_png([40], radius=3), 41)[40] > 0


def test_no_pairs_are_said_in_words() -> None:
    empty = distance_histogram_png([])
    assert sum(bar_heights(empty, 9)) == 0
    with Image.open(BytesIO(empty)) as image:
        middle = image.crop((LEFT + 100, TOP + 60, WIDTH - 100, HEIGHT - BOTTOM - 60))
        assert len(middle.getcolors(10_000) or []) > 2, "there is text in the middle"


@pytest.mark.parametrize(("highest", "step"), [(0, 1), (4, 1), (5, 2), (21, 10), (1200, 500), (81_000, 50_000)])
def test_numbers_on_the_axis_are_round(highest: int, step: int) -> None:
    assert nice_step(highest) == step

"""Pictures that look like something: landscapes, water, towns, trees, flowers, people, tables, all computed.

Everything is defined in parts of the picture's width and height and drawn from one random generator, so the same scene can be painted in
any size: small to compare scenes, large to save.
"""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from immich_pipeline.media.phash import ORDINARY_SET_BITS, perceptual_hashes

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Colour = npt.NDArray[np.float32]

# Two scenes whose hashes are closer than this would be taken for one picture by a generous search (radius 8 to 16).
LEAST_DISTANCE = 20
_SAMPLE = (96, 64)
_UNSIGNED = (1 << 64) - 1


@dataclass(frozen=True)
class Mask:
    """Where to paint, from 0 to 1, for the part of the canvas that it is not 0 in."""

    rows: slice
    columns: slice
    values: Plane

    def __mul__(self, factor: float | Plane | Flags) -> "Mask":
        """The mask weakened by a number, or by a picture of the whole canvas."""
        part = factor[self.rows, self.columns] if isinstance(factor, np.ndarray) else factor
        return Mask(self.rows, self.columns, (self.values * part).astype(np.float32))


_ALL = slice(None)


class Canvas:
    """A picture being painted: float32 RGB from 0 to 1, with the coordinates of its pixels (x to the right, y down, 0 to 1)."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.rng = rng
        self.size = (width, height)
        self.x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
        self.y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        self.rgb = np.zeros((height, width, 3), dtype=np.float32)

    def noise(self, cells: int, octaves: int = 4, stretch: float = 1.0) -> Plane:
        """Clouds: random values on a grid, and on ever finer ones with half the weight; mostly within -1 and 1."""
        total = np.zeros(self.size[::-1], dtype=np.float32)
        for octave in range(octaves):
            columns = cells << octave
            rows = max(2, round(columns * stretch))
            grid = self.rng.standard_normal((rows, columns), dtype=np.float32)
            total += np.asarray(Image.fromarray(grid).resize(self.size, Image.Resampling.BICUBIC)) / np.float32(
                2 << octave
            )
        return total

    def outline(self, points: int, level: float, height: float) -> Plane:
        """A skyline, 1 x width: a level with random ups and downs on two scales."""
        coarse = self._profile(points) * height
        return (level + coarse + self._profile(points * 8) * height / 6).astype(np.float32)

    def _profile(self, points: int) -> Plane:
        values = self.rng.uniform(-1, 1, points + 1)
        return np.interp(self.x, np.linspace(0, 1, points + 1), values).astype(np.float32)

    def paint(self, mask: Mask | Plane, colour: Colour, texture: Plane | None = None) -> None:
        """Lay a colour over what is there, as far as the mask says; the texture makes it lighter or darker from place to place."""
        if not isinstance(mask, Mask):
            mask = Mask(_ALL, _ALL, mask)
        place = self.rgb[mask.rows, mask.columns]
        shades = colour if texture is None else colour * (1 + texture[mask.rows, mask.columns, None])
        place += np.clip(mask.values, 0, 1)[..., None] * (shades - place)

    def _part(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        width, height = self.size
        rows = slice(max(0, int(top * height) - 1), max(0, int(bottom * height) + 2))
        return rows, slice(max(0, int(left * width) - 1), max(0, int(right * width) + 2))

    def below(self, line: Plane | float) -> Mask:
        """Everything below a line, with an edge of about a pixel."""
        rows, columns = self._part(0, float(np.min(line)), 1, 1)
        values = np.clip((self.y[rows] - line) * 600 + 0.5, 0, 1) * np.ones_like(self.x)
        return Mask(rows, columns, values.astype(np.float32))

    def disk(self, x: float, y: float, radius: float, flat: float = 1.0, soft: float = 0.03) -> Mask:
        """An ellipse; `flat` is its height by its width, `soft` the width of its edge as a part of the radius."""
        ratio = self.size[0] / self.size[1]
        reach = radius * (1 + soft)
        rows, columns = self._part(x - reach / ratio, y - reach * flat, x + reach / ratio, y + reach * flat)
        across, down = (self.x[:, columns] - x) * ratio, (self.y[rows] - y) / flat
        distance = np.sqrt(across**2 + down**2) / radius
        return Mask(rows, columns, np.clip((1 - distance) / soft + 0.5, 0, 1).astype(np.float32))

    def rectangle(self, left: float, top: float, right: float, bottom: float) -> Mask:
        """A rectangle with edges of about a pixel."""
        rows, columns = self._part(left, top, right, bottom)
        x, y = self.x[:, columns], self.y[rows]
        across = np.clip((x - left) * 900, 0, 1) * np.clip((right - x) * 900, 0, 1)
        values = across * np.clip((y - top) * 600, 0, 1) * np.clip((bottom - y) * 600, 0, 1)
        return Mask(rows, columns, values.astype(np.float32))

    def colour(self, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
        """A random colour within ranges (0 to 1; hues beyond wrap round)."""
        h, s, v = (self.rng.uniform(*span) for span in (hue, saturation, value))
        return np.array(colorsys.hsv_to_rgb(h % 1, s, v), dtype=np.float32)

    def gradient(self, top: Colour, bottom: Colour, until: float = 1.0) -> None:
        """Fill everything with a blend from top to bottom."""
        share = np.clip(self.y / until, 0, 1)[..., None]
        self.rgb = np.broadcast_to(top + share * (bottom - top), self.rgb.shape).astype(np.float32).copy()

    def chance(self, probability: float) -> bool:
        """True as often as the probability says."""
        return bool(self.rng.random() < probability)

    def finish(self) -> Pixels:
        """Uneven light, as every real scene has it, fine texture, and 8 bits."""
        light = 1 + 0.45 * self.noise(3, octaves=2, stretch=0.8)
        texture = 0.05 * self.noise(48, octaves=3, stretch=0.7)
        lit = self.rgb * light[..., None] + texture[..., None]
        pixels: Pixels = (np.clip(lit, 0, 1) * 255).astype(np.uint8)
        return pixels


def _sky(canvas: Canvas, horizon: float) -> None:
    evening = canvas.chance(0.4)
    low = (
        canvas.colour((0.03, 0.1), (0.4, 0.7), (0.8, 1))
        if evening
        else canvas.colour((0.52, 0.6), (0.1, 0.3), (0.85, 1))
    )
    canvas.gradient(canvas.colour((0.56, 0.66), (0.4, 0.8), (0.35, 0.9)), low, horizon)
    white = np.array([1, 0.98, 0.95], dtype=np.float32)
    canvas.paint(canvas.noise(4, 5, 0.5) * canvas.rng.uniform(0.3, 1.2), white)
    x, y = canvas.rng.uniform(0.1, 0.9), canvas.rng.uniform(0.08, max(horizon - 0.08, 0.1))
    canvas.paint(canvas.disk(x, y, 0.25, soft=1) * 0.5, white)
    canvas.paint(canvas.disk(x, y, canvas.rng.uniform(0.03, 0.08)), np.array([1, 0.95, 0.75], dtype=np.float32))


def mountains(canvas: Canvas) -> None:
    """Ranges one behind the other, the nearest the darkest."""
    horizon = canvas.rng.uniform(0.3, 0.65)
    _sky(canvas, horizon)
    hue = canvas.rng.uniform(0.2, 0.7)
    layers = int(canvas.rng.integers(3, 6))
    for layer in range(layers):
        near = (layer + 1) / layers
        level = horizon + (1 - horizon) * 0.8 * layer / layers
        line = canvas.outline(int(canvas.rng.integers(3, 8)), level, 0.25 * (1.1 - near))
        tone = canvas.colour(
            (hue, hue + 0.1), (0.2 + 0.4 * near, 0.3 + 0.4 * near), (0.75 - 0.55 * near, 0.85 - 0.5 * near)
        )
        canvas.paint(canvas.below(line), tone, 0.5 * canvas.noise(10, 4))


def sea(canvas: Canvas) -> None:
    """Water with waves, sometimes a sail, sometimes a beach."""
    horizon = canvas.rng.uniform(0.25, 0.6)
    _sky(canvas, horizon)
    water = canvas.colour((0.47, 0.6), (0.4, 0.9), (0.25, 0.7))
    waves = canvas.noise(6, 5, 6.0)
    canvas.paint(canvas.below(horizon), water, 0.7 * waves)
    for _ in range(int(canvas.rng.integers(1, 4))):
        x, size = canvas.rng.uniform(0.1, 0.9), canvas.rng.uniform(0.05, 0.22)
        sail = (canvas.x - x < (canvas.y - horizon + size) * 0.5) & (canvas.x > x) & (canvas.y < horizon)
        canvas.paint(sail.astype(np.float32), canvas.colour((0, 1), (0, 0.5), (0.7, 1)))
        canvas.paint(canvas.disk(x + size / 6, horizon, size / 3, 0.2), canvas.colour((0, 0.1), (0.3, 0.8), (0.1, 0.5)))
    if canvas.chance(0.6):
        shore = canvas.outline(3, canvas.rng.uniform(0.7, 0.95), 0.15)
        sand = canvas.colour((0.09, 0.13), (0.2, 0.5), (0.7, 0.95))
        canvas.paint(canvas.below(shore), sand, 0.25 * canvas.noise(30, 3))


def town(canvas: Canvas) -> None:
    """Houses in two rows, with windows that are lit or not."""
    _sky(canvas, 0.8)
    night = 0.25 if canvas.chance(0.4) else 1.0
    canvas.rgb *= night
    for row in range(2):
        left = canvas.rng.uniform(-0.1, 0)
        while left < 1:
            width = canvas.rng.uniform(0.07, 0.24)
            _house(canvas, left, canvas.rng.uniform(0.1, 0.55) + 0.2 * row, left + width, night)
            left += width + canvas.rng.uniform(0, 0.03)
    canvas.paint(canvas.below(0.93), canvas.colour((0, 1), (0, 0.2), (0.15, 0.4)), 0.4 * canvas.noise(20, 3))


def _house(canvas: Canvas, left: float, top: float, right: float, night: float) -> None:
    wall = canvas.rectangle(left, top, right, 1)
    canvas.paint(wall, canvas.colour((0, 0.15), (0.1, 0.7), (0.3, 0.95)) * night)
    columns, rows = int(canvas.rng.integers(2, 6)), int(canvas.rng.integers(3, 9))
    across = (canvas.x - left) / (right - left) * columns
    down = (canvas.y - top) / (1 - top) * rows
    panes = _between(across % 1, 0.3, 0.75) & _between(down % 1, 0.3, 0.8)
    lit = canvas.rng.integers(0, 2, (rows, columns)) > 0
    cell = lit[np.clip(down.astype(int), 0, rows - 1), np.clip(across.astype(int), 0, columns - 1)]
    canvas.paint(wall * (panes & cell), canvas.colour((0.1, 0.16), (0.3, 0.7), (0.8, 1)))
    canvas.paint(wall * (panes & ~cell), canvas.colour((0.5, 0.6), (0.2, 0.5), (0.05, 0.3)))


def _between(values: Plane, low: float, high: float) -> Flags:
    return (values > low) & (values < high)


def forest(canvas: Canvas) -> None:
    """Trunks before leaves."""
    green = (0.17, 0.42) if canvas.chance(0.6) else (0.02, 0.15)
    canvas.gradient(canvas.colour(green, (0.3, 0.6), (0.6, 1)), canvas.colour(green, (0.5, 0.9), (0.1, 0.4)))
    leaves = canvas.noise(7, 5)
    canvas.paint(leaves * 1.5, canvas.colour(green, (0.4, 0.8), (0.2, 0.5)))
    canvas.paint(-leaves, canvas.colour((0.12, 0.2), (0.2, 0.5), (0.85, 1)))
    bark = 0.5 * canvas.noise(40, 3, 0.3)
    for _ in range(int(canvas.rng.integers(4, 11))):
        x, width = canvas.rng.uniform(0, 1), canvas.rng.uniform(0.01, 0.06)
        lean = canvas.rng.uniform(-0.12, 0.12)
        edge = np.abs(canvas.x - x - lean * (canvas.y - 0.5)) / (width * (0.7 + 0.5 * canvas.y))
        trunk = canvas.rectangle(x - 0.15, 0, x + 0.15, 1) * np.clip((1 - edge) * 12, 0, 1)
        canvas.paint(trunk, canvas.colour((0.04, 0.12), (0.1, 0.6), (0.1, 0.6)), bark)
    canvas.paint(canvas.below(canvas.outline(5, 0.88, 0.06)), canvas.colour(green, (0.4, 0.8), (0.15, 0.4)))


def flowers(canvas: Canvas) -> None:
    """Blossoms of some colours before a meadow out of focus."""
    canvas.gradient(
        canvas.colour((0.2, 0.6), (0.2, 0.6), (0.3, 0.95)), canvas.colour((0.2, 0.4), (0.4, 0.8), (0.15, 0.6))
    )
    canvas.paint(canvas.noise(3, 4) * 1.4, canvas.colour((0.15, 0.5), (0.3, 0.8), (0.1, 0.9)))
    hue = canvas.rng.uniform(0, 1)
    for _ in range(int(canvas.rng.integers(5, 16))):
        x, y, size = canvas.rng.uniform(0, 1), canvas.rng.uniform(0.1, 1), canvas.rng.uniform(0.04, 0.2)
        canvas.paint(canvas.rectangle(x - 0.004, y, x + 0.004, 1), np.array([0.1, 0.4, 0.1], dtype=np.float32))
        petals = canvas.colour((hue - 0.12, hue + 0.12), (0.3, 0.9), (0.6, 1))
        for turn in np.linspace(0, 2 * np.pi, int(canvas.rng.integers(5, 9)), endpoint=False):
            there = (x + np.cos(turn) * size * 0.35, y + np.sin(turn) * size * 0.55)
            canvas.paint(canvas.disk(*there, size * 0.4, soft=0.3), petals)
        canvas.paint(canvas.disk(x, y, size * 0.3), canvas.colour((0.08, 0.16), (0.6, 1), (0.4, 1)))


def portrait(canvas: Canvas) -> None:
    """Somebody, or two, before lights out of focus."""
    canvas.gradient(canvas.colour((0, 1), (0.1, 0.7), (0.1, 0.9)), canvas.colour((0, 1), (0.1, 0.7), (0.1, 0.9)))
    for _ in range(int(canvas.rng.integers(6, 20))):
        spot = canvas.disk(canvas.rng.uniform(0, 1), canvas.rng.uniform(0, 1), canvas.rng.uniform(0.05, 0.2), soft=0.4)
        canvas.paint(spot * 0.6, canvas.colour((0, 1), (0.2, 0.8), (0.3, 1)))
    people = int(canvas.rng.integers(1, 4))
    for place in range(people):
        x = (place + 0.5 + canvas.rng.uniform(-0.2, 0.2)) / people
        _person(canvas, x, canvas.rng.uniform(0.25, 0.5), canvas.rng.uniform(0.13, 0.2))


def _person(canvas: Canvas, x: float, y: float, size: float) -> None:
    clothes = canvas.colour((0, 1), (0.2, 0.9), (0.15, 0.9))
    canvas.paint(canvas.disk(x, y + size * 3.6, size * 1.9, 1.3), clothes, 0.3 * canvas.noise(25, 3))
    hair = canvas.colour((0.03, 0.13), (0.2, 0.8), (0.05, 0.8))
    canvas.paint(canvas.disk(x, y - size * 0.25, size * 1.15, 1.15), hair, 0.4 * canvas.noise(60, 2, 0.3))
    skin = canvas.colour((0.04, 0.09), (0.25, 0.6), (0.35, 0.95))
    canvas.paint(canvas.disk(x, y + size * 0.2, size * 0.85, 1.3, soft=0.1), skin)
    dark = np.array([0.1, 0.06, 0.05], dtype=np.float32)
    for side in (-0.23, 0.23):
        canvas.paint(canvas.disk(x + side * size, y + size * 0.05, size * 0.1), dark)
    canvas.paint(canvas.disk(x, y + size * 0.75, size * 0.3, 0.3), canvas.colour((0.97, 1.02), (0.4, 0.7), (0.5, 0.8)))


def table(canvas: Canvas) -> None:
    """A table seen from above: plates and fruit."""
    wood = canvas.colour((0.04, 0.12), (0.2, 0.8), (0.25, 0.95))
    canvas.gradient(wood, wood * 0.6)
    canvas.rgb *= (1 + 0.4 * canvas.noise(3, 5, 12.0))[..., None]
    for _ in range(int(canvas.rng.integers(2, 5))):
        x, y, size = canvas.rng.uniform(0.1, 0.9), canvas.rng.uniform(0.1, 0.9), canvas.rng.uniform(0.2, 0.4)
        plate = canvas.colour((0, 1), (0, 0.5), (0.1, 1))
        canvas.paint(canvas.disk(x + 0.02, y + 0.03, size, soft=0.15) * 0.6, np.zeros(3, dtype=np.float32))
        canvas.paint(canvas.disk(x, y, size), plate)
        canvas.paint(canvas.disk(x, y, size * 0.75), plate * 0.9)
    skin = 0.2 * canvas.noise(50, 2)
    for _ in range(int(canvas.rng.integers(4, 14))):
        x, y, size = canvas.rng.uniform(0, 1), canvas.rng.uniform(0, 1), canvas.rng.uniform(0.04, 0.13)
        fruit = canvas.colour((-0.05, 0.3), (0.6, 1), (0.4, 1))
        canvas.paint(canvas.disk(x + 0.015, y + 0.02, size, soft=0.3) * 0.5, np.zeros(3, dtype=np.float32))
        canvas.paint(canvas.disk(x, y, size), fruit, skin)
        canvas.paint(canvas.disk(x - size / 4, y - size / 3, size / 3, soft=1) * 0.7, np.ones(3, dtype=np.float32))


PAINTERS: tuple[Callable[[Canvas], None], ...] = (mountains, sea, town, forest, flowers, portrait, table)


def paint(seed: int, scene: int, variant: int, width: int, height: int) -> Pixels:
    """Paint a scene.

    Args:
        seed: of the whole library.
        scene: number of the scene; its kind follows from it.
        variant: another picture of the same kind.
        width: pixels.
        height: pixels.

    Returns:
        uint8 RGB, height x width x 3; the same for the same arguments.
    """
    canvas = Canvas(np.random.default_rng((seed, scene, variant)), width, height)
    PAINTERS[scene % len(PAINTERS)](canvas)
    return canvas.finish()


def choose_variants(seed: int, scenes: int) -> list[int]:
    """Pick a variant for each scene so that no two are alike: perceptual hashes at least `LEAST_DISTANCE` bits apart, none flat."""
    chosen: list[int] = []
    hashes: list[int] = []
    for scene in range(scenes):
        variant = 0
        while not _add_if_distinct(hashes, paint(seed, scene, variant, *_SAMPLE)):
            variant += 1
        chosen.append(variant)
    return chosen


def _add_if_distinct(hashes: list[int], pixels: Pixels) -> bool:
    found = perceptual_hashes(Image.fromarray(pixels).convert("L"))
    distinct = all(((found.phash ^ other) & _UNSIGNED).bit_count() >= LEAST_DISTANCE for other in hashes)
    if found.set_bits != ORDINARY_SET_BITS or not distinct:
        return False
    hashes.append(found.phash)
    return True

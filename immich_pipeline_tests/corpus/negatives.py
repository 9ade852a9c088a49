"""Hard negatives: different photos that look alike. No file of a series may be given up for another one of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from immich_pipeline.demo.scenes import paint
from immich_pipeline_tests.corpus.edits import font
from immich_pipeline_tests.corpus.originals import SAMPLES, Original

_SEED = 77


@dataclass(frozen=True)
class Series:
    """Different pictures that look alike.

    Attributes:
        name: what they are.
        frames: the pictures, in the order in which they were taken.
        camera: whether a camera took them, so that they can have its metadata; else they have none, as screenshots.
        bias: exposure compensation of each frame, EV.
    """

    name: str
    frames: tuple[Image.Image, ...]
    camera: bool = True
    bias: tuple[float, ...] = ()


def series(bases: list[Original], size: int, *, real: bool) -> Iterator[Series]:
    """All the series.

    Args:
        bases: scenes to photograph; about an eighth larger than the frames are to be.
        size: long side of the frames, pixels.
        real: with the real burst among the samples.
    """
    for number, base in enumerate(bases):
        for place, (kind, made) in enumerate(_OF_A_SCENE.items()):
            yield made(f"{kind} ({base.name})", base.image, size, np.random.default_rng((_SEED, number, place)))
    for kind, drawn in _DRAWN.items():
        yield Series(kind, tuple(drawn(size)), camera=kind in _CAMERA)
    if real:
        yield Series("a bird, real burst", tuple(_real_burst(size)))


# ------------------------------------------------------------------------- of a scene


def _frame(base: Image.Image, left: float, top: float, size: int, share: float = 0.88) -> Image.Image:
    """What the camera sees at a place of the scene, at most `size` pixels long."""
    width, height = base.size
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    scale = size / max(base.size)
    return base.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC, box)


def _noisy(image: Image.Image, rng: np.random.Generator, deviation: float = 2.5) -> Image.Image:
    """With the noise of a sensor (standard deviation, of 255)."""
    noise = rng.normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _moving(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """Somebody walks through the picture; the camera is held by hand."""
    frames = []
    for number in range(3):
        frame = _frame(base, 0.06 + 0.002 * number, 0.06 - 0.001 * number, size)
        draw, x, y = ImageDraw.Draw(frame), (0.3 + 0.05 * number) * frame.width, 0.6 * frame.height
        side = size / 25
        draw.ellipse((x, y, x + side, y + side), (220, 180, 150))
        draw.rectangle((x - side / 4, y + side, x + 1.25 * side, y + 3.5 * side), (150, 30, 40))
        frames.append(_noisy(frame, rng))
    return Series(name, tuple(frames))


def _still(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """Nothing moves but the hand that holds the camera: by half a thousandth of the width."""
    places = [(0.06 + 0.0005 * number, 0.06 + 0.0003 * number) for number in range(3)]
    return Series(name, tuple(_noisy(_frame(base, *place, size), rng) for place in places))


def _tripod(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """Nothing moves at all; only the noise of the sensor differs."""
    frame = _frame(base, 0.06, 0.06, size)
    return Series(name, tuple(_noisy(frame, rng) for _ in range(3)))


def _blink(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """A face in the distance; in the second picture its eyes are shut."""
    frames = []
    for open_eyes in (True, False):
        frame = _frame(base, 0.06, 0.06, size)
        draw, x, y, face = ImageDraw.Draw(frame), 0.45 * frame.width, 0.4 * frame.height, size / 14
        draw.ellipse((x, y, x + face, y + 1.3 * face), (205, 165, 140))
        for eye in (0.3, 0.7):
            height = 0.06 if open_eyes else 0.012
            place = (
                x + (eye - 0.09) * face,
                y + (0.5 - height) * face,
                x + (eye + 0.09) * face,
                y + (0.5 + height) * face,
            )
            draw.ellipse(place, (40, 30, 30))
        frames.append(_noisy(frame, rng))
    return Series(name, tuple(frames))


def _pan(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """Frames of a slow pan: by a half, one and two per cent of the width."""
    return Series(name, tuple(_noisy(_frame(base, left, 0.06, size), rng) for left in (0.06, 0.065, 0.075, 0.095)))


def _zoomed(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """A step nearer."""
    shares = [(0.06, 0.88), (0.065, 0.87), (0.075, 0.85)]
    return Series(name, tuple(_noisy(_frame(base, place, place, size, share), rng) for place, share in shares))


def _bracket(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    frame = _frame(base, 0.06, 0.06, size)
    frames = [_noisy(ImageEnhance.Brightness(frame).enhance(2**bias), rng) for bias in (0, -0.7, 0.7)]
    return Series(name, tuple(frames), bias=(0.0, -0.7, 0.7))


def _small_steps(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """A bracket of a third of a step, in the dark."""
    frame = ImageEnhance.Brightness(_frame(base, 0.06, 0.06, size)).enhance(0.25)
    frames = [_noisy(ImageEnhance.Brightness(frame).enhance(2**bias), rng) for bias in (0, -0.33, 0.33)]
    return Series(name, tuple(frames), bias=(0.0, -0.33, 0.33))


def _focus(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """Sharp in front, sharp behind."""
    frame = _frame(base, 0.06, 0.06, size)
    blurred = frame.filter(ImageFilter.GaussianBlur(size / 200))
    half = Image.new("L", frame.size, 0)
    half.paste(255, (0, frame.height // 2, frame.width, frame.height))
    pictures = Image.composite(frame, blurred, half), Image.composite(blurred, frame, half)
    return Series(name, tuple(_noisy(picture, rng) for picture in pictures))


def _slices(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """Slices of a panorama, which overlap by more than half."""
    return Series(name, tuple(_noisy(_frame(base, left, 0.1, size, 0.6), rng) for left in (0.0, 0.2, 0.4)))


def _recoloured(name: str, base: Image.Image, size: int, rng: np.random.Generator) -> Series:
    """One thing in two colours that are equally light."""
    frame = _frame(base, 0.06, 0.06, size)
    red, green, blue = frame.split()
    return Series(name, (_noisy(frame, rng), _noisy(Image.merge("RGB", (blue, green, red)), rng)))


_OF_A_SCENE: dict[str, Callable[[str, Image.Image, int, np.random.Generator], Series]] = {
    "burst, somebody walks": _moving,
    "burst, nothing moves": _still,
    "burst on a tripod": _tripod,
    "eyes open, eyes shut": _blink,
    "slow pan": _pan,
    "a step nearer": _zoomed,
    "bracket": _bracket,
    "bracket in the dark": _small_steps,
    "focus in front, behind": _focus,
    "slices of a panorama": _slices,
    "in two colours": _recoloured,
}


# ------------------------------------------------------------------------- drawn


def _moons(size: int) -> Iterator[Image.Image]:
    """The moon of four nights, a little elsewhere, with other craters in the light."""
    for night in range(4):
        rng = np.random.default_rng((_SEED, night))
        x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 0.75, size * 3 // 4))
        radius = np.hypot(x - 0.5 - 0.004 * night, y - 0.375) / 0.16
        patches = Image.fromarray(rng.normal(0, 1, (24, 32)).astype(np.float32)).resize(x.shape[::-1])
        phase = np.clip((x - 0.42 - 0.01 * night) * 12, 0, 1)
        moon = np.clip((1 - radius) * 40, 0, 1) * phase * (190 + 18 * np.asarray(patches))
        yield _noisy(Image.fromarray(np.clip(moon + 8, 0, 255).astype(np.uint8)).convert("RGB"), rng)


def _soft(size: int, colour: tuple[int, int, int], strength: float, cells: int) -> Iterator[Image.Image]:
    for day in range(4):
        rng = np.random.default_rng((_SEED, 100 + day, cells))
        shape = (size * 3 // 4, size)
        clouds = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
        light = np.asarray(clouds.resize(shape[::-1], Image.Resampling.BICUBIC)) * strength
        gradient = np.linspace(12, -12, shape[0])[:, None]
        pixels = np.array(colour) + (light + gradient)[..., None]
        yield _noisy(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), rng, 1.5)


def _fog(size: int) -> Iterator[Image.Image]:
    return _soft(size, (185, 188, 190), 3, 6)


def _sky(size: int) -> Iterator[Image.Image]:
    return _soft(size, (90, 140, 215), 0.6, 3)


_WORDS = [
    "the",
    "house",
    "was",
    "empty",
    "when",
    "they",
    "came",
    "and",
    "nobody",
    "had",
    "told",
    "them",
    "where",
    "to",
    "look",
    "for",
    "it",
    "later",
    "on",
    "that",
    "day",
]


def _page(size: int, seed: int, changed: str | None = None) -> Image.Image:
    """A page of text; `changed` stands in the place of the number in its last third."""
    rng = np.random.default_rng((_SEED, seed))
    page = Image.new("RGB", (size * 3 // 4, size), "white")
    draw, line = ImageDraw.Draw(page), size / 36
    for number in range(3, 33):
        text = " ".join(rng.choice(_WORDS, 7))
        if number == 22:
            text = f"Total amount to pay: {changed or '1 234.50'}"
        draw.text((line * 2, number * line), text, (20, 20, 20), font(line * 0.62))
    return page


def _texts(size: int) -> Iterator[Image.Image]:
    for seed in range(4):
        yield _page(size, seed)


def _digits(size: int) -> Iterator[Image.Image]:
    for amount in ("1 234.50", "1 284.50", "7 234.50"):
        yield _page(size, 9, amount)


def _photographed_digits(size: int) -> Iterator[Image.Image]:
    """The same invoices, photographed instead of scanned: not as evenly lit."""
    light = Image.linear_gradient("L").resize((size * 3 // 4, size)).point(lambda value: 140 + value // 3)
    for number, page in enumerate(_digits(size)):
        grays = [Image.composite(page, Image.new("RGB", page.size, (90, 80, 70)), light)]
        yield _noisy(grays[0].filter(ImageFilter.GaussianBlur(0.8)), np.random.default_rng(number))


def _chats(size: int) -> Iterator[Image.Image]:
    """Screenshots of one chat: another last message, then another clock."""
    for answer, clock in (("see you at eight", "14:07"), ("see you at nine", "14:07"), ("see you at nine", "14:12")):
        rng = np.random.default_rng(_SEED)
        shot = Image.new("RGB", (size // 2, size), (236, 229, 221))
        draw, line = ImageDraw.Draw(shot), size / 32
        draw.rectangle((0, 0, shot.width, 2 * line), (7, 94, 84))
        draw.text((line, line / 2), clock, "white", font(line * 0.6))
        for number in range(9):
            mine, top = number % 2, (3 + 3 * number) * line
            left = shot.width * (0.3 if mine else 0.04)
            draw.rounded_rectangle(
                (left, top, left + shot.width * 0.64, top + 2.2 * line), line / 2, "#dcf8c6" if mine else "white"
            )
            text = answer if number == 8 else " ".join(rng.choice(_WORDS, 4))
            draw.text((left + line / 2, top + line / 2), text, (30, 30, 30), font(line * 0.7))
        yield shot


def _memes(size: int) -> Iterator[Image.Image]:
    for text in ("when it is monday", "when it is friday", "nobody told me this"):
        picture = Image.fromarray(paint(_SEED, 5, 1, size, size * 3 // 4))
        place = (picture.width / 2, picture.height * 0.95)
        ImageDraw.Draw(picture).text(
            place, text, "white", font(size / 16), anchor="ms", stroke_width=3, stroke_fill="black"
        )
        yield picture


def _plots(size: int) -> Iterator[Image.Image]:
    """Two charts of one program: another curve in the same axes."""
    for phase in (0.0, 0.35, 0.7):
        chart = Image.new("RGB", (size, size * 3 // 4), "white")
        draw = ImageDraw.Draw(chart)
        draw.rectangle((size * 0.08, size * 0.05, size * 0.95, size * 0.68), outline="black", width=3)
        steps = np.linspace(0, 1, 200)
        heights = size * (0.36 + 0.2 * np.sin(7 * steps + phase))
        points = np.column_stack([size * (0.09 + 0.85 * steps), heights]).round().astype(int)
        draw.line([(int(x), int(y)) for x, y in points], (30, 90, 200), 5)
        yield chart


def _real_burst(size: int) -> Iterator[Image.Image]:
    import pillow_heif  # an extra: only where the burst itself is

    for image in pillow_heif.open_heif(SAMPLES / "heif/pheif__bird_burst.heic"):
        frame = image.to_pillow().convert("RGB")
        frame.thumbnail((size, size))
        yield frame


_DRAWN: dict[str, Callable[[int], Iterator[Image.Image]]] = {
    "moon": _moons,
    "fog": _fog,
    "clear sky": _sky,
    "pages of text": _texts,
    "scans with another digit": _digits,
    "photographed pages with another digit": _photographed_digits,
    "chats with another message": _chats,
    "memes with another caption": _memes,
    "charts with another curve": _plots,
}
_CAMERA = ("moon", "fog", "clear sky", "photographed pages with another digit")

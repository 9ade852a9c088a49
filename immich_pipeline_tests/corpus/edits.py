"""What people and programs make of a picture: the operations that `edits.toml` puts together."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Step = dict[str, Any]

# Less than this, and nobody sees a difference: grayscale of a gray picture. Mean of 0 to 255, of all and of a square of so many pixels.
_VISIBLE, _VISIBLE_THERE, _SQUARE = 1.5, 5.0, 8


@dataclass(frozen=True)
class Edit:
    """One entry of `edits.toml`."""

    name: str
    truth: Literal["copy", "edit"]
    steps: tuple[Step, ...] = ()
    save: dict[str, Any] = field(default_factory=lambda: {"extension": "jpg", "quality": 90})
    then: dict[str, Any] | None = None
    metadata: Literal["all", "time", "none"] = "all"
    orientation: int = 1
    bytes: bool = False

    def apply(self, image: Image.Image) -> Image.Image | None:
        """The picture that is saved; None where the edit would not change anything that a person could see."""
        made = image
        for step in self.steps:
            name = next(iter(step))
            made = _STEPS[name](made, **step)
        if made.size == image.size and made is not image and self.truth == "edit":
            difference = Image.fromarray(
                np.abs(np.asarray(made, dtype=int) - np.asarray(image, dtype=int)).astype(np.uint8)
            )
            squares = np.asarray(difference.reduce(_SQUARE))
            if squares.mean() < _VISIBLE and squares.max() < _VISIBLE_THERE:
                return None
        if "fit" in {name for step in self.steps for name in step} and made.size == image.size:
            return None
        return made


@cache
def edits() -> tuple[Edit, ...]:
    """All of `edits.toml`, in its order."""
    table = tomllib.loads(files(__package__).joinpath("edits.toml").read_text(encoding="utf-8"))
    return tuple(Edit(**entry | {"steps": tuple(entry.get("steps", ()))}) for entry in table["edits"])


def font(size: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(max(6.0, size))


def shifted(image: Image.Image, left: float, top: float, share: float) -> Image.Image:
    """The part of a picture that begins at `left`, `top` and has `share` of its sides; all are parts of these."""
    width, height = image.size
    x, y = round(left * width), round(top * height)
    return image.crop((x, y, x + round(share * width), y + round(share * height)))


def _scale(image: Image.Image, scale: float, filter: str = "lanczos") -> Image.Image:  # noqa: A002 - the table's word
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling[filter.upper()])


def _fit(image: Image.Image, fit: int) -> Image.Image:
    return _scale(image, fit / max(image.size)) if max(image.size) > fit else image


def _crop_round(image: Image.Image, crop_round: float) -> Image.Image:
    return shifted(image, crop_round / 2, crop_round / 2, 1 - crop_round)


def _crop_side(image: Image.Image, crop_side: float) -> Image.Image:
    return image.crop((0, 0, round(image.width * (1 - crop_side)), image.height))


def _rotate(image: Image.Image, rotate: float) -> Image.Image:
    """As editors straighten a picture: turned, and so much of the same shape cut out that no corner is empty."""
    angle, ratio = np.radians(rotate), max(image.size) / min(image.size)
    share = 1 / (np.cos(angle) + ratio * np.sin(angle))
    turned = image.rotate(rotate, Image.Resampling.BICUBIC)
    return shifted(turned, (1 - share) / 2, (1 - share) / 2, share)


def _turn(image: Image.Image, turn: int) -> Image.Image:
    assert turn == 90
    return image.transpose(Image.Transpose.ROTATE_90)


def _stamp(image: Image.Image, stamp: str, height: float) -> Image.Image:
    made = image.copy()
    draw, size = ImageDraw.Draw(made, "RGBA"), height * min(image.size)
    right, bottom = made.width - size, made.height - size
    if stamp == "date":
        draw.text((right, bottom), "'21  6 05", (255, 150, 40), font(size), anchor="rs")
    elif stamp == "caption":
        place = (made.width / 2, bottom)
        draw.text(place, "when it is monday", "white", font(size), anchor="ms", stroke_width=2, stroke_fill="black")
    else:
        opacity = 90 if stamp == "pale logo" else 255
        draw.ellipse((right - 2 * size, bottom - size, right - size, bottom), (255, 255, 255, opacity))
        draw.polygon(
            [(right - size, bottom), (right - size / 2, bottom - size), (right, bottom)], (20, 60, 160, opacity)
        )
    return made


def _heal(image: Image.Image, heal: float) -> Image.Image:
    """A spot in the middle painted over with what lies beside it."""
    side = round(heal * max(image.size))
    x, y = image.width // 2, image.height // 2
    patch = image.crop((x + 2 * side, y, x + 3 * side, y + side))
    soft = Image.new("L", (side, side), 0)
    ImageDraw.Draw(soft).ellipse((1, 1, side - 2, side - 2), 255)
    made = image.copy()
    made.paste(patch, (x, y), soft.filter(ImageFilter.GaussianBlur(side / 20)))
    return made


def _border(image: Image.Image, border: float) -> Image.Image:
    return ImageOps.expand(image, round(border * min(image.size)), "white")


def _sepia(image: Image.Image, **_: Any) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), "black", "white", mid=(160, 120, 70))


_STEPS: dict[str, Callable[..., Image.Image]] = {
    "scale": _scale,
    "fit": _fit,
    "crop_round": _crop_round,
    "crop_side": _crop_side,
    "rotate": _rotate,
    "turn": _turn,
    "mirror": lambda image, mirror: ImageOps.mirror(image),
    "stamp": _stamp,
    "heal": _heal,
    "border": _border,
    "colour": lambda image, colour: ImageEnhance.Color(image).enhance(colour),
    "brightness": lambda image, brightness: ImageEnhance.Brightness(image).enhance(brightness),
    "contrast": lambda image, contrast: ImageEnhance.Contrast(image).enhance(contrast),
    "sepia": _sepia,
}

"""The files of one photo: the original, what programs make of it, and RAW."""

import importlib.util
import io
from collections.abc import Callable, Iterator

from PIL import Image, ImageEnhance

from immich_pipeline.demo.dng import dng_file
from immich_pipeline.demo.exif import exif_block
from immich_pipeline.demo.plan import How, Photo
from immich_pipeline.demo.scenes import Pixels, paint

WIDTH, HEIGHT = 1200, 800
_MARGIN = 24
"""Painted beyond the edges of a photo, so that the frames of a burst can look a little to the side."""

_QUALITY = 88
_CHAT_SIDE = 1024
_CUT = 7


def can_write_heic() -> bool:
    """Whether the optional package for HEIC is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def painted(seed: int, variant: int, photo: Photo) -> Pixels:
    """The painting that a photo is a view of: upright, and a little larger.

    Args:
        seed: of the library.
        variant: of the scene.
        photo: the photo; one with orientation 6 is taller than wide.

    Returns:
        uint8 RGB, height x width x 3.
    """
    width, height = _size(photo)
    return paint(seed, photo.scene, variant, width + _MARGIN, height + _MARGIN)


def view(painting: Pixels, photo: Photo) -> Pixels:
    """What the photo shows of its painting: uint8 RGB, 800 x 1200 x 3, or 1200 x 800 x 3 for a portrait."""
    width, height = _size(photo)
    left, top = photo.shift
    return painting[top : top + height, left : left + width]


def _size(photo: Photo) -> tuple[int, int]:
    return (WIDTH, HEIGHT) if photo.shot.orientation == 1 else (HEIGHT, WIDTH)


def files_of(photo: Photo, pixels: Pixels) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file of a photo, the original first.

    Args:
        photo: what to write.
        pixels: what `view` returned for it.
    """
    picture = Image.fromarray(pixels)
    original = _original(photo, picture)
    yield photo.path, original
    for copy in photo.copies:
        yield copy.path, original if copy.how == "exact" else _COPIERS[copy.how](photo, picture)
    raw = dng_file(pixels, photo.shot) if photo.raw_paths else b""
    for path in photo.raw_paths:
        yield path, raw


def _original(photo: Photo, picture: Image.Image) -> bytes:
    as_lies = picture if photo.shot.orientation == 1 else picture.transpose(Image.Transpose.ROTATE_90)
    return _saved(as_lies, "JPEG", quality=_QUALITY, exif=exif_block(photo.shot))


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def _reencoded(_: Photo, picture: Image.Image) -> bytes:
    return _saved(picture, "JPEG", quality=50)


def _chat(_: Photo, picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((_CHAT_SIDE, _CHAT_SIDE))
    return _saved(small, "JPEG", quality=70)


def _edited(photo: Photo, picture: Image.Image) -> bytes:
    """A little brighter, and a strip cut off above and below: enough to change its shape."""
    width, height = picture.size
    brighter = ImageEnhance.Brightness(picture.crop((0, _CUT, width, height - _CUT))).enhance(1.06)
    return _saved(brighter, "JPEG", quality=_QUALITY, exif=exif_block(photo.shot, software="Demo Editor 1.0"))


def _png(_: Photo, picture: Image.Image) -> bytes:
    return _saved(picture.resize((picture.width // 2, picture.height // 2)), "PNG")


def _webp(_: Photo, picture: Image.Image) -> bytes:
    return _saved(picture, "WEBP", quality=75)


def _heic(photo: Photo, picture: Image.Image) -> bytes:
    from pillow_heif import from_pillow  # noqa: PLC0415 - optional

    out = io.BytesIO()
    from_pillow(picture).save(out, quality=60, exif=exif_block(photo.shot))
    return out.getvalue()


_COPIERS: dict[How, Callable[[Photo, Image.Image], bytes]] = {
    "reencoded": _reencoded,
    "chat": _chat,
    "edited": _edited,
    "png": _png,
    "webp": _webp,
    "heic": _heic,
    "upright": _reencoded,
}

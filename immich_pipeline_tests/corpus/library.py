"""A folder of originals, of what was made of them, and of hard negatives; and what each file is in truth."""

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl
from PIL import ExifTags, Image

from immich_pipeline_tests.corpus.edits import Edit, edits
from immich_pipeline_tests.corpus.negatives import Series
from immich_pipeline_tests.corpus.originals import Original

TRUTH_SCHEMA: dict[str, pl.DataType] = {
    "path": pl.String(),
    "family": pl.String(),
    "picture": pl.String(),
    "truth": pl.String(),
    "what": pl.String(),
}
"""One row per file. Files of one `picture` are copies of each other; `family`: what was made of one original, or one series. `truth`:
"original", "copy", "edit" or "negative"; `what`: which edit or series."""

Known = Literal["all", "time", "none"]

_FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "avif": "AVIF", "heic": "HEIF"}
_ORIGINAL = {"extension": "jpg", "quality": 93}
_FIRST = datetime(2019, 3, 2, 9, 30, 7)


@dataclass(frozen=True)
class Shot:
    """What a camera notes: when, in whole seconds and hundredths, and by how many EV the exposure was changed."""

    taken: datetime
    hundredths: int | None
    bias: float = 0.0


@dataclass(frozen=True)
class Stamped:
    """How the frames of a series are saved: which metadata they keep, how far apart they were taken, as which file."""

    name: str
    metadata: Known
    gap: timedelta = timedelta(0)
    hundredths: bool = False
    save: tuple[tuple[str, Any], ...] = (("extension", "jpg"), ("quality", 90))
    scale: float = 1.0


CAMERA = (
    Stamped("sub-seconds", "all", timedelta(milliseconds=330), hundredths=True),
    Stamped("seconds, one apart", "all", timedelta(seconds=1)),
)
BARE = (
    Stamped("within one second", "all"),
    Stamped("nothing known", "none", save=(("extension", "jpg"), ("quality", 75))),
    Stamped("nothing known, small", "none", save=(("extension", "jpg"), ("quality", 70)), scale=0.5),
)
"""As phones without sub-seconds take them, and as apps send them: only pixels tell such frames apart."""


def encoded(image: Image.Image, save: dict[str, Any], exif: Image.Exif | None = None) -> bytes:
    options = {name: value for name, value in save.items() if name != "extension"}
    target = io.BytesIO()
    if exif is not None:
        options["exif"] = exif
    image.save(target, _FORMATS[save["extension"]], **options)
    return target.getvalue()


def can_save(extension: str) -> bool:
    """Whether there is an encoder; HEIC needs an extra."""
    if extension != "heic":
        return True
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def exif_of(shot: Shot, metadata: Known, orientation: int = 1) -> Image.Exif | None:
    exif = Image.Exif()
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    if metadata != "none":
        exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Testcam", "T1"
        details = exif.get_ifd(ExifTags.IFD.Exif)
        details[ExifTags.Base.DateTimeOriginal] = shot.taken.strftime("%Y:%m:%d %H:%M:%S")
        if metadata == "all" and shot.hundredths is not None:
            details[ExifTags.Base.SubsecTimeOriginal] = f"{shot.hundredths:02d}"
        if metadata == "all" and shot.bias:
            details[ExifTags.Base.ExposureBiasValue] = shot.bias
    return exif if len(exif) or exif.get_ifd(ExifTags.IFD.Exif) else None


class Folder:
    """Writes files under names that say nothing, and keeps the truth of each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._rows: list[dict[str, str]] = []
        root.mkdir(parents=True, exist_ok=True)

    def write(self, content: bytes, extension: str, *, family: str, picture: str, truth: str, what: str) -> None:
        digest = hashlib.sha256(f"{family}\n{what}\n{picture}".encode()).digest()
        # Letters alone: a number could be taken for the next one of a series.
        name = "".join(chr(ord("a") + byte % 26) for byte in digest[:14]) + f".{extension}"
        (self.root / name).write_bytes(content)
        self._rows.append({"path": name, "family": family, "picture": picture, "truth": truth, "what": what})

    def truth(self) -> pl.DataFrame:
        """`TRUTH_SCHEMA`."""
        return pl.DataFrame(self._rows, schema=TRUTH_SCHEMA).sort("path")


def write_families(folder: Folder, originals: Iterable[Original], every: int = 1) -> None:
    """Write each original and what is made of it.

    Args:
        folder: where to.
        originals: the pictures.
        every: of so many edits each original gets one; the next original gets the next ones.
    """
    usable = [edit for edit in edits() if can_save(edit.save["extension"])]

    def family(numbered: tuple[int, Original]) -> Iterator[dict[str, Any]]:
        number, original = numbered
        chosen = [edit for place, edit in enumerate(usable) if (place + number) % every == 0]
        return _family(original, Shot(_FIRST + timedelta(hours=7 * number), 41 + number % 50), chosen)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for files in pool.map(lambda item: list(family(item)), enumerate(originals)):
            for file in files:
                folder.write(**file)


def _family(original: Original, shot: Shot, chosen: list[Edit]) -> Iterator[dict[str, Any]]:
    content = encoded(original.image, _ORIGINAL, exif_of(shot, "all"))
    told = {"family": original.name, "picture": original.name}
    yield told | {"content": content, "extension": "jpg", "truth": "original", "what": "original"}
    decoded = Image.open(io.BytesIO(content)).convert("RGB")
    decoded.info.clear()
    for edit in chosen:
        made = edit.apply(decoded)
        if made is None:
            continue
        # an edit that was made smaller then is a copy of the edit
        picture = original.name if edit.truth == "copy" else f"{original.name}, {edit.name.partition(', then ')[0]}"
        extension = (edit.then or edit.save)["extension"]
        saved = content if edit.bytes else _saved(made, edit, shot)
        yield told | {
            "content": saved, "extension": extension, "picture": picture, "truth": edit.truth, "what": edit.name
        }  # fmt: skip


def _saved(image: Image.Image, edit: Edit, shot: Shot) -> bytes:
    exif = exif_of(shot, edit.metadata, edit.orientation)
    if edit.then is None:
        return encoded(image, edit.save, exif)
    return encoded(Image.open(io.BytesIO(encoded(image, edit.save))), edit.then, exif)


def write_series(folder: Folder, many: Iterable[Series], ways: Iterable[Stamped]) -> None:
    """Write the frames of each series in each of some ways."""
    ways = list(ways)

    def files(numbered: tuple[int, Series]) -> list[dict[str, Any]]:
        number, series = numbered
        return [file for place, way in enumerate(ways) for file in _frames(series, way, (number, place))]

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for written in pool.map(files, enumerate(many)):
            for file in written:
                folder.write(**file)


def _frames(series: Series, way: Stamped, place: tuple[int, int]) -> Iterator[dict[str, Any]]:
    if way.metadata != "none" and not series.camera:
        return
    first = _FIRST.replace(year=2020) + timedelta(days=place[0], hours=place[1])
    save = dict(way.save)
    for number, frame in enumerate(series.frames):
        moment = first + number * way.gap
        bias = series.bias[number] if series.bias else 0.0
        shot = Shot(moment.replace(microsecond=0), moment.microsecond // 10_000 if way.hundredths else None, bias)
        size = (round(frame.width * way.scale), round(frame.height * way.scale))
        content = encoded(frame if size == frame.size else frame.resize(size), save, exif_of(shot, way.metadata))
        family = f"{series.name}, {way.name}"
        yield {
            "content": content, "extension": save["extension"], "family": family, "picture": f"{family}, {number}",
            "truth": "negative", "what": f"{series.name.split(' (')[0]}, {way.name}",
        }  # fmt: skip

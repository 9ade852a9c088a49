"""How facts about a picture are told to a person."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

UNKNOWN = "unknown"

_CONTROLS = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_INVISIBLE = dict.fromkeys(
    [
        *range(0x80, 0xA0),
        0x061C,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
        *range(0xD800, 0xE000),
    ],
    0xFFFD,
)
_TABLE = _CONTROLS | _INVISIBLE


def visible(text: str) -> str:
    """Text without characters that act instead of being seen.

    Control characters become their symbols (a line feed becomes "␊"); marks that turn the writing direction, and
    halves of characters, become "�", so that a name cannot pose as another one.
    """
    return text.translate(_TABLE)


_STEP = 1000.0


def readable_bytes(size: int | None) -> str:
    """A size in bytes in the largest unit that leaves a number of at least one: 1 MB is 1,000,000 bytes."""
    if size is None:
        return UNKNOWN
    number, units = float(size), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    # 999,950 bytes would read "1000.0 kB".
    while number >= _STEP - 0.05 and len(units) > 1:
        number /= _STEP
        units.pop(0)
    return f"{size} bytes" if units[0] == "bytes" else f"{number:.1f} {units[0]}"


def size_text(width: int | None, height: int | None) -> str:
    """Width by height in pixels."""
    return UNKNOWN if width is None or height is None else f"{width} × {height}"  # noqa: RUF001 -- the sign for "by"


def date_text(row: Mapping[str, Any]) -> str:
    """When it was taken: the wall clock where known, else the instant; with sub-seconds as recorded."""
    local: datetime | None = row["taken_at_local"]
    instant: datetime | None = row["taken_at"]
    taken = local or instant
    if taken is None:
        return UNKNOWN
    text = taken.strftime("%Y-%m-%d %H:%M:%S")
    digits = row["subsec"] or (f"{taken.microsecond:06d}".rstrip("0") if taken.microsecond else "")
    return f"{text}{'.' if digits else ''}{digits}{'' if local else ' UTC'}"


def camera_text(make: str | None, model: str | None) -> str:
    """Make and model, the make only once."""
    parts = [part.strip() for part in (make, model) if part and part.strip()]
    if len(parts) > 1 and parts[1].lower().startswith(parts[0].lower()):
        parts = parts[1:]
    return " ".join(parts) or UNKNOWN


def place_text(latitude: float | None, longitude: float | None) -> str:
    """Whether there is a position; never where, since a report is passed on."""
    return "no" if latitude is None or longitude is None else "yes"

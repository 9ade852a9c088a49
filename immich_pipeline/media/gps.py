"""Places as EXIF, XMP and QuickTime write them, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

# Degrees, minutes and seconds as XMP writes them: "51,30,25.1N", "39,6.9N", "-108.40".
_XMP_DEGREES = re.compile(
    r"\s*(?P<parts>-?\d{1,3}(?:\.\d+)?(?:,\d{1,3}(?:\.\d+)?){0,2})\s*(?P<ref>[NSEWnsew])?\s*$", re.ASCII
)
# ISO 6709: "+32.0929+034.8620+028.516/".
_ISO6709 = re.compile(r"\s*([+-]\d{2,6}(?:\.\d+)?)([+-]\d{3,7}(?:\.\d+)?)([+-]\d{1,6}(?:\.\d+)?)?", re.ASCII)
_LOWEST, _HIGHEST = -12_000.0, 100_000.0  # metres: the deepest trench, the edge of space


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees (north and east positive) and metres above the sea."""

    latitude: float
    longitude: float
    altitude: float | None = None


def place(latitude: float | None, longitude: float | None, altitude: float | None = None) -> Place | None:
    """A place on earth; None if a coordinate is missing or impossible, or both are exactly 0, which is what devices write without a fix."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # noqa: PLR2004 - degrees; false for NaN too
        return None
    return Place(latitude, longitude, plausible_altitude(altitude))


def plausible_altitude(metres: float | None) -> float | None:
    """An altitude between the deepest sea and space, else None."""
    return metres if metres is not None and _LOWEST <= metres <= _HIGHEST else None


def degrees(parts: Sequence[float], reference: str | None, positive: str, negative: str) -> float | None:
    """Decimal degrees of degrees, minutes and seconds.

    Args:
        parts: One to three numbers.
        reference: The hemisphere's letter as recorded.
        positive: "N" or "E".
        negative: "S" or "W".

    Returns:
        None without a valid letter: the sign would be a guess.
    """
    letter = (reference or "").strip()[:1].upper()
    if not parts or len(parts) > 3 or letter not in (positive, negative) or not letter:  # noqa: PLR2004
        return None
    value = sum(abs(part) / 60.0**power for power, part in enumerate(parts))
    if not math.isfinite(value):
        return None
    return -value if letter == negative else value


def parse_xmp_degrees(text: str | None, positive: str, negative: str) -> float | None:
    """Decimal degrees of XMP's "39,6.9N"; a plain decimal number keeps its sign."""
    found = _XMP_DEGREES.match(text or "")
    if not found:
        return None
    parts = [float(part) for part in found["parts"].split(",")]
    if not found["ref"]:
        return parts[0] if len(parts) == 1 else None
    return degrees(parts, found["ref"], positive, negative)


def parse_iso6709(text: str | None) -> Place | None:
    """A place of QuickTime's location text; degrees, degrees and minutes, or with seconds, told apart by the number of digits."""
    found = _ISO6709.match(text or "")
    if not found:
        return None
    latitude = _iso_degrees(found[1], 2)
    longitude = _iso_degrees(found[2], 3)
    return place(latitude, longitude, float(found[3]) if found[3] else None)


def _iso_degrees(text: str, degree_digits: int) -> float | None:
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text[1:].partition(".")
    groups = [whole[:degree_digits]] + [whole[at : at + 2] for at in range(degree_digits, len(whole), 2)]
    if any(len(group) < 2 for group in groups):  # noqa: PLR2004 - minutes and seconds have two digits
        return None
    groups[-1] += f".{fraction or 0}"
    return sign * sum(float(group) / 60.0**power for power, group in enumerate(groups))

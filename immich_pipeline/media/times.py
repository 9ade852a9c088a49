"""Parsing of times as cameras write them, and what follows from a time in UTC beside them.

EXIF times are wall clocks ("2021:06:05 14:03:02") with the fraction of a second and the offset from UTC in fields of their own; XMP and
QuickTime write ISO 8601. A clock that was never set is no time: such placeholders are unknown here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

# A wall clock as text: separators vary; seconds, fraction and offset may be missing.
_WALL_CLOCK = re.compile(
    r"\s*(?P<year>\d{4})[:\-/.](?P<month>\d{1,2})[:\-/.](?P<day>\d{1,2})[ T]+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2}))?(?![\d:])(?:[.,](?P<fraction>\d{1,30}))?"
    r"\s*(?P<half>[AaPp]\.?[Mm])?\s*(?P<offset>Z|UTC|[+-]\d{1,2}:?(?:\d{2})?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"\s*(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?\s*$", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1800, 2100
_FIRST_DIGITAL_YEAR = 1990  # EXIF may date a scanned picture; a clock in a camera or a satellite cannot say less
_FIRST_OFFSET, _LAST_OFFSET = -12 * 60, 14 * 60

# Midnight of these days is what a clock shows that was never set, or what a program writes for "no date".
_NEVER_SET = frozenset({date(1900, 1, 1), date(1904, 1, 1), date(1970, 1, 1), date(1980, 1, 1), date(2000, 1, 1)})

# Offsets from UTC in use since digital cameras exist that are not whole hours, in minutes (IANA time zone database).
_ODD_OFFSETS = (-570, -270, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825)
_REAL_OFFSETS = (*range(_FIRST_OFFSET, _LAST_OFFSET + 1, 60), *_ODD_OFFSETS)
# The camera's clock against GPS. More, and the fix is stale or the clock wrong: the offset is then unknown.
_CLOCK_TOLERANCE = timedelta(minutes=3)

_QUICKTIME_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WallClock:
    """A time as recorded: naive, with microseconds; the digits of the fraction; the offset in minutes if it was written beside it."""

    local: datetime
    subsec: str | None = None
    utc_offset_minutes: int | None = None


def parse_wall_clock(text: str | None, subsec: str | None = None) -> WallClock | None:
    """A time with its date; None if there is none, it is impossible, or it says that the clock was never set.

    Args:
        text: "2021:06:05 14:03:02", "2021-06-05T14:03:02.37+02:00" and the like.
        subsec: The fraction's digits from a field of their own; they count only if the text has none.
    """
    found = _WALL_CLOCK.match(text or "")
    if not found:
        return None
    digits = found["fraction"] or parse_subsec(subsec)
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + (12 if found["half"][0] in "Pp" else 0)
    try:
        local = datetime(
            int(found["year"]),
            int(found["month"]),
            int(found["day"]),
            hour,
            int(found["minute"]),
            int(found["second"] or 0),
            microsecond_of(digits),
        )
    except ValueError:
        return None
    if not _FIRST_YEAR <= local.year <= _LAST_YEAR or is_never_set(local):
        return None
    return WallClock(local, digits, parse_offset(found["offset"]))


def is_never_set(moment: datetime) -> bool:
    """Whether a time is the one of a clock that was never set."""
    return moment.date() in _NEVER_SET and (moment.hour, moment.minute, moment.second) == (0, 0, 0)


def _is_digital(moment: datetime) -> bool:
    return _FIRST_DIGITAL_YEAR <= moment.year <= _LAST_YEAR and not is_never_set(moment)


def parse_subsec(text: str | None) -> str | None:
    """The digits of a fraction of a second ("07" is 0.07 s); None if there are none."""
    digits = (text or "").strip().rstrip(".")
    return digits[:30] if digits.isascii() and digits.isdigit() else None


def microsecond_of(digits: str | None) -> int:
    """Microseconds of a fraction's digits; more than six digits are cut."""
    return int((digits or "0")[:6].ljust(6, "0"))


def parse_offset(text: str | None) -> int | None:
    """Minutes of "+02:00", "-0730", "+9", "Z"; None if it is none or no place on earth has it."""
    if (text or "").strip() in ("Z", "UTC"):
        return 0
    found = _OFFSET.match(text or "")
    if not found or int(found["minutes"] or 0) >= 60:  # noqa: PLR2004 - minutes of an hour
        return None
    minutes = int(found["hours"]) * 60 + int(found["minutes"] or 0)
    minutes = -minutes if found["sign"] == "-" else minutes
    return minutes if _FIRST_OFFSET <= minutes <= _LAST_OFFSET else None


def instant_of(local: datetime, utc_offset_minutes: int | None) -> datetime | None:
    """The instant in UTC of a wall clock; None if the offset is unknown."""
    if utc_offset_minutes is None:
        return None
    return (local - timedelta(minutes=utc_offset_minutes)).replace(tzinfo=UTC)


def gps_instant(day: str | None, clock: tuple[float, float, float] | None) -> datetime | None:
    """The instant of a GPS fix.

    Args:
        day: "2021:06:05".
        clock: Hours, minutes and seconds in UTC.
    """
    start = parse_wall_clock(f"{day} 00:00:01") if day else None
    if start is None or clock is None:
        return None
    hours, minutes, seconds = clock
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 60):  # noqa: PLR2004 - a clock
        return None
    midnight = (start.local - timedelta(seconds=1)).replace(tzinfo=UTC)
    instant = midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return instant if _is_digital(instant) else None


def offset_from_instant(local: datetime, instant: datetime | None) -> int | None:
    """The offset that a wall clock must have had, from the same moment in UTC (a GPS fix).

    Only an offset that is in use somewhere counts, and only if it explains the difference up to the drift of a camera's clock: a receiver
    without view of the sky repeats an old fix.
    """
    if instant is None:
        return None
    difference = local.replace(tzinfo=UTC) - instant
    nearest = min(_REAL_OFFSETS, key=lambda minutes: abs(difference - timedelta(minutes=minutes)))
    return nearest if abs(difference - timedelta(minutes=nearest)) <= _CLOCK_TOLERANCE else None


def quicktime_instant(seconds: int) -> datetime | None:
    """The instant of QuickTime's seconds since 1904 in UTC; None if never set or absurd.

    Some writers count from 1970: a film from before 1970 is one of theirs.
    """
    if seconds == 0:
        return None
    try:
        instant = _QUICKTIME_EPOCH + timedelta(seconds=seconds)
        if instant < _UNIX_EPOCH:
            instant = _UNIX_EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return instant if _is_digital(instant) else None


def unix_wall_clock(seconds: int) -> datetime | None:
    """The wall clock of a camera that counts its own time from 1970; None if never set."""
    local = _UNIX_EPOCH.replace(tzinfo=None) + timedelta(seconds=seconds)
    return local if _is_digital(local) else None

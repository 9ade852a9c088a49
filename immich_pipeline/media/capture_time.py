"""When a picture was taken, out of all the times a file mentions.

Order: EXIF's original time, EXIF's digitised time, XMP, the container's own, the GPS clock, and last EXIF's modification time (cameras
without EXIF proper write only that one, but so do editors). Never set clocks count as absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from immich_pipeline.media.containers.found import OwnFields
from immich_pipeline.media.metadata import TimeSource
from immich_pipeline.media.tiff_tags import TiffTags
from immich_pipeline.media.times import (
    WallClock,
    gps_instant,
    instant_of,
    offset_from_instant,
    parse_offset,
    parse_wall_clock,
)

_XMP_TIMES = ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate")


@dataclass(frozen=True, slots=True)
class CaptureTime:
    """The time fields of ``PhotoMetadata``."""

    taken_at: datetime | None = None
    taken_at_local: datetime | None = None
    utc_offset_minutes: int | None = None
    subsec: str | None = None
    time_source: TimeSource | None = None


def capture_time(tags: TiffTags, xmp: Mapping[str, str], own: OwnFields) -> CaptureTime:
    """The best time that a file tells.

    Args:
        tags: EXIF.
        xmp: XMP properties.
        own: The container's own fields.
    """
    return next(_candidates(tags, xmp, own), CaptureTime())


def _candidates(tags: TiffTags, xmp: Mapping[str, str], own: OwnFields) -> Iterator[CaptureTime]:
    """Times of all sources that have one, best first."""
    fix = _gps_fix(tags)
    original = _exif_clock(tags, "DateTimeOriginal", "SubSecTimeOriginal")
    digitized = _exif_clock(tags, "DateTimeDigitized", "SubSecTimeDigitized")
    if original:
        yield _local(original, _exif_offset(tags, original, "OffsetTimeOriginal", digitized), fix, "exif_original")
    if digitized:
        yield _local(digitized, _exif_offset(tags, digitized, "OffsetTimeDigitized", original), fix, "exif_digitized")
    for name in _XMP_TIMES:
        clock = parse_wall_clock(xmp.get(name))
        if clock:
            yield _local(clock, clock.utc_offset_minutes, fix, "xmp")
    yield from _own_times(own, fix)
    if fix:
        yield CaptureTime(taken_at=fix, time_source="gps")
    modified = _exif_clock(tags, "DateTime", "SubSecTime")
    if modified:
        yield _local(
            modified, _first(parse_offset(tags.text("OffsetTime")), modified.utc_offset_minutes), fix, "exif_modified"
        )


def _own_times(own: OwnFields, fix: datetime | None) -> Iterator[CaptureTime]:
    clock = parse_wall_clock(own.date_text)
    if clock and clock.utc_offset_minutes is not None:
        yield _local(clock, clock.utc_offset_minutes, None, own.source)
    if own.local:
        yield _local(WallClock(own.local), None, fix, own.source)
    if own.instant:
        yield CaptureTime(taken_at=own.instant, time_source=own.source)


def _local(clock: WallClock, offset: int | None, fix: datetime | None, source: TimeSource) -> CaptureTime:
    """A wall clock with its instant; without an offset of its own, the GPS clock may tell it."""
    offset = _first(offset, offset_from_instant(clock.local, fix))
    return CaptureTime(instant_of(clock.local, offset), clock.local, offset, clock.subsec, source)


def _exif_clock(tags: TiffTags, name: str, subsec: str) -> WallClock | None:
    return parse_wall_clock(tags.text(name), _digits(tags, subsec))


def _digits(tags: TiffTags, name: str) -> str | None:
    """Digits of a fraction; some writers store them as a number instead of text."""
    number = tags.number(name)
    return str(int(number)) if number is not None and number >= 0 else tags.text(name)


def _exif_offset(tags: TiffTags, clock: WallClock, name: str, twin: WallClock | None) -> int | None:
    """The offset of an EXIF time.

    That of another of the three times counts only if that time shows the same clock: an editor sets the modification time, with the
    offset of the computer at home.
    """
    offset = _first(parse_offset(tags.text(name)), clock.utc_offset_minutes)
    if offset is None and twin and _same_second(twin.local, clock.local):
        other = "OffsetTimeDigitized" if name == "OffsetTimeOriginal" else "OffsetTimeOriginal"
        offset = parse_offset(tags.text(other))
    if offset is None:
        modified = parse_wall_clock(tags.text("DateTime"))
        if modified and _same_second(modified.local, clock.local):
            offset = parse_offset(tags.text("OffsetTime"))
    return offset


def _same_second(one: datetime, other: datetime) -> bool:
    return one.replace(microsecond=0) == other.replace(microsecond=0)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _gps_fix(tags: TiffTags) -> datetime | None:
    """The instant of the GPS clock. A missing fraction of a minute is fine, a missing day is not."""
    numbers = tags.numbers("GPSTimeStamp")
    clock = (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None  # noqa: PLR2004 - hours, minutes, seconds
    return gps_instant(tags.text("GPSDateStamp"), clock)

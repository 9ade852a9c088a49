"""What a camera writes into its pictures: when, where, with what, and which belong together."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction as Ratio

from immich_pipeline.demo.tiff import ASCII, BYTE, SHORT, UNDEFINED, Directory, encode

EXIF_POINTER, GPS_POINTER = 0x8769, 0x8825
_APPLE_PREFIX = b"Apple iOS\0\0\1MM"
_APPLE_BURST, _APPLE_CONTENT = 0x000B, 0x0011
_MAKER_NOTE = 0x927C
_EXPOSURES = ((1, 60), (1, 125), (1, 250), (1, 500))


@dataclass(frozen=True)
class Camera:
    """A camera of the family: what it calls itself, how it names files, and what it knows."""

    make: str
    model: str
    serial: str | None
    lens: str
    software: str
    file_name: Callable[["Shot", int], str]
    knows_zone: bool
    knows_place: bool
    subsec_digits: int


@dataclass(frozen=True)
class Shot:
    """One press of the button.

    Attributes:
        taken: wall clock, to the millisecond.
        zone_minutes: the zone's offset from UTC.
        camera: what with.
        place: latitude and longitude in degrees, north and east positive.
        orientation: EXIF orientation.
        burst_id: the same in all frames of one burst.
        content_id: the same in both halves of a live photo.
    """

    taken: datetime
    zone_minutes: int
    camera: Camera
    place: tuple[float, float] | None = None
    orientation: int = 1
    burst_id: str | None = None
    content_id: str | None = None

    @property
    def instant(self) -> datetime:
        """The moment, with its zone."""
        return self.taken.replace(tzinfo=timezone(timedelta(minutes=self.zone_minutes)))

    @property
    def utc(self) -> datetime:
        """The wall clock at Greenwich."""
        return self.taken - timedelta(minutes=self.zone_minutes)

    @property
    def nanoseconds(self) -> int:
        """The moment in nanoseconds since 1970, as file times count."""
        return round(self.instant.timestamp() * 1000) * 1_000_000


def picture_directory(shot: Shot, software: str | None = None) -> Directory:
    """The directory of a picture's EXIF block, those for exposure and place below it.

    Args:
        shot: what to write.
        software: the last program that saved the picture; the camera's own by default.
    """
    camera = shot.camera
    directory = Directory()
    directory.text(0x010F, camera.make)
    directory.text(0x0110, camera.model)
    directory.numbers(0x0112, SHORT, shot.orientation)
    directory.fractions(0x011A, 72, denominator=1)
    directory.fractions(0x011B, 72, denominator=1)
    directory.numbers(0x0128, SHORT, 2)
    directory.text(0x0131, software or camera.software)
    directory.text(0x0132, _date(shot))
    directory.below[EXIF_POINTER] = _exposure(shot)
    if shot.place and camera.knows_place:
        directory.below[GPS_POINTER] = _place(shot)
    return directory


def exif_block(shot: Shot, software: str | None = None) -> bytes:
    """The EXIF block of a JPEG, as Pillow's `save(exif=...)` takes it."""
    return b"Exif\0\0" + encode(picture_directory(shot, software))


def _date(shot: Shot) -> str:
    return shot.taken.strftime("%Y:%m:%d %H:%M:%S")


def _exposure(shot: Shot) -> Directory:
    camera = shot.camera
    exif = Directory()
    exif.fields[0x829A] = (5, [_EXPOSURES[shot.taken.second % len(_EXPOSURES)]])
    exif.fractions(0x829D, 1.8, denominator=10)
    exif.numbers(0x8827, SHORT, 100)
    exif.fields[0x9000] = (UNDEFINED, b"0232")
    for tag in (0x9003, 0x9004):
        exif.text(tag, _date(shot))
    if camera.knows_zone:
        hours, minutes = divmod(abs(shot.zone_minutes), 60)
        for tag in (0x9010, 0x9011, 0x9012):
            exif.text(tag, f"{'-' if shot.zone_minutes < 0 else '+'}{hours:02}:{minutes:02}")
    for tag in (0x9290, 0x9291, 0x9292):
        exif.text(tag, f"{shot.taken.microsecond:06}"[: camera.subsec_digits])
    if camera.serial:
        exif.text(0xA431, camera.serial)
    exif.text(0xA434, camera.lens)
    if shot.burst_id or shot.content_id:
        exif.fields[_MAKER_NOTE] = (UNDEFINED, _apple_note(shot))
    return exif


def _apple_note(shot: Shot) -> bytes:
    """Apple's maker note: a big-endian directory with offsets of its own."""
    note = Directory()
    for tag, value in ((_APPLE_BURST, shot.burst_id), (_APPLE_CONTENT, shot.content_id)):
        if value:
            note.text(tag, value)
    return encode(note, prefix=_APPLE_PREFIX, endian=">")


def _place(shot: Shot) -> Directory:
    latitude, longitude = shot.place or (0.0, 0.0)
    gps = Directory()
    gps.numbers(0x00, BYTE, 2, 3, 0, 0)
    gps.text(0x01, "N" if latitude >= 0 else "S")
    gps.fields[0x02] = (5, _degrees(latitude))
    gps.text(0x03, "E" if longitude >= 0 else "W")
    gps.fields[0x04] = (5, _degrees(longitude))
    gps.numbers(0x05, BYTE, 0)
    gps.fractions(0x06, 40 + abs(latitude) % 1 * 100, denominator=100)
    gps.fields[0x07] = (5, [(shot.utc.hour, 1), (shot.utc.minute, 1), (shot.utc.second, 1)])
    gps.fields[0x1D] = (ASCII, shot.utc.strftime("%Y:%m:%d").encode() + b"\0")
    return gps


def _degrees(value: float) -> list[tuple[int, int]]:
    """Degrees, minutes and seconds, to a hundredth of a second."""
    hundredths = round(abs(Ratio(value)) * 360_000)
    return [(hundredths // 360_000, 1), (hundredths // 6_000 % 60, 1), (hundredths % 6_000, 100)]

"""What a photo or video says about itself: times, camera, place, ids.

EXIF counts most; XMP and the container's own fields fill in what it lacks. Where EXIF lies is the business of ``containers``, what its
fields are that of ``tiff_tags``, which time counts that of ``capture_time``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import BinaryIO

from immich_pipeline.media.bounded import BoundedReader, TooMuchWorkError
from immich_pipeline.media.capture_time import capture_time
from immich_pipeline.media.clean_text import clean_text
from immich_pipeline.media.containers.find import find_metadata
from immich_pipeline.media.containers.found import Found, OwnFields, TiffBlock
from immich_pipeline.media.formats import Format
from immich_pipeline.media.gps import Place, degrees, parse_xmp_degrees, place
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.media.tiff_tags import TiffTags, read_tags
from immich_pipeline.media.xmp import MAX_PACKET, read_xmp

_MAX_BLOCKS = 16
_MAX_PROBLEMS = 3
_LAST_ORIENTATION = 8
_MAX_EXPOSURE_BIAS = 100.0
_BELOW_SEA = 1


def read_metadata(fh: BinaryIO, fmt: Format) -> PhotoMetadata:
    """Read a file's metadata.

    Whatever the file contains, this returns; damage is told in ``error``, beside what could be read. At most 64 MB are read, an ordinary
    file costs about 100 KB and 2 ms.

    Args:
        fh: An open, seekable binary file; its position afterwards is anywhere.
        fmt: Its format. Only a sidecar's matters; others are recognised by content.

    Raises:
        OSError: The disk failed.
    """
    reader = BoundedReader.of_file(fh)
    found = Found(xmp=[reader.read_at(0, MAX_PACKET)]) if fmt.name == "xmp" else find_metadata(reader)
    tags = TiffTags()
    for block in found.tiff[:_MAX_BLOCKS]:
        _add_tags(tags, block)
    xmp = _read_xmp(found, tags)
    metadata = _metadata(tags, xmp, found.own, _error(found.problems + tags.problems))
    return replace(metadata, burst_id=metadata.burst_id or clean_text(found.burst_id))


def _add_tags(tags: TiffTags, block: TiffBlock) -> None:
    try:
        read_tags(block, tags)
    except TooMuchWorkError as problem:
        tags.problems.append(str(problem))


def _read_xmp(found: Found, tags: TiffTags) -> dict[str, str]:
    """Properties of all packets, the first of a name counts."""
    values: dict[str, str] = {}
    for packet in (found.xmp + tags.xmp)[:_MAX_BLOCKS]:
        properties, problem = read_xmp(packet)
        values = {**properties, **values}
        if problem:
            found.problems.append(problem)
    return values


def _error(problems: list[str]) -> str | None:
    return "; ".join(list(dict.fromkeys(problems))[:_MAX_PROBLEMS]) or None


def _metadata(tags: TiffTags, xmp: Mapping[str, str], own: OwnFields | None, error: str | None) -> PhotoMetadata:
    own = own or OwnFields("quicktime")
    where = _exif_place(tags) or _xmp_place(xmp) or own.place
    return PhotoMetadata(
        **asdict(capture_time(tags, xmp, own)),
        make=tags.text("Make") or clean_text(xmp.get("tiff:Make")) or clean_text(own.make),
        model=tags.text("Model") or clean_text(xmp.get("tiff:Model")) or clean_text(own.model),
        serial=tags.text("BodySerialNumber") or tags.text("CameraSerialNumber") or clean_text(own.serial),
        lens=tags.text("LensModel"),
        latitude=where.latitude if where else None,
        longitude=where.longitude if where else None,
        altitude=where.altitude if where else None,
        orientation=_orientation(tags, own),
        burst_id=tags.text("BurstUUID")
        or clean_text(xmp.get("GCamera:BurstID"))
        or clean_text(xmp.get("GCamera:CameraBurstID")),
        content_id=tags.text("ContentIdentifier") or clean_text(own.content_id),
        exposure_bias=_exposure_bias(tags),
        software=tags.text("Software") or clean_text(own.software),
        error=error,
    )


def _orientation(tags: TiffTags, own: OwnFields) -> int | None:
    number = tags.number("Orientation")
    return int(number) if number is not None and 1 <= number <= _LAST_ORIENTATION else own.orientation


def _exposure_bias(tags: TiffTags) -> float | None:
    value = tags.number("ExposureBiasValue")
    return value if value is not None and abs(value) <= _MAX_EXPOSURE_BIAS else None


def _exif_place(tags: TiffTags) -> Place | None:
    latitude = degrees(tags.numbers("GPSLatitude"), tags.text("GPSLatitudeRef"), "N", "S")
    longitude = degrees(tags.numbers("GPSLongitude"), tags.text("GPSLongitudeRef"), "E", "W")
    return place(latitude, longitude, _signed(tags.number("GPSAltitude"), tags.number("GPSAltitudeRef")))


def _xmp_place(xmp: Mapping[str, str]) -> Place | None:
    latitude = parse_xmp_degrees(xmp.get("exif:GPSLatitude"), "N", "S")
    longitude = parse_xmp_degrees(xmp.get("exif:GPSLongitude"), "E", "W")
    return place(
        latitude, longitude, _signed(_fraction(xmp.get("exif:GPSAltitude")), _fraction(xmp.get("exif:GPSAltitudeRef")))
    )


def _signed(metres: float | None, reference: float | None) -> float | None:
    return -abs(metres) if metres is not None and reference == _BELOW_SEA else metres


def _fraction(text: str | None) -> float | None:
    """The number of XMP's "14839/10" or "1483.9"."""
    above, _, below = (text or "").partition("/")
    try:
        number = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None

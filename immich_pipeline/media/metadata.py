"""What a file says about itself: one record per photo or video, the same fields as the ``photo_metadata`` frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TimeSource = Literal["exif_original", "exif_digitized", "xmp", "quicktime", "ciff", "gps", "exif_modified", "server"]


@dataclass(frozen=True, slots=True)
class PhotoMetadata:
    """Metadata of one file; every field is None where the file does not say.

    Attributes:
        taken_at: The instant, aware and in UTC. None unless the file tells the offset, or gives the time in UTC.
        taken_at_local: The wall clock at the place, naive, with microseconds. None if only the instant is known.
        utc_offset_minutes: Wall clock minus UTC, in minutes.
        subsec: The digits of the fraction of a second, as recorded ("07" is 0.07 s).
        time_source: Where the time was found, from the best to the least reliable as listed in ``TimeSource``.
        make: Maker of the camera.
        model: Model of the camera.
        serial: Serial number of the camera's body.
        lens: Model of the lens.
        latitude: Degrees, north positive.
        longitude: Degrees, east positive.
        altitude: Metres above sea level.
        orientation: EXIF orientation, 1 to 8, as recorded (HEIF decoders do not apply it).
        burst_id: The same for all pictures of one burst.
        content_id: The same for the two halves of a live photo.
        exposure_bias: Exposure compensation in EV.
        software: The program or firmware that wrote the file.
        error: What could not be read, in plain English. The other fields then hold what could.
    """

    taken_at: datetime | None = None
    taken_at_local: datetime | None = None
    utc_offset_minutes: int | None = None
    subsec: str | None = None
    time_source: TimeSource | None = None
    make: str | None = None
    model: str | None = None
    serial: str | None = None
    lens: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    orientation: int | None = None
    burst_id: str | None = None
    content_id: str | None = None
    exposure_bias: float | None = None
    software: str | None = None
    error: str | None = None

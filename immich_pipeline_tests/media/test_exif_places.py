import math

import pytest

from immich_pipeline.media.gps import Place, degrees, parse_iso6709, parse_xmp_degrees, place, plausible_altitude


@pytest.mark.parametrize(
    ("parts", "reference", "expected"),
    [
        ([33.0, 30.0, 36.0], "N", 33.51),
        ([33.0, 30.0, 36.0], "S", -33.51),
        ([33.0, 30.6], "s ", -33.51),
        ([33.51], "North", 33.51),
        ([-33.51], "S", -33.51),  # some writers have the sign twice
        ([33.51], "", None),
        ([33.51], None, None),
        ([33.51], "E", None),
        ([], "N", None),
        ([1.0, 2.0, 3.0, 4.0], "N", None),
        ([math.inf], "N", None),
    ],
)
def test_degrees_need_a_hemisphere(parts: list[float], reference: str | None, expected: float | None) -> None:
    assert degrees(parts, reference, "N", "S") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("latitude", "longitude", "altitude", "expected"),
    [
        (33.5, -70.25, 520.5, Place(33.5, -70.25, 520.5)),
        (90.0, 180.0, None, Place(90.0, 180.0)),
        (0.0, 10.0, None, Place(0.0, 10.0)),
        (0.0, 0.0, 0.0, None),
        (None, 10.0, None, None),
        (10.0, None, None, None),
        (90.1, 10.0, None, None),
        (10.0, -180.1, None, None),
        (math.nan, 10.0, None, None),
        (33.5, -70.25, 1e9, Place(33.5, -70.25)),
    ],
)
def test_only_places_on_earth(
    latitude: float | None, longitude: float | None, altitude: float | None, expected: Place | None
) -> None:
    assert place(latitude, longitude, altitude) == expected


@pytest.mark.parametrize(("metres", "expected"), [(None, None), (-430.0, -430.0), (-20_000.0, None), (math.nan, None)])
def test_altitudes(metres: float | None, expected: float | None) -> None:
    assert plausible_altitude(metres) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("39,6.9N", 39.115),
        ("39,6,54S", -39.115),
        ("39.115n", 39.115),
        ("-39.115", -39.115),
        ("39,6.9", None),
        ("39,6.9E", None),
        ("north", None),
        (None, None),
    ],
)
def test_degrees_of_xmp(text: str | None, expected: float | None) -> None:
    assert parse_xmp_degrees(text, "N", "S") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+32.0929+034.8620+028.516/", Place(32.0929, 34.862, 28.516)),
        ("+51.4169-000.0806/", Place(51.4169, -0.0806)),
        ("+27-100/", Place(27.0, -100.0)),
        ("-3330.6+07015.0/", Place(-33.51, 70.25)),
        ("-333036-0701500-5/", Place(-33.51, -70.25, -5.0)),
        ("+00.0000+000.0000/", None),
        ("+95.0000+000.0000/", None),
        ("+327+034/", None),  # minutes of one digit
        ("32.1,34.8", None),
        (None, None),
    ],
)
def test_places_of_iso_6709(text: str | None, expected: Place | None) -> None:
    found = parse_iso6709(text)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.latitude, found.longitude) == pytest.approx((expected.latitude, expected.longitude))
        assert found.altitude == expected.altitude

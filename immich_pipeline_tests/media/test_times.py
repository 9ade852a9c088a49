from datetime import UTC, datetime

import pytest

from immich_pipeline.media.times import (
    WallClock,
    gps_instant,
    instant_of,
    microsecond_of,
    offset_from_instant,
    parse_offset,
    parse_subsec,
    parse_wall_clock,
    quicktime_instant,
    unix_wall_clock,
)

NOON = datetime(2021, 6, 5, 12, 0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021:06:05 14:03:02", WallClock(datetime(2021, 6, 5, 14, 3, 2))),
        ("2021-06-05T14:03:02", WallClock(datetime(2021, 6, 5, 14, 3, 2))),
        ("2021/6/5 4:03:02", WallClock(datetime(2021, 6, 5, 4, 3, 2))),
        ("  2021:06:05 14:03:02 \0\0", WallClock(datetime(2021, 6, 5, 14, 3, 2))),
        ("2021:06:05 14:03", WallClock(datetime(2021, 6, 5, 14, 3))),
        ("2021:06:05 14:03:02.370", WallClock(datetime(2021, 6, 5, 14, 3, 2, 370_000), "370")),
        ("2021-06-05T14:03:02.1234567Z", WallClock(datetime(2021, 6, 5, 14, 3, 2, 123_456), "1234567", 0)),
        ("2021-06-05T14:03:02+02:00", WallClock(datetime(2021, 6, 5, 14, 3, 2), None, 120)),
        ("2019-07-24T11:25:40+0300", WallClock(datetime(2019, 7, 24, 11, 25, 40), None, 180)),
        ("2021:06:05 14:03:02 -04:30", WallClock(datetime(2021, 6, 5, 14, 3, 2), None, -270)),
        ("2021:06:05 02:03:02 PM", WallClock(datetime(2021, 6, 5, 14, 3, 2))),
        ("2021:06:05 12:03:02 am", WallClock(datetime(2021, 6, 5, 0, 3, 2))),
        ("2000:01:01 00:00:07", WallClock(datetime(2000, 1, 1, 0, 0, 7))),
    ],
)
def test_times_as_cameras_and_programs_write_them(text: str, expected: WallClock) -> None:
    assert parse_wall_clock(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "    :  :     :  :  ",
        "----:--:-- --:--:--",
        "0000:00:00 00:00:00",
        "2021:00:05 14:03:02",
        "2021:02:30 14:03:02",
        "2021:06:05 24:03:02",
        "2021:06:05 14:03:60",
        "2021:06:05 14:03:123",
        "2021:06:05",
        "0001:01:01 10:00:00",
        "9999:01:01 10:00:00",
        "1970:01:01 00:00:00",
        "1904-01-01T00:00:00Z",
        "1980:01:01 00:00:00",
        "2000:01:01 00:00:00.00",
        "२०२१:०६:०५ १४:०३:०२",  # digits, but not of a camera
        "yesterday",
    ],
)
def test_placeholders_and_impossible_times_are_unknown(text: str | None) -> None:
    assert parse_wall_clock(text) is None


def test_a_fraction_in_a_field_of_its_own_counts_if_the_text_has_none() -> None:
    assert parse_wall_clock("2021:06:05 14:03:02", "07 ") == WallClock(datetime(2021, 6, 5, 14, 3, 2, 70_000), "07")
    assert parse_wall_clock("2021:06:05 14:03:02.5", "07") == WallClock(datetime(2021, 6, 5, 14, 3, 2, 500_000), "5")


@pytest.mark.parametrize(
    ("text", "digits"), [("37", "37"), (" 023460\t", "023460"), ("", None), (None, None), ("3x", None), ("²", None)]
)
def test_digits_of_a_fraction(text: str | None, digits: str | None) -> None:
    assert parse_subsec(text) == digits


@pytest.mark.parametrize(("digits", "expected"), [(None, 0), ("5", 500_000), ("000001", 1), ("9999999", 999_999)])
def test_microseconds_of_a_fraction(digits: str | None, expected: int) -> None:
    assert microsecond_of(digits) == expected


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("+02:00", 120),
        ("-08:00", -480),
        ("+05:45", 345),
        ("+0930", 570),
        ("-7", -420),
        ("Z", 0),
        (" UTC ", 0),
        ("+14:00", 840),
        ("-12:00", -720),
        ("+14:30", None),
        ("-13:00", None),
        ("+02:60", None),
        ("   :  ", None),
        ("", None),
        (None, None),
        ("02:00", None),
        ("+99:99", None),
    ],
)
def test_offsets(text: str | None, minutes: int | None) -> None:
    assert parse_offset(text) == minutes


def test_an_instant_needs_the_offset() -> None:
    assert instant_of(NOON, 120) == datetime(2021, 6, 5, 10, tzinfo=UTC)
    assert instant_of(NOON, None) is None


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2021:06:05", (10.0, 1.0, 2.5), datetime(2021, 6, 5, 10, 1, 2, 500_000, tzinfo=UTC)),
        ("2021-06-05", (0.0, 0.0, 0.0), datetime(2021, 6, 5, tzinfo=UTC)),
        (None, (10.0, 1.0, 2.5), None),
        ("2021:06:05", None, None),
        ("2021:13:05", (10.0, 1.0, 2.5), None),
        ("2021:06:05", (24.0, 0.0, 0.0), None),
        ("2021:06:05", (10.0, 60.0, 0.0), None),
        ("2021:06:05", (10.0, 0.0, -1.0), None),
        ("1980:01:01", (0.0, 0.0, 0.0), None),
    ],
)
def test_gps_clock(day: str | None, clock: tuple[float, float, float] | None, expected: datetime | None) -> None:
    assert gps_instant(day, clock) == expected


@pytest.mark.parametrize(
    ("instant", "minutes"),
    [
        (datetime(2021, 6, 5, 10, 0, 0, tzinfo=UTC), 120),
        (datetime(2021, 6, 5, 9, 58, 0, tzinfo=UTC), 120),  # a clock two minutes off
        (datetime(2021, 6, 5, 6, 15, 0, tzinfo=UTC), 345),  # Nepal
        (datetime(2021, 6, 4, 22, 0, 0, tzinfo=UTC), 840),
        (datetime(2021, 6, 6, 0, 0, 30, tzinfo=UTC), -720),
        (datetime(2021, 6, 5, 10, 20, 0, tzinfo=UTC), None),  # an old fix: no place is at +1:40
        (datetime(2021, 6, 5, 10, 4, 0, tzinfo=UTC), None),
        (datetime(2021, 6, 4, 21, 0, 0, tzinfo=UTC), None),  # +15:00
        (None, None),
    ],
)
def test_the_offset_follows_from_a_gps_clock_if_it_is_one_in_use(instant: datetime | None, minutes: int | None) -> None:
    assert offset_from_instant(NOON, instant) == minutes


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3_600_000_000, datetime(2018, 1, 28, 16, 0, tzinfo=UTC)),
        (0, None),
        (1_520_604_000, datetime(2018, 3, 9, 14, 0, tzinfo=UTC)),  # counted from 1970
        (2_082_844_800, None),  # 1970-01-01
        (2_082_848_400, None),  # an hour later, the clock not set
        (172, None),
        (2**32 - 1, datetime(2040, 2, 6, 6, 28, 15, tzinfo=UTC)),
        (10**10, None),  # 2220
        (2**64 - 1, None),
    ],
)
def test_quicktime_seconds(seconds: int, expected: datetime | None) -> None:
    assert quicktime_instant(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1_514_811_812, datetime(2018, 1, 1, 13, 3, 32)), (0, None), (315_532_800, None), (2**32 - 1, None)],
)
def test_seconds_of_a_wall_clock(seconds: int, expected: datetime | None) -> None:
    assert unix_wall_clock(seconds) == expected

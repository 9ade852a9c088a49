from datetime import UTC, datetime
from typing import Any

import pytest

from immich_pipeline.dedup.wording import camera_text, date_text, place_text, readable_bytes, size_text, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("IMG_1.jpg", "IMG_1.jpg"),
        ("a\nb\tc\x7f", "a␊b␉c␡"),
        ("\u202egpj.exe", "\ufffdgpj.exe"),
        ("a\ufffd\u2066\x85\ud800b", "a\ufffd\ufffd\ufffd\ufffdb"),
        ("שלום été 写真", "שלום été 写真"),
    ],
)
def test_what_acts_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "unknown"),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (4_200_000, "4.2 MB"),
        (12_345_678_901, "12.3 GB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_sizes(size: int | None, text: str) -> None:
    assert readable_bytes(size) == text


LOCAL = datetime(2023, 6, 1, 12, 0, 5)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({}, "unknown"),
        ({"taken_at_local": LOCAL}, "2023-06-01 12:00:05"),
        ({"taken_at_local": LOCAL, "subsec": "070"}, "2023-06-01 12:00:05.070"),
        ({"taken_at_local": LOCAL.replace(microsecond=500_000)}, "2023-06-01 12:00:05.5"),
        ({"taken_at": LOCAL.replace(tzinfo=UTC)}, "2023-06-01 12:00:05 UTC"),
    ],
)
def test_dates(row: dict[str, Any], text: str) -> None:
    assert date_text({"taken_at": None, "taken_at_local": None, "subsec": None} | row) == text


@pytest.mark.parametrize(
    ("make", "model", "text"),
    [
        (None, None, "unknown"),
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("SONY", "A7", "SONY A7"),
        (" ", "A7", "A7"),
        ("Canon", None, "Canon"),
    ],
)
def test_cameras(make: str | None, model: str | None, text: str) -> None:
    assert camera_text(make, model) == text


def test_pixels_and_places() -> None:
    assert [size_text(4000, 3000), size_text(None, 3), size_text(3, None)] == ["4000 \u00d7 3000", "unknown", "unknown"]
    assert [place_text(1.5, 2.5), place_text(None, 2.5), place_text(1.5, None)] == ["yes", "no", "no"]

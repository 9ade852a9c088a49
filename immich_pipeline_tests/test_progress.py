import logging

import pytest

from immich_pipeline import progress
from immich_pipeline.progress import Progress, byte_size, duration


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "1 h 0 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**9, "5.0 GB"),
        (2 * 10**15, "2000.0 TB"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    assert byte_size(count) == said


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    work = Progress("hashing", 1000)
    work.advance(250)
    assert work.line().startswith("hashing: 250 of 1,000 files (25%), ")
    assert work.line().endswith(" left")
    assert Progress("hashing", 10).line().endswith("about unknown time left")
    more = Progress("making about this many", 10)
    more.at(12)
    assert more.line().startswith("making about this many: 12 of 12 files (100%), ")
    assert more.line().endswith("about 0 s left")
    assert Progress("scanning").line().startswith("scanning: 0 files, ")


def test_it_speaks_now_and_then_only(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, logger="immich_pipeline")
    work = Progress("hashing", 10)
    work.advance(1)
    assert caplog.messages == []
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.0)
    work.advance(1)
    assert len(caplog.messages) == 1

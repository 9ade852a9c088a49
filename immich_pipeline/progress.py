"""Progress of long work, as a line every two seconds in the log that a person watches (terminal and Dagster UI alike)."""

import logging
import sys
import time

logger = logging.getLogger("immich_pipeline")

_EVERY_SECONDS = 2.0


def speak_on_stderr() -> None:
    """Have progress, warnings and errors of this program written to stderr, a line each with the time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def duration(seconds: float) -> str:
    """A length of time as a person says it: `45 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:  # noqa: PLR2004 - a minute and a half reads better in seconds
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - minutes of an hour


def byte_size(count: int) -> str:
    """A number of bytes as a person says it, in powers of 1000: `0 B`, `12.3 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:  # noqa: PLR2004 - SI units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


class Progress:
    """Counts work done and says now and then how far it is, how fast, and how long it will take."""

    def __init__(self, what: str, total: int | None = None, unit: str = "files") -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self._began = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the work began."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Items per second so far."""
        return self.done / max(self.seconds, 1e-6)

    def at(self, done: int) -> None:
        """Say that `done` items are done in all."""
        self.done = done
        if time.monotonic() - self._said >= _EVERY_SECONDS:
            self._said = time.monotonic()
            logger.info(self.line())

    def advance(self, count: int) -> None:
        """Say that `count` more items are done."""
        self.at(self.done + count)

    def line(self) -> str:
        """The line as it would be said now."""
        if not self.total:
            return f"{self.what}: {self.done:,} {self.unit}, {self.rate:,.0f}/s"
        total = max(self.total, self.done)  # which may have been an estimate
        left = duration((total - self.done) / self.rate) if self.done else "unknown time"
        return (
            f"{self.what}: {self.done:,} of {total:,} {self.unit} ({self.done / total:.0%}), "
            f"{self.rate:,.0f}/s, about {left} left"
        )

"""Times as Immich writes them."""

from datetime import UTC, datetime


def instant(moment: datetime) -> str:
    """Milliseconds and Z: "2023-07-14T07:10:00.050Z". What is finer is cut off."""
    return _in_utc(moment).isoformat(timespec="milliseconds") + "Z"


def database_instant(moment: datetime) -> str:
    """As PostgreSQL writes a time into JSON: no trailing zeros, "2023-07-14T07:10:00.05+00:00"."""
    text = _in_utc(moment).isoformat()
    return (text.rstrip("0") if moment.microsecond else text) + "+00:00"


def _in_utc(moment: datetime) -> datetime:
    """Without its zone, which would be slow to write."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).replace(tzinfo=None)


def duration_text(milliseconds: int | None) -> str:
    """The second dialect's duration: "00:00:02.966", and another form of zero for stills."""
    if milliseconds is None:
        return "0:00:00.00000"
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"

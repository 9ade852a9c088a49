"""How facts about a picture are told to a person."""

import tomllib
from functools import cache
from importlib.resources import files

import polars as pl

UNKNOWN = "unknown"

_CONTROLS = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_HALVES = range(0xD800, 0xE000)
UNSEEN = (
    *range(0x80, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
    *_HALVES,
)
"""Code points that cannot be seen, or that turn the writing direction; the control characters of ASCII are not among them."""

_TABLE = _CONTROLS | dict.fromkeys(UNSEEN, 0xFFFD)
# A column of text cannot hold halves of characters.
_COLUMN = {chr(code): chr(shown) for code, shown in _TABLE.items() if code not in _HALVES}


def visible(text: str) -> str:
    """Text without characters that act instead of being seen.

    Control characters become their symbols (a line feed becomes "␊"); marks that turn the writing direction, and
    halves of characters, become "�", so that a name cannot pose as another one.
    """
    return text.translate(_TABLE)


def visible_column(column: pl.Expr) -> pl.Expr:
    """The same for a whole column of text."""
    return column.str.replace_many(_COLUMN)


_STEP = 1000.0


def readable_bytes(size: int | None) -> str:
    """A size in bytes in the largest unit that leaves a number of at least one: 1 MB is 1,000,000 bytes."""
    if size is None:
        return UNKNOWN
    number, units = float(size), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    # 999,950 bytes would read "1000.0 kB".
    while number >= _STEP - 0.05 and len(units) > 1:
        number /= _STEP
        units.pop(0)
    return f"{size} bytes" if units[0] == "bytes" else f"{number:.1f} {units[0]}"


@cache
def words() -> dict[str, dict[str, str]]:
    """What verdicts and the rest are called for a person: table to name to words, from ``words.toml``."""
    return tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))

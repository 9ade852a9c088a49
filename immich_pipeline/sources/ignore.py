"""Which names belong to a system or a program and not to a photo library: data, read from `ignore.toml`."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from immich_pipeline.errors import UserError

Only = Literal["folder", "file"]
_FIELDS = {"pattern", "what", "only"}


@dataclass(frozen=True)
class IgnoreRule:
    """One pattern of the table: names it stands for, what they are, and whether it is for folders or files only."""

    pattern: str
    what: str
    only: Only | None = None


@dataclass(frozen=True)
class IgnoreTable:
    """All patterns; the first that matches a name decides."""

    rules: tuple[IgnoreRule, ...]
    _matchers: dict[Only, re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_matchers", {only: self._matcher(only) for only in ("folder", "file")})

    def _matcher(self, only: Only) -> re.Pattern[str]:
        """One expression for all patterns, with a named group per rule: a scan asks it once per name."""
        parts = [
            f"(?P<r{place}>{translate(rule.pattern)})"
            for place, rule in enumerate(self.rules)
            if rule.only in (None, only)
        ]
        return re.compile("|".join(parts or ["(?!)"]), re.IGNORECASE)

    @classmethod
    def load(cls, extra: Path | None = None) -> Self:
        """The table that comes with the package, after the rules of a user's file of the same shape.

        Raises:
            UserError: the user's file cannot be read or has a wrong entry.
        """
        return cls((*(_read(extra) if extra else ()), *_packaged()))

    def reason(self, name: bytes, only: Only) -> str | None:
        """Why a file or folder of this bare name is left out; None if it is not."""
        match = self._matchers[only].match(name.decode("utf-8", "replace"))
        if match is None:
            return None
        return f"system {only}: {self.rules[int(str(match.lastgroup)[1:])].what}"


@cache
def _packaged() -> tuple[IgnoreRule, ...]:
    return tuple(
        _rules(tomllib.loads(files(__package__).joinpath("ignore.toml").read_text(encoding="utf-8")), "ignore.toml")
    )


def _read(path: Path) -> tuple[IgnoreRule, ...]:
    try:
        return tuple(_rules(tomllib.loads(path.read_text(encoding="utf-8")), str(path)))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the list of ignored names {path}: {error}") from None


def _rules(document: dict[str, Any], place: str) -> Iterable[IgnoreRule]:
    for number, entry in enumerate(document.get("ignore", ()), start=1):
        known = set(entry) <= _FIELDS and entry.get("only") in (None, "folder", "file")
        if not known or not all(isinstance(entry.get(name), str) and entry[name] for name in ("pattern", "what")):
            raise UserError(
                f"{place}, entry {number}: needs 'pattern' and 'what', and may have only = \"folder\" or \"file\""
            )
        yield IgnoreRule(**entry)

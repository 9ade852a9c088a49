"""Versions of Immich: which are known, and what is done with the others."""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

from immich_pipeline.immich.errors import ImmichError

Dialect = Literal["v2", "v3", "v3.2"]
"""How a search is asked for and what its answers look like; see `search`."""

_TEXT = re.compile(
    r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-([0-9A-Za-z][0-9A-Za-z.-]{0,63}))?(?:\+[0-9A-Za-z.-]{1,64})?", re.ASCII
)


@dataclass(frozen=True, order=True)
class ServerVersion:
    """A version of the server. A pre-release is as old as the release it precedes."""

    major: int
    minor: int
    patch: int
    prerelease: str | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str) -> "ServerVersion":
        """Read `3.1.0`, `v3.1.0` or `3.2.0-rc.1`.

        Raises:
            ImmichError: it is no version.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ImmichError(f"{text[:40]!r} is no version of Immich, such as 3.1.0")
        major, minor, patch, prerelease = found.groups()
        return cls(int(major), int(minor), int(patch), prerelease)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.prerelease}" if self.prerelease else "")


@dataclass(frozen=True)
class Support:
    """What this program does with a version of the server.

    Attributes:
        dialect: how it is spoken to.
        can_write: whether changes are made; a version that is not known is only read.
        note: one sentence for the user when the version is not known.
    """

    dialect: Dialect
    can_write: bool
    note: str | None


def support_of(version: ServerVersion) -> Support:
    """What is done with a version: known ones are read and written, all others only read, by the nearest older dialect."""
    known = _known()
    asked = (version.major, version.minor)
    if asked in known:
        return Support(known[asked], can_write=True, note=None)
    nearest = max((row for row in known if row < asked), default=min(known))
    newest, oldest = max(known), min(known)
    if asked > newest:
        note = f"Immich {version} is newer than this program knows (up to {newest[0]}.{newest[1]}): it is read, never changed"
    elif asked < oldest:
        note = (
            f"Immich {version} is older than this program supports: it is read as far as it answers like "
            f"{oldest[0]}.{oldest[1]}, never changed; update it to {oldest[0]}.{oldest[1]} or later"
        )
    else:
        note = (
            f"Immich {version} is not known to this program: it is read like {nearest[0]}.{nearest[1]}, never changed"
        )
    return Support(known[nearest], can_write=False, note=note)


@cache
def _known() -> dict[tuple[int, int], Dialect]:
    text = (files("immich_pipeline.immich") / "versions.toml").read_text(encoding="utf-8")
    rows = {(row["major"], row["minor"]): row["dialect"] for row in tomllib.loads(text)["version"]}
    if not set(rows.values()) <= set(get_args(Dialect)):
        raise ValueError("versions.toml names an unknown dialect")
    return cast("dict[tuple[int, int], Dialect]", rows)

"""The two ways to read an Immich server, seen from outside: parts that are read each for itself, whole or from where the last one ended."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from immich_pipeline.immich.errors import ImmichError


@dataclass(frozen=True)
class Scope:
    """A part of a server that is read by itself: one user by their key, or every user by the database.

    Attributes:
        key: the same in every run.
        label: what to call it.
        owners: id of each user whose assets are in it, to the e-mail address that they are called by.
    """

    key: str
    label: str
    owners: Mapping[str, str]


@dataclass(frozen=True)
class Broken:
    """A part that cannot even be identified, e.g. since its key is not accepted."""

    key: str
    label: str
    problem: str


@dataclass(frozen=True)
class Finished:
    """What is known when all frames of a reading have been taken.

    Attributes:
        cursor: where the next reading begins.
        server_assets: how many photos and videos the server itself counts in this scope afterwards; None where it cannot tell.
        deleted: ids of assets that the server says were deleted for good since the last reading.
        albums: `ALBUM_SCHEMA`, everything of the scope; None if nothing changed.
        extras: `EXTRA_SCHEMA`; everything of the scope after a full reading, else what changed; None where the way cannot tell.
        stacks: the stacks of the assets that were read (stack_id, primary_asset_id): a new primary does not change the records of the
            stack's other assets. None where the frames tell it.
        left_out: how many assets were left out, by reason.
    """

    cursor: str
    server_assets: int | None
    deleted: tuple[str, ...] = ()
    albums: pl.DataFrame | None = None
    extras: pl.DataFrame | None = None
    stacks: pl.DataFrame | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def refuse_unknown(what: str, wanted: Iterable[str], known: Collection[str]) -> None:
    """Refuse settings that include what is not there.

    Raises:
        ImmichError: names what is not there.
    """
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise ImmichError(
            f"immich.include.{what} names {', '.join(map(repr, missing))}, which the server does not have: correct it"
        )


class Reading(Protocol):
    """One reading of a scope: take all frames, then `finish`."""

    full: bool
    """Whether everything is read, or only what changed since the cursor."""

    counted: int | None
    """How many photos and videos the server counted in this scope before the reading began; None where it cannot tell."""

    tells_progress: bool
    """Whether the reading says by itself how far it is."""

    def frames(self) -> Iterator[pl.DataFrame]:
        """Frames of `RECORD_SCHEMA`, each asset at most once.

        Raises:
            ImmichError: the reading is not complete and must be thrown away.
        """
        ...

    def finish(self) -> Finished:
        """What is known at the end; as `frames`."""
        ...


class Reader(Protocol):
    """A way to read a server."""

    by: str
    """What people call the way: "api" or "database"."""

    def scopes(self) -> list[Scope | Broken]:
        """The parts of the server that are configured.

        Raises:
            ImmichError: the settings include what is not there.
        """
        ...

    def read(self, scope: Scope, cursor: str | None) -> Reading:
        """Begin a reading: from where the last one ended, or of everything (no cursor, or one that is of no use any more)."""
        ...

    def news(self, scope: Scope, cursor: str, stored: Callable[[pl.DataFrame], int]) -> str | None:
        """Why the scope should be read now; None if nothing changed. Cheap.

        Args:
            scope: the part.
            cursor: where the last reading ended.
            stored: tells how many of some records (asset_id, updated_at) are not stored as they are.
        """
        ...

    def close(self) -> None:
        """Give up connections."""
        ...

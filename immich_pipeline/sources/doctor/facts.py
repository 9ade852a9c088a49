"""What the checks learn of an Immich server, for the checks and conclusions that build on it."""

from dataclasses import dataclass, field

import polars as pl

from immich_pipeline.immich.permissions import ENDPOINTS, EVERYTHING
from immich_pipeline.immich.schema import OWNER_SCHEMA
from immich_pipeline.immich.versions import ServerVersion, Support


@dataclass(frozen=True)
class Server:
    """A server that answers; `trash_days`: how long it keeps what is put into its trash, 0: it has none, None: it does not say."""

    version: ServerVersion
    support: Support
    trash_days: int | None = None


_FOR_READING = frozenset(permission for endpoint, permission in ENDPOINTS.items() if endpoint.startswith("GET "))
_FOR_CHANGES = frozenset(ENDPOINTS.values()) - _FOR_READING


@dataclass(frozen=True)
class Key:
    """A key that works: whose it is and what it may do; `label` is what people call the user."""

    number: int
    label: str
    user_id: str
    email: str
    name: str
    is_admin: bool
    permissions: frozenset[str]

    @property
    def reads_only(self) -> bool:
        """Whether its owner meant it for reading: it has no permission that only a change needs."""
        return EVERYTHING not in self.permissions and not self.permissions & _FOR_CHANGES


@dataclass(frozen=True)
class Tables:
    """A database that answers.

    Attributes:
        holds: its tables are as some known version has them.
        usable: besides, our role may read everything that a snapshot needs.
        cannot_read: the tables that it may not read, or not whole.
        owners: `OWNER_SCHEMA`.
        libraries: library_id, owner_id, name, import_paths.
    """

    holds: bool
    usable: bool
    cannot_read: frozenset[str] = frozenset()
    owners: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OWNER_SCHEMA))
    libraries: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True)
class Mounts:
    """Which of the mapped folders can be read here, and whether Immich's own previews are among them."""

    readable: int = 0
    broken: int = 0
    thumbs: bool = False


@dataclass(frozen=True)
class Files:
    """What the sampled assets say.

    Attributes:
        looked_at: files that were compared.
        outside: assets that lie outside of every mapping.
        same: files that are as Immich says.
        previews: false when none of the previews is where Immich keeps them.
    """

    looked_at: int = 0
    outside: int = 0
    same: int = 0
    previews: bool = True


@dataclass(frozen=True)
class Facts:
    """Everything that is known when the looking is over; None: not configured, or does not work."""

    server: Server | None = None
    keys: tuple[Key, ...] = ()
    tables: Tables | None = None
    mounts: Mounts = field(default_factory=Mounts)
    files: Files | None = None
    owners: tuple[str, ...] = ()  # ids of those who are looked after
    folder_readable: bool = False
    folder_writable: bool = False
    backups_fit: bool = True

"""The configured Immich server: which way it is read, and how the pipeline's database knows it."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from immich_pipeline.config import Settings
from immich_pipeline.immich.contract import SchemaDrift
from immich_pipeline.immich.database import DatabaseUnreachable, ImmichDatabase
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.progress import logger
from immich_pipeline.sources.immich.by_api import ApiReader
from immich_pipeline.sources.immich.by_database import DatabaseReader
from immich_pipeline.sources.immich.readers import Reader, Scope
from immich_pipeline.sources.protocol import source_id_of
from immich_pipeline.store.library import SourceRow

KIND = "immich"


@dataclass(frozen=True)
class ImmichServer:
    """A server as it is configured."""

    settings: ImmichSettings
    formats: FormatTable

    @cached_property
    def source_id(self) -> str:
        """The same whatever the server's address is: it may be reached by another one tomorrow."""
        return source_id_of(KIND, b"immich")

    @property
    def row(self) -> SourceRow:
        """How the pipeline's database knows the server."""
        name = self.settings.url or "Immich's database"
        return SourceRow(source_id=self.source_id, kind=KIND, name=name, owner="", root=b"")

    @cached_property
    def paths(self) -> PathMap:
        """Where the server's folders are mounted here."""
        return PathMap(self.settings.paths)

    def fingerprint(self, scope: Scope) -> str:
        """Of what rows depend on besides the server's records, settings and owners: when it changes, everything is read again."""
        told = self.settings.model_dump(mode="json", include={"paths", "include", "media_location"})
        return hashlib.sha256(json.dumps([told, sorted(scope.owners.items())], sort_keys=True).encode()).hexdigest()[
            :32
        ]

    def is_preferred(self, reader: Reader) -> bool:
        """Whether the reader is the one that the settings ask for, and not one to fall back to."""
        by_database = self.settings.database_url is not None and self.settings.read != "api"
        return reader.by == ("database" if by_database else "api")


def open_server(settings: Settings) -> ImmichServer | None:
    """The server that the settings name, if they do."""
    return ImmichServer(settings.immich, FormatTable.load(settings.formats)) if settings.immich else None


def open_reader(settings: ImmichSettings) -> Reader:
    """The way to read the server: its database when it is named and its tables are known, else the API.

    Raises:
        ImmichError: the database cannot be used, and there are no keys to fall back to (or `read: database` forbids it).
    """
    if settings.database_url is None or settings.read == "api":
        return ApiReader(settings)
    try:
        _check(settings)
    except ImmichError as error:
        if settings.read == "database" or not (settings.url and settings.users):
            raise
        logger.warning("Immich's database is not read, its API is: %s", error)
        return ApiReader(settings)
    return DatabaseReader(settings)


def _check(settings: ImmichSettings) -> None:
    if settings.database_url is None:
        raise DatabaseUnreachable("no database is configured")
    database = ImmichDatabase(settings.database_url)
    checked = database.check()
    if checked.contract is None:
        raise SchemaDrift(
            "the tables of Immich's database are not as this version of immich-pipeline knows them "
            f"({'; '.join(checked.missing[:10])}): update immich-pipeline, or have it read the API (read: api)"
        )
    rights = database.rights()
    hidden = rights.missing_for_snapshot
    if hidden:
        raise ImmichError(
            f"the role {rights.role} may not read {', '.join(hidden[:10])} of the database: `immich-pipeline doctor` says how to allow it"
        )

"""One look at everything that is configured: the folder, the server, and which file of the one is an asset of the other."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.progress import logger
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import ServerOutcome, take_server_snapshot
from immich_pipeline.sources.library import open_library
from immich_pipeline.sources.snapshot import SnapshotOutcome, take_snapshot
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes
from immich_pipeline.store.immich import link_same_files
from immich_pipeline.store.library import activate_sources


@dataclass(frozen=True)
class LibraryOutcome:
    """What a look found; `problem` is why the server could not be read at all, while the folder could."""

    folder: SnapshotOutcome | None
    server: ServerOutcome | None
    same_files: int
    seconds: float
    problem: str | None = None

    @property
    def assets(self) -> int:
        """Photos and videos that are there, a file that is also a server's asset counted once."""
        return (
            sum((self.folder.files if self.folder else 0, self.server.assets if self.server else 0)) - self.same_files
        )

    @property
    def changes(self) -> Changes:
        """What was written."""
        return sum((outcome.changes for outcome in (self.folder, self.server) if outcome), Changes())

    def sentences(self) -> Iterator[str]:
        """The outcome, a line per source."""
        for outcome in (self.folder, self.server):
            if outcome:
                yield outcome.sentence()


def look_at_library(database: Database, settings: Settings, *, full: bool = False) -> LibraryOutcome:
    """Bring the rows of every source up to date.

    A server that cannot be read does not keep the folder's news back; what was known of it stays.

    Args:
        database: the pipeline's.
        settings: which folder and which server.
        full: compare everything with the server, not only what changed there.

    Raises:
        UserError: the folder cannot be read, or nothing can.
    """
    began = time.monotonic()
    library = open_library(settings)
    activate_sources(database, library.rows)
    folder = take_snapshot(database, library.folder, allow_empty=settings.allow_empty) if library.folder else None
    server, problem = _server(database, library.server, full=full, allow_empty=settings.allow_empty)
    if problem and folder is None:
        raise UserError(problem)
    with database.frames() as frames:
        same_files = link_same_files(frames)
    return LibraryOutcome(folder, server, same_files, time.monotonic() - began, problem)


def _server(
    database: Database, server: ImmichServer | None, *, full: bool, allow_empty: bool
) -> tuple[ServerOutcome | None, str | None]:
    if server is None:
        return None, None
    try:
        return take_server_snapshot(database, server, full=full, allow_empty=allow_empty), None
    except ImmichError as error:
        logger.warning("Immich was not read, what was known of it stays: %s", error)
        return None, str(error)

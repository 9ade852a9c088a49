"""Did anything change on an Immich server since it was last read? Asked often, so it must be cheap."""

from datetime import UTC, datetime, timedelta
from functools import partial

import polars as pl

from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.sources.immich.readers import Scope
from immich_pipeline.sources.immich.server import ImmichServer, open_reader
from immich_pipeline.sources.immich.snapshot import usable_cursor
from immich_pipeline.store import immich as store
from immich_pipeline.store.database import Database
from immich_pipeline.store.readings import readings

_PATIENCE_SECONDS = 10.0
"""A server that does not answer for that long is asked again at the next look."""


_BACK_OFF = timedelta(minutes=5)
"""A part that could not be read is not tried again at every look."""


def server_news(database: Database, server: ImmichServer) -> str | None:
    """Why the server should be read now; None if nothing changed, or if it cannot be asked.

    A part whose last reading failed is news as soon as it can be asked again.

    Raises:
        ImmichError: no part of the server can be asked.
    """
    with database.frames() as frames:
        known = readings(frames, server.source_id)
    reader = open_reader(server.settings.model_copy(update={"timeout_seconds": _PATIENCE_SECONDS, "retries": 0}))
    problems: list[str] = []
    try:
        scopes = reader.scopes()
        for scope in scopes:
            if not isinstance(scope, Scope):
                problems.append(f"{scope.label}: {scope.problem}")
                continue
            before = known.get(scope.key)
            cursor = usable_cursor(server, reader.by, scope, before)
            if before and before.problem_at and datetime.now(UTC) - before.problem_at < _BACK_OFF:
                continue
            if before is None or cursor is None or before.problem:
                return f"{scope.label} is to be read as a whole" if cursor is None else f"{scope.label} failed before"
            try:
                why = reader.news(scope, cursor, partial(_not_stored, database))
            except ImmichError as error:
                problems.append(f"{scope.label}: {error}")
                continue
            if why:
                return f"{scope.label}: {why}"
    finally:
        reader.close()
    if problems and len(problems) == len(scopes):
        raise ImmichError("; ".join(problems))
    return None


def _not_stored(database: Database, records: pl.DataFrame) -> int:
    with database.frames() as frames:
        return store.newer_than_stored(frames, records)

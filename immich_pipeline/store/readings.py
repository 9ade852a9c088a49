"""How the readings of a server went: per part, where the next one begins and what went wrong."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames


@dataclass(frozen=True)
class ReadingRow:
    """The last state of one part of a source; `problem` is why the latest attempt failed, None if it did not."""

    scope: str
    owner: str
    by: str
    cursor: str | None
    server_assets: int | None
    stored_assets: int | None
    full_at: datetime | None
    read_at: datetime | None
    problem: str | None
    problem_at: datetime | None


def readings(frames: Frames, source_id: str) -> dict[str, ReadingRow]:
    """The parts of a source that were read, or tried, before; by scope."""
    rows = frames.read(
        "SELECT scope, owner, by, cursor, server_assets, stored_assets, full_at, read_at, problem, problem_at FROM library.reading "
        "WHERE source_id = $1::uuid ORDER BY scope",
        source_id,
    )
    return {row["scope"]: ReadingRow(**row) for row in rows.iter_rows(named=True)}


def record_reading(
    frames: Frames,
    source_id: str,
    scope: str,
    *,
    owner: str,
    by: str,
    cursor: str,
    full: bool,
    server_assets: int | None,
    stored_assets: int,
) -> None:
    """Keep where the next reading begins, in the transaction that wrote what this one found."""
    frames.execute(
        "INSERT INTO library.reading AS t (source_id, scope, owner, by, cursor, server_assets, stored_assets, full_at, read_at) "
        "VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::bigint, $7::bigint, "
        "CASE WHEN $8::boolean THEN now() END, now()) "
        "ON CONFLICT (source_id, scope) DO UPDATE SET owner = EXCLUDED.owner, by = EXCLUDED.by, cursor = EXCLUDED.cursor, "
        "server_assets = EXCLUDED.server_assets, stored_assets = EXCLUDED.stored_assets, "
        "full_at = coalesce(EXCLUDED.full_at, t.full_at), read_at = EXCLUDED.read_at, problem = NULL, problem_at = NULL",
        source_id,
        scope,
        owner,
        by,
        cursor,
        server_assets,
        stored_assets,
        full,
    )


def record_problem(database: Database, source_id: str, scope: str, *, owner: str, by: str, problem: str) -> None:
    """Keep why a part could not be read; what was read of it before stays as it is."""
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO library.reading AS t (source_id, scope, owner, by, problem, problem_at) VALUES (%s, %s, %s, %s, %s, now()) "
            "ON CONFLICT (source_id, scope) DO UPDATE SET problem = EXCLUDED.problem, problem_at = EXCLUDED.problem_at",
            (source_id, scope, owner, by, problem),
        )


def forget_scopes(frames: Frames, source_id: str, kept: list[str]) -> None:
    """Forget parts that are not configured any more."""
    frames.execute("DELETE FROM library.reading WHERE source_id = $1::uuid AND NOT (scope = ANY($2))", source_id, kept)


def active_readings(frames: Frames) -> pl.DataFrame:
    """The parts of the active sources: owner, by, server_assets, stored_assets, full_at, read_at, problem."""
    return frames.read(
        "SELECT r.owner, by, server_assets, stored_assets, full_at, read_at, problem FROM library.reading r "
        "JOIN library.source USING (source_id) WHERE active ORDER BY r.owner"
    )

"""Bulk reads and writes of polars frames, through ADBC (PostgreSQL's binary COPY underneath).

A frame is first copied into a temporary table and then merged in one statement, so that a merge counts what it really changed and
leaves equal rows untouched: running the same work twice writes nothing the second time.
"""

import atexit
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import adbc_driver_postgresql.dbapi
import polars as pl
from psycopg import sql


@dataclass(frozen=True)
class Changes:
    """How many rows a write really changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        """All rows inserted, updated or deleted."""
        return self.inserted + self.updated + self.deleted

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(self.inserted + other.inserted, self.updated + other.updated, self.deleted + other.deleted)


@dataclass(frozen=True)
class Table:
    """A table that frames are merged into."""

    schema: str
    name: str
    key: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted `schema.name`."""
        return sql.Identifier(self.schema, self.name)


class Frames:
    """One transaction of bulk work. Parameters are written `$1`, `$2`, ..."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def read(self, query: str, *parameters: object) -> pl.DataFrame:
        """Run a query and return its rows as a frame; uuid columns must be cast to text in the query."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            frame = pl.from_arrow(cursor.fetch_arrow_table())
        if not isinstance(frame, pl.DataFrame):
            raise TypeError("a query answers with a table")
        return frame

    def scalar(self, query: str, *parameters: object) -> Any:
        """The single value that a query answers with; None when there is no row."""
        frame = self.read(query, *parameters)
        return frame.item(0, 0) if frame.height else None

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement whose effect need not be counted."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)

    def change(self, statement: str, *parameters: object) -> int:
        """Run an UPDATE, INSERT or DELETE (without RETURNING); returns how many rows it touched."""
        return int(self.scalar(f"WITH changed AS ({statement} RETURNING 1) SELECT count(*) FROM changed", *parameters))

    def merge(self, table: Table, frame: pl.DataFrame) -> Changes:
        """Insert the rows of `frame`, update those whose key exists and whose values differ. Columns not in `frame` stay."""
        if frame.is_empty():
            return Changes()
        with self._staged(frame) as stage:
            return self._upsert(table, frame.columns, stage)

    def replace(self, table: Table, frame: pl.DataFrame, *, scope: dict[str, object] | None = None) -> Changes:
        """Make the table's rows (those equal to `scope`, when given) exactly those of `frame`, touching only what differs."""
        with self._staged(frame) as stage:
            gone = self._delete_missing(table, stage, scope or {})
            return gone + self._upsert(table, frame.columns, stage)

    @contextmanager
    def staged(self, frame: pl.DataFrame) -> Iterator[str]:
        """A temporary table that holds `frame`, for a statement that joins with it; yields its quoted name."""
        with self._staged(frame) as stage:
            yield stage.as_string(None)

    @contextmanager
    def stage(self, schema: Mapping[str, pl.DataType]) -> Iterator["Stage"]:
        """A temporary table of these columns that frames are appended to one after the other, however many they are."""
        with self._staged(pl.DataFrame(schema=schema)) as identifier:
            yield Stage(self._connection, identifier)

    def merge_stage(self, table: Table, columns: Sequence[str], stage: "Stage") -> Changes:
        """As `merge`, with the rows of a stage that has at least these columns."""
        return self._upsert(table, columns, stage.identifier)

    @contextmanager
    def _staged(self, frame: pl.DataFrame) -> Iterator[sql.Identifier]:
        name = f"stage_{secrets.token_hex(6)}"
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(name, frame.to_arrow(), mode="create", temporary=True)
        identifier = sql.Identifier(name)
        yield identifier
        self.execute(sql.SQL("DROP TABLE {}").format(identifier).as_string(None))

    def _types(self, table: Table) -> dict[str, str]:
        rows = self.read(
            "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
            "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            table.identifier.as_string(None),
        )
        return dict(rows.iter_rows())

    def _upsert(self, table: Table, columns: Sequence[str], stage: sql.Identifier) -> Changes:
        types = self._types(table)
        rest = [name for name in columns if name not in table.key]
        on_conflict: sql.Composable = sql.SQL("DO NOTHING")
        if rest:
            on_conflict = sql.SQL("DO UPDATE SET {sets} WHERE ({old}) IS DISTINCT FROM ({new})").format(
                sets=_list(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in rest),
                old=_list(sql.SQL("target.{}").format(sql.Identifier(name)) for name in rest),
                new=_list(sql.SQL("EXCLUDED.{}").format(sql.Identifier(name)) for name in rest),
            )
        statement = sql.SQL(
            "WITH written AS (INSERT INTO {table} AS target ({columns}) SELECT {values} FROM {stage} "
            "ON CONFLICT ({key}) {on_conflict} RETURNING (xmax = 0) AS fresh) "
            "SELECT count(*) FILTER (WHERE fresh) AS inserted, count(*) FILTER (WHERE NOT fresh) AS updated FROM written"
        ).format(
            table=table.identifier,
            columns=_list(sql.Identifier(name) for name in columns),
            values=_list(sql.SQL("{}::{}").format(sql.Identifier(name), sql.SQL(types[name])) for name in columns),
            stage=stage,
            key=_list(sql.Identifier(name) for name in table.key),
            on_conflict=on_conflict,
        )
        inserted, updated = self.read(statement.as_string(None)).row(0)
        return Changes(inserted=inserted, updated=updated)

    def _delete_missing(self, table: Table, stage: sql.Identifier, scope: dict[str, object]) -> Changes:
        types = self._types(table)
        same_key = [
            sql.SQL("stage.{0}::{1} = target.{0}").format(sql.Identifier(name), sql.SQL(types[name]))
            for name in table.key
        ]
        in_scope = [
            sql.SQL("target.{}::text = {}").format(sql.Identifier(name), sql.SQL(f"${place}"))
            for place, name in enumerate(scope, start=1)
        ]
        missing = sql.SQL("NOT EXISTS (SELECT 1 FROM {} AS stage WHERE {})").format(
            stage, sql.SQL(" AND ").join(same_key)
        )
        statement = sql.SQL(
            "WITH gone AS (DELETE FROM {} AS target WHERE {} RETURNING 1) SELECT count(*) FROM gone"
        ).format(table.identifier, sql.SQL(" AND ").join([missing, *in_scope]))
        return Changes(deleted=self.scalar(statement.as_string(None), *(str(value) for value in scope.values())))


class Stage:
    """A temporary table that is being filled; `name` is quoted, for use in a statement."""

    def __init__(self, connection: Any, identifier: sql.Identifier) -> None:
        self._connection = connection
        self.identifier = identifier
        self.name = identifier.as_string(None)
        self.rows = 0

    def append(self, frame: pl.DataFrame) -> None:
        """Add the rows of a frame that has the stage's columns."""
        if frame.height:
            with self._connection.cursor() as cursor:
                cursor.adbc_ingest(self.name.strip('"'), frame.to_arrow(), mode="append", temporary=True)
            self.rows += frame.height


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


_MOST_IDLE = 4
_idle: dict[str, list[Any]] = {}
_idle_lock = Lock()


@contextmanager
def open_frames(url: str) -> Iterator[Frames]:
    """One transaction of bulk work: commits on leaving, rolls back when the block raises.

    Connections are kept for the next one: opening one takes ADBC 60 ms, since it reads the catalog of types.
    """
    connection = _take(url)
    try:
        yield Frames(connection)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    with _idle_lock:
        kept = _idle.setdefault(url, [])
        if len(kept) < _MOST_IDLE:
            kept.append(connection)
            return
    connection.close()


def close_idle(url: str) -> None:
    """Close the connections kept for a database that is about to go away."""
    with _idle_lock:
        connections = _idle.pop(url, [])
    for connection in connections:
        connection.close()


def _take(url: str) -> Any:
    while True:
        with _idle_lock:
            kept = _idle.get(url)
            connection = kept.pop() if kept else None
        if connection is None:
            return adbc_driver_postgresql.dbapi.connect(url)
        if _lives(connection):
            return connection


def _lives(connection: Any) -> bool:
    """Whether the server at the other end is still there; it may have been restarted since."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        connection.rollback()
    except adbc_driver_postgresql.dbapi.Error:
        connection.close()
        return False
    return True


@atexit.register
def _close_all() -> None:
    for url in list(_idle):
        close_idle(url)

"""The pipeline's own database: how to reach it, and locks that a killed process cannot leave behind."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict

from immich_pipeline.errors import UserError
from immich_pipeline.store.frames import Frames, open_frames


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database, named by its URL (kept out of `repr`: it may carry a password)."""

    url: str = field(repr=False)

    @property
    def place(self) -> str:
        """Where the database is, for messages: never the password."""
        parts = conninfo_to_dict(self.url)
        host = parts.get("host") or "localhost"
        port = f":{parts['port']}" if parts.get("port") else ""
        return f"{host}{port}/{parts.get('dbname') or parts.get('user') or ''}"

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """Open a connection for small transactional work.

        Raises:
            UserError: the server cannot be reached or refuses us.
        """
        try:
            return psycopg.connect(
                self.url, connect_timeout=10, autocommit=autocommit, application_name="immich-pipeline"
            )
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"cannot reach the database at {self.place} ({reason}): check PIPELINE_DATABASE_URL"
            ) from error
        except psycopg.ProgrammingError as error:
            raise UserError(
                "PIPELINE_DATABASE_URL is not a PostgreSQL address (postgresql://user@host/name)"
            ) from error

    @contextmanager
    def frames(self) -> Iterator[Frames]:
        """One transaction of bulk frame reads and writes; committed on leaving, rolled back on an error."""
        with open_frames(self.url) as frames:
            yield frames

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the named lock of this database; yields whether we got it (always, when `wait`).

        The lock belongs to a connection: when the holder dies, however it dies, PostgreSQL frees it.
        """
        key = zlib.crc32(name.encode())
        with self.connect(autocommit=True) as connection:
            if wait:
                connection.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_SPACE, _signed32(key)))
                yield True
                return
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_SPACE, _signed32(key))).fetchone()
            yield bool(row and row[0])

    def is_locked(self, name: str) -> bool:
        """Whether some process holds the named lock right now."""
        with self.lock(name, wait=False) as free:
            return not free


_LOCK_SPACE = 0x1BB17  # keeps our advisory locks apart from other programs' in a shared database


def _signed32(value: int) -> int:
    return value - 2**32 if value >= 2**31 else value

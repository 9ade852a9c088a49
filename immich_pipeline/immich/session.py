"""A session with Immich's database that cannot write: how it is opened, read as Arrow, and what its errors mean."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql.dbapi
import polars as pl
import psycopg
import pyarrow as pa
from adbc_driver_postgresql.dbapi import Error
from psycopg import conninfo, sql
from pydantic import SecretStr

from immich_pipeline.immich.contract import SchemaDrift
from immich_pipeline.immich.errors import ImmichError

_BATCH_BYTES = 8 << 20
"""How much of an answer ADBC gathers before it hands it over."""

_CONNECT = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""A server that has gone away is noticed within a minute; what the URL says itself wins."""

_LOCK_SECONDS = 30
_LONGEST_MESSAGE = 300
_BAD_URL = (
    "the URL of Immich's database cannot be read: write postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE, with every character of the "
    "password that is not a letter or a digit as %XX (@ is %40, / is %2F, : is %3A)"
)


class DatabaseUnreachable(ImmichError):  # noqa: N818 - what it says is the error
    """Nothing answers at the database's address, it refuses the role, or the connection was lost."""


class Session:
    """One read-only transaction: everything read in it is of the same moment."""

    def __init__(self, connection: Any, address: "Address") -> None:
        self._connection, self._address = connection, address

    def read(self, query: sql.Composable) -> pl.DataFrame:
        """Read a whole answer.

        Raises:
            ImmichError: see `failure`.
        """
        frames = list(self.stream(query))
        return pl.concat(frames, rechunk=False)

    def stream(self, query: sql.Composable, rows: int = 1_000_000) -> Iterator[pl.DataFrame]:
        """Read an answer in frames of at most `rows` rows, while the server is still sending; at least one, empty or not.

        Values must be written into the query: with parameters the driver would gather the whole answer in memory first.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
                cursor.execute(query.as_string(None))
                with closing(cursor.fetch_record_batch()) as reader:
                    yield pl.DataFrame(reader.schema.empty_table())
                    for batch in reader:
                        yield from pl.DataFrame(pa.Table.from_batches([batch])).iter_slices(rows)
        except (Error, OSError, pa.ArrowException) as error:  # once rows flow, the driver's errors arrive as Arrow's
            raise self._address.failure(error) from None


class Address:
    """Where the database is and as whom it is read.

    Args:
        url: `postgresql://...`, or libpq's keywords and values.
        timeout_seconds: how long one statement may take.

    Raises:
        ImmichError: the URL cannot be read; the message holds no part of it.
    """

    def __init__(self, url: SecretStr, timeout_seconds: float) -> None:
        parts = _parts(url)
        # of two values of one setting the later counts: ours
        settings = {
            "default_transaction_read_only": "on",
            "default_transaction_isolation": "repeatable\\ read",
            "statement_timeout": f"{int(timeout_seconds * 1000)}",
            "lock_timeout": f"{_LOCK_SECONDS}s",
            "search_path": "public",
            "timezone": "UTC",
        }
        options = " ".join([parts.get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())])
        fixed = {"options": options.strip(), "application_name": "immich-pipeline", "client_encoding": "UTF8"}
        merged = {**_CONNECT, **parts, **fixed}
        self._conninfo = SecretStr(conninfo.make_conninfo("", **merged))
        self._secrets = [parts[name] for name in ("password", "sslpassword") if parts.get(name)]
        self._place = f"{parts.get('host') or 'this machine'}, database {parts.get('dbname') or 'of that name'}"
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"Address({self._place!r})"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session; it is closed on leaving.

        Raises:
            DatabaseUnreachable: it cannot be opened.
        """
        try:
            connection = adbc_driver_postgresql.dbapi.connect(self._conninfo.get_secret_value())
        except Error as error:
            raise DatabaseUnreachable(
                f"cannot open Immich's database ({self._place}): {self._said(error)}. Check its URL, that the server runs, and that "
                "the role may log in from here"
            ) from None
        with closing(connection):
            yield Session(connection, self)

    def failure(self, error: Exception) -> ImmichError:
        """What a driver's error means for the person who set this up: unreachable, drift, a missing right, too slow."""
        state, said = getattr(error, "sqlstate", None) or "", self._said(error)
        if not state and "statement timeout" in said:
            state = "57014"  # Arrow's errors carry the text alone
        if not state or state.startswith(("08", "57P", "28")):
            return DatabaseUnreachable(f"lost Immich's database ({self._place}): {said}. Read it again")
        if state in ("42P01", "42703", "42704", "42883"):
            return SchemaDrift(f"Immich's database changed while it was read: {said}. Read it again")
        if state == "42501":
            return ImmichError(f"the role may not read Immich's database: {said}. Run GRANT SELECT on what it names")
        if state == "57014":
            return ImmichError(
                f"Immich's database took longer than {self._timeout_seconds:.0f} s for one question: {said}. Raise the timeout, or "
                "read when the server has less to do"
            )
        return ImmichError(f"Immich's database answered with an error ({state}): {said}")

    def _said(self, error: Exception) -> str:
        text = str(error)
        _, found, said = text.partition("ERROR:")
        line = (said if found else text).strip().partition("\n")[0].partition(". SQLSTATE")[0]
        for secret in self._secrets:
            line = line.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return line[:_LONGEST_MESSAGE]


def _parts(url: SecretStr) -> dict[str, str]:
    try:
        found = conninfo.conninfo_to_dict(url.get_secret_value())
    except psycopg.Error:
        raise ImmichError(_BAD_URL) from None  # libpq's message quotes the URL
    parts = {name: str(value) for name, value in found.items() if value is not None}
    # A password with a bare @ or / ends up in these, from where it would get into messages.
    suspicious = any("@" in parts.get(name, "") for name in ("host", "dbname"))
    if suspicious or not parts.get("port", "5432").replace(",", "").isdecimal():
        raise ImmichError(_BAD_URL)
    return parts

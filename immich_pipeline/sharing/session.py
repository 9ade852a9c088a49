"""A connection that may write to Immich's database: one at a time, in short transactions, never waiting long for Immich."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import psycopg
from psycopg.rows import TupleRow
from pydantic import SecretStr

from immich_pipeline.errors import UserError

Connection = psycopg.Connection[TupleRow]

SCHEMA = "immich_pipeline_sharing"
_LOCK = (0x1BB18, 0)
"""Our advisory lock in Immich's database: the first number keeps it apart from Immich's own."""

_SETTINGS = {
    "statement_timeout": "300s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "search_path": "public",
    "work_mem": "64MB",  # joins over all copies stay in memory
    "timezone": "UTC",
}


# Tables that an earlier version made lack it.
_HAS_DELETIONS = """
SELECT FROM pg_attribute WHERE attrelid = 'immich_pipeline_sharing.watermark'::regclass AND attname = 'deletions'
"""


class ShareBusy(UserError):  # noqa: N818 - what it says is the error
    """Another run is writing."""


@contextmanager
def open_session(url: SecretStr) -> Iterator[Connection]:
    """A connection that begins and ends its transactions itself (`with connection.transaction()`); closed on leaving.

    Raises:
        UserError: Immich's database cannot be reached or refuses the role; the message holds no part of the URL.
    """
    options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    try:
        connection = psycopg.connect(
            url.get_secret_value(),
            autocommit=True,
            connect_timeout=10,
            application_name="immich-pipeline sharing",
            options=options,
        )
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(
            f"cannot open Immich's database for sharing ({reason}): check sharing.database_url_file and the role's rights"
        ) from None
    except psycopg.ProgrammingError:
        raise UserError(
            "the URL of Immich's database for sharing cannot be read: write postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    with connection:
        yield connection


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """Hold the lock that lets one run at a time write; it goes with the connection, however that ends.

    Raises:
        ShareBusy: another run holds it.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOCK).fetchone()
    if not row or not row[0]:
        raise ShareBusy("another run is sharing at the moment: wait for its end")
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", _LOCK)


def prepare(connection: Connection) -> None:
    """Make the tables that the copies are tracked in, if they are not there.

    Raises:
        psycopg.errors.InsufficientPrivilege: the role may not create a schema, and nobody made it for the role.
    """
    if connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.copy"]).fetchone() == (None,):
        with connection.transaction():
            connection.execute((resources.files("immich_pipeline.sharing") / "tracking.sql").read_bytes())
    elif connection.execute(_HAS_DELETIONS).fetchone() is None:
        connection.execute("ALTER TABLE immich_pipeline_sharing.watermark ADD COLUMN deletions jsonb")

"""A real PostgreSQL for the whole test session, and a fresh database in it for each test that asks."""

import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import close_idle
from immich_pipeline.store.migrate import migrate
from immich_pipeline_tests.databases import copy_database, drop_database
from immich_pipeline_tests.immich_db.fixtures import make_immich_database  # noqa: F401
from immich_pipeline_tests.immich_stub.fixtures import immich_server  # noqa: F401 - a fixture
from immich_pipeline_tests.room import room_for_a_server

# These databases need not outlive a power cut, and none is old enough to be tidied up.
CARELESS = ("fsync", "full_page_writes", "autovacuum")


def pytest_configure() -> None:
    """A shell's background job ignores Ctrl-C, and so would every process that a test starts and means to interrupt."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with room_for_a_server() as home, server.running(home) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in CARELESS:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        migrate(Database(url))
        yield url


@pytest.fixture
def database(server_url: str) -> Iterator[Database]:
    """A migrated, empty database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    made = Database(copy_database(server_url, name, server.DATABASE_NAME))
    yield made
    close_idle(made.url)
    drop_database(server_url, name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"

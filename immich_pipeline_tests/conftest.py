"""A real PostgreSQL for the whole test session, and a fresh database in it for each test that asks."""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Generator, Iterator
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, so that no worker is left alone with one of them in the end; on a busy machine they may take long."""
    items.sort(key=lambda item: item.get_closest_marker("end_to_end") is None)
    for item in items:
        if item.get_closest_marker("end_to_end"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Take no coverage of a test marked `unmeasured`, nor of the threads and processes that it starts."""
    measure, measure_threads = sys.gettrace(), threading.gettrace()
    if item.get_closest_marker("unmeasured") is None or type(measure).__module__.split(".")[0] != "coverage":
        return (yield)
    for_processes = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("COVERAGE_PROCESS_")}
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        os.environ.update(for_processes)
        sys.settrace(measure)
        threading.settrace(measure_threads)


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

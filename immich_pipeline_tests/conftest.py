"""A real PostgreSQL for the whole test session, and a fresh database in it for each test that asks."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import close_idle
from immich_pipeline.store.migrate import migrate
from immich_pipeline_tests.immich_db.fixtures import make_immich_database  # noqa: F401
from immich_pipeline_tests.immich_stub.fixtures import immich_server  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server.running(tmp_path_factory.mktemp("postgres-home")) as url:
        migrate(Database(url))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # these databases need not outlive a power cut
            connection.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture
def database(server_url: str) -> Iterator[Database]:
    """A migrated, empty database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    admin_url = server_url.replace("/immich_pipeline?", "/postgres?")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE immich_pipeline")
        made = Database(server_url.replace("/immich_pipeline?", f"/{name}?"))
        yield made
        close_idle(made.url)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"

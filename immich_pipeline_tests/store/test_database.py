import subprocess
import sys

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database
from immich_pipeline.store.migrate import dagster_url, migrate


def test_an_unreachable_server_is_named_without_its_password() -> None:
    database = Database("postgresql://anna:s3cret@127.0.0.1:1/photos")
    with pytest.raises(UserError) as raised:
        database.connect()
    message = str(raised.value)
    assert "127.0.0.1:1/photos" in message
    assert "PIPELINE_DATABASE_URL" in message
    assert "s3cret" not in message
    assert "s3cret" not in repr(database)


def test_an_address_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(UserError, match="not a PostgreSQL address"):
        Database("mysql:nonsense").connect()


def test_a_lock_excludes_others_and_ends_with_its_holder(database: Database) -> None:
    with database.lock("audit") as held:
        assert held
        assert database.is_locked("audit")
        with database.lock("audit", wait=False) as second:
            assert not second
        with database.lock("other", wait=False) as other:
            assert other
    assert not database.is_locked("audit")


def test_a_lock_is_free_again_when_its_holder_is_killed(database: Database) -> None:
    code = (
        "import os, signal\nfrom immich_pipeline.store.database import Database\n"
        f"with Database({database.url!r}).lock('audit'):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with database.lock("audit") as held:
        assert held


def test_migrating_twice_changes_nothing(database: Database) -> None:
    before, head = migrate(database)
    assert before == head


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE pipeline.alembic_version SET version_num = '9999'")
    with pytest.raises(UserError, match="newer immich-pipeline"):
        migrate(database)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://anna:p%40ss@db:5433/photos?sslmode=require",
            "postgresql+psycopg2://anna:p%40ss@db:5433/photos?",
        ),
        ("postgresql://postgres@/photos?host=/data/my%20run", "postgresql+psycopg2://postgres@/photos?"),
    ],
)
def test_dagster_is_told_the_driver_and_a_schema_of_its_own(url: str, expected: str) -> None:
    told = dagster_url(url)
    assert told.startswith(expected)
    assert "search_path%3Ddagster" in told
    assert ("sslmode=require" in told) == ("sslmode" in url)
    assert ("host=%2Fdata%2Fmy+run" in told) == ("host=" in url)

"""What a user can get wrong gets one line that says what to do, and exit code 2."""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from immich_pipeline import cli
from immich_pipeline.launch.processes import of_home
from immich_pipeline_tests.databases import copy_database, drop_database
from immich_pipeline_tests.photos import small_library


@pytest.fixture(autouse=True)
def _as_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    for name in [name for name in os.environ if name.startswith(("IMMICH_PIPELINE", "PIPELINE_", "DAGSTER"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "speak_on_stderr", lambda: None)


def refused(*arguments: str, **environment: str) -> str:
    done = CliRunner().invoke(cli.main, arguments, env=environment)
    assert done.exit_code == 2, (done.output, done.exception)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("immich-pipeline: ")]
    return line


@pytest.fixture
def photos(tmp_path: Path) -> str:
    return str(small_library(tmp_path / "photos"))


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    assert "photo.jpg" in refused("run", "--once", "--photos", str(tmp_path / "photo.jpg"))


def test_a_bad_setting() -> None:
    assert "IMMICH_PIPELINE_WORKERS" in refused("run", "--once", IMMICH_PIPELINE_WORKERS="many")


def test_a_port_in_use(photos: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused("run", "--photos", photos, "--port", port)
    assert port in line
    assert "--port" in line
    assert of_home(tmp_path / "home") == []
    assert not (tmp_path / "home" / "postgres").exists()


def test_a_database_that_cannot_be_reached(photos: str) -> None:
    url = "postgresql://anna:s3cret@127.0.0.1:1/photos"
    line = refused("run", "--once", "--photos", photos, PIPELINE_DATABASE_URL=url)
    assert "PIPELINE_DATABASE_URL" in line
    assert "s3cret" not in line


@pytest.fixture
def of_a_guest(server_url: str) -> Iterator[str]:
    """The URL of an empty database for somebody who may make no tables in it."""
    name = f"guest_{secrets.token_hex(6)}"
    url = copy_database(server_url, name, "template1")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield url.replace("postgres@", f"{name}@")
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    drop_database(server_url, name)


def test_a_database_user_who_may_not_make_tables(photos: str, of_a_guest: str) -> None:
    line = refused("run", "--once", "--photos", photos, PIPELINE_DATABASE_URL=of_a_guest)
    assert "right to create schemas" in line


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refused("run", "--once", IMMICH_PIPELINE_HOME=str(tmp_path / "file" / "home"), HOME=str(tmp_path))
    assert "IMMICH_PIPELINE_HOME" in line


def test_a_data_folder_among_the_photos(photos: str) -> None:
    assert "IMMICH_PIPELINE_HOME" in refused(
        "run", "--once", "--photos", photos, IMMICH_PIPELINE_HOME=str(Path(photos) / "data")
    )


def test_a_second_run_over_the_same_data_folder(photos: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with (tmp_path / "home" / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "already runs" in refused("run", "--once", "--photos", photos)


def test_a_summary_that_cannot_be_written_is_refused_before_the_work(photos: str, tmp_path: Path) -> None:
    target = str(tmp_path / "no" / "summary.json")
    assert "summary" in refused("run", "--once", "--photos", photos, "--summary", target)
    assert not (tmp_path / "home").exists()


def test_a_folder_that_is_no_demo_library_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.jpg").write_bytes(b"x")
    assert "mine" in refused("demo-library", str(tmp_path / "mine"))
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["precious.jpg"]

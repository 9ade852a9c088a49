"""What a user can get wrong gets one line that says what to do, exit code 2, and no traceback."""

import socket
import subprocess
from pathlib import Path

import pytest

from immich_pipeline.store.migrate import migrate
from immich_pipeline_tests.end_to_end.program import embedded_database, nothing_runs, run
from immich_pipeline_tests.photos import small_library

pytestmark = [pytest.mark.end_to_end, pytest.mark.unmeasured]


def refused(home: Path, *arguments: str, **more: str) -> str:
    done = run(home, *arguments, **more)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("immich-pipeline: ")]
    return line


def test_a_missing_folder(tmp_path: Path) -> None:
    line = refused(tmp_path / "home", "run", "--once", "--photos", str(tmp_path / "no"))
    assert str(tmp_path / "no") in line


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    assert "photo.jpg" in refused(tmp_path / "home", "run", "--once", "--photos", str(tmp_path / "photo.jpg"))


def test_a_bad_setting(tmp_path: Path) -> None:
    assert "IMMICH_PIPELINE_WORKERS" in refused(tmp_path / "home", "run", "--once", IMMICH_PIPELINE_WORKERS="many")


def test_a_port_in_use(tmp_path: Path) -> None:
    photos = small_library(tmp_path / "photos")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused(tmp_path / "home", "run", "--photos", str(photos), "--port", port)
    assert port in line
    assert "--port" in line
    assert nothing_runs(tmp_path / "home")


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    photos = small_library(tmp_path / "photos")
    url = "postgresql://anna:s3cret@127.0.0.1:1/photos"
    line = refused(tmp_path / "home", "run", "--once", "--photos", str(photos), PIPELINE_DATABASE_URL=url)
    assert "PIPELINE_DATABASE_URL" in line
    assert "s3cret" not in line


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "IMMICH_PIPELINE_HOME" in refused(tmp_path / "file" / "home", "run", "--once", HOME=str(tmp_path))


def test_an_emptied_folder_is_asked_about(tmp_path: Path) -> None:
    home, photos = tmp_path / "home", small_library(tmp_path / "photos")
    assert run(home, "run", "--once", "--photos", str(photos)).returncode == 0
    photos.rename(tmp_path / "aside")
    photos.mkdir()
    assert "is empty, but held 10 photos" in refused(home, "run", "--once", "--photos", str(photos))
    assert nothing_runs(home)


def test_a_second_run_over_the_same_data_folder(tmp_path: Path) -> None:
    import fcntl

    home, photos = tmp_path / "home", small_library(tmp_path / "photos")
    home.mkdir()
    with (home / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "already runs" in refused(home, "run", "--once", "--photos", str(photos))


def test_a_server_of_ones_own_is_used(tmp_path: Path) -> None:
    photos = small_library(tmp_path / "photos")
    with embedded_database(tmp_path / "elsewhere") as database:
        done = run(tmp_path / "home", "run", "--once", "--photos", str(photos), PIPELINE_DATABASE_URL=database.url)
        assert done.returncode == 0, done.stderr
        with database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM library.live_asset").fetchone() == (10,)
            assert connection.execute("SELECT count(*) > 0 FROM dagster.runs").fetchone() == (True,)
    assert not (tmp_path / "home" / "postgres").exists()


def test_a_batch_that_fails_is_said_and_taken_up_by_the_next_run(tmp_path: Path) -> None:
    home, photos = tmp_path / "home", small_library(tmp_path / "photos")
    with embedded_database(tmp_path / "elsewhere") as database:
        settings = {"PIPELINE_DATABASE_URL": database.url}
        migrate(database)
        with database.connect() as connection:
            connection.execute("ALTER TABLE content.file_hash ADD CONSTRAINT trouble CHECK (sha256 IS NULL)")
        failed = run(home, "run", "--once", "--photos", str(photos), **settings)
        assert failed.returncode == 2
        assert "trouble" in failed.stderr
        assert "10 (a batch failed" in failed.stdout
        with database.connect() as connection:
            connection.execute("ALTER TABLE content.file_hash DROP CONSTRAINT trouble")
        assert "9 files hashed" in run(home, "run", "--once", "--photos", str(photos), **settings).stdout


def test_a_database_user_who_may_not_make_tables(tmp_path: Path) -> None:
    photos = small_library(tmp_path / "photos")
    with embedded_database(tmp_path / "elsewhere") as database:
        with database.connect() as connection:
            connection.execute("CREATE ROLE guest LOGIN")
        url = database.url.replace("postgres@", "guest@")
        line = refused(tmp_path / "home", "run", "--once", "--photos", str(photos), PIPELINE_DATABASE_URL=url)
    assert "right to create schemas" in line


def test_the_data_folder_among_the_photos(tmp_path: Path) -> None:
    photos = small_library(tmp_path / "photos")
    assert "IMMICH_PIPELINE_HOME" in refused(photos / "data", "run", "--once", "--photos", str(photos))
    assert run(photos / ".data", "run", "--once", "--photos", str(photos)).returncode == 0


def test_a_summary_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    photos = small_library(tmp_path / "photos")
    target = str(tmp_path / "no" / "summary.json")
    assert "summary" in refused(tmp_path / "home", "run", "--once", "--photos", str(photos), "--summary", target)


def test_any_name_survives_make(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "our" $HOME'
    makefile = Path(__file__).parents[2] / "Makefile"
    stand_in = tmp_path / "bin"
    stand_in.mkdir()
    (stand_in / "immich-pipeline").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (stand_in / "immich-pipeline").chmod(0o755)
    arguments = [
        f"PHOTOS={str(folder).replace('$', '$$')}",
        "ONCE=0",
        f"BIN={stand_in}",
        f"STAMP={stand_in}/immich-pipeline",
    ]
    done = subprocess.run(
        ["make", "-s", "-f", str(makefile), "run", *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["run", "--photos", str(folder)]


def test_a_folder_that_is_no_demo_library_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.jpg").write_bytes(b"x")
    assert "mine" in refused(tmp_path / "home", "demo-library", str(tmp_path / "mine"))
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["precious.jpg"]

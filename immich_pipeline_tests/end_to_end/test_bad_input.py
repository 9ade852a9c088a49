"""What goes wrong is said in one line and by the exit code, with no traceback; the refusals themselves: launch/test_refusals.py."""

import subprocess
from pathlib import Path

import pytest

from immich_pipeline.store.database import Database
from immich_pipeline_tests.end_to_end.program import refused, run
from immich_pipeline_tests.photos import small_library

pytestmark = [pytest.mark.end_to_end, pytest.mark.unmeasured]


def test_a_missing_folder(tmp_path: Path) -> None:
    line = refused(tmp_path / "home", "run", "--once", "--photos", str(tmp_path / "no"))
    assert str(tmp_path / "no") in line


def test_a_batch_that_fails_is_said_and_taken_up_by_the_next_run(database: Database, tmp_path: Path) -> None:
    """With a database server of one's own, and a hidden data folder among the photos."""
    photos = small_library(tmp_path / "photos")
    home, settings = photos / ".data", {"PIPELINE_DATABASE_URL": database.url}
    with database.connect() as connection:
        connection.execute("ALTER TABLE content.file_hash ADD CONSTRAINT trouble CHECK (sha256 IS NULL)")
    failed = run(home, "run", "--once", "--photos", str(photos), **settings)
    assert failed.returncode == 2
    assert "trouble" in failed.stderr
    assert "10 (a batch failed" in failed.stdout
    with database.connect() as connection:
        connection.execute("ALTER TABLE content.file_hash DROP CONSTRAINT trouble")
    again = run(home, "run", "--once", "--photos", str(photos), **settings)
    assert again.returncode == 0, again.stderr
    assert "9 files hashed" in again.stdout
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM library.live_asset").fetchone() == (10,)
        assert connection.execute("SELECT count(*) > 0 FROM dagster.runs").fetchone() == (True,)
    assert not (home / "postgres").exists()


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

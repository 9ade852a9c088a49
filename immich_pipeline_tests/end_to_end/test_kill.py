"""Any of our processes killed at any moment: the next run ends as an undisturbed one would."""

import random
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from immich_pipeline.launch.processes import of_home
from immich_pipeline_tests.defs.conftest import TABLES
from immich_pipeline_tests.end_to_end.program import COMMAND, embedded_database, environment, nothing_runs, once
from immich_pipeline_tests.photos import save_jpeg, scene, small_library
from immich_pipeline_tests.thorough import times

pytestmark = [pytest.mark.end_to_end, pytest.mark.unmeasured]
KILLS = times(5, 10)


def tables(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    with embedded_database(home) as database, database.connect() as connection:
        return {
            table: sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)  # type: ignore[call-overload]
            for table, columns in TABLES.items()
        }


def victims(home: Path, parent: psutil.Process) -> list[psutil.Process]:
    """Every process of the run: the command itself, the pass, its workers, and the database server."""
    servers = [process for process in parent.children(recursive=True) if process.name().startswith("postgres")]
    return [parent, *of_home(home), *servers[:1]]


def test_kills_at_random_moments_change_nothing_in_the_end(tmp_path: Path) -> None:
    photos, home = small_library(tmp_path / "photos"), tmp_path / "home"
    dice = random.Random(20261121)
    killed = []
    for round_ in range(KILLS):
        for number in range(8):  # a run that has nothing to do would be over before the blow
            save_jpeg(photos / "more" / f"P{round_}{number}.jpg", scene(1000 + 10 * round_ + number, (640, 480)))
        process = subprocess.Popen(
            [*COMMAND, "run", "--once", "--photos", str(photos)],
            env=environment(home),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0.3, 4.5))
        if process.poll() is None:
            victim = dice.choice(victims(home, psutil.Process(process.pid)))
            killed.append(victim.name())
            victim.kill()
        process.wait(300)
    assert len(killed) >= KILLS * 4 // 5, killed
    summary = once(home, photos)
    assert summary["files"] == 10 + 8 * KILLS
    once(tmp_path / "undisturbed", photos)
    assert tables(home) == tables(tmp_path / "undisturbed")
    assert nothing_runs(home)

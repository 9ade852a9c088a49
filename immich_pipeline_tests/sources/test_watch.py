import os
import time
from pathlib import Path

import polars as pl
import pytest

from immich_pipeline.sources import watch
from immich_pipeline.sources.watch import Look, look_for_changes


@pytest.fixture
def folders(tmp_path: Path) -> pl.DataFrame:
    names = [b"", b"a", b"b", "ü".encode()]
    for name in names[1:]:
        (tmp_path / os.fsdecode(name)).mkdir()
    return pl.DataFrame(
        [(os.fsencode(tmp_path), name, (tmp_path / os.fsdecode(name)).stat().st_mtime_ns) for name in names],
        schema={"root": pl.Binary, "real_path": pl.Binary, "mtime_ns": pl.Int64},
        orient="row",
    )


def test_nothing_changed(folders: pl.DataFrame) -> None:
    assert look_for_changes(folders, start=2) == Look(changed=False, looked_at=4, next_start=0)


@pytest.mark.parametrize("start", range(4))
def test_a_new_file_is_seen_wherever_the_look_begins(folders: pl.DataFrame, tmp_path: Path, start: int) -> None:
    time.sleep(0.01)
    (tmp_path / "b" / "new.jpg").touch()
    look = look_for_changes(folders, start=start)
    assert look.changed
    assert look.next_start == 2


def test_a_folder_that_is_gone_is_a_change(folders: pl.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "ü").rmdir()
    assert look_for_changes(folders).changed


def test_slow_storage_is_looked_at_in_turns(folders: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(watch.time, "monotonic", lambda: float(next(clock)))
    first = look_for_changes(folders, seconds=1.5)
    assert first == Look(changed=False, looked_at=2, next_start=2)
    assert look_for_changes(folders, start=first.next_start, seconds=1.5).next_start == 0


def test_no_folders_no_change(folders: pl.DataFrame) -> None:
    assert look_for_changes(folders.head(0)) == Look(changed=False, looked_at=0, next_start=0)

"""One pass, as cron would start it."""

from pathlib import Path

import pytest

from immich_pipeline_tests.end_to_end.program import nothing_runs, once, run
from immich_pipeline_tests.photos import small_library

pytestmark = pytest.mark.end_to_end


def test_one_pass_accounts_for_every_file_and_leaves_nothing_running(tmp_path: Path) -> None:
    home, photos = tmp_path / "home", small_library(tmp_path / "photos")
    (photos / "notes.txt").write_text("no photo")
    first = once(home, photos)
    assert first["files"] == 10
    assert first["hashed"] == 9  # one file is empty
    assert first["not_done"] == 0
    assert first["duplicate_groups"] == {"exact": 1, "reencoded": 1}
    assert sum(first["errors"].values()) == 2
    assert sum(first["skipped"].values()) == 1
    assert first["reclaimable_bytes"] > 0
    assert 0 < first["peak_mb"] < 1000
    assert Path(first["report"]).is_file()
    assert nothing_runs(home)
    second = once(home, photos)
    assert (second["hashed"], second["rows_changed"], second["unchanged"]) == (0, 0, 9)
    assert second["files"] == first["files"]
    assert nothing_runs(home)


def test_the_summary_table_says_when_there_was_nothing_to_do(tmp_path: Path) -> None:
    home, photos = tmp_path / "home", small_library(tmp_path / "photos")
    once(home, photos)
    again = run(home, "run", "--once", "--photos", str(photos))
    assert again.returncode == 0
    assert "nothing to do: 0 files hashed, 0 rows changed" in again.stdout


def test_an_empty_folder_is_a_library_too(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    summary = once(tmp_path / "home", tmp_path / "photos")
    assert (summary["files"], summary["duplicate_groups"], summary["errors"]) == (0, {}, {})


def test_the_demo_library_shows_every_kind_of_group(tmp_path: Path) -> None:
    done = run(tmp_path / "home", "run", "--once", "--summary", str(tmp_path / "demo.json"))
    assert done.returncode == 0, done.stderr
    import json

    summary = json.loads((tmp_path / "demo.json").read_text())
    assert {"exact", "reencoded", "edited"} <= set(summary["duplicate_groups"])
    assert {"raw_jpeg", "burst"} <= set(summary["capture_groups"])
    assert summary["sidecars"] > 0
    assert {"empty", "truncated"} <= set(summary["errors"])
    assert summary["skipped"]

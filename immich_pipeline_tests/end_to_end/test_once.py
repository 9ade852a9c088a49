"""One pass, as cron would start it."""

import json
from pathlib import Path

import pytest

from immich_pipeline_tests.end_to_end.program import nothing_runs, once, refused, run
from immich_pipeline_tests.photos import small_library

pytestmark = pytest.mark.end_to_end


def test_every_file_is_accounted_for_then_there_is_nothing_to_do_and_an_emptied_folder_is_asked_about(
    tmp_path: Path,
) -> None:
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

    again = run(home, "run", "--once", "--photos", str(photos), "--summary", str(tmp_path / "second.json"))
    assert again.returncode == 0
    assert "nothing to do: 0 files hashed, 0 rows changed" in again.stdout
    second = json.loads((tmp_path / "second.json").read_text())
    assert (second["hashed"], second["rows_changed"], second["unchanged"]) == (0, 0, 9)
    assert second["files"] == first["files"]
    assert nothing_runs(home)

    photos.rename(tmp_path / "aside")
    photos.mkdir()
    assert "is empty, but held 10 photos" in refused(home, "run", "--once", "--photos", str(photos))
    assert nothing_runs(home)


@pytest.mark.unmeasured
def test_the_demo_library_shows_every_kind_of_group(tmp_path: Path) -> None:
    done = run(tmp_path / "home", "run", "--once", "--summary", str(tmp_path / "demo.json"))
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "demo.json").read_text())
    assert {"exact", "reencoded", "edited"} <= set(summary["duplicate_groups"])
    assert {"raw_jpeg", "burst"} <= set(summary["capture_groups"])
    assert summary["sidecars"] > 0
    assert {"empty", "truncated"} <= set(summary["errors"])
    assert summary["skipped"]

import json
from pathlib import Path

import pytest

from immich_pipeline.launch.summary import Summary, as_table, summarise
from immich_pipeline.store.database import Database

FULL = Summary(
    files=1234,
    sidecars=5,
    skipped={"not a photo or video (.txt)": 2},
    hashed=1200,
    unchanged=30,
    not_done=0,
    rows_changed=4000,
    errors={"empty": 3, "too_large": 1},
    duplicate_groups={"exact": 7},
    decisions={"certain": 5, "review": 1},
    capture_groups={},
    reclaimable_bytes=12_345_678,
    report="/data/reports/duplicates.html",
    seconds=75.4,
    peak_mb=345.6,
)


def test_the_table_is_for_people() -> None:
    table = as_table(FULL)
    assert "1,200 files hashed, 4,000 rows changed" in table
    assert "4 (3 empty, 1 too large)" in table
    assert "12.3 MB" in table
    assert "75 s" in table
    assert "6 (5 certain, 1 needs you)" in table


def test_the_json_is_for_programs() -> None:
    assert json.loads(FULL.as_json())["errors"] == {"empty": 3, "too_large": 1}


@pytest.mark.parametrize(("hashed", "changed", "nothing"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_nothing_to_do_is_said_only_when_nothing_was_done(hashed: int, changed: int, nothing: bool) -> None:
    table = as_table(Summary(**(vars(FULL) | {"hashed": hashed, "rows_changed": changed})))
    assert ("nothing to do" in table) == nothing


def test_what_a_failed_batch_left_is_said() -> None:
    table = as_table(Summary(**(vars(FULL) | {"hashed": 0, "rows_changed": 0, "not_done": 500})))
    assert "500 (a batch failed" in table
    assert "nothing to do" not in table


def test_an_empty_library_has_a_summary(database: Database, tmp_path: Path) -> None:
    summary = summarise(database, {"hashed": 0, "rows_changed": 0, "peak_mb": 10}, report=tmp_path, seconds=1)
    assert (summary.files, summary.unchanged, summary.reclaimable_bytes, summary.errors) == (0, 0, 0, {})

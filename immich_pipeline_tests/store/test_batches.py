from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.media.measure import FileMeasurement, MeasureOptions
from immich_pipeline.store.batches import (
    LARGEST,
    SMALLEST,
    ContentVersions,
    Plan,
    batch_size,
    batch_tasks,
    begin_batch,
    complete_batch,
    open_batches,
    plan_batches,
    unfinished_batches,
)
from immich_pipeline.store.checks import files_without_row, open_batches_and_unassigned
from immich_pipeline.store.content import write_measurements
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources, write_assets
from immich_pipeline_tests.store.rows import SOURCE, asset_id, assets

V1 = ContentVersions("1", "1", "1")
NOW = datetime(2026, 11, 21, 7, 8, 33, tzinfo=UTC)


def plan(database: Database, versions: ContentVersions = V1, **options: object) -> Plan:
    with database.frames() as frames:
        return plan_batches(frames, versions, now=NOW, **({"cured": []} | options))  # type: ignore[arg-type]


def tasks_of(database: Database, key: str, versions: ContentVersions = V1) -> pl.DataFrame:
    with database.frames() as frames:
        return batch_tasks(frames, key, versions, cured=[])


def measure(database: Database, key: str, versions: ContentVersions = V1, **result: object) -> None:
    """Give every undone file of the batch the same result."""
    tasks = tasks_of(database, key, versions)
    results = [
        FileMeasurement(asset, **({"size": size, "mtime_ns": mtime_ns, "sha256": b"x" * 32} | result))  # type: ignore[arg-type]
        for asset, size, mtime_ns in tasks.select("asset_id", "size", "mtime_ns").iter_rows()
    ]
    with database.frames() as frames:
        write_measurements(frames, results, tasks, versions, MeasureOptions())


@pytest.fixture
def library(database: Database) -> Database:
    activate_sources(database, [SOURCE])
    with database.frames() as frames:
        write_assets(frames, assets("a.jpg", "b.jpg", "c.jpg"), [])
    return database


@given(st.integers(1, 10**8))
def test_batch_size_stays_within_bounds(pending: int) -> None:
    assert SMALLEST <= batch_size(pending) <= LARGEST
    assert batch_size(pending) <= batch_size(pending + 1)


def test_every_file_gets_a_batch_and_planning_again_assigns_nothing(library: Database) -> None:
    first = plan(library)
    assert first == Plan(
        pending=3, assigned=3, new_batches=("20261121T070833-0000",), open_batches=("20261121T070833-0000",)
    )
    assert plan(library) == Plan(pending=0, assigned=0, new_batches=(), open_batches=first.open_batches)
    assert tasks_of(library, first.new_batches[0])["real_path"].to_list() == [b"a.jpg", b"b.jpg", b"c.jpg"]
    with library.frames() as frames:
        assert open_batches_and_unassigned(frames) == (list(first.open_batches), 0)


def test_large_libraries_are_cut_into_batches_of_their_size(library: Database) -> None:
    with library.frames() as frames:
        write_assets(frames, assets(*(f"{number:05d}.jpg" for number in range(1200))), [])
    made = plan(library)
    assert made.new_batches == tuple(f"20261121T070833-{number:04d}" for number in range(3))
    assert [tasks_of(library, key).height for key in made.new_batches] == [500, 500, 203]


def test_what_is_done_is_no_task_and_a_finished_batch_is_closed(library: Database) -> None:
    (key,) = plan(library).new_batches
    begin_batch(library, key)
    assert unfinished_batches(library) == [(key, 1)]
    measure(library, key)
    assert tasks_of(library, key).is_empty()
    with library.frames() as frames:
        assert files_without_row(frames, key, "perceptual_hash") == 0
    complete_batch(library, key)
    assert unfinished_batches(library) == []
    assert plan(library).pending == 0


def test_an_interrupted_batch_is_gone_on_with(library: Database) -> None:
    (key,) = plan(library).new_batches
    tasks = tasks_of(library, key)
    with library.frames() as frames:
        write_measurements(
            frames,
            [FileMeasurement(asset_id("a.jpg"), size=10, mtime_ns=1, sha256=b"x" * 32)],
            tasks,
            V1,
            MeasureOptions(),
        )
        assert files_without_row(frames, key, "file_hash") == 2
    assert plan(library).new_batches == ()
    assert tasks_of(library, key)["real_path"].to_list() == [b"b.jpg", b"c.jpg"]


def test_only_a_changed_file_is_planned_again(library: Database) -> None:
    (key,) = plan(library).new_batches
    measure(library, key)
    complete_batch(library, key)
    with library.frames() as frames:
        write_assets(frames, assets("b.jpg", mtime_ns=2), [])
    again = plan(library)
    assert again.new_batches == ("20261121T070833-0001",)
    assert tasks_of(library, again.new_batches[0])["real_path"].to_list() == [b"b.jpg"]


def test_a_file_that_changes_while_its_batch_waits_moves_to_a_new_one(library: Database) -> None:
    (first,) = plan(library).new_batches
    with library.frames() as frames:
        write_assets(frames, assets("b.jpg", size=99), [])
    (second,) = plan(library).new_batches
    assert tasks_of(library, first)["real_path"].to_list() == [b"a.jpg", b"c.jpg"]
    assert tasks_of(library, second)["real_path"].to_list() == [b"b.jpg"]


def test_a_file_that_is_gone_is_no_task(library: Database) -> None:
    (key,) = plan(library).new_batches
    with library.frames() as frames:
        write_assets(frames, assets().head(0), [asset_id("a.jpg")])
    assert tasks_of(library, key)["real_path"].to_list() == [b"b.jpg", b"c.jpg"]


def test_a_new_algorithm_version_makes_everything_pending(library: Database) -> None:
    (key,) = plan(library).new_batches
    measure(library, key)
    complete_batch(library, key)
    v2 = ContentVersions("1", "1", "2")
    (again,) = plan(library, v2).new_batches
    measure(library, again, v2)
    complete_batch(library, again)
    assert plan(library, v2).pending == 0


@pytest.mark.parametrize(("kind", "attempts"), [("io_error", 3), ("corrupt", 1)])
def test_passing_failures_are_tried_again_but_not_for_ever(library: Database, kind: str, attempts: int) -> None:
    tried = 0
    while made := plan(library).new_batches:
        tried += 1
        measure(library, made[0], sha256=None, error_kind=kind, error="the disk failed")
        complete_batch(library, made[0])
    assert tried == attempts
    assert (plan(library, most_attempts=1000).pending > 0) == (kind == "io_error")


def test_a_new_decoder_makes_the_pictures_it_can_read_pending(library: Database) -> None:
    (key,) = plan(library).new_batches
    measure(library, key, picture_error_kind="missing_extra", picture_error="not hashed")
    complete_batch(library, key)
    assert plan(library).pending == 0
    assert plan(library, cured=["missing_extra"]).pending == 3


def test_files_of_a_source_that_is_not_looked_after_now_wait(library: Database) -> None:
    (key,) = plan(library).new_batches
    activate_sources(library, [type(SOURCE)(**(vars(SOURCE) | {"source_id": asset_id("other"), "root": b"/other"}))])
    assert tasks_of(library, key).is_empty()
    assert plan(library).pending == 0
    activate_sources(library, [SOURCE])
    with library.frames() as frames:
        assert open_batches(frames) == [key]
    assert tasks_of(library, key).height == 3

"""What happens by itself, and when."""

import dataclasses
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.defs.content.automation import (
    MOST_REQUESTS,
    MOST_RUNS,
    batches_to_request,
    batches_to_retry,
    ingest_batches_planned,
    retry_failed_batches,
)
from immich_pipeline.defs.duplicates.automation import person_said_something
from immich_pipeline.defs.library.automation import PASS_UNDER_WAY, daily_reconcile, folder_changed
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store.batches import SENSORS_WAIT
from immich_pipeline.store.verdicts import record_verdict
from immich_pipeline_tests.defs.conftest import Pipeline
from immich_pipeline_tests.photos import save_jpeg, scene


def tick(sensor: Any, pipeline: Pipeline, cursor: str | None = None) -> list[Any]:
    context = dg.build_sensor_context(
        instance=pipeline.instance, cursor=cursor, resources={"pipeline": PipelineResource()}
    )
    return list(sensor(context))


def schedule_tick(schedule: Any, pipeline: Pipeline) -> list[Any]:
    context = dg.build_schedule_context(
        instance=pipeline.instance,
        scheduled_execution_time=datetime(2026, 11, 21, 12, 10, tzinfo=UTC),
        resources={"pipeline": PipelineResource()},
    )
    return list(schedule(context))


def plan(pipeline: Pipeline) -> None:
    assert (
        pipeline.definitions.resolve_job_def("snapshot_library").execute_in_process(instance=pipeline.instance).success
    )


batch_lists = st.lists(
    st.tuples(st.text("0123456789", min_size=1, max_size=3), st.integers(0, 5)), unique_by=lambda row: row[0]
)


@given(batch_lists, st.sets(st.text("0123456789", min_size=1, max_size=3)))
def test_no_batch_is_requested_that_runs_and_none_too_often(unfinished: list[tuple[str, int]], alive: set[str]) -> None:
    wanted, again = batches_to_request(unfinished, alive), batches_to_retry(unfinished, alive, "t")
    assert not alive & (set(wanted) | set(again.values()))
    assert len(wanted) <= MOST_REQUESTS
    assert len(again) <= MOST_REQUESTS
    attempts = dict(unfinished)
    assert all(attempts[key] == 0 for key in wanted)
    assert all(attempts[key] < MOST_RUNS for key in again.values())


def test_a_library_never_scanned_is_left_alone(pipeline: Pipeline) -> None:
    (skip,) = tick(folder_changed, pipeline)
    assert "never scanned" in skip.skip_message


def test_a_change_in_a_folder_asks_for_a_snapshot_and_no_change_for_none(pipeline: Pipeline) -> None:
    plan(pipeline)
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE library.source SET unsettled = false")
    (nothing,) = tick(folder_changed, pipeline)
    assert "no change" in nothing.skip_message
    save_jpeg(pipeline.photos / "2024" / "new.jpg", scene(90))
    (request,) = tick(folder_changed, pipeline, cursor="1")
    assert isinstance(request, dg.RunRequest)


def test_files_still_being_written_are_looked_at_again(pipeline: Pipeline) -> None:
    plan(pipeline)
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE library.source SET unsettled = true")
    (request,) = tick(folder_changed, pipeline)
    assert "still being written" in request.tags["immich_pipeline/why"]


def test_what_a_person_says_is_decided_by_soon(pipeline: Pipeline) -> None:
    assert isinstance(tick(person_said_something, pipeline)[0], dg.SkipReason), "nothing was ever decided"
    pipeline.run()
    assert isinstance(tick(person_said_something, pipeline)[0], dg.SkipReason)
    record_verdict(pipeline.database, [b"a", b"b"], "rejected", None, "anna")
    (asked,) = tick(person_said_something, pipeline)
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_key == "choices 1"
    with pipeline.database.lock(SENSORS_WAIT):
        assert tick(person_said_something, pipeline) == [PASS_UNDER_WAY]
    pipeline.run()
    assert isinstance(tick(person_said_something, pipeline)[0], dg.SkipReason)


def test_sensors_wait_while_a_pass_is_under_way(pipeline: Pipeline) -> None:
    with pipeline.database.lock(SENSORS_WAIT):
        for answer in (
            *tick(folder_changed, pipeline),
            *tick(ingest_batches_planned, pipeline),
            *schedule_tick(retry_failed_batches, pipeline),
        ):
            assert "first pass" in answer.skip_message


def test_a_snapshot_under_way_is_not_doubled(pipeline: Pipeline) -> None:
    plan(pipeline)
    pipeline.instance.create_run_for_job(
        pipeline.definitions.resolve_job_def("snapshot_library"), status=dg.DagsterRunStatus.STARTED
    )
    (skip,) = tick(folder_changed, pipeline)
    assert "snapshot is under way" in skip.skip_message


@pytest.fixture
def persistent(pipeline: Pipeline) -> Iterator[Pipeline]:
    """With an instance on disk: schedules open theirs by its reference."""
    with dg.instance_for_test() as instance:
        yield dataclasses.replace(pipeline, instance=instance)


def test_planned_batches_are_requested_once_and_failed_ones_again(persistent: Pipeline) -> None:
    pipeline = persistent
    assert "no batch" in tick(ingest_batches_planned, pipeline)[0].skip_message
    assert "no batch failed" in schedule_tick(retry_failed_batches, pipeline)[0].skip_message
    plan(pipeline)
    (request,) = tick(ingest_batches_planned, pipeline)
    assert request.run_key == request.partition_key
    (again,) = schedule_tick(retry_failed_batches, pipeline)
    assert again.partition_key == request.partition_key
    assert again.run_key != request.run_key
    pipeline.instance.create_run_for_job(
        pipeline.definitions.resolve_job_def("measure_batch"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(request.partition_key)},
    )
    assert "no batch" in tick(ingest_batches_planned, pipeline)[0].skip_message


def test_the_daily_reconcile_tries_failures_again() -> None:
    request = daily_reconcile(dg.build_schedule_context())
    assert isinstance(request, dg.RunRequest)
    assert request.run_config["ops"]["ingest_batches"]["config"]["retry_failures"] is True


def test_whole_library_assets_follow_once_behind_a_burst(pipeline: Pipeline) -> None:
    pipeline.run()
    first = dg.evaluate_automation_conditions(pipeline.definitions, pipeline.instance)
    for number in range(3):
        save_jpeg(pipeline.photos / f"more{number}.jpg", scene(100 + number))
    plan(pipeline)
    for (key,) in pipeline.query("SELECT batch_key FROM pipeline.ingest_batch WHERE completed_at IS NULL"):
        job = pipeline.definitions.resolve_job_def("measure_batch")
        assert job.execute_in_process(instance=pipeline.instance, partition_key=key).success
    second = dg.evaluate_automation_conditions(pipeline.definitions, pipeline.instance, cursor=first.cursor)
    assert second.total_requested == 7
    third = dg.evaluate_automation_conditions(pipeline.definitions, pipeline.instance, cursor=second.cursor)
    assert third.total_requested == 0


def test_old_batches_are_folded_and_stay_done(pipeline: Pipeline) -> None:
    pipeline.read()
    ((key,),) = pipeline.query("SELECT batch_key FROM pipeline.ingest_batch")
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE pipeline.ingest_batch SET planned_at = %s", (datetime(2026, 1, 5, tzinfo=UTC),))
    job = pipeline.definitions.resolve_job_def("archive_batches")
    for _ in range(2):
        assert job.execute_in_process(instance=pipeline.instance).success
        assert pipeline.instance.get_dynamic_partitions("ingest_batches") == ["archive-2026-01"]
    done = pipeline.instance.get_materialized_partitions(dg.AssetKey("file_hashes"))
    assert "archive-2026-01" in done
    assert key not in pipeline.instance.get_dynamic_partitions("ingest_batches")
    assert pipeline.read().hashed == 0


def test_folding_waits_for_runs(pipeline: Pipeline) -> None:
    pipeline.read()
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE pipeline.ingest_batch SET planned_at = now() - %s", (timedelta(days=200),))
    pipeline.instance.create_run_for_job(
        pipeline.definitions.resolve_job_def("measure_batch"), status=dg.DagsterRunStatus.STARTED
    )
    assert (
        pipeline.definitions.resolve_job_def("archive_batches").execute_in_process(instance=pipeline.instance).success
    )
    assert not any(key.startswith("archive") for key in pipeline.instance.get_dynamic_partitions("ingest_batches"))


def test_tables_can_be_migrated_by_a_job(pipeline: Pipeline) -> None:
    assert (
        pipeline.definitions.resolve_job_def("migrate_database").execute_in_process(instance=pipeline.instance).success
    )


def audit(pipeline: Pipeline) -> tuple[set[tuple[str, str]], bool]:
    """What the audit of a month finds, and whether its check is content."""
    job = pipeline.definitions.resolve_job_def("audit_month")
    result = job.execute_in_process(instance=pipeline.instance, partition_key="2026-05-01", raise_on_error=False)
    found = pipeline.query(
        "SELECT a.path, f.kind FROM maintenance.audit_finding f JOIN library.asset a USING (asset_id)"
    )
    (check,) = result.get_asset_check_evaluations()
    return set(found), check.passed


def damage(photo: Path) -> os.stat_result:
    """Turn over a few bits; returns what the file was before."""
    before, content = photo.stat(), bytearray(photo.read_bytes())
    content[-100] ^= 0xFF
    photo.write_bytes(content)
    return before


def test_the_audit_finds_bit_rot_and_missing_files_but_not_edits(pipeline: Pipeline) -> None:
    pipeline.read()
    rotten, edited, missing = (pipeline.photos / "2024" / f"IMG_000{number}.jpg" for number in (3, 4, 5))
    damage(edited)
    assert audit(pipeline) == (set(), True)
    before = damage(rotten)
    os.utime(rotten, ns=(before.st_atime_ns, before.st_mtime_ns))
    missing.unlink()
    assert audit(pipeline) == ({("2024/IMG_0003.jpg", "bit_rot"), ("2024/IMG_0005.jpg", "missing")}, False)


def test_the_audit_of_a_month_without_photos_reads_nothing(pipeline: Pipeline) -> None:
    pipeline.read()
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE content.photo_metadata SET taken_at_local = '2020-05-01'")
    job = pipeline.definitions.resolve_job_def("audit_month")
    assert job.execute_in_process(instance=pipeline.instance, partition_key="2026-06-01").success

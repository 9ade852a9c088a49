"""The main path: a folder in, duplicates and groups out; and then only what changed."""

import os
import shutil
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from immich_pipeline.config import load_settings
from immich_pipeline.errors import UserError
from immich_pipeline.sources.idle import nothing_to_do
from immich_pipeline.sources.library import open_library
from immich_pipeline_tests.defs.conftest import Pipeline
from immich_pipeline_tests.photos import save_jpeg, scene


def ids(pipeline: Pipeline) -> dict[str, str]:
    return dict(pipeline.query("SELECT path, asset_id::text FROM library.live_asset"))


def groups(pipeline: Pipeline) -> set[tuple[str, frozenset[str]]]:
    rows = pipeline.query(
        "SELECT g.class, array_agg(a.path) FROM duplicates.duplicate_group g JOIN duplicates.duplicate_member m USING (group_id) "
        "JOIN library.asset a USING (asset_id) GROUP BY g.group_id, g.class"
    )
    return {(kind, frozenset(paths)) for kind, paths in rows}


def errors(pipeline: Pipeline) -> dict[str, str]:
    return dict(
        pipeline.query(
            "SELECT a.path, coalesce(h.error_kind, p.error_kind) FROM library.live_asset a JOIN content.file_hash h USING (asset_id) "
            "JOIN content.perceptual_hash p USING (asset_id) WHERE coalesce(h.error_kind, p.error_kind) IS NOT NULL"
        )
    )


def test_a_folder_in_duplicates_out(pipeline: Pipeline) -> None:
    done = pipeline.run()
    assert done.hashed == 9  # one file is empty
    assert done.failed_batches == 0
    assert groups(pipeline) == {
        ("exact", frozenset({"2024/IMG_0000.jpg", "Backup/IMG_0000.jpg"})),
        ("reencoded", frozenset({"2024/IMG_0001.jpg", "chat/received.jpg"})),
    }
    assert set(errors(pipeline)) == {"broken.jpg", "empty.jpg"}
    assert errors(pipeline)["empty.jpg"] == "empty"
    reports = pipeline.photos.parent / "home" / "reports"
    assert "IMG_0001.jpg" in (reports / "duplicates.html").read_text()
    assert (reports / "duplicates.json").stat().st_size > 100


def test_the_second_run_does_and_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.run()
    before = pipeline.rows_as_written()
    done = pipeline.run()
    assert (done.hashed, done.rows_changed) == (0, 0)
    assert pipeline.rows_as_written() == before


def idle(pipeline: Pipeline) -> bool:
    settings = load_settings()
    return nothing_to_do(pipeline.database, open_library(settings), settings)


def test_whether_there_is_anything_to_do_is_known_beforehand(pipeline: Pipeline) -> None:
    assert not idle(pipeline)
    pipeline.run()
    assert idle(pipeline)
    photo = pipeline.photos / "2024" / "IMG_0003.jpg"
    photo.write_bytes(photo.read_bytes() + b"edited in place")  # no folder's time tells
    assert not idle(pipeline)
    pipeline.run()
    assert idle(pipeline)
    (pipeline.photos / "2024" / "IMG_0003.jpg.xmp").write_text("<x/>")
    assert not idle(pipeline)
    pipeline.run()
    assert idle(pipeline)
    # from here on what is done is taken back, which is quicker than to have the pass do its work
    sidecar = photo.with_name("IMG_0003.jpg.xmp")
    report = pipeline.photos.parent / "home" / "reports" / "duplicates.html"
    known = sidecar.stat()
    sidecar.write_text("<x>2</x>")
    assert not idle(pipeline)
    sidecar.write_text("<x/>")
    os.utime(sidecar, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert idle(pipeline)
    report.rename(report.with_suffix(".aside"))
    assert not idle(pipeline)
    report.with_suffix(".aside").rename(report)
    assert idle(pipeline)
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE pipeline.ingest_batch SET completed_at = NULL")
    assert not idle(pipeline)
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE pipeline.ingest_batch SET completed_at = now()")
    assert idle(pipeline)
    with pipeline.database.connect() as connection:
        connection.execute("UPDATE content.file_hash SET code_version = '0' WHERE sha256 IS NULL")
    assert not idle(pipeline)


def test_exactly_the_files_that_changed_are_worked_on(pipeline: Pipeline) -> None:
    pipeline.read()
    before = ids(pipeline)
    root = pipeline.photos
    os.utime(root / "2024" / "IMG_0003.jpg")
    save_jpeg(root / "2024" / "IMG_0004.jpg", scene(44))
    save_jpeg(root / "new.jpg", scene(55))
    (root / "moved").mkdir()
    (root / "2024" / "IMG_0005.jpg").rename(root / "moved" / "here.jpg")
    (root / "Backup" / "IMG_0000.jpg").unlink()
    done = pipeline.run()
    assert done.hashed == 3  # touched, changed and new; the moved one is known by its inode, size and time
    after = ids(pipeline)
    assert after["moved/here.jpg"] == before["2024/IMG_0005.jpg"]
    assert after["2024/IMG_0004.jpg"] == before["2024/IMG_0004.jpg"]
    assert set(before) - set(after) == {"2024/IMG_0005.jpg", "Backup/IMG_0000.jpg"}
    assert set(after) - set(before) == {"moved/here.jpg", "new.jpg"}
    assert {kind for kind, _ in groups(pipeline)} == {"reencoded"}
    assert pipeline.read().hashed == 0


def test_a_file_moved_to_another_disk_keeps_its_id(pipeline: Pipeline) -> None:
    pipeline.read()
    before = ids(pipeline)
    source = pipeline.photos / "2024" / "IMG_0003.jpg"
    shutil.copyfile(source, pipeline.photos / "elsewhere.jpg")  # another inode, another time
    source.unlink()
    assert pipeline.read().hashed == 1
    after = ids(pipeline)
    assert after["elsewhere.jpg"] == before["2024/IMG_0003.jpg"]
    assert len(after) == len(before)
    assert pipeline.read().rows_changed == 0


def test_a_deleted_file_that_comes_back_needs_no_reading(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.read()
    before = ids(pipeline)
    source, aside = pipeline.photos / "2024" / "IMG_0003.jpg", tmp_path / "aside.jpg"
    source.rename(aside)
    pipeline.read()
    assert "2024/IMG_0003.jpg" not in ids(pipeline)
    aside.rename(source)
    assert pipeline.read().hashed == 0
    assert ids(pipeline) == before


def test_an_unmounted_disk_is_not_taken_for_a_deleted_library(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.read()
    before = ids(pipeline)
    pipeline.photos.rename(tmp_path / "unmounted")
    pipeline.photos.mkdir()
    with pytest.raises(UserError, match="mount the disk"):
        pipeline.read()
    assert ids(pipeline) == before
    monkeypatch.setenv("IMMICH_PIPELINE_ALLOW_EMPTY", "true")
    pipeline.read()
    assert ids(pipeline) == {}


def test_two_databases_over_one_folder_agree_on_everything(pipeline: Pipeline) -> None:
    pipeline.run()
    first = pipeline.tables()
    with pipeline.database.connect() as connection:
        connection.execute("TRUNCATE library.source, pipeline.ingest_batch, pipeline.computed CASCADE")
        connection.execute(
            "TRUNCATE captures.capture_member, duplicates.candidate, duplicates.verified_pair, duplicates.duplicate_group CASCADE"
        )
    pipeline.run()
    assert pipeline.tables() == first


def test_another_folder_and_back_again_needs_no_reading(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.read()
    first = ids(pipeline)
    save_jpeg(tmp_path / "other" / "a.jpg", scene(70))
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(tmp_path / "other"))
    assert pipeline.run().hashed == 1
    assert set(ids(pipeline)) == {"a.jpg"}
    assert groups(pipeline) == set()
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(pipeline.photos))
    assert pipeline.run().hashed == 0
    assert ids(pipeline) == first
    assert len(groups(pipeline)) == 2


def test_the_frames_of_a_raw_pair_are_grouped_and_no_duplicates(pipeline: Pipeline) -> None:
    taken = datetime(2024, 7, 1, 12)
    for number in range(3):
        save_jpeg(
            pipeline.photos / "burst" / f"2024_BURST20240701120000{number:03d}.jpg",
            scene(80),
            taken=taken,
            quality=90 - number,
        )
    pipeline.run()
    assert pipeline.query("SELECT DISTINCT kind FROM captures.capture_member") == [("burst",)]
    assert not any("burst/" in path for _, paths in groups(pipeline) for path in paths)


def test_checks_hold_and_say_so(pipeline: Pipeline) -> None:
    pipeline.run()
    examination = pipeline.definitions.resolve_job_def("examine_set_up")
    assert examination.execute_in_process(instance=pipeline.instance).success
    checks = pipeline.instance.event_log_storage.get_asset_check_summary_records
    repository = pipeline.definitions.get_repository_def()
    launched = ("integrity_audits", "stacks", "duplicate_resolutions", "share_plan", "shared_records")
    not_in_a_pass = {dg.AssetKey(name) for name in launched}
    keys = [key for key in repository.asset_graph.asset_check_keys if key.asset_key not in not_in_a_pass]
    records = checks(keys)
    statuses = {key.to_user_string(): record.last_check_execution_record for key, record in records.items()}
    assert all(record is not None for record in statuses.values()), statuses
    failed = [name for name, record in statuses.items() if record and record.status.value != "SUCCEEDED"]
    assert failed == []


def test_a_batch_that_fails_does_not_stop_the_others(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    with pipeline.database.connect() as connection:
        connection.execute("ALTER TABLE content.photo_metadata ADD CONSTRAINT trouble CHECK (make IS NULL)")
    done = pipeline.read()
    assert done.failed_batches == 1
    with pipeline.database.connect() as connection:
        connection.execute("ALTER TABLE content.photo_metadata DROP CONSTRAINT trouble")
    assert pipeline.read().hashed == 9


def test_a_pass_over_an_empty_folder_closes_runs_left_by_a_killed_one(pipeline: Pipeline) -> None:
    run = pipeline.instance.create_run_for_job(
        pipeline.definitions.resolve_job_def("find_duplicates"), status=dg.DagsterRunStatus.STARTED
    )
    shutil.rmtree(pipeline.photos)
    pipeline.photos.mkdir()
    done = pipeline.run()
    assert (done.hashed, done.failed_batches, ids(pipeline), groups(pipeline)) == (0, 0, {}, set())
    assert (pipeline.photos.parent / "home" / "reports" / "duplicates.html").is_file()
    closed = pipeline.instance.get_run_by_id(run.run_id)
    assert closed is not None
    assert closed.status == dg.DagsterRunStatus.FAILURE


def test_everything_can_be_done_by_one_job(pipeline: Pipeline) -> None:
    result = pipeline.definitions.resolve_job_def("process_library").execute_in_process(instance=pipeline.instance)
    assert result.success
    assert len(groups(pipeline)) == 2

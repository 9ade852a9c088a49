"""The code location as a whole: nothing is lost by autoloading, and everything says what it is."""

import dagster as dg
import pytest

from immich_pipeline_tests.defs.conftest import loaded

ASSETS = {
    "library_snapshot": ("library", None),
    "ingest_batches": ("library", None),
    "file_hashes": ("content", "ingest_batches"),
    "photo_metadata": ("content", "ingest_batches"),
    "perceptual_hashes": ("content", "ingest_batches"),
    "capture_groups": ("captures", None),
    "stack_plan": ("captures", None),
    "stacks": ("captures", None),
    "duplicate_candidates": ("duplicates", None),
    "duplicate_groups": ("duplicates", None),
    "duplicate_decisions": ("duplicates", None),
    "duplicate_report": ("duplicates", None),
    "duplicate_plan": ("duplicates", None),
    "duplicate_resolutions": ("duplicates", None),
    "share_plan": ("sharing", "share_jobs"),
    "shared_records": ("sharing", "share_jobs"),
    "integrity_audits": ("maintenance", "months"),
}
CHECKS = {
    "library_snapshot:row_counts_agree",
    "library_snapshot:scan_reached_every_folder",
    "library_snapshot:every_part_of_the_server_was_read",
    "library_snapshot:as_many_assets_as_the_server_counts",
    "library_snapshot:everything_configured_works",
    "ingest_batches:no_batch_lost",
    "file_hashes:every_file_has_a_row",
    "file_hashes:few_files_fail",
    "photo_metadata:every_file_has_a_row",
    "perceptual_hashes:every_file_has_a_row",
    "capture_groups:every_group_member_exists",
    "capture_groups:no_asset_in_two_groups",
    "capture_groups:one_owner_per_group",
    "stacks:no_action_failed",
    "duplicate_groups:every_group_member_exists",
    "duplicate_groups:no_asset_in_two_groups",
    "duplicate_groups:one_owner_per_group",
    "duplicate_decisions:every_group_member_exists",
    "duplicate_decisions:no_asset_in_two_groups",
    "duplicate_decisions:one_owner_per_group",
    "duplicate_report:report_is_there",
    "duplicate_resolutions:no_resolution_failed",
    "duplicate_resolutions:every_kept_file_is_there",
    "share_plan:immich_is_as_known",
    "share_plan:one_cluster_group",
    "share_plan:no_mass_removal",
    "shared_records:no_operation_failed",
    "shared_records:jobs_for_copies",
    "shared_records:copies_offline",
    "shared_records:originals_in_danger",
    "shared_records:scan_pending",
    "shared_records:live_halves",
    "shared_records:chain_length",
    "shared_records:people_invented",
    "shared_records:leaked_files",
    "integrity_audits:every_file_is_as_it_was",
}
JOBS = {
    "snapshot_library",
    "examine_set_up",
    "measure_batch",
    "apply_stacks",
    "resolve_duplicates",
    "share_photos",
    "undo_changes",
    "find_duplicates",
    "audit_month",
    "archive_batches",
    "migrate_database",
    "process_library",
}
SENSORS = {
    "folder_changed",
    "server_changed",
    "ingest_batches_planned",
    "inputs_changed",
    "person_said_something",
    "share_jobs_configured",
}
SCHEDULES = {
    "daily_stacks",
    "daily_duplicates",
    "daily_reconcile",
    "daily_examination",
    "retry_failed_batches",
    "monthly_audit",
    "monthly_archive",
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return loaded()


@pytest.fixture(scope="module")
def nodes(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_it_can_be_loaded(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_is_there_with_group_and_partitions(nodes: dict[str, dg.AssetSpec]) -> None:
    def partitions(spec: dg.AssetSpec) -> str | None:
        if isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition):
            return spec.partitions_def.name
        return "months" if spec.partitions_def else None

    assert {name: (spec.group_name, partitions(spec)) for name, spec in nodes.items()} == ASSETS


def test_every_asset_says_what_it_is(nodes: dict[str, dg.AssetSpec]) -> None:
    for name, spec in nodes.items():
        assert spec.description, name
        assert len(spec.description) > 60, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.code_version, name


def test_every_check_is_there_and_says_what_to_do(definitions: dg.Definitions) -> None:
    specs = [spec for checks in definitions.asset_checks or [] for spec in checks.check_specs]
    assert {f"{spec.asset_key.to_user_string()}:{spec.name}" for spec in specs} == CHECKS
    assert all(spec.description for spec in specs)


def test_jobs_schedules_and_sensors_are_there(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {job for job in repository.job_names if not job.startswith("__")} == JOBS
    assert {sensor.name for sensor in repository.sensor_defs} == SENSORS
    assert {schedule.name for schedule in repository.schedule_defs} == SCHEDULES


def test_what_keeps_the_library_current_is_on_by_itself(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert all(sensor.default_status == dg.DefaultSensorStatus.RUNNING for sensor in repository.sensor_defs)
    assert all(schedule.default_status == dg.DefaultScheduleStatus.RUNNING for schedule in repository.schedule_defs)


def test_whole_library_assets_run_by_condition_and_batches_by_sensor(nodes: dict[str, dg.AssetSpec]) -> None:
    by_condition = {name for name, spec in nodes.items() if spec.automation_condition}
    assert by_condition == {
        "capture_groups",
        "stack_plan",
        "duplicate_candidates",
        "duplicate_groups",
        "duplicate_decisions",
        "duplicate_report",
        "duplicate_plan",
    }

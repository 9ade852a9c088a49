"""Share jobs in Dagster: partitions by job, plan and records as assets, checks, schedules that are off."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from immich_pipeline.config import load_settings
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.defs.sharing.automation import share_jobs_configured
from immich_pipeline.defs.sharing.schedules import schedules_of, share_schedules
from immich_pipeline.store.database import Database
from immich_pipeline_tests.defs.conftest import loaded
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.surface import JOB, job_settings, write_settings


@dataclass
class Ui:
    """The code location, an instance, and the folder that it is started in."""

    instance: dg.DagsterInstance
    folder: Path

    def run(self, job: str = "share_photos", **options: Any) -> dg.ExecuteInProcessResult:
        return (
            loaded()
            .resolve_job_def(job)
            .execute_in_process(instance=self.instance, partition_key=JOB, raise_on_error=False, **options)
        )

    def shown(self, asset: str) -> dict[str, Any]:
        """The metadata of the asset's last materialisation of the job."""
        found = self.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert found is not None
        assert found.asset_materialization is not None
        assert found.asset_materialization.partition == JOB
        return {name: value.value for name, value in found.asset_materialization.metadata.items()}

    def sync(self) -> dg.SensorResult | dg.SkipReason:
        context = dg.build_sensor_context(instance=self.instance, resources={"pipeline": PipelineResource()})
        result = share_jobs_configured(context)
        assert isinstance(result, dg.SensorResult | dg.SkipReason)
        return result


@pytest.fixture
def ui(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ui]:
    loaded()  # where no job is configured: its schedules would be there in every later test
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELINE_DATABASE_URL", database.url)
    monkeypatch.delenv("IMMICH_PIPELINE_CONFIG", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("share_jobs", [JOB])
        yield Ui(instance, tmp_path)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


def test_a_job_is_planned_shown_applied_checked_and_undone(house: House, ui: Ui) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(3)]
    house.add_photo(f"{EXTERNAL}/raw.dng", processed=False)
    write_settings(ui.folder, house, mode="plan")
    before = dump(house)
    only_shown = ui.run()
    assert not only_shown.success, "mode: plan"
    assert dump(house) == before
    shown = ui.shown("share_plan")
    assert shown["dagster/row_count"] == 3
    assert "| copy | asset | 3 |" in shown["would_write"]
    assert "/external/bob/alice/0.jpg" in shown["samples"].replace("&#95;", "_")
    assert (shown["copies"], shown["waiting_for_immich"]) == (0, 1)
    assert [action["operation"] for action in shown["actions_as_json"]["actions"]] == ["copy"]
    assert sorted(shown["actions_as_json"]["actions"][0]["subjects"]) == sorted(photos)

    write_settings(ui.folder, house, mode="auto")
    result = ui.run()
    assert result.success
    assert all(checks(result).values()), checks(result)
    done = ui.shown("shared_records")
    assert (done["done"], done["failed"], done["dagster/row_count"]) == (1, 0, 1)
    assert result.run_id in done["undo_with"]
    assert house.value('SELECT count(*) FROM asset WHERE "ownerId" = %s', house.bob) == 3
    again = ui.run()
    assert again.success
    assert ui.shown("share_plan")["dagster/row_count"] == 0
    assert ui.shown("shared_records")["done"] == 0

    undone = (
        loaded()
        .resolve_job_def("undo_changes")
        .execute_in_process(instance=ui.instance, run_config={"ops": {"undo": {"config": {"run": result.run_id}}}})
    )
    assert undone.success
    assert dump(house) == before


def test_an_immich_that_is_not_as_known_is_not_written_to_and_the_check_says_why(house: House, ui: Ui) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    write_settings(ui.folder, house)
    house.db.execute("ALTER TABLE asset_exif ADD COLUMN \"brandNew\" text NOT NULL DEFAULT 'x'")
    house.db.execute('ALTER TABLE asset_exif ALTER COLUMN "brandNew" DROP DEFAULT')
    house.db.execute("ALTER TABLE asset_file DROP COLUMN path CASCADE")
    before = dump(house)
    result = ui.run()
    assert not result.success
    assert checks(result) == {"immich_is_as_known": False, "one_cluster_group": True, "no_mass_removal": True}
    assert "path" in ui.shown("share_plan")["refused"]
    assert ui.instance.get_latest_materialization_event(dg.AssetKey("shared_records")) is None
    assert dump(house) == before


@pytest.mark.parametrize("house", ["3.2"], indirect=True)
def test_b21_users_of_two_cluster_groups_are_told_what_to_do(house: House, ui: Ui) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    group = house.new_id()
    house.insert("cluster_group", id=group)
    house.update("user", {"id": house.bob}, clusterGroupId=group)
    write_settings(ui.folder, house)
    result = ui.run()
    assert not result.success
    assert checks(result) == {"immich_is_as_known": False, "one_cluster_group": False, "no_mass_removal": True}
    assert "put both into one cluster group" in ui.shown("share_plan")["refused"]


def test_b49_a_job_that_cannot_be_carried_out_fails_with_its_reason(house: House, ui: Ui) -> None:
    write_settings(ui.folder, house, job_settings(target_library="none"))
    result = ui.run()
    assert not result.success
    (failure,) = (event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    assert "has no library 'none'" in str(failure.event_specific_data)


def test_b01_jobs_of_the_settings_are_the_partitions(house: House, ui: Ui) -> None:
    write_settings(ui.folder, house, job_settings(), job_settings(name="second", target_prefix="/external/bob/2"))
    added = ui.sync()
    assert isinstance(added, dg.SensorResult)
    assert [request.partition_keys for request in added.dynamic_partitions_requests or []] == [["second"]]
    ui.instance.add_dynamic_partitions("share_jobs", ["second", "old"])
    gone = ui.sync()
    assert isinstance(gone, dg.SensorResult)
    assert [request.partition_keys for request in gone.dynamic_partitions_requests or []] == [["old"]]
    ui.instance.delete_dynamic_partition("share_jobs", "old")
    assert isinstance(ui.sync(), dg.SkipReason)
    (ui.folder / "immich-pipeline.yaml").write_text("sharing: {mode: perhaps}\n")
    broken = ui.sync()
    assert isinstance(broken, dg.SkipReason)
    assert "cannot be used" in str(broken.skip_message)
    assert list(share_schedules().schedules or []) == [], "the code location loads all the same"


def test_each_job_has_a_schedule_that_is_off(house: House, ui: Ui) -> None:
    write_settings(
        ui.folder,
        house,
        job_settings(schedule="30 5 * * *"),
        job_settings(name="b", target_prefix="/external/bob/b"),
        mode="plan",
    )
    one, other = schedules_of(load_settings().sharing.jobs)
    assert (one.name, one.cron_schedule, other.cron_schedule) == ("share_alice_to_bob", "30 5 * * *", "15 3 * * *")
    assert {schedule.default_status for schedule in (one, other)} == {dg.DefaultScheduleStatus.STOPPED}
    assert [schedule.name for schedule in share_schedules().schedules or []] == ["share_alice_to_bob", "share_b"]

    (ui.folder / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(ui.folder / "dagster")) as instance:

        def tick() -> list[Any]:
            context = dg.build_schedule_context(
                instance=instance,
                scheduled_execution_time=datetime(2026, 11, 28, 5, 30, tzinfo=UTC),
                resources={"pipeline": PipelineResource()},
            )
            made = one(context)
            assert isinstance(made, Iterator)
            return list(made)

        (shown,) = tick()
        assert (shown.partition_key, shown.asset_selection) == (JOB, [dg.AssetKey("share_plan")])
        assert instance.get_dynamic_partitions("share_jobs") == [JOB]
        write_settings(ui.folder, house, mode="approve")
        (request,) = tick()
        assert (request.partition_key, request.asset_selection) == (JOB, None)
        write_settings(ui.folder, house, job_settings(name="b"))
        (skip,) = tick()
        assert isinstance(skip, dg.SkipReason)

"""Sharing as a kind of change: planned per job, applied by operation, journalled, held by brakes, undone."""

from typing import Any

import pytest

from immich_pipeline.actions.apply import Applied
from immich_pipeline.actions.by_settings import apply_saved, undo_saved
from immich_pipeline.actions.engine import load_plan, plan_frame, review, save_plan
from immich_pipeline.actions.kinds import kind_of
from immich_pipeline.actions.model import Plan
from immich_pipeline.actions.sharing_executor import ShareExecutor
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.sharing.session import ShareBusy, open_session, prepare, writing
from immich_pipeline.store.database import Database
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.full_library import fill
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.surface import JOB, job_settings, settings_of
from immich_pipeline_tests.sharing.test_undo_scenarios import differences

KIND = f"sharing:{JOB}"


def planned(database: Database, settings: Settings, name: str = JOB) -> Plan:
    return save_plan(database, kind_of(f"sharing:{name}").planner(database, settings))


def applied(database: Database, settings: Settings, plan: Plan, **options: Any) -> Applied:
    return apply_saved(database, settings, plan.plan_id, run_id="run", **options)


def operations(plan: Plan) -> dict[str, int]:
    return {action.operation: len(action.subjects) for action in plan.actions}


def test_b43_a_plan_is_applied_as_it_stands_and_undone_exactly(house: House, database: Database) -> None:
    ben = house.add_person("Ben")
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(4)]
    house.add_face(photos[0], ben)
    settings = settings_of(house)
    before = dump(house)
    plan = planned(database, settings)
    assert dump(house) == before, "a plan writes nothing"
    assert operations(plan) == {"copy": 4}
    (action,) = plan.actions
    assert set(action.subjects) == set(photos)
    assert action.owner_id == house.bob
    assert action.payload["counts"]["asset"] == 4
    assert len(action.payload["samples"]) == 4
    assert planned(database, settings).plan_id == plan.plan_id, "the same plan, made again, is the same plan"

    late = house.add_photo(f"{EXTERNAL}/late.jpg")
    after_late = dump(house)
    done = applied(database, settings, plan)
    assert (done.done, done.problems, done.status) == (1, (), "applied")
    copied = house.rows("SELECT source_id::text FROM immich_pipeline_sharing.copy WHERE state = 'live'")
    assert {source for (source,) in copied} == set(photos), f"{late} was not planned"
    again = applied(database, settings, plan)
    assert (again.already, again.calls) == (1, 0)
    assert operations(planned(database, settings)) == {"copy": 1}

    (undone,) = undo_saved(database, settings, of_run="run", run_id="undo")
    assert (undone.undone, undone.refused, undone.failed) == (1, 0, 0)
    assert dump(house) == after_late
    assert load_plan(database, plan.plan_id).status == "undone"
    with pytest.raises(UserError, match="was undone"):
        applied(database, settings, plan)
    assert applied(database, settings, plan, again=True).done == 1
    (undone,) = undo_saved(database, settings, plan_id=plan.plan_id, run_id="undo2")
    assert (undone.undone, undone.refused) == (1, 0)
    assert dump(house) == after_late


def test_a_plan_of_every_kind_of_asset_is_the_same_plan_when_it_is_made_again(house: House, database: Database) -> None:
    """Else what a person has approved would not be known again."""
    fill(house)
    settings = settings_of(house)
    first = planned(database, settings)
    assert planned(database, settings).plan_id == first.plan_id
    assert applied(database, settings, first).problems == ()
    assert operations(planned(database, settings)) == {}


def test_later_changes_and_removals_are_operations_of_their_own(house: House, database: Database) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(4)]
    settings = settings_of(house, mode="approve")
    first = planned(database, settings)
    assert applied(database, settings, first).waiting == 1
    approve(database, first)
    assert applied(database, settings, first).done == 1
    house.update("asset_exif", {"assetId": photos[0]}, description="later", city="Rome")
    house.remove("asset", id=photos[1])
    house.add_photo(f"{EXTERNAL}/new.jpg")
    plan = planned(database, settings)
    assert operations(plan) == {"copy": 1, "follow": 1, "remove": 1}
    assert [action.operation for action in plan.actions] == ["copy", "follow", "remove"]
    reasons = {action.operation: action.reason for action in plan.actions}
    assert reasons["follow"].startswith("1 copies are not as their source is now (")
    assert "they go into the trash" in reasons["remove"]
    assert plan.summary["copies there are"] == 4
    approve(database, plan, only="follow")
    done = applied(database, settings, plan)
    assert (done.done, done.waiting) == (1, 2)
    assert operations(planned(database, settings)) == {"copy": 1, "remove": 1}
    copy = house.value("SELECT target_id::text FROM immich_pipeline_sharing.copy WHERE source_id = %s", photos[0])
    assert house.row("asset_exif", assetId=copy)["city"] == "Rome"
    before_rest = dump(house)
    rest = planned(database, settings)
    approve(database, rest)
    assert applied(database, settings, rest).done == 2
    assert operations(planned(database, settings)) == {}
    (undone,) = undo_saved(database, settings, plan_id=rest.plan_id, run_id="undo")
    assert (undone.undone, undone.refused, undone.failed) == (2, 0, 0)
    assert differences(before_rest, dump(house)) == []


def approve(database: Database, plan: Plan, only: str | None = None) -> None:
    frame = plan_frame(database, plan.plan_id)
    ids = [row["action_id"] for row in frame.iter_rows(named=True) if only in {None, row["operation"]}]
    review(database, plan.plan_id, ids, "approved", "anna")


def test_the_brakes_hold_removals_and_let_copies_go_on(house: House, database: Database) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(12)]
    settings = settings_of(house)
    applied(database, settings, planned(database, settings))
    for photo in photos:
        house.remove("asset", id=photo)
    house.add_photo(f"{EXTERNAL}/new.jpg")
    plan = planned(database, settings)
    assert operations(plan) == {"copy": 1, "remove": 12}
    done = applied(database, settings, plan)
    assert (done.done, done.held, done.status) == (1, 1, "stopped")
    assert done.stopped is not None
    assert "12 of 12 copies would leave the target's library" in done.stopped
    assert "--yes-over-brake" in done.stopped
    rest = planned(database, settings)
    assert operations(rest) == {"remove": 12}
    assert applied(database, settings, rest).stopped is not None
    assert applied(database, settings, rest, over_brake=True).done == 1
    # ten may always go
    assert house.value("SELECT count(*) FROM immich_pipeline_sharing.copy WHERE state = 'live'") == 1


def test_plans_of_two_jobs_do_not_take_each_others_place(house: House, database: Database) -> None:
    house.add_photo(f"{EXTERNAL}/a/1.jpg")
    house.add_photo(f"{EXTERNAL}/b/1.jpg")
    parts = [
        job_settings(name=part, source_prefix=f"{EXTERNAL}/{part}", target_prefix=f"/external/bob/{part}")
        for part in "ab"
    ]
    settings = settings_of(house, *parts)
    one, other = planned(database, settings, "a"), planned(database, settings, "b")
    assert one.plan_id.startswith("sharing:a-")
    assert [load_plan(database, plan.plan_id).status for plan in (one, other)] == ["open", "open"]
    assert applied(database, settings, one).done == applied(database, settings, other).done == 1


def test_what_is_no_longer_as_planned_is_skipped(house: House, database: Database) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    plan = planned(database, settings_of(house))
    done = applied(database, settings_of(house, job_settings(names="off")), plan)
    assert (done.done, done.skipped) == (0, 1)
    assert "is not as it was when the plan was made" in done.problems[0][1]
    assert house.rows("SELECT to_regclass('immich_pipeline_sharing.copy')") == [(None,)]
    gone = settings_of(house, job_settings(target_library="x"))
    failed = applied(database, gone, plan)
    assert (failed.failed, failed.calls) == (1, 0)
    assert "has no library 'x'" in failed.problems[0][1]


def test_no_write_without_a_backup_nor_beside_another_run(house: House, database: Database) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    settings = settings_of(house, require_backup=True)
    plan = planned(database, settings)
    refused = applied(database, settings, plan)
    assert (refused.failed, refused.done) == (1, 0)
    assert "there is no backup of Immich's database in /data/backups" in refused.problems[0][1]
    house.write("/data/backups/immich-db-backup-1.sql.gz", b"dump")
    assert settings.sharing.database_url is not None
    with open_session(settings.sharing.database_url) as other:
        prepare(other)
        with writing(other):
            busy = applied(database, settings, plan)
    assert busy.failed == 1
    assert "another run is sharing" in busy.problems[0][1]
    assert ShareBusy.__mro__[1] is UserError
    assert applied(database, settings, plan).done == 1


def test_a_killed_run_is_found_again_and_undone(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    settings = settings_of(house)
    before = dump(house)
    plan = planned(database, settings)
    whole = ShareExecutor.execute

    def killed(self: ShareExecutor, *args: Any) -> None:
        whole(self, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(ShareExecutor, "execute", killed)
    with pytest.raises(KeyboardInterrupt):
        applied(database, settings, plan)
    monkeypatch.undo()
    assert len(house.rows("SELECT FROM immich_pipeline_sharing.copy")) == 1
    (undone,) = undo_saved(database, settings, plan_id=plan.plan_id, run_id="undo")
    assert (undone.undone, undone.failed) == (1, 0)
    assert dump(house) == before


def test_one_poisoned_asset_is_told_and_the_rest_goes_in(house: House, database: Database) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(3)]
    house.db.execute(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.\"originalFileName\" = '1.jpg' "
        "THEN RAISE 'not this one'; END IF; RETURN NEW; END $$"
    )
    house.db.execute("CREATE TRIGGER poison BEFORE INSERT ON asset FOR EACH ROW EXECUTE FUNCTION poison()")
    settings = settings_of(house)
    plan = planned(database, settings)
    done = applied(database, settings, plan)
    assert done.failed == 1
    assert "not this one (what went through is kept)" in done.problems[0][1]
    assert len(house.rows("SELECT FROM immich_pipeline_sharing.copy WHERE state = 'live'")) == len(photos) - 1
    # tried once more, and then put off: nothing of the plan is left to do
    assert applied(database, settings, plan).done == 1
    (detail,) = plan_frame(database, plan.plan_id)["detail"]
    assert "not this one" in detail
    assert operations(planned(database, settings)) == {}

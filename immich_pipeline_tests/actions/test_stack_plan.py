"""The plan without a server, and the settings."""

from pathlib import Path
from uuid import UUID

import pytest

from immich_pipeline.actions.stack_plan import STACKS, StoredMemory, brakes_of, stack_outlook
from immich_pipeline.config import Settings, load_settings
from immich_pipeline.errors import UserError
from immich_pipeline.policies import STACKED_KINDS
from immich_pipeline.store import derived, state
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.stack_frames import captures

IDS = [str(UUID(int=number)) for number in range(5)]


def test_there_is_no_plan_before_captures_were_looked_for(database: Database, home: Path) -> None:
    with pytest.raises(UserError, match="immich-pipeline run"):
        stack_outlook(database, Settings(home=home))


def test_a_folder_gets_the_report_and_nothing_to_apply(database: Database, home: Path) -> None:
    with database.frames() as frames:
        derived.write(frames, "captures", {derived.CAPTURE_MEMBER: captures(IDS[:2], IDS[2:])})
        state.mark_computed(frames, "capture_groups", "test")
    settings = Settings(home=home)
    found = stack_outlook(database, settings)
    assert found.plan.actions == ()
    assert found.plan.summary == {"no_server": 2, "suggestions": 0}
    assert sorted(found.report["assets"]) == [2, 3]
    assert found.plan == STACKS.planner(database, settings)
    with pytest.raises(UserError, match="Immich server"), STACKS.executor(database, settings):
        pass
    memory = StoredMemory(database)
    assert memory.groups([*found.report["group_id"], "none"]) == set(found.report["group_id"])
    assert memory.made() == set()


def test_the_settings_say_what_is_done(tmp_path: Path) -> None:
    config = tmp_path / "immich-pipeline.yaml"
    config.write_text(
        "captures:\n  policies:\n    - {action: no_stack, folder: Scans}\n    - {action: cover_raw, kind: raw_jpeg, owner: ann}\n"
        "stacks:\n  mode: approve\n  manual_stacks: replace\n  kinds: [raw_jpeg]\n  brakes: {max_share: 0.5, max_number: 7}\n"
    )
    settings = load_settings({"IMMICH_PIPELINE_CONFIG": str(config), "IMMICH_PIPELINE_HOME": str(tmp_path)})
    assert [policy.action for policy in settings.captures.policies] == ["no_stack", "cover_raw"]
    assert (settings.stacks.mode, settings.stacks.manual_stacks, settings.stacks.kinds) == (
        "approve",
        "replace",
        ("raw_jpeg",),
    )
    assert brakes_of(settings).max_number == 7
    config.write_text("stacks: {mode: at once, kinds: [cats]}\n")
    with pytest.raises(UserError, match=r"line 1.*at once.*line 1.*cats"):
        load_settings({"IMMICH_PIPELINE_CONFIG": str(config), "IMMICH_PIPELINE_HOME": str(tmp_path)})


def test_by_default_nothing_is_done_and_every_kind_is_shown(home: Path) -> None:
    settings = Settings(home=home)
    assert settings.stacks.mode == "plan"
    assert settings.stacks.manual_stacks == "keep"
    assert settings.stacks.kinds == STACKED_KINDS

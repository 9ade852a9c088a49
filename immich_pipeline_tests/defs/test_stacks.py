"""Captures become stacks: planned by itself, applied when launched."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from immich_pipeline.defs.captures.automation import daily_stacks
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.store.choices import choose, take_back
from immich_pipeline_tests.defs.immich_home import Home
from immich_pipeline_tests.immich_world import Exif

TAKEN = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)
PHOTOS = (
    ("alice", "IMG_0001.jpg", 1),
    ("alice", "IMG_0001_edited.jpg", 2),
    ("alice", "IMG_0002.jpg", 3),
    ("bob", "IMG_0001.jpg", 4),
)


@pytest.fixture
def family(family: Home) -> Home:
    """A photo and its edited version, another photo, and the same names of another owner."""
    for whose, name, seed in PHOTOS:
        owner = family.alice if whose == "alice" else family.bob
        exif = Exif(make="Canon", model="R6", date_time_original=TAKEN, time_zone="UTC+1", file_size=1000 + seed)
        family.photo(owner, f"/data/library/{owner.name}/2024/{name}", seed, exif=exif, local_date_time=TAKEN)
    return family


def set_mode(folder: Path, mode: str) -> None:
    file = folder / "immich-pipeline.yaml"
    text = file.read_text().partition("stacks:")[0]
    file.write_text(f"{text}stacks: {{mode: {mode}, brakes: {{max_share: 1}}}}\n")


def apply(family: Home) -> dict[str, object]:
    job = family.pipeline.definitions.resolve_job_def("apply_stacks")
    result = job.execute_in_process(instance=family.pipeline.instance)
    (materialisation,) = result.asset_materializations_for_node("stacks")
    return {name: value.value for name, value in materialisation.metadata.items()}


def undo(family: Home, **what: str) -> dict[str, Any]:
    job = family.pipeline.definitions.resolve_job_def("undo_changes")
    result = job.execute_in_process(
        instance=family.pipeline.instance, run_config={"ops": {"undo": {"config": what}}}, raise_on_error=True
    )
    (output,) = [event.step_output_data for event in result.all_node_events if event.event_type_value == "STEP_OUTPUT"]
    return {name: value.value for name, value in output.metadata.items()}


def test_the_plan_is_shown_applied_when_launched_and_undone(family: Home, tmp_path: Path) -> None:
    with pytest.raises(dg.Failure, match="run `immich-pipeline run` first"):
        apply(family)
    family.pipeline.run()
    members = family.pipeline.query("SELECT kind, count(*) FROM captures.capture_member GROUP BY 1")
    assert members == [("versions", 2)]
    event = family.pipeline.instance.get_latest_materialization_event(dg.AssetKey("stack_plan"))
    assert event
    assert event.asset_materialization
    shown: dict[str, Any] = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert shown["dagster/row_count"] == 1
    assert "create" in str(shown["actions"])
    assert shown["actions_as_json"]["actions"][0]["operation"] == "create"
    (row,) = shown["actions_as_table"].records
    assert (row.data["operation"], row.data["assets"]) == ("create", 2)
    with pytest.raises(dg.Failure, match="mode"):
        apply(family)
    assert family.world.stacks == {}
    set_mode(tmp_path, "auto")
    done = apply(family)
    assert (done["done"], done["failed"]) == (1, 0)
    (stack,) = family.world.stacks.values()
    assert stack.owner_id == family.alice.id
    family.pipeline.run()
    again = apply(family)
    assert (again["done"], len(family.world.stacks)) == (0, 1)
    writes = [method for method, path, _ in family.stub.requests if method == "POST" and path.endswith("/stacks")]
    assert len(writes) == 1

    (run,) = family.pipeline.query("SELECT DISTINCT run_id FROM actions.journal")
    undone = undo(family, run=run[0])
    assert (undone["undone"], undone["refused"]) == (1, 0)
    assert family.world.stacks == {}
    for what, said in (
        ({}, "name a plan or a run"),
        ({"plan": "x", "run": "y"}, "not both"),
        ({"plan": "x"}, "no plan"),
    ):
        with pytest.raises(dg.Failure, match=said):
            undo(family, **what)


def test_what_a_person_changed_since_is_not_undone(family: Home, tmp_path: Path) -> None:
    family.pipeline.run()
    set_mode(tmp_path, "auto")
    plan = str(apply(family)["plan"])
    (stack,) = family.world.stacks.values()
    late = next(asset for asset in family.world.assets.values() if asset.original_name == "IMG_0002.jpg")
    late.stack_id = stack.id
    family.world.touch(late)
    with pytest.raises(dg.Failure, match="not all of it is undone") as refused:
        undo(family, plan=plan)
    assert refused.value.metadata["refused"].value == 1
    assert "changed since" in str(refused.value.metadata["problems"].value)
    assert list(family.world.stacks) == [stack.id]


def test_choices_survive_and_are_followed(family: Home) -> None:
    family.pipeline.run()
    ids = {asset.original_name: asset.id for asset in family.world.assets.values() if asset.owner_id == family.alice.id}
    pair = [ids["IMG_0001.jpg"], ids["IMG_0001_edited.jpg"]]
    database = family.pipeline.database
    apart = choose(database, "not_together", pair, made_by="anna")
    family.pipeline.run()
    assert family.pipeline.query("SELECT count(*) FROM captures.capture_member") == [(0,)]
    assert take_back(database, apart)
    assert not take_back(database, apart)
    choose(database, "set_primary", [ids["IMG_0001.jpg"]], made_by="anna")
    assert choose(database, "set_primary", [ids["IMG_0001.jpg"]], made_by="anna")
    family.pipeline.run()
    assert family.pipeline.query("SELECT asset_id::text FROM captures.capture_member WHERE is_primary") == [
        (ids["IMG_0001.jpg"],)
    ]
    bobs = next(asset.id for asset in family.world.assets.values() if asset.owner_id == family.bob.id)
    for wrong, said in (
        ([pair[0]], "at least two"),
        ([pair[0], bobs], "never mixed"),
        ([bobs, bobs[:-4] + "ffff"], "no asset"),
    ):
        with pytest.raises(UserError, match=said):
            choose(database, "together", wrong, made_by="anna")


def test_stacks_are_made_by_themselves_only_where_the_settings_say_so(family: Home, tmp_path: Path) -> None:
    def tick() -> list[object]:
        context = dg.build_schedule_context(
            instance=family.pipeline.instance,
            scheduled_execution_time=datetime(2026, 11, 21, 4, 45, tzinfo=UTC),
            resources={"pipeline": PipelineResource()},
        )
        return list(daily_stacks(context))

    (skip,) = tick()
    assert isinstance(skip, dg.SkipReason)
    set_mode(tmp_path, "auto")
    (request,) = tick()
    assert isinstance(request, dg.RunRequest)

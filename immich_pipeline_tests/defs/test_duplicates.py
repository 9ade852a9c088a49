"""Duplicates: decided by themselves, resolved when launched, brought back."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from immich_pipeline.actions import engine
from immich_pipeline.actions.duplicate_plan import DUPLICATES, duplicate_outlook
from immich_pipeline.config import load_settings
from immich_pipeline.defs.duplicates.automation import daily_duplicates
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.review import import_review
from immich_pipeline_tests.defs.conftest import Pipeline
from immich_pipeline_tests.defs.immich_home import Home
from immich_pipeline_tests.immich_world import Exif

QUARANTINE = ".immich-pipeline-quarantine"


def set_up(folder: Path, **settings: object) -> None:
    text = ", ".join(f"{name}: {value}" for name, value in settings.items())
    (folder / "immich-pipeline.yaml").write_text(f"duplicates: {{{text}, brakes: {{max_share: 1}}}}\n")


def resolve(pipeline: Pipeline) -> dict[str, object]:
    job = pipeline.definitions.resolve_job_def("resolve_duplicates")
    result = job.execute_in_process(instance=pipeline.instance)
    (materialisation,) = result.asset_materializations_for_node("duplicate_resolutions")
    assert all(check.passed for check in result.get_asset_check_evaluations())
    return {name: value.value for name, value in materialisation.metadata.items()}


def photos(pipeline: Pipeline) -> dict[str, bytes]:
    """Every file outside of the quarantine."""
    found = (path for path in pipeline.photos.rglob("*") if path.is_file())
    return {
        str(path.relative_to(pipeline.photos)): path.read_bytes()
        for path in found
        if QUARANTINE not in path.relative_to(pipeline.photos).parts
    }


def test_a_folder_s_duplicates_go_to_the_quarantine_and_come_back(pipeline: Pipeline, tmp_path: Path) -> None:
    before = photos(pipeline)
    set_up(tmp_path, mode="plan")
    pipeline.run()
    decided = pipeline.query("SELECT verdict, count(*)::int FROM duplicates.decision GROUP BY 1 ORDER BY 1")
    assert dict(decided)["certain"] >= 1
    with pytest.raises(dg.Failure, match="mode"):
        resolve(pipeline)
    assert photos(pipeline) == before
    set_up(tmp_path, mode="auto")
    done = resolve(pipeline)
    assert done["done"] == dict(decided)["certain"]
    assert done["failed"] == done["skipped"] == 0
    left = photos(pipeline)
    assert left.items() < before.items()
    assert set(left.values()) | {b""} >= set(before.values()) - set(_of_class(pipeline, before, "reencoded"))
    pipeline.run()
    again = resolve(pipeline)
    assert (again["done"], again["failed"]) == (0, 0)
    assert pipeline.query("SELECT count(*) FROM duplicates.decision WHERE verdict = 'certain'") == [(0,)]
    settings = load_settings()
    with DUPLICATES.executor(pipeline.database, settings) as executor:
        undone = engine.undo(pipeline.database, executor, plan_id=str(done["plan"]), run_id="back")
    assert (undone.refused, undone.failed) == (0, 0)
    assert photos(pipeline) == before
    pipeline.run()
    # what a person has brought back is not given up again by itself
    assert resolve(pipeline)["done"] == 0
    assert photos(pipeline) == before


def _of_class(pipeline: Pipeline, before: dict[str, bytes], name: str) -> list[bytes]:
    """The contents that were given up for another content."""
    rows = pipeline.query(
        "SELECT a.path FROM actions.plan_action p, jsonb_array_elements_text(p.payload -> 'losers') l "
        f"JOIN library.asset a ON a.asset_id = l::uuid WHERE p.payload ->> 'class' = '{name}'"
    )
    return [before[path] for (path,) in rows]


def test_what_a_person_says_on_the_page_holds(pipeline: Pipeline, tmp_path: Path) -> None:
    set_up(tmp_path, mode="auto")
    pipeline.run()
    settings = load_settings()
    document = json.loads((settings.reports / "duplicates.json").read_text())
    certain = [one for one in document["sets"] if one["verdict"] == "certain"]
    assert certain
    for one in document["sets"]:
        one["review"] = "reject"
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(document))
    imported = import_review(pipeline.database, settings, edited, made_by="anna")
    assert (imported.rejected, imported.stale) == (len(document["sets"]), ())
    outlook = duplicate_outlook(pipeline.database, settings)
    assert outlook.plan.actions == (), "what was said is not decided by yet"
    (reason,) = outlook.left_out["reason"].unique()
    assert reason.startswith("a person said something since it was decided")
    pipeline.run()
    assert pipeline.query("SELECT DISTINCT verdict FROM duplicates.decision") == [("keep",)]
    assert resolve(pipeline)["done"] == 0


def test_on_a_server_the_kept_one_gets_what_the_other_knows(family: Home, tmp_path: Path) -> None:
    world, alice = family.world, family.alice
    taken = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)
    known = Exif(make="Canon", model="R6", date_time_original=taken, time_zone="UTC+1", file_size=9000)
    kept = family.photo(alice, "/data/library/alice/2024/IMG_0001.jpg", 1, exif=known, local_date_time=taken)
    received = replace(known, latitude=48.85, longitude=2.35, description="the bridge", file_size=3000)
    path = "/data/library/alice/from-bob/IMG_0001.jpg"
    given_up = family.photo(alice, path, 1, quality=60, exif=received, width=2000, height=1500, local_date_time=taken)
    world.add_tag(alice, "Trips/France", [given_up])
    config = tmp_path / "immich-pipeline.yaml"
    config.write_text(config.read_text().replace("  users:", "  originals: download\n  users:"))
    config.write_text(config.read_text() + "duplicates: {mode: auto, brakes: {max_share: 1}}\n")
    family.pipeline.run()
    done = resolve(family.pipeline)
    assert (done["done"], done["failed"], done["skipped"]) == (1, 0, 0)
    assert (given_up.status, kept.deleted_at) == ("trashed", None)
    assert kept.exif
    assert (kept.exif.latitude, kept.exif.longitude, kept.exif.description) == (48.85, 2.35, "the bridge")
    assert kept.id in next(tag for tag in world.tags.values() if tag.value == "Trips/France").asset_ids
    ((path,),) = family.pipeline.query("SELECT path FROM actions.backup")
    assert (load_settings().home / "backups" / path).read_bytes() == given_up.content
    family.pipeline.run()
    assert resolve(family.pipeline)["done"] == 0


def test_the_schedule_runs_only_where_it_may(pipeline: Pipeline, tmp_path: Path) -> None:
    set_up(tmp_path, mode="approve")
    context = dg.build_schedule_context(resources={"pipeline": PipelineResource()})
    assert isinstance(next(iter(daily_duplicates(context))), dg.SkipReason)
    set_up(tmp_path, mode="auto")
    assert isinstance(next(iter(daily_duplicates(context))), dg.RunRequest)

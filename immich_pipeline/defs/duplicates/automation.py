"""When duplicates are decided anew for what a person said, and resolved without a person at hand: only where the settings say so."""

from collections.abc import Iterator

import dagster as dg

from immich_pipeline.defs.applying import daily_where_auto
from immich_pipeline.defs.jobs import find_duplicates, resolve_duplicates
from immich_pipeline.defs.library.automation import PASS_UNDER_WAY, alive_runs, pass_under_way
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store.decisions import every_word_was_heard, words_said

daily_duplicates = daily_where_auto("daily_duplicates", resolve_duplicates, "duplicates", "15 5 * * *")


@dg.sensor(job=find_duplicates, minimum_interval_seconds=20, default_status=dg.DefaultSensorStatus.RUNNING)
def person_said_something(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Groups and decides anew after `immich-pipeline review import` and `immich-pipeline choose`."""
    database = pipeline.database()
    if pass_under_way(database):
        yield PASS_UNDER_WAY
        return
    with database.frames() as frames:
        said, heard = words_said(frames), every_word_was_heard(frames)
    if heard:
        yield dg.SkipReason("nothing was said since it was decided")
    elif alive_runs(context.instance, find_duplicates.name):
        yield dg.SkipReason("it is being decided anew")
    else:
        yield dg.RunRequest(run_key=f"choices {said}")  # once for each word: a run that fails is not begun for ever

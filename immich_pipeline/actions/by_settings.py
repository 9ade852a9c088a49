"""Apply and undo with what the settings say, for whoever asks: the command line and Dagster do it by these."""

from collections.abc import Iterator

from immich_pipeline.actions.apply import Applied, apply_plan
from immich_pipeline.actions.kinds import kind_of
from immich_pipeline.actions.plans import load_plan
from immich_pipeline.actions.undo import Undone, kinds_of, undo
from immich_pipeline.config import Settings
from immich_pipeline.progress import Progress
from immich_pipeline.store.database import Database


def apply_saved(
    database: Database, settings: Settings, plan_id: str, *, run_id: str, over_brake: bool = False, again: bool = False
) -> Applied:
    """Apply a saved plan by the executor of its kind, within the brakes of the settings.

    Args:
        database: the pipeline's.
        settings: what decides.
        plan_id: the plan, or the beginning of its id.
        run_id: a name for this run, in the journal.
        over_brake: a person wants all of it, however much it touches.
        again: do anew what was undone.

    Raises:
        UserError: as `apply_plan`; or the settings name no place where such plans are applied.
    """
    saved = load_plan(database, plan_id).plan
    kind = kind_of(saved.kind)
    brakes = kind.brakes(settings).released() if over_brake else kind.brakes(settings)
    progress = Progress(f"applying {kind.name}", len(saved.actions), "actions")
    with kind.executor(database, settings) as executor:
        return apply_plan(
            database, saved.plan_id, executor, brakes=brakes, run_id=run_id, again=again, progress=progress
        )


def undo_saved(
    database: Database, settings: Settings, *, plan_id: str | None = None, of_run: str | None = None, run_id: str
) -> Iterator[Undone]:
    """Undo a plan, or what a run did: one kind of change after the other, each by its executor.

    Args:
        database: the pipeline's.
        settings: what decides.
        plan_id: undo this plan (or the one whose id begins so).
        of_run: undo what this run did.
        run_id: a name for this run, in the journal.

    Raises:
        UserError: as `undo`; or the settings name no place where such plans are undone.
        ValueError: not exactly one of plan and run is named.
    """
    for name in kinds_of(database, plan_id=plan_id, of_run=of_run):
        progress = Progress(f"undoing {name}", unit="actions")
        with kind_of(name).executor(database, settings) as executor:
            yield undo(database, executor, plan_id=plan_id, of_run=of_run, run_id=run_id, progress=progress)

"""One pass of every asset over the library, in this process: `python -m immich_pipeline.defs.first_pass RESULT.json`.

The runs are recorded like any others. While a pass is under way it holds a lock that makes the sensors wait.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import dagster as dg
from dagster import DagsterRunStatus

from immich_pipeline.config import Settings
from immich_pipeline.defs.jobs import CONTENT_STEP
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.launch.processes import MARK, begun_file
from immich_pipeline.media.measure import peak_rss_mb
from immich_pipeline.progress import logger, speak_on_stderr
from immich_pipeline.sources.whole_library import all_current
from immich_pipeline.store.batches import SENSORS_WAIT, unfinished_batches
from immich_pipeline.store.database import Database

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dataclass
class Pass:
    """What one pass did."""

    hashed: int = 0
    rows_changed: int = 0
    peak_mb: float = 0.0
    failed_batches: int = 0

    def add(self, metadata: Mapping[str, object]) -> None:
        """Count in what one materialisation reported."""
        self.rows_changed += sum(
            _number(metadata, name) for name in ("rows_inserted", "rows_updated", "rows_deleted", "rows_changed")
        )


def run_pass(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
    *,
    supervised: bool,
    begun: Path | None = None,
) -> Pass:
    """Snapshot, plan, work on every open batch, then compute what depends on the whole library.

    `begun` is a file to make once the sensors wait and, when `supervised`, runs of an earlier, dead session are closed.

    Raises:
        RuntimeError: a whole-library asset failed; a failing batch does not stop the others and is counted.
    """
    done = Pass()
    with database.lock(SENSORS_WAIT):
        if supervised:
            close_orphaned_runs(instance)
        if begun:
            begun.touch()
        read_library(definitions, instance, database, done)
        if not all_current(database, settings):
            _execute(definitions, instance, done, "find_duplicates")
    return done


def read_library(definitions: dg.Definitions, instance: dg.DagsterInstance, database: Database, done: Pass) -> None:
    """Snapshot, plan, and work on every open batch; `done` counts what that did."""
    _execute(definitions, instance, done, "snapshot_library", run_config=_RETRY_FAILURES)
    for key, _ in unfinished_batches(database):
        if not _execute(definitions, instance, done, "measure_batch", partition_key=key, raise_on_error=False):
            done.failed_batches += 1


_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Every event is in the run's record; what a person wants to see on the terminal comes through our own logger."""
_RETRY_FAILURES = {"ops": {"ingest_batches": {"config": {"retry_failures": True}}}}


def _execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    done: Pass,
    job: str,
    *,
    run_config: Mapping[str, object] | None = None,
    partition_key: str | None = None,
    raise_on_error: bool = True,
) -> bool:
    try:
        result = definitions.resolve_job_def(job).execute_in_process(
            run_config={"loggers": _QUIET, **(run_config or {})},
            partition_key=partition_key,
            instance=instance,
            raise_on_error=raise_on_error,
        )
    except dg.Failure as failure:  # how an asset says that the user can put it right
        raise UserError(failure.description or job) from failure
    for event in result.filter_events(lambda event: event.is_step_failure):
        error = event.step_failure_data.error
        cause = (error.cause or error) if error else None
        logger.error("%s failed: %s", event.step_key, cause.message.strip() if cause else "no reason given")
    seen: set[str] = set()
    for event in result.get_asset_materialization_events():
        materialisation = event.materialization
        metadata = {name: value.value for name, value in materialisation.metadata.items()}
        if event.step_key in seen:
            continue  # the assets of one batch step report the same numbers
        seen.add(str(event.step_key))
        done.add(metadata)
        done.peak_mb = max(done.peak_mb, float(str(metadata.get("peak_mb", 0.0))))
        if event.step_key == CONTENT_STEP:
            done.hashed += _number(metadata, "hashed")
    return result.success


def _number(metadata: Mapping[str, object], name: str) -> int:
    return int(str(metadata.get(name, 0)))


def close_orphaned_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs as failed whose processes are gone: nothing of an earlier run is alive when a pass begins."""
    orphans = instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED))
    for run in orphans:
        instance.report_run_failed(run, "the process of this run ended before it finished; its work is taken up again")
    return len(orphans)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(result: Path) -> int:
    """Run a pass with the settings of the environment and write what it did."""
    signal.signal(signal.SIGTERM, _interrupt)
    speak_on_stderr()
    from immich_pipeline.definitions import defs  # noqa: PLC0415 - this module is part of the definitions

    try:
        done = _pass_of_environment(defs(), begun_file(result))
    except UserError as error:
        print(f"immich-pipeline: {error}", file=sys.stderr)  # noqa: T201 - as the command line says it
        return 2
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a line and the details are kept
        details = result.with_suffix(".log")
        details.write_text(traceback.format_exc())
        logger.error(
            "the pass failed: %s (details: %s)", str(error).strip().splitlines()[0] or type(error).__name__, details
        )
        return 1
    done.peak_mb = max(done.peak_mb, peak_rss_mb())
    result.write_text(json.dumps(asdict(done)))
    return 0


def _pass_of_environment(definitions: dg.Definitions, begun: Path) -> Pass:
    with dg.DagsterInstance.get() as instance:
        # Keeps a connection open between events; without it each of some ten events per step opens its own.
        instance.optimize_for_webserver(statement_timeout=600_000, pool_recycle=3600, max_overflow=20)
        pipeline = PipelineResource()
        supervised = MARK in os.environ
        return run_pass(
            definitions, instance, pipeline.database(), pipeline.settings(), supervised=supervised, begun=begun
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

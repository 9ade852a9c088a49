"""A process that applies or undoes a plan, to be killed: `python -m ... DATABASE SERVER KEYS HOME apply|undo PLAN`."""

import sys
from contextlib import ExitStack
from pathlib import Path

from immich_pipeline.actions.engine import Brakes, apply_plan, undo
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.duplicate_house import Decisions, executor_of


def main(arguments: list[str]) -> None:
    database_url, server_url, keys, home, what, plan_id = arguments
    database = Database(database_url)
    with ExitStack() as opened:
        executor = executor_of(server_url, keys.split(","), database, Path(home), opened, memory=Decisions())
        if what == "apply":
            apply_plan(database, plan_id, executor, brakes=Brakes(confirmed=True), run_id="child", wait=True)
        else:
            undo(database, executor, plan_id=plan_id, run_id="child", wait=True)


if __name__ == "__main__":
    main(sys.argv[1:])

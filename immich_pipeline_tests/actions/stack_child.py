"""A process that applies or undoes a plan, to be killed: `python -m ... DATABASE SERVER KEYS apply|undo PLAN`."""

import sys
from contextlib import ExitStack

from immich_pipeline.actions.engine import Brakes, apply_plan, undo
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.stack_house import executor_of


def main(database_url: str, server_url: str, keys: str, what: str, plan_id: str) -> None:
    database = Database(database_url)
    with ExitStack() as opened:
        executor = executor_of(server_url, keys.split(","), database, opened)
        if what == "apply":
            apply_plan(database, plan_id, executor, brakes=Brakes(confirmed=True), run_id="child", wait=True)
        else:
            undo(database, executor, plan_id=plan_id, run_id="child", wait=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

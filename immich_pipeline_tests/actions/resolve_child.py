"""A process that applies or undoes a plan as `duplicate_world.Pipeline` does, to be killed: `python -m ... ARGUMENTS` (JSON)."""

import json
import sys
from pathlib import Path
from typing import Any

from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.duplicate_world import Pipeline, applied, settings_of, undone


def arguments_of(pipeline: Pipeline, what: str, plan_id: str) -> str:
    """What this program has to be told."""
    told: dict[str, Any] = {
        "database": pipeline.database.url,
        "home": str(pipeline.home),
        "url": pipeline.stub.url,
        "keys": pipeline.keys,
        "duplicates": pipeline.duplicates.model_dump(mode="json"),
        "what": what,
        "plan": plan_id,
    }
    return json.dumps(told)


def main(text: str) -> None:
    told = json.loads(text)
    duplicates = DuplicateSettings.model_validate(told["duplicates"])
    settings = settings_of(Path(told["home"]), told["url"], told["keys"], duplicates)
    work = applied if told["what"] == "apply" else undone
    work(Database(told["database"]), settings, told["plan"], "child")


if __name__ == "__main__":
    main(sys.argv[1])

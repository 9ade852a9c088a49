"""A kind of change for the command line's tests: every thing on the shelf is to have a new label."""

from collections.abc import Iterator
from contextlib import contextmanager

from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.model import Kind, Plan
from immich_pipeline.config import Settings
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.shelf import KIND, Shelf, labels, plan_of, relabelling

BRAKES = Brakes(max_share=1.0, max_number=3)


def planner(database: Database, settings: Settings) -> Plan:
    return plan_of([relabelling(name) for name in labels(database)], "approve", settings.owner)


@contextmanager
def open_shelf(database: Database, settings: Settings) -> Iterator[Shelf]:
    yield Shelf(database.url)


LABELS = Kind(KIND, planner, open_shelf, lambda _: BRAKES)

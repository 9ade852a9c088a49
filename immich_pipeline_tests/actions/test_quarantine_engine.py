"""The engine moves files to the quarantine and back, with the pipeline's database as its memory."""

import os
import random
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from immich_pipeline.actions import engine
from immich_pipeline.actions.model import Action, Plan
from immich_pipeline.actions.quarantine import QuarantineExecutor
from immich_pipeline.config import Settings
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import SourceRow, activate_sources
from immich_pipeline_tests.actions.quarantine_ground import QUARANTINE, at, crash, ending_at, photos, put, tree
from immich_pipeline_tests.actions.quarantine_ground import quarantining as by_path
from immich_pipeline_tests.actions.shelf import OPEN, Crash

PAIRS = 3


class Cellar:
    """A folder of pairs of equal photos, and a decision about each pair."""

    def __init__(self, database: Database, place: Path) -> None:
        self.database, self.home, self.root = database, place / "home", os.fsencode(place / "photos")
        activate_sources(database, [SourceRow(str(uuid.uuid4()), "folder", "photos", "local", self.root)])
        for number in range(PAIRS):
            put(self.root, b"kept/%d.jpg" % number, b"picture %d" % number)
            put(self.root, b"lost/%d.jpg" % number, b"picture %d" % number, 10**18 + number)
        self.at_first = tree(self.root)
        self.plan = Plan.of("duplicates", "auto", "policy", "inputs", [self._decided(n) for n in range(PAIRS)])
        engine.save_plan(database, self.plan)

    @property
    def executor(self) -> QuarantineExecutor:
        return QuarantineExecutor(self.database, Settings(home=self.home))

    def apply(self) -> engine.Applied:
        return engine.apply_plan(self.database, self.plan.plan_id, self.executor, brakes=OPEN, run_id="run", again=True)

    def undo(self) -> engine.Undone:
        return engine.undo(self.database, self.executor, plan_id=self.plan.plan_id, run_id="undo")

    def lost(self) -> set[bytes]:
        return {path for path in photos(self.root) if path.startswith(b"lost/")}

    def _decided(self, number: int) -> Action:
        """An action whose assets have ids that the database takes, and the decision that it comes from."""
        ids = {path.hex(): str(uuid.uuid4()) for path in (b"kept/%d.jpg" % number, b"lost/%d.jpg" % number)}
        planned = by_path(self.root, b"kept/%d.jpg" % number, [b"lost/%d.jpg" % number])
        (keeper, loser), payload = ids.values(), dict(planned.payload)
        files = [file | {"asset_id": ids[file["asset_id"]]} for file in payload["files"]]
        payload |= {"set": f"set-{number}", "keeper": keeper, "losers": [loser], "files": files}
        with self.database.connect() as connection:
            connection.execute(
                "INSERT INTO duplicates.decision VALUES (%s, 'local', 'exact', 1, 'certain', 'u', %s, 'bytes', '{}', 'trash', 2, 1, "
                "NULL, '{}', '[]', %s)",
                (f"set-{number}", keeper, policy_hash(DuplicateSettings())),
            )
            for asset_id, role in ((keeper, "keeper"), (loser, "loser")):
                connection.execute(
                    "INSERT INTO duplicates.decision_member VALUES (%s, 'u', %s, %s, 1, NULL)",
                    (f"set-{number}", asset_id, role),
                )
        return Action("quarantine", "local", (keeper, loser), payload, {}, "a reason")


@pytest.fixture
def cellar(database: Database, tmp_path: Path) -> Cellar:
    return Cellar(database, tmp_path)


def test_a_plan_is_applied_and_undone(cellar: Cellar) -> None:
    assert cellar.apply().done == PAIRS
    assert cellar.lost() == set()
    assert cellar.apply().already == PAIRS
    assert cellar.undo().undone == PAIRS
    assert photos(cellar.root) == cellar.at_first


def test_what_is_not_decided_any_more_is_skipped(cellar: Cellar) -> None:
    with cellar.database.connect() as connection:
        connection.execute("DELETE FROM duplicates.decision WHERE set_id = 'set-0'")
    applied = cellar.apply()
    assert (applied.done, applied.skipped) == (PAIRS - 1, 1)
    assert cellar.lost() == {b"lost/0.jpg"}


def test_a_file_that_somebody_put_at_an_old_place_is_not_written_over(cellar: Cellar) -> None:
    cellar.apply()
    put(cellar.root, b"lost/0.jpg", b"new")
    undone = cellar.undo()
    assert (undone.undone, undone.refused) == (PAIRS - 1, 1)
    assert photos(cellar.root)[b"lost/0.jpg"][0] == b"new"
    at(cellar.root, b"lost/0.jpg").unlink()
    assert cellar.undo().undone == 1
    assert photos(cellar.root) == cellar.at_first


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that nobody closed
def test_crashes_of_the_engine_end_as_if_there_had_been_none(cellar: Cellar) -> None:
    dice = random.Random(5)
    for _ in range(8):
        work = dice.choice([cellar.apply, cellar.undo])
        with suppress(Crash), ending_at(dice.randint(1, 900), crash):
            work()
        here = photos(cellar.root)
        there = {
            b"/".join(path.split(b"/")[2:]): facts
            for path, facts in tree(cellar.root).items()
            if path.startswith(QUARANTINE.encode()) and path.count(b"/") > 1
        }
        assert not set(here) & set(there)
        assert here | there == cellar.at_first
    cellar.apply()
    assert cellar.lost() == set()
    cellar.undo()
    assert photos(cellar.root) == cellar.at_first

"""Servers that fail, connections that break and processes that are killed: nothing is lost, and the next run ends as it should."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.transport import Transport
from immich_pipeline.store.database import Database
from immich_pipeline.store.journal import Journal
from immich_pipeline_tests.actions.duplicate_house import DuplicateHouse
from immich_pipeline_tests.actions.library_state import unlike
from immich_pipeline_tests.actions.shelf import Crash, Fuse
from immich_pipeline_tests.immich_stub.server import FaultKind
from immich_pipeline_tests.thorough import times

FAULTS: tuple[FaultKind, ...] = (500, "drop", "cut", "truncated")
ROUNDS, STRIKES = times(2, 5), 4  # of faults per run, three runs a round
KILLS = times(2, 3)
HERE = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.unmeasured


@pytest.fixture
def house(request: pytest.FixtureRequest, database: Database, home: Path) -> Iterator[DuplicateHouse]:
    """Three sets that have everything to merge between them."""
    house = DuplicateHouse(getattr(request, "param", "3.1.0"), database, home)
    for number, given in enumerate(
        ("gps text tags live", "favourite albums cover stack", "rating link person zone archive")
    ):
        twins = house.twins(f"set{number}", 1 + number % 2)
        for what in given.split():
            house.give(twins, what, number)
    with house.stub:
        yield house


class Trouble:
    """Lets requests fail: those at the given places, counted from now."""

    def __init__(self, house: DuplicateHouse, dice: random.Random) -> None:
        self.house, self.dice = house, dice
        self.struck, self._at, self._count = 0, set[int](), 0
        house.stub.on_request(self._see)

    def at(self, places: set[int]) -> None:
        self._at, self._count = places, 0

    def over(self) -> None:
        self._at = set()
        self.house.stub._faults.clear()

    def _see(self, _method: str, _path: str) -> None:
        self._count += 1
        if self._count in self._at:
            self.struck += 1
            self.house.stub.fail_next("", self.dice.choice(FAULTS), self.dice.choice([1, 2]))


def moved_apart(problems: list[str]) -> list[str]:
    """Without live videos, which may hang on nothing between two calls, and are shown by themselves then."""
    return [problem for problem in problems if "live_video" not in problem]


def check_safe(house: DuplicateHouse, before: dict[str, Any]) -> None:
    """What has to hold at any moment."""
    assert moved_apart(house.losses(before)) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("house", ["2.7.5", "3.1.0", "3.2.2"], indirect=True)
def test_whatever_goes_wrong_nothing_is_lost_and_the_next_run_converges(house: DuplicateHouse) -> None:
    dice = random.Random(20261121)
    trouble, before = Trouble(house, dice), house.library()
    for _ in range(ROUNDS):
        plan = house.plan()
        for _ in range(2):
            trouble.at({dice.randrange(4, 70) for _ in range(STRIKES)})
            house.apply(plan.plan_id)
            trouble.over()
            check_safe(house, before)
        applied = house.apply(plan.plan_id)
        assert (applied.done + applied.already, applied.problems) == (3, ())
        assert house.losses(before) == []
        assert len(house.trashed()) == 4
        trouble.at({dice.randrange(4, 70) for _ in range(STRIKES)})
        house.undo(plan.plan_id)
        trouble.over()
        check_safe(house, before)
        undone = house.undo(plan.plan_id)
        assert (undone.undone + undone.already, undone.problems) == (3, ())
        assert unlike(before, house.library()) == []
    assert trouble.struck >= 2 * ROUNDS * STRIKES


@pytest.fixture
def fuse(monkeypatch: pytest.MonkeyPatch) -> Fuse:
    """Steps before and after everything that leaves a trace: changes on the server, copies, entries of the journal."""
    fuse = Fuse()

    def stepping(kind: type, name: str, counts: Callable[..., bool] = lambda *_: True) -> None:
        original = getattr(kind, name)

        def step(*args: Any, **options: Any) -> Any:
            if not counts(*args):
                return original(*args, **options)
            fuse.step()
            result = original(*args, **options)
            fuse.step()
            return result

        monkeypatch.setattr(kind, name, step)

    stepping(Transport, "json", lambda _, call: changes(call))
    stepping(BackupStore, "keep")
    stepping(Journal, "write")
    return fuse


def changes(call: Call) -> bool:
    return call.method != "GET" and "bulk-upload-check" not in call.endpoint


def broken_off(fuse: Fuse, at: int, work: Callable[[str], object], plan_id: str) -> bool:
    """Whether there was a step at which it could break off."""
    fuse.at, fuse.steps = at, 0
    try:
        work(plan_id)
    except Crash:
        return True
    finally:
        fuse.at = 0
    return False


@pytest.mark.timeout(300)
@pytest.mark.parametrize("gone", [False, True], ids=["trash", "emptied"])
def test_a_crash_at_any_step_changes_nothing_in_the_end(database: Database, home: Path, fuse: Fuse, gone: bool) -> None:
    house = DuplicateHouse("3.2.2", database, home)
    twins = house.twins("one")
    for what in ("tags", "albums", "link", "live", "stack"):
        house.give(twins, what, 1)
    crashes, step = {"apply": 0, "undo": 0}, 1
    with house.stub:
        before = house.library()
        while True:
            plan = house.plan()
            met = broken_off(fuse, step, house.apply, plan.plan_id)
            crashes["apply"] += met
            check_safe(house, before)
            assert house.apply(plan.plan_id).problems == ()
            assert house.losses(before) == []
            if gone:
                house.world.empty_trash()
            broken = broken_off(fuse, step, house.undo, plan.plan_id)
            crashes["undo"] += broken
            assert house.undo(plan.plan_id).problems == ()
            assert unlike(before, house.library()) == []
            if not (met or broken):
                break
            known = {asset.original_name: asset for asset in house.world.assets.values()}
            twins.losers, before = [known[loser.original_name] for loser in twins.losers], house.library()
            step += 2 if not gone else 6  # what is after one of them is before the next
    assert crashes["apply"] >= (10 if not gone else 4)
    assert crashes["undo"] >= (6 if not gone else 4)


@pytest.mark.timeout(300)
def test_a_killed_process_is_made_good(house: DuplicateHouse) -> None:
    dice, before = random.Random(7), house.library()
    keys = ",".join(house.world.key_of(user).secret for user in (house.alice, house.bob))
    left, process, ends = [0], list[subprocess.Popen[bytes]](), list[int]()

    def strike(_method: str, _path: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            process[-1].kill()

    house.stub.on_request(strike)
    for _ in range(KILLS):
        plan = house.plan()
        for what in ("apply", "undo"):
            command = [sys.executable, "-m", "immich_pipeline_tests.actions.duplicate_child", house.database.url]
            command += [house.stub.url, keys, str(house.home), what, plan.plan_id]
            left[0] = dice.randrange(6, 60)
            process.append(subprocess.Popen(command, cwd=HERE))
            ends.append(process[-1].wait())
            left[0] = 0
            check_safe(house, before)
            if what == "apply":
                assert house.apply(plan.plan_id).problems == ()
                assert house.losses(before) == []
            else:
                assert house.undo(plan.plan_id).problems == ()
                assert unlike(before, house.library()) == []
    assert ends.count(-signal.SIGKILL) >= KILLS

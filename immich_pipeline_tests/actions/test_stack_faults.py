"""Servers that fail, connections that break and processes that are killed: the next run ends as an undisturbed one would."""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.stack_house import House, family
from immich_pipeline_tests.immich_stub.server import FaultKind
from immich_pipeline_tests.nursery import Nursery
from immich_pipeline_tests.thorough import times

ROUNDS, KILLS = times(5, 25), times(1, 5)  # per version; of the rounds, so many kill the process
FAULTS: tuple[FaultKind, ...] = (500, "drop", "cut")
CHILD = "immich_pipeline_tests.actions.stack_child"


class Trouble:
    """Makes the n-th request from now go wrong."""

    def __init__(self, house: House, dice: random.Random, nursery: Nursery) -> None:
        self.dice, self.nursery = dice, nursery
        self._left, self._strike = 0, lambda: None
        self.struck = self.failed = 0
        self.ends: list[int | None] = []
        house.stub.on_request(self._count)

    def after(self, requests: int, strike: Callable[[], None]) -> None:
        self._left, self._strike = requests, strike

    def over(self) -> None:
        self._left = 0

    def _count(self, _method: str, _path: str) -> None:
        self._left -= 1
        if self._left == 0:
            self.struck += 1
            self._strike()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(CHILD) as nursery:
        yield nursery


@pytest.fixture
def house(request: pytest.FixtureRequest, database: Database, home: Path) -> Iterator[House]:
    """Stacks of ours that are to be extended, made smaller, given another cover, taken apart; captures without one."""
    house = family(request.param, database, home)
    house.shot(house.alice, "IMG_0011", 11, "CR2", "JPG")
    shrinking = house.photo(house.alice, "IMG_0012-edited.JPG", 12)
    house.shot(house.alice, "IMG_0012", 12, "CR2", "JPG")
    leaving = house.shot(house.bob, "IMG_0013", 13, "CR2", "JPG")
    with house.stub:
        house.look()
        first = house.outlook().plan
        assert house.apply(first.plan_id).done == len(first.actions)
        house.photo(house.alice, "IMG_0011-edited.JPG", 11)
        house.photo(house.alice, "IMG_0001-edited.JPG", 1)
        house.shot(house.alice, "IMG_0014", 14, "CR2", "JPG")
        house.shot(house.bob, "IMG_0015", 15, "CR2", "JPG")
        move(house, shrinking.id, "other.JPG", 80)
        move(house, leaving[0].id, "another.CR2", 81)
        house.look()
        assert house.operations(house.outlook()) == ["create", "create", "dissolve", "extend", "extend", "remove"]
        yield house


def move(house: House, asset_id: str, name: str, minute: int) -> None:
    """Rename a file and its time, so that it belongs to nothing."""
    asset = house.world.assets[asset_id]
    asset.original_name, asset.original_path = name, f"/data/elsewhere/{name}"
    asset.local_date_time = asset.local_date_time.replace(minute=minute % 60, hour=20)
    house.world.touch(asset)


def killed(house: House, trouble: Trouble, moment: int, what: str, plan_id: str) -> None:
    """Apply or undo in a process that is killed when it has asked so often."""
    arguments = [house.database.url, house.stub.url, ",".join(house.world.keys), what, plan_id]
    # after both have said whose keys they are
    trouble.ends.append(trouble.nursery.run(arguments, lambda child: trouble.after(moment + 2, child.kill)))
    trouble.over()


def failing(house: House, trouble: Trouble, moment: int, what: str, plan_id: str) -> None:
    """Apply or undo with a server that does wrong when it was asked so often, once or more times in a row."""
    how, times = trouble.dice.choice(FAULTS), trouble.dice.choice([1, 3])
    trouble.after(moment + 2, lambda: house.stub.fail_next("", how, times))
    trouble.failed += getattr(house, what)(plan_id).failed
    trouble.over()
    house.stub._faults.clear()


def agree(house: House, theirs: set[str]) -> bool:
    """Whether the journal and the server tell the same of our stacks."""
    return house.ours() == {stack: known for stack, known in house.by_id().items() if stack not in theirs}


@pytest.mark.unmeasured
@pytest.mark.timeout(300)
@pytest.mark.parametrize("house", ["2.7.5", "3.1.0"], indirect=True)
def test_whatever_goes_wrong_the_next_run_converges(house: House, nursery: Nursery) -> None:
    dice = random.Random(20261121)
    trouble = Trouble(house, dice, nursery)
    before = house.by_id()
    theirs = before.keys() - house.ours().keys()
    wanted: list[list[str]] | None = None
    for number in range(ROUNDS):
        plan = house.outlook().plan
        assert len(plan.actions) == 6
        disturbed = killed if number < KILLS else failing
        disturbed(house, trouble, dice.randrange(1, 40), "apply", plan.plan_id)
        applied = house.apply(plan.plan_id)
        assert (applied.failed, applied.skipped, applied.held, applied.status) == (0, 0, 0, "applied")
        wanted = wanted or house.named()
        assert house.named() == wanted
        assert agree(house, theirs)
        assert house.outlook().plan.actions == ()

        disturbed(house, trouble, dice.randrange(1, 40), "undo", plan.plan_id)
        undone = house.undo(plan.plan_id)
        assert (undone.failed, undone.refused, undone.held) == (0, 0, 0)
        assert sorted(stack.ids for stack in house.by_id().values()) == sorted(stack.ids for stack in before.values())
        assert {stack: house.by_id()[stack] for stack in theirs} == {stack: before[stack] for stack in theirs}
        assert agree(house, theirs)
    assert trouble.struck >= 1.5 * ROUNDS
    assert trouble.failed >= 0.5 * ROUNDS  # of the others some were put right by trying again
    assert trouble.ends.count(-signal.SIGKILL) >= 1.5 * KILLS

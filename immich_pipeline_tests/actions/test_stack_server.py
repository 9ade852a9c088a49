"""Stacks on a server that does what Immich was seen to do, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from immich_pipeline.actions.engine import Brakes, apply_plan, save_plan
from immich_pipeline.actions.stack_plan import brakes_of, open_executor, plan_stacks, stack_outlook
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.policies import BrakeSettings, CapturePolicies, CapturePolicy, StackSettings
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.stack_house import House, family

PAIRS = [["IMG_0001.JPG", "IMG_0001.CR2"], ["IMG_0002.JPG", "IMG_0002.CR2"]]
MANUAL = [["IMG_0003.JPG", "IMG_0003.CR2"], ["holiday.jpg", "IMG_0004.JPG"]]
BOBS = [["IMG_0001.JPG", "IMG_0001.CR2"], ["IMG_0007.JPG", "IMG_0007.CR2"]]


@pytest.fixture
def house(request: pytest.FixtureRequest, database: Database, home: Path) -> Iterator[House]:
    """Of version 3.1, unless a test asks for others."""
    house = family(getattr(request, "param", "3.1.0"), database, home)
    with house.stub:
        house.look()
        yield house


every_dialect = pytest.mark.parametrize("house", ["2.7.5", "3.1.0", "3.2.2"], indirect=True)
both_dialects = pytest.mark.parametrize("house", ["2.7.5", "3.1.0"], indirect=True)


@every_dialect
def test_stacks_are_made_once_and_undone(house: House) -> None:
    before = house.by_id()
    plan_id = house.plan()
    done = house.apply(plan_id)
    assert (done.done, done.failed, done.skipped, done.status) == (4, 0, 0, "applied")
    assert house.named() == sorted(PAIRS + BOBS + MANUAL)
    assert before.items() <= house.by_id().items()
    assert house.ours().items() == house.by_id().items() - before.items()

    house.look()
    writes, rows = house.writes(), house.journal_rows()
    again = house.outlook()
    assert again.plan.actions == ()
    assert again.plan.summary == {"manual": 1, "right": 5, "suggestions": 0}
    house.apply(again.plan.plan_id)
    repeated = house.apply(plan_id)
    assert (repeated.already, repeated.done) == (4, 0)
    assert (house.writes(), house.journal_rows()) == (writes, rows)

    undone = house.undo(plan_id)
    assert (undone.undone, undone.refused, undone.failed) == (4, 0, 0)
    assert house.by_id() == before
    assert house.ours() == {}
    house.undo(plan_id)
    assert house.by_id() == before
    assert house.operations(house.outlook()) == ["create"] * 4


@both_dialects
def test_a_plan_knows_what_was_done_without_another_reading(house: House) -> None:
    house.apply(house.plan())
    assert house.outlook().plan.actions == ()


@both_dialects
def test_what_a_person_unstacks_is_suggested_and_not_made_again(house: House) -> None:
    first = house.plan()
    house.apply(first)
    victim = next(stack for stack, known in house.ours().items() if known.primary in owned(house, "bob"))
    for asset in house.world.assets.values():
        if asset.stack_id == victim:
            asset.stack_id = None
            house.world.touch(asset)
    del house.world.stacks[victim]
    house.look()
    found = house.outlook()
    assert found.plan.actions == ()
    assert found.suggestions["kind"].to_list() == ["not_together"]
    assert len(found.suggestions["asset_ids"][0]) == 2
    assert "taken_apart" in found.report["outcome"].to_list()
    writes = house.writes()
    house.apply(found.plan.plan_id)
    house.apply(first)
    assert house.writes() == writes


def owned(house: House, name: str) -> set[str]:
    user = next(user for user in house.world.users.values() if user.name == name.title())
    return {asset.id for asset in house.world.assets.values() if asset.owner_id == user.id}


@both_dialects
def test_a_late_edit_joins_and_each_plan_is_undone_by_itself(house: House) -> None:
    empty = house.by_id()
    first = house.plan()
    house.apply(first)
    before = house.by_id()
    house.photo(house.alice, "IMG_0001-edited.JPG", 1)
    house.look()
    found = house.outlook()
    assert house.operations(found) == ["extend"]
    assert house.apply(found.plan.plan_id).done == 1
    assert ["IMG_0001-edited.JPG", "IMG_0001.CR2", "IMG_0001.JPG"] in house.named()
    house.look()
    assert house.outlook().plan.actions == ()

    assert house.undo(first).refused == 1  # the stack has another file now
    assert house.undo(found.plan.plan_id).undone == 1
    assert set(house.by_id().values()) <= set(before.values())
    assert house.undo(first).refused == 0
    assert house.by_id() == empty


@both_dialects
def test_another_cover_is_one_call_and_goes_back(house: House) -> None:
    house.apply(house.plan())
    before = house.by_id()
    house.more["captures"] = CapturePolicies(policies=(CapturePolicy(action="cover_raw", owner="bob@example.org"),))
    found = house.outlook()
    assert house.operations(found) == ["re_primary"] * 2
    writes = house.writes()
    assert house.apply(found.plan.plan_id).done == 2
    assert house.writes() == writes + 2
    house.look()
    assert house.outlook().plan.actions == ()
    assert house.undo(found.plan.plan_id).undone == 2
    assert house.by_id() == before


def test_kinds_that_are_not_stacked_any_more_are_dissolved(house: House) -> None:
    house.apply(house.plan())
    made = set(house.by_id().values())
    house.more["stacks"] = StackSettings(mode="auto", kinds=("burst",))
    found = house.outlook()
    assert house.operations(found) == ["dissolve"] * 4
    house.apply(found.plan.plan_id)
    assert house.named() == MANUAL
    assert house.undo(found.plan.plan_id).undone == 4
    assert set(house.by_id().values()) == made
    assert house.ours().items() <= house.by_id().items()
    assert house.operations(house.outlook()) == ["dissolve"] * 4


def test_stacks_of_persons_are_replaced_and_come_back(house: House) -> None:
    before = set(house.by_id().values())
    house.more["stacks"] = StackSettings(mode="auto", manual_stacks="replace")
    found = house.outlook()
    assert "replace" in house.operations(found)
    assert house.apply(found.plan.plan_id).failed == 0
    assert ["IMG_0004.JPG", "IMG_0004.CR2"] in house.named()
    assert house.undo(found.plan.plan_id).refused == 0
    assert set(house.by_id().values()) == before


def test_what_changed_since_the_plan_is_left_alone(house: House) -> None:
    plan_id = house.plan()
    world = house.world
    by_name = {(asset.owner_id, asset.original_name): asset for asset in world.assets.values()}
    world.trash(by_name[house.alice.id, "IMG_0001.CR2"])
    world.add_stack([by_name[house.alice.id, "IMG_0002.CR2"], by_name[house.alice.id, "holiday.jpg"]])
    world.delete_for_good(by_name[house.bob.id, "IMG_0001.CR2"])
    changed = by_name[house.bob.id, "IMG_0007.CR2"]
    changed.checksum = b"x" * 20
    world.touch(changed)
    writes = house.writes()
    applied = house.apply(plan_id)
    assert (applied.done, applied.skipped) == (0, 4)
    assert house.writes() == writes
    reasons = " ".join(reason for _, reason in applied.problems)
    assert all(word in reasons for word in ("trash", "stacks of these", "not on the server", "another content"))


def test_a_capture_that_is_none_any_more_is_left_alone(house: House) -> None:
    plan_id = house.plan()
    with house.database.frames() as frames:
        frames.execute("DELETE FROM captures.capture_member")
    applied = house.apply(plan_id)
    assert (applied.done, applied.skipped) == (0, 4)


def test_undo_leaves_a_stack_that_a_person_made_anew(house: House) -> None:
    plan_id = house.plan()
    house.apply(plan_id)
    stack_id, known = next(iter(house.ours().items()))
    assets = [house.world.assets[asset] for asset in known.ids]
    for asset in assets:
        asset.stack_id = None
    del house.world.stacks[stack_id]
    house.world.add_stack(assets)
    assert house.undo(plan_id).refused == 1
    assert known in house.by_id().values()


def test_a_stack_that_was_there_before_is_not_taken_for_ours(house: House) -> None:
    plan_id = house.plan()
    wanted = stack_outlook(house.database, house.settings).plan.actions[0].payload["wanted"][0]
    rest = sorted(set(wanted["members"]) - {wanted["primary"]})
    theirs = house.world.add_stack([house.world.assets[asset] for asset in [wanted["primary"], *rest]])
    applied = house.apply(plan_id)
    assert (applied.done, applied.already) == (3, 1)
    assert theirs.id not in house.ours()
    house.undo(plan_id)
    assert theirs.id in house.by_id()


def test_the_executor_of_the_settings(house: House) -> None:
    house.more["stacks"] = StackSettings(mode="auto", brakes=BrakeSettings(max_share=1, max_number=100))
    plan = save_plan(house.database, plan_stacks(house.database, house.settings))
    house.world.keys.pop(house.world.key_of(house.bob).secret)
    settings = house.settings
    broken = settings.immich.model_copy(update={"users": (*settings.immich.users, settings.immich.users[0])})  # type: ignore[union-attr]
    with open_executor(house.database, settings.model_copy(update={"immich": broken})) as executor:
        done = apply_plan(house.database, plan.plan_id, executor, brakes=brakes_of(settings), run_id="r")
    assert (done.done, done.failed) == (2, 2)
    assert "API key" in done.problems[0][1]
    house.world.keys.clear()
    with pytest.raises(ImmichError), open_executor(house.database, settings):
        pass
    with pytest.raises(UserError, match=r"immich\.url"), open_executor(house.database, Settings(home=house.home)):
        pass


def test_too_large_a_plan_is_stopped(house: House) -> None:
    plan_id = house.plan()
    with house.executor() as executor:
        brakes = Brakes(max_share=0.1)
        stopped = apply_plan(house.database, plan_id, executor, brakes=brakes, run_id="r")
    assert stopped.stopped is not None
    assert house.writes() == 0

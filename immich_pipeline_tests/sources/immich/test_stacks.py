"""The stacks of an Immich server as a snapshot by the API knows them."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import polars as pl
import pytest

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.sources.immich.watch import server_news
from immich_pipeline.store.database import Database
from immich_pipeline_tests.immich_world import Asset, Stack, World, every_flag
from immich_pipeline_tests.sources.immich.set_up import VERSIONS, Lab, lab_of, stored_records


@pytest.fixture
def lab(request: pytest.FixtureRequest, make_immich_database: Callable[[str], str]) -> Iterator[Lab]:
    """Of version 3.1, unless a test asks for others."""
    with lab_of(every_flag(getattr(request, "param", "3.1.0")), make_immich_database) as lab:
        yield lab


def members(world: World, stack: Stack) -> list[Asset]:
    return [asset for asset in world.assets.values() if asset.stack_id == stack.id]


def stored(database: Database) -> dict[str, tuple[str, str]]:
    """The stored assets that are in a stack: stack and primary."""
    found = stored_records(database).filter(pl.col("stack_id").is_not_null())
    return {row[0]: (row[1], row[2]) for row in found.select("asset_id", "stack_id", "stack_primary_id").rows()}


def asked_for(lab: Lab) -> list[str]:
    """The assets that were asked for one by one."""
    return [
        path.rpartition("/")[2] for method, path, _ in lab.stub.requests if method == "GET" and "/api/assets/" in path
    ]


@pytest.mark.parametrize("lab", VERSIONS, indirect=True)
def test_only_what_is_stacked_is_asked_for_and_never_the_list_of_all_stacks(lab: Lab, database: Database) -> None:
    (stack,) = lab.world.stacks.values()
    ids = {asset.id for asset in members(lab.world, stack)}
    server = lab.server("api", database)
    assert take_server_snapshot(database, server).problems == {}
    assert stored(database) == dict.fromkeys(ids, (stack.id, stack.primary_asset_id))
    assert set(asked_for(lab)) - {"statistics"} == ids
    server_news(database, server)
    take_server_snapshot(database, server)
    assert not [path for method, path, _ in lab.stub.requests if (method, path) == ("GET", "/api/stacks")]


def test_a_stack_that_changes_is_followed_at_once_and_another_cover_by_the_daily_look(
    lab: Lab, database: Database
) -> None:
    world, server = lab.world, lab.server("api", database)
    (stack,) = world.stacks.values()
    first, *others = members(world, stack)
    take_server_snapshot(database, server)
    world.now += timedelta(minutes=10)
    late = next(asset for asset in world.assets.values() if asset.original_name == "favourite.jpg")
    late.stack_id, stack.primary_asset_id = stack.id, late.id
    world.touch(late)
    others[0].stack_id = None
    world.touch(others[0])
    assert server_news(database, server) is not None
    assert not take_server_snapshot(database, server).scopes[0].full
    assert stored(database) == dict.fromkeys([first.id, others[1].id, late.id], (stack.id, late.id))

    stack.primary_asset_id = first.id
    world.tick()
    assert server_news(database, server) is None
    take_server_snapshot(database, server, full=True)
    assert {primary for _, primary in stored(database).values()} == {first.id}


def test_what_is_stacked_behind_the_back_of_the_search_is_found(
    lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, server = lab.world, lab.server("api", database)
    monkeypatch.setattr(ImmichClient, "server_time", lambda self: world.now)
    pair = [asset for asset in world.assets.values() if asset.original_name in {"favourite.jpg", "edited.jpg"}]
    searches: list[str] = []

    def stack_them_after_the_first(_method: str, path: str) -> None:
        if path.endswith("/search/metadata"):
            searches.append(path)
            if len(searches) == 2:
                world.add_stack(pair)

    lab.stub.on_request(stack_them_after_the_first)
    take_server_snapshot(database, server)
    assert {asset.id for asset in pair} <= stored(database).keys()


def test_an_asset_that_vanishes_between_the_search_and_the_question_is_in_no_stack(
    lab: Lab, database: Database
) -> None:
    world, server = lab.world, lab.server("api", database)
    (stack,) = world.stacks.values()
    gone = members(world, stack)[2]

    def delete_it(_method: str, path: str) -> None:
        if path.endswith(f"/assets/{gone.id}") and gone.id in world.assets:
            world.delete_for_good(gone)

    lab.stub.on_request(delete_it)
    outcome = take_server_snapshot(database, server)
    assert outcome.problems == {}
    assert gone.id not in stored(database)
    assert len(stored(database)) == 2
    take_server_snapshot(database, server)
    assert gone.id not in stored_records(database)["asset_id"]

"""A server with photos of two people, the pipeline's database beside it, and everything needed to plan, apply and undo stacks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from immich_pipeline.actions.engine import Applied, Brakes, Undone, apply_plan, save_plan, undo
from immich_pipeline.actions.stack_executor import StackExecutor
from immich_pipeline.actions.stack_history import our_stacks
from immich_pipeline.actions.stack_plan import StackOutlook, StoredMemory, stack_outlook
from immich_pipeline.actions.stacking import Stacked
from immich_pipeline.config import Settings
from immich_pipeline.grouping import group_captures
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.policies import StackSettings
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.store import derived, stacks, state
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources, live_assets
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import START, Asset, Exif, User, World
from immich_pipeline_tests.sources.immich.set_up import api_settings

_FACTS = """
    SELECT asset_id::text AS asset_id, taken_at, local_date_time::timestamp AS taken_at_local, make, model FROM library.immich_record"""


def executor_of(url: str, keys: list[str], database: Database, into: ExitStack) -> StackExecutor:
    """As `open_executor`, but it does not wait before it tries again."""
    clients = [
        into.enter_context(
            ImmichClient(url, SecretStr(key), requests_per_second=10_000, retries=1, sleep=lambda _seconds: None)
        )
        for key in keys
    ]
    return StackExecutor({client.me().id: client for client in clients}, StoredMemory(database))


class House:
    """Alice and Bob, their server, and the pipeline."""

    def __init__(self, version: str, database: Database, home: Path) -> None:
        self.world = World(version=version)
        self.database, self.home = database, home
        self.alice, self.bob = self.world.add_user("alice", is_admin=True), self.world.add_user("bob")
        self.more: dict[str, Any] = {"stacks": StackSettings(mode="auto")}
        self.stub = StubServer(self.world)
        self.runs = 0

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, immich=api_settings(self.world, self.stub.url), **self.more)

    def photo(self, owner: User, name: str, minute: int) -> Asset:
        """One taken at that minute, all by the same camera."""
        taken = START + timedelta(minutes=minute)
        exif = Exif(make="Canon", model="R6", file_size=1000 + minute, date_time_original=taken, time_zone="UTC")
        times: dict[str, Any] = {"file_created_at": taken, "file_modified_at": taken, "local_date_time": taken}
        return self.world.add_asset(owner, f"/data/{owner.name}/2026/{name}", exif=exif, **times)

    def shot(self, owner: User, stem: str, minute: int, *extensions: str) -> list[Asset]:
        return [self.photo(owner, f"{stem}.{extension}", minute) for extension in extensions]

    def look(self) -> None:
        """Read the server and look for captures."""
        server = ImmichServer(api_settings(self.world, self.stub.url), FormatTable.load())
        activate_sources(self.database, [server.row])
        assert take_server_snapshot(self.database, server).problems == {}
        with self.database.frames() as frames:
            assets = live_assets(frames).join(frames.read(_FACTS), on="asset_id")
            unknown = [pl.lit(None, pl.String).alias(name) for name in ("subsec", "burst_id", "content_id")]
            members = group_captures(assets.with_columns(unknown))
            derived.write(frames, "captures", {derived.CAPTURE_MEMBER: members})
            state.mark_computed(frames, "capture_groups", "test")

    def outlook(self) -> StackOutlook:
        found = stack_outlook(self.database, self.settings)
        save_plan(self.database, found.plan)
        return found

    def plan(self) -> str:
        return self.outlook().plan.plan_id

    def operations(self, outlook: StackOutlook) -> list[str]:
        return sorted(action.operation for action in outlook.plan.actions)

    @contextmanager
    def executor(self) -> Iterator[StackExecutor]:
        with ExitStack() as opened:
            yield executor_of(self.stub.url, list(self.world.keys), self.database, opened)

    def apply(self, plan_id: str) -> Applied:
        self.runs += 1
        with self.executor() as executor:
            brakes = Brakes(confirmed=True)
            return apply_plan(self.database, plan_id, executor, brakes=brakes, run_id=f"run {self.runs}", wait=True)

    def undo(self, plan_id: str) -> Undone:
        self.runs += 1
        with self.executor() as executor:
            return undo(self.database, executor, plan_id=plan_id, run_id=f"run {self.runs}", wait=True)

    def by_id(self) -> dict[str, Stacked]:
        """The server's stacks."""
        world = self.world
        members = {stack: [a.id for a in world.assets.values() if a.stack_id == stack] for stack in world.stacks}
        return {stack.id: Stacked.told(stack.primary_asset_id, members[stack.id]) for stack in world.stacks.values()}

    def named(self) -> list[list[str]]:
        """The server's stacks by the names of their files, the primary one first."""
        name = {asset.id: asset.original_name for asset in self.world.assets.values()}
        return sorted(
            [name[stack.primary], *sorted(name[a] for a in stack.members - {stack.primary})]
            for stack in self.by_id().values()
        )

    def ours(self) -> dict[str, Stacked]:
        """The stacks that the journal says are ours."""
        with self.database.frames() as frames:
            found = our_stacks(stacks.journalled(frames))
        parts = found.partition_by("stack_id", as_dict=True).items()
        return {
            str(key[0]): Stacked.told(part.filter("is_primary")["asset_id"].item(), part["asset_id"])
            for key, part in parts
        }

    def writes(self) -> int:
        """How often the server was asked to change something, so far."""
        return sum(method != "GET" and "/search/" not in path for method, path, _ in self.stub.requests)

    def journal_rows(self) -> int:
        with self.database.frames() as frames:
            return int(frames.scalar("SELECT count(*) FROM actions.journal"))


def family(version: str, database: Database, home: Path) -> House:
    """Four captures of Alice's, two of them with a file in a stack that she made herself; two of Bob's."""
    house = House(version, database, home)
    house.shot(house.alice, "IMG_0001", 1, "CR2", "JPG")
    house.shot(house.alice, "IMG_0002", 2, "CR2", "JPG")
    mine = house.shot(house.alice, "IMG_0003", 3, "CR2", "JPG")
    mixed = house.shot(house.alice, "IMG_0004", 4, "CR2", "JPG")
    single = house.photo(house.alice, "holiday.jpg", 90)
    house.world.add_stack(list(reversed(mine)))
    house.world.add_stack([single, mixed[1]])
    house.shot(house.bob, "IMG_0001", 1, "CR2", "JPG")
    house.shot(house.bob, "IMG_0007", 7, "CR2", "JPG")
    return house

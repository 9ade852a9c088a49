"""A server with sets of duplicates, the pipeline's database beside it, and everything needed to plan, apply and undo their resolution."""

import random
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.duplicate_executor import KIND, DuplicateExecutor
from immich_pipeline.actions.duplicate_merge import merge_wanted
from immich_pipeline.actions.engine import Applied, Brakes, Undone, apply_plan, save_plan, undo
from immich_pipeline.actions.model import Action, Plan
from immich_pipeline.config import Settings
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.details import StateContext, asset_state
from immich_pipeline.policies import BackupSettings, DuplicateSettings
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.library_state import library_of, losses
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import START, Asset, Exif, User, World

GIVEN = (
    "gps",
    "favourite",
    "rating",
    "text",
    "tags",
    "albums",
    "cover",
    "link",
    "person",
    "zone",
    "live",
    "stack",
    "archive",
)


class Decisions:
    """Implements `duplicate_executor.Memory`."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.told: list[str] = []

    def decided(self, set_id: str, keeper_id: str, loser_ids: Collection[str]) -> bool:
        return set_id not in self.gone

    def stale(self, asset_ids: Collection[str]) -> None:
        self.told += asset_ids


def executor_of(
    url: str, keys: Iterable[str], database: Database, home: Path, into: ExitStack, *, memory: Decisions
) -> DuplicateExecutor:
    """An executor that waits for nothing."""
    clients = [
        into.enter_context(
            ImmichClient(url, SecretStr(key), requests_per_second=100_000, retries=1, sleep=lambda _seconds: None)
        )
        for key in keys
    ]
    settings = Settings(home=home, duplicates=DuplicateSettings(backup=BackupSettings(keep_free_mb=0)))
    backups = BackupStore(database, settings)
    return DuplicateExecutor({c.me().id: c for c in clients}, memory, backups, sleep=lambda _seconds: None)


class Twins:
    """One set: the kept one and the others."""

    def __init__(self, name: str, keeper: Asset, losers: list[Asset]) -> None:
        self.name, self.keeper, self.losers = name, keeper, losers


class DuplicateHouse:
    """Alice and Bob, their server, and the pipeline."""

    def __init__(self, version: str, database: Database, home: Path, *, validate: bool = True) -> None:
        self.world = World(version=version)
        self.database, self.home, self.memory = database, home, Decisions()
        self.alice, self.bob = self.world.add_user("alice", is_admin=True), self.world.add_user("bob")
        self.stub = StubServer(self.world, validate)
        self.sets: list[Twins] = []
        self.runs = 0

    def photo(self, name: str, owner: User | None = None, **values: Any) -> Asset:
        """One of Alice's, of which nothing is known but when it was taken and where the clock stood."""
        owner = owner or self.alice
        taken = START + timedelta(minutes=len(self.world.assets))
        content = f"{name} {len(self.world.assets)}".encode() * 3
        exif = Exif(file_size=len(content), date_time_original=taken, time_zone="UTC+1")
        times: dict[str, Any] = {
            "file_created_at": taken, "file_modified_at": taken, "local_date_time": taken + timedelta(hours=1),
        }  # fmt: skip
        return self.world.add_asset(
            owner, f"/data/{owner.name}/{name}", content=content, **({"exif": exif} | times | values)
        )

    def twins(self, name: str, copies: int = 1) -> Twins:
        """A set without anything to merge."""
        keeper = self.photo(f"{name}.jpg")
        assert keeper.exif is not None
        losers = [self.photo(f"{name}-copy{number}.jpg") for number in range(copies)]
        for loser in losers:
            assert loser.exif is not None
            loser.exif.date_time_original = keeper.exif.date_time_original
            loser.file_created_at, loser.local_date_time = keeper.file_created_at, keeper.local_date_time
        self.sets.append(Twins(name, keeper, losers))
        return self.sets[-1]

    def give(self, twins: Twins, what: str, number: int = 0) -> None:
        """Let the first loser know something that the kept one does not."""
        keeper, loser = twins.keeper, twins.losers[0]
        assert loser.exif is not None and keeper.exif is not None  # noqa: PT018 - for the types
        match what:
            case "gps":
                loser.exif.latitude, loser.exif.longitude = 48.5 + number / 100, 2.25
            case "favourite":
                loser.is_favorite = True
            case "rating":
                loser.exif.rating = 3
            case "text":
                keeper.exif.description, loser.exif.description = "both\nmine", "theirs\nboth"
            case "zone":
                keeper.exif.time_zone = None
                loser.exif.time_zone = "Europe/Berlin"
            case "archive":
                keeper.visibility = "archive"
            case _:
                self._hang(keeper, loser, what, number)

    def _hang(self, keeper: Asset, loser: Asset, what: str, number: int) -> None:
        """What is kept beside the assets."""
        world = self.world
        match what:
            case "tags":
                world.add_tag(self.alice, f"trips/{number % 7}", [loser])
                world.add_tag(self.alice, "all", [loser, keeper])
            case "albums":
                world.add_album(self.alice, f"album {number}", [loser, self.photo(f"other {number}.jpg")])
                world.add_album(self.bob, f"shared {number}", [loser], [self.alice])
            case "cover":
                world.add_album(self.alice, f"covered {number}", [loser, keeper]).cover_id = loser.id
            case "link":
                world.add_link(self.alice, [loser])
            case "person":
                world.add_face(loser, world.add_person(self.alice, f"Ann {number}"))
                world.add_face(loser, world.add_person(self.alice))
                world.add_face(keeper, None)
            case "live":
                video = self.photo(f"live {number}.mov", type="VIDEO", visibility="hidden")
                loser.live_video_id = video.id
            case _:
                others = [self.photo(f"stacked {number} {letter}.jpg") for letter in "ab"]
                world.add_stack([others[0], loser, others[1]] if number % 2 else [loser, *others])

    def fill(self, sets: int, seed: int = 1) -> None:
        """Sets in which everything that can be given is given, by chance."""
        dice = random.Random(seed)
        for number in range(sets):
            twins = self.twins(f"set{number}", dice.choice([1, 1, 1, 2]))
            for what in dice.sample(GIVEN, dice.randrange(5)):
                self.give(twins, what, number)

    @contextmanager
    def client(self, user: User | None = None) -> Iterator[ImmichClient]:
        key = self.world.key_of(user or self.alice).secret
        with ImmichClient(self.stub.url, SecretStr(key), requests_per_second=100_000, retries=1) as client:
            yield client

    def actions(self, operation: str = "resolve", settings: DuplicateSettings | None = None) -> list[Action]:
        """As the planner makes them."""
        settings = settings or DuplicateSettings()
        with self.client() as client:
            context = StateContext(client)
            return [self._action(client, context, twins, operation, settings) for twins in self.sets]

    def _action(
        self, client: ImmichClient, context: StateContext, twins: Twins, operation: str, settings: DuplicateSettings
    ) -> Action:
        ids = [twins.keeper.id, *(loser.id for loser in twins.losers)]
        found = {asset_id: asset_state(client, asset_id, context) for asset_id in ids}
        states = {asset_id: state for asset_id, state in found.items() if state is not None}
        losers = [states[asset_id] for asset_id in ids[1:]]
        payload: dict[str, Any] = {
            "set": twins.name,
            "class": "reencoded",
            "keeper": ids[0],
            "kept": [],
            "losers": ids[1:],
            "follows": {one: states[one]["live_video"] for one in ids[1:] if states[one]["live_video"]},
            "merge": merge_wanted(states[ids[0]], losers, settings).as_json(),
            "backup": operation == "resolve",
            "allowed_libraries": list(settings.delete_from),
            "bytes": 1,
            "tag": settings.review_tag,
            "album": settings.review_album,
        }
        return Action(operation, self.alice.id, tuple(ids), payload, {"states": states, "contents": {}}, "a test")

    def plan(self, operation: str = "resolve", settings: DuplicateSettings | None = None) -> Plan:
        made = Plan.of(KIND, "auto", "policy", f"input {self.runs}", self.actions(operation, settings))
        return save_plan(self.database, made)

    @contextmanager
    def executor(self) -> Iterator[DuplicateExecutor]:
        with ExitStack() as opened:
            keys = [self.world.key_of(user).secret for user in (self.alice, self.bob)]
            yield executor_of(self.stub.url, keys, self.database, self.home, opened, memory=self.memory)

    def apply(self, plan_id: str, *, again: bool = False) -> Applied:
        self.runs += 1
        with self.executor() as executor:
            brakes = Brakes(confirmed=True)
            return apply_plan(
                self.database, plan_id, executor, brakes=brakes, run_id=f"run {self.runs}", wait=True, again=again
            )

    def undo(self, plan_id: str) -> Undone:
        self.runs += 1
        with self.executor() as executor:
            return undo(self.database, executor, plan_id=plan_id, run_id=f"run {self.runs}", wait=True)

    def library(self) -> dict[str, Any]:
        with self.stub.lock:
            return library_of(self.world)

    def losses(self, before: dict[str, Any]) -> list[str]:
        kept = {loser.id: twins.keeper.id for twins in self.sets for loser in twins.losers}
        return losses(before, self.library(), kept, self.backed_up())

    def backed_up(self) -> set[str]:
        """The assets of which there is a copy whose bytes are the asset's."""
        contents = {asset.id: asset.content for asset in self.world.assets.values()}
        with self.database.connect() as connection:
            rows = connection.execute("SELECT asset_id::text, path FROM actions.backup").fetchall()
        folder = self.home / "backups"
        return {asset_id for asset_id, path in rows if (folder / path).read_bytes() == contents.get(asset_id)}

    def trashed(self) -> set[str]:
        return {asset.id for asset in self.world.assets.values() if asset.deleted_at is not None}

"""A whole library of duplicates, resolved without a person: nothing that anybody knew of a photo is lost, whatever goes wrong meanwhile,
and undoing it brings the library back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.duplicate_trouble import Trouble
from immich_pipeline_tests.actions.duplicate_world import DuplicateWorld, Pipeline, cautious, eager
from immich_pipeline_tests.actions.library_state import library_of, unlike
from immich_pipeline_tests.actions.whole_world import Resolved, last_of, left_behind, whole
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, Face, World
from immich_pipeline_tests.thorough import times

GROUPS = times(25, 100)
FAULTS, KILLS = times(12, 30), times(2, 4)

pytestmark = pytest.mark.unmeasured


class Library:
    """A world that is being resolved, and what it was before."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.made = pipeline, pipeline.made
        self.before, self.names = whole(self.made.world), library_of(self.made.world)

    def resolved(self, *, half: bool = False) -> Resolved:
        pipeline = self.pipeline
        return Resolved(
            self.made.groups, self.before, whole(self.made.world), pipeline.kept, pipeline.backups(), half=half
        )

    def all_plans(self, work: Callable[[str], None]) -> None:
        """Look, plan, work, and again, until nothing is left to plan."""
        for _ in range(6):
            self.pipeline.look()
            plan = self.pipeline.plan()
            if not plan.actions:
                return
            work(plan.plan_id)
        raise AssertionError("there is always something more to be resolved")

    def apply(self, plan_id: str) -> None:
        applied = self.pipeline.apply(plan_id)
        assert (applied.problems, applied.held, applied.stopped) == ((), 0, None)

    def undo(self) -> None:
        for plan in reversed(self.pipeline.plans):
            undone = self.pipeline.undo(plan.plan_id)
            assert (undone.failed, undone.refused, undone.held) == (0, 0, 0)

    def check_back(self) -> None:
        assert left_behind(self.before, whole(self.made.world)) == []
        ours = {album.id for album in self.made.world.albums.values() if not foreign_cover(self.before, album.id)}
        names = library_of(self.made.world)
        for told in (self.names, names):
            told["albums"] = {one: album for one, album in told["albums"].items() if one in ours}
        assert unlike(self.names, names) == []


def foreign_cover(before: Any, album_id: str) -> bool:
    album = before["albums"][album_id]
    return bool(before["assets"][album["cover_id"]]["owner_id"] != album["owner_id"])


@contextmanager
def library_with(made: DuplicateWorld, database: Database, home: Path, **options: Any) -> Iterator[Library]:
    with StubServer(made.world) as stub:
        yield Library(Pipeline(made, stub, database, home, **options))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("version", "settings"), [("2.7.5", eager), ("3.1.0", cautious), ("3.2.2", eager)], ids=["2.7.5", "3.1.0", "3.2.2"]
)
def test_nothing_is_lost_and_everything_comes_back(version: str, settings: Any, database: Database, home: Path) -> None:
    made = DuplicateWorld(version, GROUPS, seed=int(version.replace(".", "")))
    with library_with(made, database, home, settings=settings, budget=60) as library:
        library.all_plans(library.apply)
        resolved = library.resolved()
        assert resolved.problems() == []
        given_up = {asset_id for asset_id in resolved.given_up if asset_id in resolved.kept}
        assert len(given_up) >= GROUPS // 2
        simple = [group for group in made.groups if group.certain]
        assert all(given_up & {file.id for file in group.files} for group in simple)
        assert not given_up & {file.id for group in made.groups if group.untouched for file in group.files}
        library.undo()
        library.check_back()


@pytest.mark.timeout(600)
def test_faults_and_kills_lose_nothing(database: Database, home: Path) -> None:
    made = DuplicateWorld("3.2.2", 60, seed=11)
    with library_with(made, database, home) as library:
        trouble = Trouble(library.pipeline, seed=5)

        def troubled(what: Any, plan_id: str, faults: int) -> None:
            for _ in range(KILLS // 2):
                trouble.killed(what, plan_id, trouble.dice.randrange(20, 160))
                assert library.resolved(half=True).problems() == []
            trouble.disturbed(what, plan_id, faults=faults, apart=16)

        library.pipeline.look()
        plan = library.pipeline.plan()
        troubled("apply", plan.plan_id, FAULTS * 2 // 3)
        assert library.resolved(half=True).problems() == []
        library.apply(plan.plan_id)
        assert library.resolved().problems() == []
        assert len(library.resolved().given_up) >= 30
        troubled("undo", plan.plan_id, FAULTS // 3)
        library.undo()
        library.check_back()
        assert trouble.struck["kill"] >= KILLS - 1
        assert sum(trouble.struck.values()) >= FAULTS


def test_the_checker_sees_what_is_lost(database: Database, home: Path) -> None:
    """Each thing that must not be lost is taken away from a well resolved library: it is noticed."""
    made = DuplicateWorld("3.1.0", 0)
    group = made.twins()
    keeper, loser = group.files
    richly(made, loser)
    with library_with(made, database, home) as library:
        library.all_plans(library.apply)
        assert library.resolved().problems() == []
        assert library.resolved().given_up == [loser.id]
        for name, spoil in SPOILED.items():
            restore = spoil(made.world, keeper)
            assert library.resolved().problems(), name
            restore()
            assert library.resolved().problems() == [], name
        path = library.pipeline.backups()[loser.id]
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        assert library.resolved().problems()


def richly(made: DuplicateWorld, loser: Asset) -> None:
    """Let it know everything that an asset can know."""
    world, crowd = made.world, made.crowds[loser.owner_id]
    assert loser.exif is not None
    loser.exif.latitude, loser.exif.longitude, loser.exif.rating, loser.exif.description = 47.0, 11.0, 3, "one\ntwo"
    loser.is_favorite = True
    for album in crowd.albums[:2]:
        album.asset_ids.append(loser.id)
    crowd.albums[0].cover_id = loser.id
    crowd.links[0].asset_ids.append(loser.id)
    world.add_tag(made.alice, "a/b", [loser])
    world.add_face(loser, crowd.people[0])
    made._give_video(loser, 0)


def spoiling(
    owner: Callable[[World, Asset], Any], name: str, value: Any
) -> Callable[[World, Asset], Callable[[], None]]:
    def spoil(world: World, keeper: Asset) -> Callable[[], None]:
        what = owner(world, keeper)
        before = getattr(what, name)
        setattr(what, name, value)
        return lambda: setattr(what, name, before)

    return spoil


def without_member(kind: str) -> Callable[[World, Asset], Callable[[], None]]:
    def spoil(world: World, keeper: Asset) -> Callable[[], None]:
        holder = next(one for one in getattr(world, kind).values() if keeper.id in one.asset_ids)
        holder.asset_ids.remove(keeper.id)
        return lambda: holder.asset_ids.append(keeper.id)

    return spoil


def without_face(world: World, keeper: Asset) -> Callable[[], None]:
    (face,) = keeper.faces
    world.remove_face(face)

    def again() -> None:
        world.faces[face.id] = face
        keeper.faces.append(face)

    return again


def exif_of(_world: World, keeper: Asset) -> Any:
    return keeper.exif


def itself(_world: World, keeper: Asset) -> Asset:
    return keeper


def its_face(_world: World, keeper: Asset) -> Face:
    return keeper.faces[0]


def somebody_else(world: World, keeper: Asset) -> Asset:
    return next(one for one in world.assets.values() if one.original_path.startswith("/data/library/Alice/2018"))


SPOILED: dict[str, Callable[[World, Asset], Callable[[], None]]] = {
    "position": spoiling(exif_of, "latitude", None),
    "another position": spoiling(exif_of, "longitude", 12.0),
    "date": spoiling(exif_of, "date_time_original", None),
    "zone": spoiling(exif_of, "time_zone", None),
    "rating": spoiling(exif_of, "rating", 2),
    "description": spoiling(exif_of, "description", "two"),
    "camera": spoiling(exif_of, "model", None),
    "favourite": spoiling(itself, "is_favorite", False),
    "hidden": spoiling(itself, "visibility", "hidden"),
    "offline": spoiling(itself, "is_offline", True),
    "live video": spoiling(itself, "live_video_id", None),
    "live video shown": spoiling(lambda world, keeper: world.assets[keeper.live_video_id or ""], "visibility", "timeline"),
    "content": spoiling(itself, "content", b"another"),
    "face elsewhere": spoiling(its_face, "box", (800, 700, 900, 800)),
    "face": without_face,
    "album": without_member("albums"),
    "tag": without_member("tags"),
    "link": without_member("links"),
    "cover": spoiling(lambda world, keeper: next(a for a in world.albums.values() if a.cover_id == keeper.id), "cover_id", None),
    "bystander": spoiling(somebody_else, "is_favorite", True),
}  # fmt: skip


def test_the_last_of_a_chain_is_found() -> None:
    assert last_of({"a": "b", "b": "c"}, "a") == "c"
    assert last_of({"a": "b", "b": "a"}, "a") in {"a", "b"}

"""What somebody does between plan and apply counts: the set is skipped, read anew and planned anew, and nothing of it is given up by the
old plan. Planned, decided and read by the real things."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from immich_pipeline.actions import duplicate_trash
from immich_pipeline.actions.model import Plan
from immich_pipeline.actions.plans import plan_frame
from immich_pipeline.store.contents import contents_of
from immich_pipeline.store.database import Database
from immich_pipeline.store.dismissals import dismiss
from immich_pipeline.store.verdicts import record_verdict
from immich_pipeline_tests.actions.duplicate_world import DuplicateWorld, Group, Pipeline
from immich_pipeline_tests.actions.whole_world import Resolved, whole
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset

Change = Callable[[DuplicateWorld, Asset], object]


class Between:
    """One set, planned; and the time before it is applied."""

    def __init__(self, pipeline: Pipeline, group: Group) -> None:
        self.pipeline, self.made, self.group = pipeline, pipeline.made, group
        self.keeper, *self.losers = group.files
        self.loser = self.losers[0]
        self.look()

    def look(self) -> Plan:
        self.pipeline.look()
        self.planned = self.pipeline.plan()
        return self.planned

    def apply(self) -> str:
        """What became of the one action."""
        self.before = whole(self.made.world)
        applied = self.pipeline.apply(self.planned.plan_id)
        return next(name for name in ("done", "already", "skipped", "failed", "held") if getattr(applied, name))

    def by_us(self) -> list[str]:
        """The assets that the last apply put into the trash, and problems with it."""
        resolved = Resolved(
            self.made.groups, self.before, whole(self.made.world), self.pipeline.kept, self.pipeline.backups()
        )
        assert resolved.problems() == []
        return sorted(resolved.given_up)


@pytest.fixture
def made() -> DuplicateWorld:
    return DuplicateWorld("3.2.2", 0)


@pytest.fixture
def pipeline(made: DuplicateWorld, database: Database, home: Path) -> Iterator[Pipeline]:
    with StubServer(made.world) as stub:
        yield Pipeline(made, stub, database, home)


@pytest.fixture
def between(made: DuplicateWorld, pipeline: Pipeline) -> Between:
    found = Between(pipeline, made.twins())
    assert len(found.planned.actions) == 1
    assert found.planned.actions[0].payload["keeper"] == found.keeper.id
    return found


def told(name: str, value: object) -> Change:
    """A person changes what the server says of it."""

    def change(made: DuplicateWorld, asset: Asset) -> None:
        setattr(asset.exif if hasattr(asset.exif, name) else asset, name, value)
        made.world.touch(asset)

    return change


def moved(made: DuplicateWorld, asset: Asset) -> None:
    assert asset.exif is not None
    asset.exif.latitude, asset.exif.longitude = 10.0, 20.0
    made.world.touch(asset)


def dated(made: DuplicateWorld, asset: Asset) -> None:
    made._date(asset, asset.file_created_at + timedelta(seconds=1), "UTC+3")
    made.world.touch(asset)


def tagged(made: DuplicateWorld, asset: Asset) -> None:
    made.world.add_tag(made.alice, "new/tag", [asset])
    made.world.touch(asset)


def replaced(made: DuplicateWorld, asset: Asset) -> None:
    """Another file under the same id."""
    asset.content = b"another picture altogether"
    asset.checksum = b"x" * 20
    made.world.touch(asset)


def into_album(made: DuplicateWorld, asset: Asset) -> None:
    made.crowds[made.alice.id].albums[0].asset_ids.append(asset.id)
    made.world.tick()


def into_bobs_album(made: DuplicateWorld, asset: Asset) -> None:
    album = next(
        one for one in made.world.albums.values() if one.owner_id == made.bob.id and made.alice.id in one.shared_with
    )
    album.asset_ids.append(asset.id)
    made.world.tick()


def into_link(made: DuplicateWorld, asset: Asset) -> None:
    made.crowds[made.alice.id].links[0].asset_ids.append(asset.id)
    made.world.tick()


def named(made: DuplicateWorld, asset: Asset) -> None:
    made.world.add_face(asset, made.crowds[made.alice.id].people[0])


def brought_to_life(made: DuplicateWorld, asset: Asset) -> None:
    made._give_video(asset, 77)
    made.world.touch(asset)


def stacked(made: DuplicateWorld, asset: Asset) -> None:
    made.world.add_stack([made._bystander(made.alice), asset])


def given_away(made: DuplicateWorld, asset: Asset) -> None:
    asset.owner_id = made.bob.id
    made.world.touch(asset)


HARMLESS: dict[str, Change] = {
    "favourite": told("is_favorite", True),
    "rated": told("rating", 5),
    "described": told("description", "a word"),
    "moved": moved,
    "tagged": tagged,
    "into an album": into_album,
    "into another's album": into_bobs_album,
    "into a link": into_link,
    "named": named,
    "brought to life": brought_to_life,
    "archived": told("visibility", "archive"),
    "stacked": stacked,
}
"""After these it is still a copy, and is given up by the next plan, with what has come to it."""

FORBIDDING: dict[str, Change] = {
    "edited": told("is_edited", True),
    "replaced": replaced,
    "another date": dated,
    "hidden": told("visibility", "hidden"),
    "locked": told("visibility", "locked"),
    "put into the trash": lambda made, asset: made.world.trash(asset),
    "deleted": lambda made, asset: made.world.delete_for_good(asset),
    "missing": lambda made, asset: made.world.take_offline(asset),
    "another's": given_away,
}
"""After these the set is no more what was planned, and may be none at all."""

STILL_COPIES = ("another date", "hidden")
"""Another zone, or hidden: still one picture."""


class Street:
    """A set for each change to the loser and for each to the kept one, and one to which nothing happens."""

    def __init__(self, pipeline: Pipeline, changes: Mapping[str, Change], sides: Sequence[int] = (0, 1)) -> None:
        self.pipeline, self.made, self.changes = pipeline, pipeline.made, changes
        names = [f"{name} {('kept one', 'loser')[side]}" for side in sides for name in changes]
        self.sets = {name: self.made.twins() for name in [*names, "nothing"]}
        self.sides = {name: side for side in sides for name in names if name.endswith(("kept one", "loser")[side])}
        pipeline.look()
        self.planned = pipeline.plan()
        assert len(self.planned.actions) == len(self.sets)

    def change(self, name: str) -> None:
        if name != "nothing":
            side = self.sides[name]
            self.changes[name.removesuffix((" kept one", " loser")[side])](self.made, self.sets[name].files[side])

    def outcomes(self) -> dict[str, str | None]:
        """What became of each set by the plan."""
        rows = plan_frame(self.pipeline.database, self.planned.plan_id).select("subjects", "outcome").iter_rows()
        by_keeper = {json.loads(subjects)[0]: outcome for subjects, outcome in rows}
        return {name: by_keeper.get(group.files[0].id) for name, group in self.sets.items()}

    def in_trash(self) -> set[str]:
        """The sets whose loser is in the trash."""
        assets = self.made.world.assets
        losers = {name: group.files[1].id for name, group in self.sets.items()}
        return {name for name, loser in losers.items() if loser in assets and assets[loser].deleted_at is not None}


def test_what_changed_is_skipped_and_planned_anew(pipeline: Pipeline) -> None:
    street = Street(pipeline, HARMLESS)
    for name in street.sets:
        street.change(name)
    before, old = whole(pipeline.made.world), {action.action_id("duplicates") for action in street.planned.actions}
    pipeline.apply(street.planned.plan_id)
    assert street.outcomes() == {name: "done" if name == "nothing" else "skipped" for name in street.sets}
    assert street.in_trash() == {"nothing"}

    pipeline.look()
    street.planned = pipeline.plan()
    assert not old & {action.action_id("duplicates") for action in street.planned.actions}
    pipeline.apply(street.planned.plan_id)
    assert {name: outcome for name, outcome in street.outcomes().items() if outcome != "done"} == {"nothing": None}
    assert street.in_trash() == set(street.sets)
    resolved = Resolved(pipeline.made.groups, before, whole(pipeline.made.world), pipeline.kept, pipeline.backups())
    assert resolved.problems() == []


def test_nothing_is_put_into_a_trash_that_is_switched_off(pipeline: Pipeline, made: DuplicateWorld) -> None:
    between = Between(pipeline, made.twins())
    made.world.trash_days = None
    assert between.apply() == "skipped"
    assert between.by_us() == []
    assert between.look().actions == ()  # known by now, and not proposed any more
    assert pipeline.decisions()["verdict"].to_list() == ["keep"]
    made.world.trash_days = 7
    between.look()
    assert between.apply() == "done"
    assert between.by_us() == [between.loser.id]


def test_a_trash_switched_off_while_it_is_being_resolved(
    pipeline: Pipeline, made: DuplicateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicate_trash, "_OLD_AFTER", 0.0)
    between = Between(pipeline, made.twins())
    pipeline.stub.on_request(lambda method, path: switch_off(made, method, path))
    assert between.apply() == "failed"
    assert between.by_us() == []


def switch_off(made: DuplicateWorld, method: str, path: str) -> None:
    if (method, path) == ("GET", f"/api/assets/{made.groups[0].files[1].id}/original"):
        made.world.trash_days = 0


def test_what_is_no_copy_any_more_is_never_given_up(pipeline: Pipeline) -> None:
    street = Street(pipeline, FORBIDDING)
    for name in street.sets:
        street.change(name)
    before = street.in_trash()
    pipeline.apply(street.planned.plan_id)
    assert street.outcomes() == {name: "done" if name == "nothing" else "skipped" for name in street.sets}
    assert street.in_trash() == {*before, "nothing"}
    after = whole(pipeline.made.world)["assets"]
    pipeline.look()
    for action in (
        pipeline.plan().actions
    ):  # what is new in the plan is done as planned, and it is about files that are copies still
        pipeline.apply(pipeline.plans[-1].plan_id)
        assert action.payload["keeper"] in after
    assert street.in_trash() - before <= {
        "nothing",
        *(f"{name} {side}" for name in STILL_COPIES for side in ("kept one", "loser")),
    }


@pytest.mark.parametrize("moment", ["GET /original", "PUT /assets"])
def test_a_change_while_it_is_being_resolved_is_not_lost(pipeline: Pipeline, moment: str) -> None:
    """Somebody is at the server at the very moment: after everything was read, before the loser is put into the trash."""
    street = Street(pipeline, {name: change for name, change in HARMLESS.items() if name != "into a link"}, sides=(1,))
    place = {group.files[int(moment.startswith("GET"))].id: name for name, group in street.sets.items()}
    struck: set[str] = set()

    def strike(method: str, path: str) -> None:
        parts = path.split("/")
        asset = next((part for part in parts if part in place), "")
        there = (
            path.endswith("/original")
            if moment.startswith("GET")
            else method == "PUT" and parts[-2:] == ["assets", asset]
        )
        if asset and there and place[asset] not in struck:
            struck.add(place[asset])
            street.change(place[asset])

    for group in street.sets.values():  # something to be merged, so that there is a PUT
        group.files[1].is_favorite = True
        pipeline.made.world.touch(group.files[1])
    pipeline.look()
    street.planned = pipeline.plan()
    pipeline.stub.on_request(strike)
    before = whole(pipeline.made.world)
    pipeline.apply(street.planned.plan_id)
    assert struck == set(street.sets)
    lost = Resolved(
        pipeline.made.groups, before, whole(pipeline.made.world), pipeline.kept, pipeline.backups(), half=True
    )
    assert street.in_trash() == {"nothing", "favourite loser"}
    assert lost.given_up


def test_a_plan_is_not_applied_when_a_newer_one_decides_otherwise(between: Between, made: DuplicateWorld) -> None:
    """A better copy came, and the one that was to be kept is to be given up."""
    old = between.planned
    best = made._file(made.alice, "/data/library/Alice/best/IMG_best.jpg", made._shot(between.group.number))
    looks, like = made.measured[best.id], made.measured[between.keeper.id]
    looks.phash, looks.phash256, looks.width, looks.height = like.phash, like.phash256, like.width * 2, like.height * 2
    best.width, best.height = looks.width, looks.height
    made._by_camera(best, (like.exif.make, like.exif.model, like.exif.lens_model))
    made.same += [(best.id, file.id, "reencoded") for file in between.group.files]
    between.group.shots[0].append(best)
    between.pipeline.look()
    assert between.apply() == "skipped"
    assert between.by_us() == []

    between.planned = between.pipeline.plan()
    assert between.planned.plan_id != old.plan_id
    assert between.planned.actions[0].payload["keeper"] == best.id
    assert between.apply() == "done"
    assert between.by_us() == sorted([between.keeper.id, between.loser.id])


def contents(between: Between) -> dict[str, bytes]:
    with between.pipeline.database.frames() as frames:
        return dict(contents_of(frames, [file.id for file in between.group.files]).iter_rows())


@pytest.mark.parametrize("decided_anew", [False, True])
def test_what_a_person_told_apart_stays(between: Between, decided_anew: bool) -> None:
    known = contents(between)
    dismiss(between.pipeline.database, [(known[between.keeper.id], known[between.loser.id])], "alice")
    if decided_anew:
        between.pipeline.look()
    assert between.apply() == "skipped"
    assert between.by_us() == []
    assert between.look().actions == ()


@pytest.mark.parametrize("decided_anew", [False, True])
def test_what_a_person_rejected_stays(between: Between, decided_anew: bool) -> None:
    record_verdict(between.pipeline.database, contents(between).values(), "rejected", None, "alice")
    if decided_anew:
        between.pipeline.look()
    assert between.apply() == "skipped"
    assert between.by_us() == []
    assert between.look().actions == ()


@pytest.mark.parametrize("decided_anew", [False, True])
def test_a_loser_that_a_person_made_the_keeper_is_kept(between: Between, decided_anew: bool) -> None:
    known = contents(between)
    record_verdict(between.pipeline.database, known.values(), "accepted", known[between.loser.id], "alice")
    if decided_anew:
        between.pipeline.look()
    assert between.apply() == "skipped"
    assert between.by_us() == []

    (action,) = between.look().actions
    assert action.payload["keeper"] == between.loser.id
    assert between.apply() == "done"
    assert between.by_us() == [between.keeper.id]


def test_what_a_person_took_out_of_the_trash_is_not_given_up_again(between: Between, made: DuplicateWorld) -> None:
    assert between.apply() == "done"
    made.world.restore(between.loser)
    assert between.apply() == "already"
    assert between.by_us() == []

    assert between.look().actions == ()
    (reason,) = between.pipeline.left_out()["reason"]
    assert "brought back" in reason

    record_verdict(between.pipeline.database, contents(between).values(), "accepted", None, "alice")
    assert len(between.look().actions) == 1
    assert between.apply() == "done"
    assert between.by_us() == [between.loser.id]


def test_what_was_undone_is_not_done_again_by_itself(between: Between) -> None:
    assert between.apply() == "done"
    assert between.pipeline.undo(between.planned.plan_id).undone == 1
    assert between.look().actions == ()


def test_a_copy_that_was_in_the_trash_and_came_back_waits_for_the_next_plan(
    made: DuplicateWorld, pipeline: Pipeline
) -> None:
    group = made.twins(2)
    made.world.trash(group.files[2])
    between = Between(pipeline, group)
    made.world.restore(group.files[2])
    between.apply()
    assert between.loser.id in between.by_us()
    assert group.files[2].id not in between.by_us()
    between.look()
    assert between.apply() == "done"
    assert between.by_us() == [group.files[2].id]


def test_one_set_that_changed_keeps_no_other_from_being_resolved(made: DuplicateWorld, pipeline: Pipeline) -> None:
    groups = [made.twins() for _ in range(3)]
    between = Between(pipeline, groups[1])
    HARMLESS["favourite"](made, between.loser)
    before = whole(made.world)
    applied = pipeline.apply(between.planned.plan_id)
    assert (applied.done, applied.skipped) == (2, 1)
    resolved = Resolved(made.groups, before, whole(made.world), pipeline.kept, pipeline.backups())
    assert resolved.problems() == []
    assert sorted(resolved.given_up) == sorted([groups[0].files[1].id, groups[2].files[1].id])

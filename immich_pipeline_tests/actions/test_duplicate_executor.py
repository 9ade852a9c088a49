"""Sets of duplicates on a server that speaks each dialect: resolved without losing anything, and put back exactly."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from immich_pipeline.actions import duplicate_resolving
from immich_pipeline.actions.duplicate_executor import DuplicateExecutor
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.duplicate_house import GIVEN, DuplicateHouse, Twins
from immich_pipeline_tests.actions.library_state import unlike
from immich_pipeline_tests.immich_world import Asset, Exif
from immich_pipeline_tests.thorough import THOROUGH

VERSIONS = ("2.7.5", "3.1.0", "3.2.2")


@pytest.fixture
def house(request: pytest.FixtureRequest, database: Database, home: Path) -> Iterator[DuplicateHouse]:
    house = DuplicateHouse(getattr(request, "param", "3.1.0"), database, home)
    with house.stub:
        yield house


@pytest.mark.parametrize("house", VERSIONS, indirect=True)
def test_everything_that_a_loser_knows_is_kept_and_an_undo_brings_back_everything(house: DuplicateHouse) -> None:
    for number, what in enumerate(GIVEN):
        house.give(house.twins(f"{what}", 1 + number % 2), what, number)
    before = house.library()
    plan = house.plan()
    applied = house.apply(plan.plan_id)
    assert (applied.done, applied.problems) == (len(GIVEN), ())
    assert house.losses(before) == []
    assert house.trashed() == {loser.id for twins in house.sets for loser in twins.losers}
    assert house.apply(plan.plan_id).already == len(GIVEN)

    undone = house.undo(plan.plan_id)
    assert (undone.undone, undone.problems) == (len(GIVEN), ())
    assert unlike(before, house.library()) == []


@pytest.mark.parametrize("house", VERSIONS, indirect=True)
def test_what_is_gone_from_the_trash_is_uploaded_again_with_everything(house: DuplicateHouse) -> None:
    for number, what in enumerate(GIVEN):
        house.give(house.twins(f"{what}", 1 + number % 2), what, number)
    before = house.library()
    plan = house.plan()
    assert house.apply(plan.plan_id).problems == ()
    house.world.empty_trash()
    undone = house.undo(plan.plan_id)
    assert (undone.undone, undone.problems) == (len(GIVEN), ())
    assert unlike(before, house.library()) == []


def after_plan(house: DuplicateHouse, change: Callable[[DuplicateHouse, Twins], object], what: str = "gps") -> str:
    """Plan a set, change something, apply: the reason why it was left alone."""
    twins = house.twins("one", 2)
    house.give(twins, what)
    plan = house.plan()
    change(house, twins)
    trashed, before = house.trashed(), len(writes(house))
    applied = house.apply(plan.plan_id)
    assert (applied.done, applied.skipped, applied.failed, applied.already) == (0, 1, 0, 0)
    assert house.trashed() == trashed
    assert len(writes(house)) == before
    return applied.problems[0][1]


def writes(house: DuplicateHouse) -> list[tuple[str, str]]:
    asked = [(method, path) for method, path, _ in house.stub.requests if method != "GET"]
    return [one for one in asked if "bulk-upload-check" not in one[1]]


def exif(asset: Asset) -> Exif:
    assert asset.exif is not None
    return asset.exif


CHANGES: dict[str, tuple[Callable[[DuplicateHouse, Twins], object], str]] = {
    "another content": (lambda h, t: setattr(t.losers[0], "checksum", b"x" * 20), "its content"),
    "tagged": (lambda h, t: h.world.add_tag(h.alice, "new", [t.losers[0]]), "its tags"),
    "in an album": (lambda h, t: h.world.add_album(h.alice, "new", [t.losers[1]]), "its albums"),
    "rated": (lambda h, t: setattr(exif(t.losers[0]), "rating", 5), "its rating"),
    "favourite": (lambda h, t: setattr(t.losers[0], "is_favorite", True), "its mark as favourite"),
    "described": (lambda h, t: setattr(exif(t.losers[0]), "description", "new"), "its description"),
    "moved": (lambda h, t: setattr(exif(t.losers[0]), "latitude", 1.0), "its position"),
    "dated": (lambda h, t: setattr(exif(t.losers[1]), "time_zone", "UTC+2"), "its time zone"),
    "named": (lambda h, t: h.world.add_face(t.losers[0], h.world.add_person(h.alice, "Zoe")), "its people"),
    "linked": (lambda h, t: h.world.add_link(h.alice, [t.losers[0]]), "its links"),
    "archived": (lambda h, t: setattr(t.losers[0], "visibility", "archive"), "its visibility"),
    "thrown away": (lambda h, t: h.world.trash(t.losers[0]), "whether it is in the trash"),
    "gone": (lambda h, t: h.world.delete_for_good(t.losers[0]), "is not on the server any more"),
    "kept one thrown away": (lambda h, t: h.world.trash(t.keeper), "is in the trash now"),
    "kept one hidden": (lambda h, t: setattr(t.keeper, "visibility", "hidden"), "is hidden now"),
    "kept one offline": (lambda h, t: setattr(t.keeper, "is_offline", True), "is missing on the disk now"),
    "kept one archived": (lambda h, t: setattr(t.keeper, "visibility", "archive"), "its visibility"),
    "kept one elsewhere": (lambda h, t: h.give(Twins("", t.losers[0], [t.keeper]), "gps", 9), "is not as it was"),
    "kept one untagged": (lambda h, t: setattr(exif(t.keeper), "description", "new"), "its description"),
    "stacked": (lambda h, t: h.world.add_stack([t.losers[0], t.keeper]), "the stacks of these files are not as"),
    "decided otherwise": (lambda h, t: h.memory.gone.add("one"), "decided otherwise"),
    "another's": (lambda h, t: setattr(t.losers[0], "owner_id", h.bob.id), "is not on the server any more"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_somebody_changed_between_plan_and_apply_is_left_alone(house: DuplicateHouse, name: str) -> None:
    change, reason = CHANGES[name]
    assert reason in after_plan(house, change)


def test_a_live_video_that_is_gone_is_no_reason_to_lose_the_rest(house: DuplicateHouse) -> None:
    reason = after_plan(
        house, lambda h, t: h.world.delete_for_good(h.world.assets[t.losers[0].live_video_id or ""]), "live"
    )
    assert "live video" in reason


def test_a_library_from_which_nothing_may_be_deleted_is_asked_for_twice(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    library = house.world.add_library(house.alice, "NAS", "/external")
    twins.losers[0].library_id = library.id
    plan = house.plan()
    applied = house.apply(plan.plan_id)
    assert (applied.skipped, house.trashed()) == (1, set())
    assert "duplicates.delete_from" in applied.problems[0][1]


def test_a_copy_that_cannot_be_made_keeps_everything_as_it_is(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "gps")
    plan = house.plan()
    twins.losers[0].content = b"something else"
    applied = house.apply(plan.plan_id)
    assert (applied.failed, house.trashed(), writes(house)) == (1, set(), [])
    assert "is not the file" in applied.problems[0][1]


def test_a_merge_that_the_server_did_not_do_trashes_nothing(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "gps")
    plan = house.plan()

    def forget(method: str, _path: str) -> None:
        if method == "GET":
            exif(twins.keeper).latitude = exif(twins.keeper).longitude = None

    house.stub.on_request(forget)
    applied = house.apply(plan.plan_id)
    assert (applied.failed, house.trashed()) == (1, set())
    assert "lacks after the merge: position" in applied.problems[0][1]


def test_a_server_that_is_slow_to_take_over_is_waited_for(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "rating")
    plan, asked = house.plan(), list[str]()

    def delay(method: str, path: str) -> None:
        if path == f"/api/assets/{twins.keeper.id}":
            asked.append(method)
            exif(twins.keeper).rating = 3 if asked[-3:] == ["GET"] * 3 else None

    house.stub.on_request(delay)
    assert house.apply(plan.plan_id).done == 1
    assert asked == ["GET", "PUT", "GET", "GET", "GET", "GET"]


def test_an_undo_leaves_alone_what_somebody_changed_since(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "rating")
    plan = house.plan()
    assert house.apply(plan.plan_id).done == 1
    exif(twins.keeper).rating = 5
    undone = house.undo(plan.plan_id)
    assert (undone.refused, house.trashed()) == (1, {twins.losers[0].id})
    assert "rating" in undone.problems[0][1]
    exif(twins.keeper).rating = 3
    assert house.undo(plan.plan_id).undone == 1
    assert exif(twins.keeper).rating is None


def test_an_undo_refuses_when_a_loser_was_taken_back_and_changed(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    plan = house.plan()
    assert house.apply(plan.plan_id).done == 1
    house.world.restore(twins.losers[0])
    exif(twins.losers[0]).rating = 5
    house.world.add_album(house.alice, "of the kept one", [twins.keeper])
    assert house.undo(plan.plan_id).undone == 1, "it is where it was: nothing is left to be put back"
    assert exif(twins.losers[0]).rating == 5


def test_bytes_that_somebody_uploaded_again_are_taken_for_the_loser(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "favourite")
    before, plan = house.library(), house.plan()
    assert house.apply(plan.plan_id).done == 1
    house.world.empty_trash()
    loser = twins.losers[0]
    house.world.add_asset(house.alice, "/data/elsewhere.jpg", content=loser.content, original_name=loser.original_name)
    assert house.undo(plan.plan_id).undone == 1
    now = house.library()["assets"]
    assert now[before["ids"][loser.id]]["favourite"]
    assert not now[before["ids"][twins.keeper.id]]["favourite"]


def test_without_a_copy_what_is_gone_cannot_come_back(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    plan = house.plan()
    assert house.apply(plan.plan_id).done == 1
    house.world.empty_trash()
    for path in (house.home / "backups").rglob("*.jpg"):
        path.write_bytes(b"broken")
    undone = house.undo(plan.plan_id)
    assert (undone.failed, len(house.world.assets)) == (1, 1)
    assert twins.losers[0].id in undone.problems[0][1]


INSTEAD = [(version, operation) for operation in ("stack", "archive", "tag", "album") for version in VERSIONS]


# stacks differ between the versions; of the others each has one, unless all is asked for
@pytest.mark.parametrize(
    ("house", "operation"), INSTEAD if THOROUGH else INSTEAD[:3] + INSTEAD[3::4], indirect=["house"]
)
def test_what_is_done_instead_of_the_trash(house: DuplicateHouse, operation: str) -> None:
    for number, what in enumerate(("gps", "albums", "tags", "live", "cover")):
        house.give(house.twins(what, 1 + number % 2), what, number)
    before, plan = house.library(), house.plan(operation)
    applied = house.apply(plan.plan_id)
    assert (applied.done, applied.problems, house.trashed()) == (5, (), set())
    assert house.losses(before) == []
    assert house.backed_up() == set()
    losers = [loser for twins in house.sets for loser in twins.losers]
    match operation:
        case "stack":
            tops = {house.world.stacks[loser.stack_id or ""].primary_asset_id for loser in losers}
            assert tops == {twins.keeper.id for twins in house.sets}
        case "archive":
            assert {loser.visibility for loser in losers} == {"archive"}
        case "tag":
            (tag,) = [tag for tag in house.world.tags.values() if tag.value == "duplicate"]
            assert set(tag.asset_ids) == {loser.id for loser in losers}
        case _:
            (album,) = [album for album in house.world.albums.values() if album.name == "Duplicates to review"]
            assert set(album.asset_ids) == {loser.id for loser in losers}
            del before["albums"]
    undone = house.undo(plan.plan_id)
    assert (undone.undone, undone.problems) == (5, ())
    after = house.library()
    if operation == "album":  # which stays, empty
        before = {**before, "albums": {one: told for one, told in after["albums"].items() if told["members"]}}
        after = {**after, "albums": {one: told for one, told in after["albums"].items() if told["members"]}}
    assert unlike(before, after) == []


def test_a_set_takes_few_requests(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "gps")
    house.give(twins, "favourite")
    plan = house.plan()
    house.stub.requests.clear()
    assert house.apply(plan.plan_id).done == 1
    asked = [path for _, path, _ in house.stub.requests if "/users/" not in path and "/server/" not in path]
    assert len(asked) <= 17, asked


def test_stacks_that_nobody_can_bring_together_are_left_to_a_person(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.world.add_stack([twins.keeper, house.photo("a.jpg")])
    house.world.add_stack([house.photo("b.jpg"), twins.losers[0]])
    plan = house.plan()
    applied = house.apply(plan.plan_id)
    assert (applied.skipped, house.trashed()) == (1, set())
    assert "which a person has to bring together" in applied.problems[0][1]


@pytest.mark.parametrize("house", VERSIONS, indirect=True)
def test_the_kept_one_comes_on_top_of_the_stack_that_both_are_in(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.world.add_stack([twins.losers[0], twins.keeper, house.photo("a.jpg")])
    before, plan = house.library(), house.plan()
    assert house.apply(plan.plan_id).done == 1
    assert house.losses(before) == []
    assert [stack.primary_asset_id for stack in house.world.stacks.values()] == [twins.keeper.id]
    assert house.undo(plan.plan_id).undone == 1
    assert unlike(before, house.library()) == []


def test_the_archived_half_of_a_live_photo_does_not_show_by_itself(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "live")
    twins.losers[0].visibility = twins.keeper.visibility = "archive"
    before, plan = house.library(), house.plan()
    assert house.apply(plan.plan_id).problems == ()
    assert house.losses(before) == []
    assert house.world.assets[twins.keeper.live_video_id or ""].visibility == "hidden"
    assert house.undo(plan.plan_id).problems == ()
    assert unlike(before, house.library()) == []


def while_it_is_done(house: DuplicateHouse, method: str, change: Callable[[], object]) -> str:
    """Plan and apply; the change is made before the first request with the method. Returns the problem."""
    plan, done = house.plan(), list[str]()

    def strike(asked: str, path: str) -> None:
        if asked == method and "bulk" not in path and not done:
            done.append(path)
            change()

    house.stub.on_request(strike)
    applied = house.apply(plan.plan_id)
    assert (applied.failed, len(done)) == (1, 1)
    return applied.problems[0][1]


@pytest.mark.parametrize("how", ["trashed", "gone", "hidden"])
def test_a_kept_one_that_goes_while_it_gets_what_it_lacks_stops_everything(house: DuplicateHouse, how: str) -> None:
    twins = house.twins("one")
    house.give(twins, "tags")

    def go() -> None:
        if how == "gone":
            house.world.delete_for_good(twins.keeper)
        elif how == "hidden":
            twins.keeper.visibility = "hidden"
        else:
            house.world.trash(twins.keeper)

    problem = while_it_is_done(house, "PUT", go)
    assert "lacks after the merge" in problem or "Not found" in problem or "not on the server" in problem
    assert twins.losers[0].deleted_at is None


def test_what_took_long_to_copy_is_looked_at_again(house: DuplicateHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_resolving, "_OLD_AFTER", -1.0)
    twins = house.twins("one")
    house.give(twins, "gps")
    plan, counted = house.plan(), list[str]()

    def strike(_method: str, path: str) -> None:
        if path.endswith(f"{twins.losers[0].id}/original"):
            counted.append(path)
            exif(twins.losers[0]).rating = 5

    house.stub.on_request(strike)
    applied = house.apply(plan.plan_id)
    assert (applied.failed, house.trashed(), writes(house)) == (1, set(), [])
    assert "changed while it was copied" in applied.problems[0][1]
    exif(twins.losers[0]).rating = None
    assert house.apply(plan.plan_id).done == 1


def test_what_was_begun_and_is_decided_otherwise_goes_no_further_and_can_be_undone(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "favourite")
    before, plan = house.library(), house.plan()
    house.stub.fail_next("DELETE /api/assets", 400)
    assert house.apply(plan.plan_id).failed == 1
    assert twins.keeper.is_favorite
    house.memory.gone.add("one")
    applied = house.apply(plan.plan_id)
    assert (applied.failed, house.trashed()) == (1, set())
    assert "undo it" in applied.problems[0][1]
    assert house.undo(plan.plan_id).undone == 1
    assert unlike(before, house.library()) == []


def test_bytes_that_the_kept_one_has_are_not_uploaded_over_it(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    library = house.world.add_library(house.alice, "NAS", "/external")
    loser = house.world.add_asset(
        house.alice, "/external/one.jpg", content=twins.keeper.content, library=library, exif=replace(exif(twins.keeper)),
        local_date_time=twins.keeper.local_date_time,
    )  # fmt: skip
    twins.losers = [loser]
    plan = house.plan(settings=DuplicateSettings(delete_from=(library.id,)))
    assert house.apply(plan.plan_id).problems == ()
    house.world.empty_trash()
    undone = house.undo(plan.plan_id)
    assert (undone.refused, undone.undone) == (1, 0)
    assert f"asset {twins.keeper.id} has the same" in undone.problems[0][1]


def test_without_a_key_nothing_is_asked(house: DuplicateHouse) -> None:
    house.twins("one")
    plan = house.plan()
    executor = DuplicateExecutor({}, house.memory, None)  # type: ignore[arg-type] - it is not used
    with pytest.raises(ImmichError, match="no API key of the user"):
        executor.read(plan.actions[0])


def test_the_losers_come_back_though_the_kept_one_is_gone(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    house.give(twins, "cover")
    plan = house.plan()
    assert house.apply(plan.plan_id).done == 1
    house.world.delete_for_good(twins.keeper)
    assert house.undo(plan.plan_id).undone == 1
    assert house.trashed() == set()


def test_the_cover_of_an_album_of_somebody_else_is_theirs_to_choose(house: DuplicateHouse) -> None:
    twins = house.twins("one")
    album = house.world.add_album(house.bob, "Bob's", [twins.losers[0]], [house.alice])
    album.cover_id = twins.losers[0].id
    plan = house.plan()
    assert plan.actions[0].payload["merge"]["covers"] == [album.id]
    assert house.apply(plan.plan_id).problems == ()
    assert twins.keeper.id in album.asset_ids
    assert house.undo(plan.plan_id).problems == ()
    assert list(album.asset_ids) == [twins.losers[0].id]


def test_a_library_that_lost_something_is_told(house: DuplicateHouse) -> None:
    for what in GIVEN:
        house.give(house.twins(what), what)
    before = house.library()
    for twins in house.sets:
        house.world.trash(twins.losers[0])
    told = " ".join(house.losses(before))
    for word in (
        "position",
        "favourite",
        "rating",
        "line",
        "tags",
        "albums",
        "cover",
        "links",
        "person",
        "live_video",
        "zone",
        "copy",
    ):
        assert word in told, word
    assert len(unlike(before, house.library())) >= len(GIVEN)

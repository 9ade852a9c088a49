"""What copies are in: stacks, the album, tags, live photos; as at the source, and as the target's owner left it."""

from immich_pipeline.sharing.albums import has_album
from immich_pipeline.sharing.contract import read_layout
from immich_pipeline.sharing.model import Job, SharePolicy
from immich_pipeline.sharing.work import Work
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import broken, target_of
from immich_pipeline_tests.sharing.runs import cycle, media_of, session
from immich_pipeline_tests.sharing.versions import EVERY_VERSION


def photos(house: House, *names: str) -> list[str]:
    return [house.add_photo(f"{EXTERNAL}/{name}.jpg") for name in names]


def stacks_of(house: House, owner: str) -> list[tuple[str, list[str]]]:
    """The file that shows each stack of a user, and those that are in it."""
    return house.rows(
        """SELECT shown."originalFileName", array_agg(asset."originalFileName" ORDER BY asset."originalFileName")
           FROM stack JOIN asset AS shown ON shown.id = "primaryAssetId" JOIN asset ON asset."stackId" = stack.id
           WHERE stack."ownerId" = %s GROUP BY stack.id, 1 ORDER BY 1""",
        owner,
    )


def settled(house: House, job: Job | None = None) -> None:
    """One cycle is enough, and all is well."""
    cycle(house, job)
    assert cycle(house, job).written == 0
    assert cycle(house, job, full=True).written == 0


@EVERY_VERSION
def test_b11_a_stack_follows_what_becomes_of_it_at_the_source(house: House) -> None:
    a, b, c = photos(house, "a", "b", "c")
    stack = house.add_stack(a, b)
    settled(house)
    assert stacks_of(house, house.bob) == [("a.jpg", ["a.jpg", "b.jpg"])]
    house.update("asset", {"id": c}, stackId=stack)
    house.update("stack", {"id": stack}, primaryAssetId=c)
    settled(house)
    assert stacks_of(house, house.bob) == [("c.jpg", ["a.jpg", "b.jpg", "c.jpg"])]
    house.update("stack", {"id": stack}, primaryAssetId=b)
    house.update("asset", {"id": c}, stackId=None)
    settled(house)
    assert stacks_of(house, house.bob) == [("b.jpg", ["a.jpg", "b.jpg"])]
    changes.unstack(house, stack)
    house.add_stack(b, a, c)  # Immich gives it another id each time
    settled(house)
    assert stacks_of(house, house.bob) == [("b.jpg", ["a.jpg", "b.jpg", "c.jpg"])]
    changes.unstack(house, house.value('SELECT id::text FROM stack WHERE "ownerId" = %s', house.alice))
    settled(house)
    assert stacks_of(house, house.bob) == []
    assert broken(house, house.job()) == []


def test_b11_a_stack_that_is_no_longer_shared_as_a_whole_is_taken_apart_and_made_again(house: House) -> None:
    a, b = photos(house, "a", "b")
    stack = house.add_stack(a, b)
    outside = house.add_photo("/elsewhere/c.jpg")
    settled(house)
    house.update("asset", {"id": outside}, stackId=stack)
    settled(house)
    assert stacks_of(house, house.bob) == []
    house.update("asset", {"id": outside}, stackId=None)
    settled(house)
    assert stacks_of(house, house.bob) == [("a.jpg", ["a.jpg", "b.jpg"])]


def test_b11_b51_what_the_target_did_with_a_stack_stays(house: House) -> None:
    names = ["a", "b", "c", "d", "e", "f", "g", "h"]
    found = dict(zip(names, photos(house, *names), strict=True))
    taken_out, dissolved, shown = (house.add_stack(*(found[name] for name in group)) for group in ("abc", "de", "fg"))
    settled(house)
    copy = {name: target_of(house, source) for name, source in found.items()}
    mine = dict(house.rows("SELECT source_id::text, target_id::text FROM immich_pipeline_sharing.stack"))
    house.update("asset", {"id": copy["c"]}, stackId=None)
    house.remove("stack", id=mine[dissolved])
    house.update("stack", {"id": mine[shown]}, primaryAssetId=copy["g"])
    own = house.add_photo("/external/bob/own.jpg", owner=house.bob)
    house.add_stack(own, copy["h"])
    for name in ("a", "d", "f", "h"):
        changes.set_exif(house, found[name], description="changed")
    house.add_stack(found["h"], house.add_photo(f"{EXTERNAL}/i.jpg"))
    settled(house)
    assert stacks_of(house, house.bob) == [
        ("a.jpg", ["a.jpg", "b.jpg"]), ("g.jpg", ["f.jpg", "g.jpg"]), ("own.jpg", ["h.jpg", "own.jpg"]),
    ]  # fmt: skip
    assert taken_out in mine


@EVERY_VERSION
def test_b28_the_album_is_filled_late_changed_and_left_to_whoever_takes_things_out(house: House) -> None:
    (first,) = photos(house, "a")
    cycle(house)
    album, other = house.add_album(house.bob, "from Alice"), house.add_album(house.bob, "another")
    job = house.job(album=album)
    (second,) = photos(house, "b")
    house.add_live_photo(f"{EXTERNAL}/live.heic")
    settled(house, job)

    def members(album: str) -> list[str]:
        query = 'SELECT "originalFileName" FROM album_asset JOIN asset ON asset.id = "assetId" WHERE "albumId" = %s ORDER BY 1'
        return [name for (name,) in house.rows(query, album)]

    assert members(album) == ["a.jpg", "b.jpg", "live.heic"]
    house.take_out(album, target_of(house, second))
    changes.set_exif(house, second, description="changed")
    settled(house, job)
    assert members(album) == ["a.jpg", "live.heic"]
    house.put_into(other, target_of(house, first))
    settled(house, house.job(album=other))
    assert (members(album), members(other)) == ([], ["a.jpg", "b.jpg", "live.heic"])
    changes.delete_for_good(house, first)
    cycle(house, house.job(album=other, policy=SharePolicy(on_source_delete="delete")))
    assert members(other) == ["b.jpg", "live.heic"]


def test_b28_an_album_that_is_gone_is_told_and_ends_nothing(house: House) -> None:
    photos(house, "a")
    album = house.add_album(house.bob, "from Alice")
    job = house.job(album=album)
    with session(house) as connection:
        work = Work(connection, job, 0, read_layout(connection), media_of(house))
        assert has_album(work)
        house.db.execute('UPDATE album SET "deletedAt" = now()')
        assert not has_album(work)


@EVERY_VERSION
def test_tags_follow_and_those_of_the_targets_own_stay(house: House) -> None:
    job = house.job(policy=SharePolicy(tags="copy"))
    a, b = photos(house, "a", "b")
    house.tag(a, "Places/Kölleda")
    house.tag(b, "Places")
    settled(house, job)
    copy = target_of(house, a)

    def tags(asset: str) -> list[str]:
        query = 'SELECT value FROM tag_asset JOIN tag ON tag.id = "tagId" WHERE "assetId" = %s ORDER BY 1'
        return [value for (value,) in house.rows(query, asset)]

    def bobs() -> list[str]:
        return [value for (value,) in house.rows('SELECT value FROM tag WHERE "userId" = %s ORDER BY 1', house.bob)]

    assert (tags(copy), bobs()) == (["Places/Kölleda"], ["Places", "Places/Kölleda"])
    house.tag(copy, "Mine")
    house.untag(target_of(house, b), "Places")  # and it is not given again
    house.tag(a, "New/Deep/Tag")
    house.untag(a, "Places/Kölleda")
    changes.set_exif(house, b, description="changed")
    settled(house, job)
    assert tags(copy) == ["Mine", "New/Deep/Tag"]
    assert set(house.row("asset_exif", assetId=copy)["tags"]) == {"Mine", "New/Deep/Tag"}
    assert "tags" in house.row("asset_exif", assetId=copy)["lockedProperties"]
    assert (tags(target_of(house, b)), bobs()) == ([], ["Mine", "New", "New/Deep", "New/Deep/Tag", "Places"])
    house.db.execute(
        "UPDATE tag SET value = 'New/Deep/Renamed' WHERE value = 'New/Deep/Tag' AND \"userId\" = %s", [house.alice]
    )
    settled(house, job)
    assert tags(copy) == ["Mine", "New/Deep/Renamed"]
    closure = house.rows(
        """SELECT above.value, tag.value FROM tag_closure JOIN tag ON tag.id = id_descendant JOIN tag AS above ON above.id = id_ancestor
           WHERE tag."userId" = %s AND tag.value LIKE 'New%%' ORDER BY 2, 1""",
        house.bob,
    )
    assert closure == [
        ("New", "New"), ("New", "New/Deep"), ("New/Deep", "New/Deep"), ("New", "New/Deep/Renamed"), ("New/Deep", "New/Deep/Renamed"),
        ("New/Deep/Renamed", "New/Deep/Renamed"),
    ]  # fmt: skip


def test_b10_halves_that_come_apart_and_together(house: House) -> None:
    still, video = house.add_live_photo(f"{EXTERNAL}/live.heic")
    settled(house)
    own = house.add_video("/external/bob/own.mov", owner=house.bob)
    changes.set_asset(house, still, livePhotoVideoId=None)
    changes.set_asset(house, video, visibility="timeline")
    settled(house)
    assert house.row("asset", id=target_of(house, still))["livePhotoVideoId"] is None
    assert house.row("asset", id=target_of(house, video))["visibility"] == "timeline"
    house.update("asset", {"id": target_of(house, still)}, livePhotoVideoId=own)  # bob has another film for it
    changes.set_exif(house, still, description="changed")
    settled(house)
    assert str(house.row("asset", id=target_of(house, still))["livePhotoVideoId"]) == own


def test_b17_originals_that_change_names_are_found_at_their_new_places(house: House) -> None:
    a, b, c = photos(house, "a", "b", "c")
    settled(house)
    path = {name: f"{EXTERNAL}/{name}.jpg" for name in "abcd"}
    own = house.add_photo("/external/bob/alice/d.jpg", owner=house.bob)
    for asset, new in ((a, "b"), (b, "a"), (c, "d")):
        house.update("asset", {"id": asset}, originalPath=path[new])
    cycle(house)

    def place(asset: str) -> str:
        return str(house.row("asset", id=target_of(house, asset))["originalPath"])

    assert [place(asset) for asset in (a, b, c)] == [f"/external/bob/alice/{name}.jpg" for name in "bac"]
    assert house.rows("SELECT reason FROM immich_pipeline_sharing.unfollowed") == [("path_taken",)]
    changes.delete_for_good(house, own)
    settled(house)
    assert place(c) == "/external/bob/alice/d.jpg"
    assert house.rows("SELECT FROM immich_pipeline_sharing.unfollowed") == []
    assert broken(house, house.job()) == []


def test_b36_a_picture_that_cannot_be_linked_now_is_linked_later(house: House) -> None:
    (a,) = photos(house, "a")
    settled(house)
    path = house.add_file(a, "fullsize")
    house.here(path).unlink()
    changes.set_exif(house, a, description="changed")
    cycle(house)
    assert house.row("asset_exif", assetId=target_of(house, a))["description"] == "changed"
    assert house.rows("SELECT reason FROM immich_pipeline_sharing.unfollowed") == [("file_missing",)]
    house.write(path, b"there now")
    settled(house)
    assert broken(house, house.job()) == []


def test_plans_that_are_applied_in_parts_keep_their_marks(house: House) -> None:
    a, b = photos(house, "a", "b")
    cycle(house)
    seen = "SELECT seen::text FROM immich_pipeline_sharing.watermark ORDER BY subject"
    marks = house.rows(seen)
    changes.set_exif(house, a, description="changed")
    changes.set_exif(house, b, description="changed")
    cycle(house, operations=("follow",), only=[target_of(house, a)])
    assert house.rows(seen) == marks  # something was left
    changes.set_asset(house, a, isFavorite=True)  # nothing to follow, and not chosen
    cycle(house, operations=("follow",), only=[target_of(house, b)])
    assert house.rows(seen) != marks
    assert cycle(house).written == 0
    assert broken(house, house.job()) == []

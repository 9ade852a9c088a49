"""The client against the stand-in server, in every dialect."""

import hashlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle, product

import polars as pl
import pytest
from pydantic import SecretStr

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ApiError, ImmichError, NotFound, ReadOnlyServer, Unreachable
from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline.immich.search import SearchQuery, SearchTally
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser
from immich_pipeline_tests.immich.clients import ABSENT, VERSIONS, client_of, named, user
from immich_pipeline_tests.immich.scripted import Reply, scripted
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, World, every_flag
from immich_pipeline_tests.thorough import THOROUGH


@pytest.fixture(params=VERSIONS)
def world(request: pytest.FixtureRequest) -> World:
    return every_flag(request.param)


def read(client: ImmichClient, tally: SearchTally | None = None, **query: object) -> pl.DataFrame:
    frames = list(client.search(SearchQuery(**query), tally))  # type: ignore[arg-type]
    assert all(len(frame) and dict(frame.schema) == RECORD_SCHEMA for frame in frames)
    return pl.concat([pl.DataFrame(schema=RECORD_SCHEMA), *frames])


def own(world: World, name: str = "alice") -> dict[str, Asset]:
    """What a user's search should give: all of theirs but the locked."""
    owner = user(world, name).id
    return {a.id: a for a in world.assets.values() if a.owner_id == owner and a.visibility != "locked"}


# ---- the server and the key


def test_who_and_what_is_there(alice: ImmichClient, world: World) -> None:
    alice.ping()
    assert str(alice.version()) == world.version
    assert alice.support().can_write
    me, owner = alice.me(), user(world, "alice")
    assert (me.id, me.email, me.name, me.is_admin) == (owner.id, owner.email, "Alice", True)
    assert alice.key().permissions == {"all"}
    told = alice.server_time()
    assert told is not None
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


def test_what_does_not_change_is_asked_once(alice: ImmichClient, server: StubServer) -> None:
    for _ in range(3):
        alice.version()
        alice.support()
        alice.me()
    assert [path for _, path, _ in server.requests] == ["/api/server/version", "/api/users/me"]


def test_how_long_the_trash_keeps_things(alice: ImmichClient, world: World) -> None:
    found = []
    for world.trash_days in (30, 1, 0, None):
        found.append(alice.trash_days())
    assert found == [30, 1, 0, 0]


def test_settings_make_a_client(server: StubServer, world: World) -> None:
    key = ImmichUser(api_key=SecretStr(world.key_of(user(world, "bob")).secret))
    with ImmichClient.open(ImmichSettings(url=server.url, users=(key,)), key) as client:
        assert client.me().name == "Bob"
    without = ImmichSettings(database_url=SecretStr("postgresql://immich"))
    with pytest.raises(ImmichError, match=r"immich\.url: the API needs"):
        ImmichClient.open(without, key)


def test_a_wrong_key(server: StubServer) -> None:
    with ImmichClient(server.url, SecretStr("not-a-key"), sleep=lambda _: None) as client:
        client.ping()
        assert client.version() >= client.version()
        with pytest.raises(ApiError, match="the API key is not accepted") as caught:
            client.me()
        assert (caught.value.status, caught.value.endpoint) == (401, "GET /users/me")
        with pytest.raises(ApiError, match="the API key is not accepted"):
            read(client)
    assert "not-a-key" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{"res": "hello"}', {"Content-Type": "application/json"}),
        Reply(200, b"[1]"),
        Reply(200, b"<html>"),
        Reply(404, b'{"message": "Cannot GET /api/server/ping"}'),
        Reply(404, b"Not Found"),
    ],
)
def test_something_else_at_the_address(reply: Reply) -> None:
    with (
        scripted(reply) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
        pytest.raises(Unreachable, match="check the address"),
    ):
        client.ping()


def test_a_server_that_is_ill_is_not_a_wrong_address() -> None:
    with (
        scripted(Reply(500, b"")) as ill,
        ImmichClient(ill.url, SecretStr("key"), retries=0) as client,
        pytest.raises(ApiError, match="500"),
    ):
        client.ping()


def test_a_version_of_another_shape() -> None:
    with (
        scripted(Reply(200, b'{"major": "3"}')) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
        pytest.raises(ApiError, match=r"GET /server/version is not what its API promises: major: .* integer"),
    ):
        client.version()
    with (
        scripted(Reply(200, b'{"major": 3, "minor": 3, "patch": 0, "prerelease": 1}')) as newer,
        ImmichClient(newer.url, SecretStr("key")) as client,
    ):
        assert str(client.version()) == "3.3.0-1"


def test_statistics(alice: ImmichClient, world: World) -> None:
    for visibility in ("timeline", "archive", "hidden"):
        for trashed in (True, False):
            expected = [
                asset.type
                for asset in own(world).values()
                if asset.visibility == visibility and (asset.deleted_at is not None) is trashed
            ]
            counts = alice.statistics(visibility=visibility, trashed=trashed)
            assert (counts.total, counts.videos) == (len(expected), expected.count("VIDEO"))
    assert alice.statistics(favorite=True).images == 1


# ---- search


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_every_asset_is_found_once(alice: ImmichClient, world: World, size: int) -> None:
    tally = SearchTally()
    rows = read(alice, tally, size=size)
    assert sorted(rows["asset_id"]) == sorted(own(world))
    assert (tally.rows, tally.partners, tally.second_look) == (len(rows), 4, 1)


def test_flags_and_values(alice: ImmichClient, world: World) -> None:
    rows = {row["asset_id"]: row for row in read(alice).to_dicts()}
    for asset_id, asset in own(world).items():
        row = rows[asset_id]
        assert (row["original_path"], row["checksum"]) == (asset.original_path, asset.checksum)
        assert row["checksum_algorithm"] == asset.checksum_algorithm
        assert (row["visibility"], row["is_favorite"]) == (asset.visibility, asset.is_favorite)
        assert (row["is_trashed"], row["is_offline"]) == (asset.deleted_at is not None, asset.is_offline)
        assert (row["is_edited"], row["duration_ms"]) == (asset.is_edited, asset.duration_ms)
        assert (row["live_video_id"], row["duplicate_id"]) == (asset.live_video_id, asset.duplicate_id)
        assert (row["library_id"], row["width"], row["type"]) == (asset.library_id, asset.width, asset.type.lower())
        assert (row["thumbhash"], row["updated_at"]) == (asset.thumbhash, asset.updated_at)
        assert row["taken_at"] == (asset.exif.date_time_original if asset.exif else None)
        assert row["description"] == ((asset.exif.description or None) if asset.exif else None)


def test_the_flags_are_all_there(alice: ImmichClient, world: World) -> None:
    rows = read(alice)
    assert set(rows["visibility"]) == {"timeline", "archive", "hidden"}
    assert rows["is_trashed"].sum() == 2
    assert rows["is_offline"].sum() == 1
    assert "locked.jpg" not in rows["original_name"].to_list()
    assert rows.filter(pl.col("original_name") == "unprocessed.jpg")["size"].to_list() == [None]


def test_a_user_without_assets(server: StubServer, world: World) -> None:
    with client_of(server, world.add_user("carol")) as carol:
        assert len(read(carol)) == 0


def test_many_assets_of_the_same_moment(alice: ImmichClient, world: World) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(15):
        world.add_asset(user(world, "alice"), f"/data/scan/{number}.jpg", file_created_at=moment)
    rows = read(alice, size=4)
    assert sorted(rows["asset_id"]) == sorted(own(world))


def test_only_what_changed(alice: ImmichClient, world: World) -> None:
    assets = list(own(world).values())
    middle = sorted(asset.updated_at for asset in assets)[len(assets) // 2]
    changed = {asset.id for asset in assets if asset.updated_at >= middle}
    assert set(read(alice, updated_after=middle, size=3)["asset_id"]) == changed
    later = world.now + timedelta(milliseconds=1)
    assert len(read(alice, updated_after=later)) == 0
    world.trash(named(world, "edited.jpg"))
    world.touch(named(world, "unprocessed.jpg"))
    found = read(alice, updated_after=later)
    assert sorted(found["original_name"]) == ["edited.jpg", "unprocessed.jpg"]


def test_the_time_zone_of_a_moment_is_heeded(alice: ImmichClient, world: World) -> None:
    from zoneinfo import ZoneInfo

    moment = world.tick().astimezone(ZoneInfo("Australia/Eucla"))
    world.touch(named(world, "long.mp4"))
    assert read(alice, updated_after=moment)["original_name"].to_list() == ["long.mp4"]


def test_filters(alice: ImmichClient, world: World) -> None:
    assets = own(world).values()
    library, album = next(iter(world.libraries)), next(iter(world.albums.values()))
    assert set(read(alice, library_id=library)["asset_id"]) == {a.id for a in assets if a.library_id == library}
    assert set(read(alice, album_id=album.id)["asset_id"]) == set(album.asset_ids)
    assert set(read(alice, type="video")["original_name"]) == {"live.mov", "long.mp4"}
    assert set(read(alice, visibilities=("hidden", "archive"))["original_name"]) == {"live.mov", "archived.jpg"}
    assert not read(alice, with_trashed=False)["is_trashed"].any()
    assert len(read(alice, with_trashed=False)) == len(assets) - 2
    loose = {asset.id for asset in assets if asset.stack_id is None}
    assert set(read(alice, with_stacked=False)["asset_id"]) == loose < {asset.id for asset in assets}


def test_a_search_without_exif_data_is_half_the_work(alice: ImmichClient, server: StubServer, world: World) -> None:
    whole = read(alice)
    asked = len(server.requests)
    server.requests.clear()
    bare = read(alice, with_exif=False)
    assert sorted(bare["asset_id"]) == sorted(whole["asset_id"])
    assert bare["make"].null_count() == len(bare)
    assert len(server.requests) < asked


def test_how_often_is_asked(alice: ImmichClient, server: StubServer, world: World) -> None:
    tally = SearchTally()
    read(alice, tally)
    searches = [path for _, path, _ in server.requests if path.endswith("/search/metadata")]
    # a look with EXIF data and one without, per visibility in v2, and one more for the asset that has none
    assert len(searches) == tally.requests == (7 if world.version.startswith("2") else 3)


FAULTS = (500, 502, 503, 429, "drop", "cut", "truncated")
IN_TURN = list(zip(cycle(VERSIONS), FAULTS, strict=False))


# usually each fault once, with the versions in turn
@pytest.mark.parametrize(("world", "how"), list(product(VERSIONS, FAULTS)) if THOROUGH else IN_TURN, indirect=["world"])
def test_a_page_that_fails_and_recovers(alice: ImmichClient, server: StubServer, world: World, how: int | str) -> None:
    frames = alice.search(SearchQuery(size=4))
    rows = [next(frames)]
    server.fail_next("/search/metadata", how, times=2)  # type: ignore[arg-type]
    rows += frames
    assert sorted(pl.concat(rows)["asset_id"]) == sorted(own(world))


@pytest.mark.parametrize(("how", "kind"), [(500, ApiError), ("drop", Unreachable), ("html", Unreachable)])
def test_a_page_that_fails_for_good(
    alice: ImmichClient, server: StubServer, how: int | str, kind: type[ImmichError]
) -> None:
    frames = alice.search(SearchQuery(size=4))
    next(frames)
    server.fail_next("/search/metadata", how, times=99)  # type: ignore[arg-type]
    with pytest.raises(kind, match=r"/search/metadata|cannot be reached"):
        list(frames)


def test_the_server_restarts_between_two_pages(alice: ImmichClient, server: StubServer, world: World) -> None:
    frames = alice.search(SearchQuery(size=4))
    rows = [next(frames)]
    server.stop()
    server.start()
    rows += frames
    assert sorted(pl.concat(rows)["asset_id"]) == sorted(own(world))


def test_a_permission_that_is_taken_away_meanwhile(alice: ImmichClient, server: StubServer, world: World) -> None:
    frames = alice.search(SearchQuery(size=4))
    next(frames)
    server.revoke(world.key_of(user(world, "alice")).secret, "asset.read")
    with pytest.raises(ApiError, match=r"lacks the permission asset\.read") as caught:
        list(frames)
    assert (caught.value.status, caught.value.missing_permission) == (403, "asset.read")
    assert caught.value.endpoint == "POST /search/metadata"


def test_rows_that_go_away_while_paging_take_no_other_with_them(
    alice: ImmichClient, server: StubServer, world: World
) -> None:
    oldest = sorted(own(world).values(), key=lambda asset: asset.file_created_at)
    gone, kept = oldest[:6:2], {asset.id for asset in oldest[6:]}
    frames = alice.search(SearchQuery(size=3, visibilities=("timeline", "archive", "hidden")))
    rows = [next(frames)]
    with server.lock:
        for asset in gone:
            world.delete_for_good(asset)
    rows += frames
    ids = pl.concat(rows)["asset_id"].to_list()
    assert kept <= set(ids)
    assert len(ids) == len(set(ids))


def test_rows_that_move_past_the_reader_are_found(alice: ImmichClient, server: StubServer, world: World) -> None:
    newest = max(own(world).values(), key=lambda asset: asset.file_created_at)
    frames = alice.search(SearchQuery(size=3))
    rows = [next(frames)]
    with server.lock:
        newest.file_created_at = datetime(1999, 1, 1, tzinfo=UTC)
        world.touch(newest)
        added = world.add_asset(user(world, "alice"), "/data/old.jpg", file_created_at=datetime(1998, 1, 1, tzinfo=UTC))
    rows += frames
    table = pl.concat(rows)
    assert sorted(table["asset_id"]) == sorted(own(world))
    assert table.filter(pl.col("asset_id") == added.id)["size"].to_list() == [36]  # with its EXIF data


def test_an_unknown_newer_version_is_read() -> None:
    world = every_flag("3.2.2")
    with StubServer(world, validate=False) as server, client_of(server, user(world, "alice")) as client:
        world.version = "3.9.0"
        assert "newer than this program knows" in (client.support().note or "")
        assert sorted(read(client)["asset_id"]) == sorted(own(world))
        with pytest.raises(ReadOnlyServer, match=r"DELETE /assets is not done: Immich 3\.9\.0 is newer"):
            client.delete_assets([next(iter(own(world)))])
    assert not any(method == "DELETE" for method, _, _ in server.requests)


def test_thousands_of_assets_in_little_time() -> None:
    world = World(version="3.2.2")
    owner = world.add_user("alice")
    for number in range(3000):
        world.add_asset(owner, f"/data/{number}.jpg")
    with StubServer(world, validate=False) as server, client_of(server, owner) as client:
        began = time.process_time()  # the server's share included
        assert read(client)["asset_id"].n_unique() == 3000
        assert time.process_time() - began < 20


# ---- assets, stacks, albums, tags


def test_one_asset(alice: ImmichClient, bob: ImmichClient, world: World) -> None:
    asset = named(world, "live.heic")
    assert alice.asset(asset.id.upper())["originalPath"] == asset.original_path
    row = alice.asset_record(asset.id)
    found = read(alice).filter(pl.col("asset_id") == asset.id)
    assert row.equals(found)
    with pytest.raises(NotFound, match=r"not on the server, or not this user's \(GET /assets/\{id\}: 400"):
        bob.asset(named(world, "edited.jpg").id)
    with pytest.raises(NotFound):
        alice.asset(ABSENT)
    with pytest.raises(NotFound):
        alice.asset(named(world, "locked.jpg").id)


def test_what_is_no_id_is_not_sent(alice: ImmichClient, server: StubServer) -> None:
    for attempt in (alice.asset, alice.delete_stack, lambda name: alice.delete_assets([name])):
        with pytest.raises(ImmichError, match="is not the id of anything"):
            attempt("../users/me")
    assert server.requests == []


def test_an_asset_of_another_shape() -> None:
    with (
        scripted(Reply(200, b"[]")) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
        pytest.raises(ApiError, match="no object"),
    ):
        client.asset(ABSENT)


def test_one_stack(alice: ImmichClient, bob: ImmichClient, world: World) -> None:
    (stack,) = world.stacks.values()
    members = [asset.id for asset in world.assets.values() if asset.stack_id == stack.id]
    told = alice.stack(stack.id)
    assert (told.primary_asset_id, sorted(told.asset_ids)) == (stack.primary_asset_id, sorted(members))
    assert alice.asset_record(members[1])["stack_primary_id"].to_list() == [stack.primary_asset_id]
    with pytest.raises(NotFound):
        bob.stack(stack.id)


def test_albums_own_and_shared(alice: ImmichClient, bob: ImmichClient, world: World) -> None:
    def facts(client: ImmichClient) -> set[tuple[str, str, int]]:
        return {(album.name, album.owner_id, album.asset_count) for album in client.albums()}

    of = {name: user(world, name).id for name in ("alice", "bob")}
    assert facts(alice) == {("Holiday", of["alice"], 2), ("Family", of["alice"], 1)}
    assert facts(bob) == {("Bob's", of["bob"], 2), ("Family", of["alice"], 1)}


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b"[7]",
        b'[{"id": "x"}]',
        b'[{"albumUsers": []}]',
        b'[{"albumUsers": 3}]',
        b'[{"albumUsers": [{"role": "owner"}]}]',
    ],
)
def test_albums_of_another_shape(answer: bytes) -> None:
    version = Reply(200, b'{"major": 3, "minor": 1, "patch": 0}')
    with (
        scripted(Reply(200, answer), version) as other,
        ImmichClient(other.url, SecretStr("key")) as client,
        pytest.raises(ApiError, match="GET /albums is not what its API promises"),
    ):
        client.albums()


def test_tags(alice: ImmichClient, world: World) -> None:
    leaf, other = alice.upsert_tags(["dedupe/keep", "Family"])
    assert (leaf.value, leaf.name, other.value) == ("dedupe/keep", "keep", "Family")
    assert {tag.value for tag in alice.tags()} >= {"dedupe", "dedupe/keep", "Family"}
    assert leaf.parent_id in {tag.id for tag in alice.tags()}
    assert alice.upsert_tags([]) == []
    two = list(own(world))[:2]
    assert alice.tag_assets([leaf.id, other.id], two) == 4
    assert alice.tag_assets([leaf.id], two) == 0
    assert alice.tag_assets([], two) == 0


# ---- pictures and originals


def test_pictures(alice: ImmichClient, world: World) -> None:
    asset = world.add_asset(user(world, "alice"), "/data/p.jpg", preview=b"\xff\xd8 preview", thumbnail=b"RIFF thumb")
    assert alice.thumbnail(asset.id, "preview") == b"\xff\xd8 preview"
    assert alice.thumbnail(asset.id, "thumbnail") == b"RIFF thumb"


def test_pictures_that_are_not_there(alice: ImmichClient, world: World) -> None:
    bare = world.add_asset(user(world, "alice"), "/data/p.jpg", thumbhash=None)
    for asset_id, status in ((bare.id, 404), (ABSENT, 400)):
        with pytest.raises(NotFound) as caught:
            alice.thumbnail(asset_id, "preview")
        assert caught.value.status == status


def test_originals(alice: ImmichClient, server: StubServer, world: World) -> None:
    content = bytes(range(256)) * 3000
    asset = world.add_asset(user(world, "alice"), "/data/big.jpg", content=content)
    with alice.original(asset.id) as pieces:
        assert hashlib.sha1(b"".join(pieces), usedforsecurity=False).digest() == asset.checksum
    server.fail_next("/original", "drop")
    with alice.original(asset.id) as pieces:
        assert b"".join(pieces) == content
    server.fail_next("/original", "cut")
    with alice.original(asset.id) as pieces, pytest.raises(Unreachable, match="broke off"):
        list(pieces)
    with pytest.raises(NotFound), alice.original(ABSENT) as pieces:
        list(pieces)


# ---- changes


def test_update(alice: ImmichClient, world: World) -> None:
    ids = list(own(world))[:3]
    alice.update_assets(ids, is_favorite=True, rating=4, visibility="archive")
    rows = read(alice).filter(pl.col("asset_id").is_in(ids))
    assert rows["is_favorite"].all()
    assert rows["rating"].to_list() == [4, 4, 4]
    assert set(rows["visibility"]) == {"archive"}


@pytest.mark.parametrize(("changes", "words"), [({}, "nothing"), ({"owner": 1, "force": True}, "force, owner")])
def test_only_known_changes(alice: ImmichClient, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=f"cannot change {words}"):
        alice.update_assets([ABSENT], **changes)


def test_trash_and_back(alice: ImmichClient, world: World) -> None:
    ids = list(own(world))[:2]
    alice.delete_assets(ids)
    assert all(world.assets[asset_id].status == "trashed" for asset_id in ids)
    assert alice.restore_assets(ids) == 2
    assert all(world.assets[asset_id].deleted_at is None for asset_id in ids)


def test_nothing_to_change_is_not_sent(alice: ImmichClient, server: StubServer) -> None:
    alice.delete_assets([])
    assert (alice.restore_assets([]), alice.add_to_album(ABSENT, [])) == (0, [])
    assert server.requests == []


def test_many_are_changed_in_portions(alice: ImmichClient, server: StubServer, world: World) -> None:
    owner = user(world, "alice")
    ids = [world.add_asset(owner, f"/data/many/{number}.jpg").id for number in range(1001)]
    alice.delete_assets(ids)
    assert [status for method, _, status in server.requests if method == "DELETE"] == [204, 204]
    assert all(world.assets[asset_id].deleted_at for asset_id in ids)


def test_stacking(alice: ImmichClient, world: World) -> None:
    ids = [named(world, "edited.jpg").id, named(world, "favourite.jpg").id]
    stack = alice.create_stack(ids)
    assert (stack.primary_asset_id, set(stack.asset_ids)) == (ids[0], set(ids))
    assert alice.update_stack(stack.id, ids[1]).primary_asset_id == ids[1]
    alice.delete_stack(stack.id)
    with pytest.raises(NotFound):
        alice.stack(stack.id)


def test_a_stack_is_not_made_twice(alice: ImmichClient, server: StubServer, world: World) -> None:
    server.fail_next("POST /api/stacks", "cut")
    with pytest.raises(Unreachable):
        alice.create_stack([named(world, "edited.jpg").id, named(world, "favourite.jpg").id])
    assert [method for method, path, _ in server.requests if path == "/api/stacks"] == ["POST"]


def test_album_changes(alice: ImmichClient, world: World) -> None:
    ids = list(own(world))[:3]
    album = alice.create_album("Found twice", "by the pipeline", ids[:1])
    assert (album.name, album.owner_id, album.asset_count) == ("Found twice", user(world, "alice").id, 1)
    assert alice.create_album("Empty").asset_count == 0
    first, second = alice.add_to_album(album.id, ids[:2])
    assert (first.success, first.error, second.success) == (False, "duplicate", True)
    (removed,) = alice.remove_from_album(album.id, [ids[0]])
    assert removed.success
    assert world.albums[album.id].asset_ids == [ids[1]]


def test_duplicates_count_as_a_change(alice: ImmichClient, world: World) -> None:
    (group,) = alice.duplicates()
    members = {asset.id for asset in own(world).values() if asset.duplicate_id == group.id}
    assert set(group.asset_ids) == members
    assert set(group.suggested_keep_ids) <= members


CHANGES: list[Callable[[ImmichClient], object]] = [
    lambda client: client.duplicates(),
    lambda client: client.update_assets([ABSENT], is_favorite=True),
    lambda client: client.delete_assets([ABSENT]),
    lambda client: client.restore_assets([ABSENT]),
    lambda client: client.upsert_tags(["a"]),
    lambda client: client.tag_assets([ABSENT], [ABSENT]),
    lambda client: client.create_stack([ABSENT, ABSENT]),
    lambda client: client.update_stack(ABSENT, ABSENT),
    lambda client: client.delete_stack(ABSENT),
    lambda client: client.create_album("a"),
    lambda client: client.add_to_album(ABSENT, [ABSENT]),
    lambda client: client.remove_from_album(ABSENT, [ABSENT]),
]


@pytest.mark.parametrize("version", [b'2, "minor": 6', b'3, "minor": 3'])
def test_a_server_that_is_only_read_is_not_changed(version: bytes) -> None:
    told = Reply(200, b'{"patch": 0, "major": ' + version + b"}")
    with scripted(told) as other, ImmichClient(other.url, SecretStr("key")) as client:
        for change in CHANGES:
            with pytest.raises(ReadOnlyServer, match="is not done: Immich"):
                change(client)
    assert other.calls == ["GET /api/server/version"]


# ---- the key stays secret


def test_no_log_repr_or_error_holds_the_key(
    alice: ImmichClient, server: StubServer, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = world.key_of(user(world, "alice")).secret
    shown = [repr(alice), str(vars(alice)), str(vars(alice._transport))]
    read(alice)
    server.revoke(secret)
    for attempt in (alice.key, alice.albums, alice.tags):
        with pytest.raises(ApiError) as caught:
            attempt()
        shown += [str(caught.value), repr(caught.value), str(vars(caught.value))]
    assert shown[0] == f"ImmichClient('{server.url}/api')"
    assert secret not in "".join(shown) + caplog.text

"""What happens on an Immich server between two snapshots of it, and while one is taken."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr, ValidationError

from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.search import Search
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser
from immich_pipeline.immich.transport import Transport
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.immich.by_api import ApiReading
from immich_pipeline.sources.immich.by_database import DatabaseReading
from immich_pipeline.sources.immich.readers import Finished
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.sources.immich.watch import server_news
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources
from immich_pipeline_tests.immich_world import Album, Asset, User, World, every_flag
from immich_pipeline_tests.sources.immich.set_up import Lab, lab_of, stored_records
from immich_pipeline_tests.sources.immich.test_snapshot import query

UNKNOWN_LIBRARY = "0b5f7a52-7f0e-4d5c-9a51-222222222222"

both_ways = pytest.mark.parametrize("way", ["api", "database"])


@pytest.fixture
def lab(make_immich_database: Callable[[str], str]) -> Iterator[Lab]:
    with lab_of(every_flag("3.1.0"), make_immich_database) as lab:
        yield lab


def asset_named(world: World, name: str) -> Asset:
    return next(asset for asset in world.assets.values() if asset.original_name == name)


def album_named(world: World, name: str) -> Album:
    return next(album for album in world.albums.values() if album.name == name)


def user_named(world: World, name: str) -> User:
    return next(user for user in world.users.values() if user.name == name)


def members_stored(database: Database, album: Album) -> set[object]:
    rows = query(database, f"SELECT asset_id::text FROM library.immich_album WHERE album_id = '{album.id}'")
    return {asset_id for (asset_id,) in rows}


def read_past_what_overlaps(lab: Lab, database: Database, server: ImmichServer, *touched: Asset) -> None:
    """Ten minutes go by and something else changes: what was stored before is not read again by the next look."""
    lab.world.now += timedelta(minutes=10)
    for asset in touched:
        lab.world.touch(asset)
    lab.publish()
    take_server_snapshot(database, server)


def test_a_change_behind_the_back_of_a_long_reading_is_found_by_the_next(
    lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lab.world
    monkeypatch.setattr(ImmichClient, "server_time", lambda self: world.now)
    server = lab.server("api", database)
    behind = asset_named(world, "favourite.jpg")
    searches: list[str] = []

    def change_after_the_first_search(method: str, path: str) -> None:
        if not path.endswith("/search/metadata"):
            return
        searches.append(method)
        if len(searches) == 2:
            behind.is_favorite = not behind.is_favorite
            world.touch(behind)
            world.now += timedelta(minutes=5)
            world.add_asset(user_named(world, "Alice"), "/data/library/alice/2024/late.jpg")

    lab.stub.on_request(change_after_the_first_search)
    take_server_snapshot(database, server, full=True)
    assert len(searches) >= 2
    take_server_snapshot(database, server)
    stored = stored_records(database).filter(asset_id=behind.id)
    assert stored["is_favorite"].to_list() == [behind.is_favorite]


def test_a_change_is_news_although_another_asset_is_stamped_in_the_future(
    lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lab.world
    monkeypatch.setattr(ImmichClient, "server_time", lambda self: world.now)
    server = lab.server("api", database)
    asset_named(world, "favourite.jpg").updated_at += timedelta(days=3650)
    take_server_snapshot(database, server, full=True)
    changed = asset_named(world, "IMG_0005.jpg")
    changed.is_favorite = not changed.is_favorite
    world.touch(changed)
    assert server_news(database, server) is not None
    take_server_snapshot(database, server)
    stored = stored_records(database).filter(asset_id=changed.id)
    assert stored["is_favorite"].to_list() == [changed.is_favorite]


@both_ways
def test_a_change_stamped_like_the_last_one_that_was_seen_is_not_lost(lab: Lab, database: Database, way: str) -> None:
    world, server = lab.world, lab.server(way, database)
    first, second = asset_named(world, "favourite.jpg"), asset_named(world, "IMG_0005.jpg")
    first.is_favorite = False
    world.touch(first)
    lab.publish()
    take_server_snapshot(database, server)
    second.is_favorite, second.updated_at = True, first.updated_at
    late = world.add_asset(user_named(world, "Alice"), "/data/library/alice/2024/late.jpg")
    late.updated_at = first.updated_at
    lab.publish()
    assert server_news(database, server) is not None
    assert take_server_snapshot(database, server).counts() == {"added": 1, "changed": 1}
    assert server_news(database, server) is None


@both_ways
def test_an_asset_that_joins_an_included_album_is_looked_after(lab: Lab, database: Database, way: str) -> None:
    world = lab.world
    server = lab.server(way, database, include={"albums": ["Holiday"]})
    take_server_snapshot(database, server)
    before = stored_records(database).height
    album = album_named(world, "Holiday")
    read_past_what_overlaps(lab, database, server, world.assets[album.asset_ids[0]])
    joins = asset_named(world, "IMG_0005.jpg")
    assert joins.id not in album.asset_ids
    album.asset_ids.append(joins.id)
    world.tick()
    lab.publish()
    assert server_news(database, server) is not None
    take_server_snapshot(database, server)
    assert server_news(database, server) is None
    stored = stored_records(database)
    assert stored.height == before + 1
    assert joins.id in stored["asset_id"]


@both_ways
@pytest.mark.parametrize(
    ("include", "named"),
    [
        ({"albums": ["Renamed"]}, "albums names 'Renamed'"),
        ({"users": ["Alice@Example.org"]}, "users names 'Alice@Example.org'"),
        ({"libraries": [UNKNOWN_LIBRARY]}, f"libraries names '{UNKNOWN_LIBRARY}'"),
    ],
    ids=["album", "user", "library"],
)
def test_what_the_server_does_not_have_is_refused_and_nothing_is_gone(
    lab: Lab, database: Database, way: str, include: dict[str, list[str]], named: str
) -> None:
    take_server_snapshot(database, lab.server(way, database))
    before = stored_records(database)
    with pytest.raises(ImmichError, match=named):
        take_server_snapshot(database, lab.server(way, database, include=include))
    assert_frame_equal(stored_records(database), before)


@both_ways
def test_a_library_that_is_no_id_is_refused_by_the_settings(lab: Lab, way: str) -> None:
    with pytest.raises(ValidationError, match="'Family photos' is no id of a library"):
        lab.settings(way, include={"libraries": ["Family photos"]})


def test_a_database_that_is_away_is_no_reason_to_forget_a_user_without_a_key(lab: Lab, database: Database) -> None:
    def server_with(database_url: str) -> ImmichServer:
        key = ImmichUser(api_key=SecretStr(lab.world.key_of(user_named(lab.world, "Alice")).secret))
        settings = ImmichSettings(
            url=lab.stub.url, users=(key,), database_url=SecretStr(database_url), requests_per_second=10_000
        )
        return ImmichServer(settings, FormatTable.load())

    there = server_with(lab.database_url)
    activate_sources(database, [there.row])
    assert take_server_snapshot(database, there).by == "database"
    before = stored_records(database).filter(owner="bob@example.org")
    assert before.height == 4
    outcome = take_server_snapshot(database, server_with("postgresql://x@127.0.0.1:1/x"))
    assert (outcome.by, outcome.problems) == ("api", {})
    assert_frame_equal(stored_records(database).filter(owner="bob@example.org"), before)


def test_keys_that_failed_for_once_are_read_on_from_where_they_were(lab: Lab, database: Database) -> None:
    server = lab.server("api", database, timeout_seconds=2)
    take_server_snapshot(database, server)
    lab.stub.fail_next("/users/me", 400, times=2)
    with pytest.raises(ImmichError, match="users/me"):
        take_server_snapshot(database, server)
    outcome = take_server_snapshot(database, server)
    assert outcome.problems == {}
    assert [scope.full for scope in outcome.scopes] == [False, False]


def test_a_paging_that_ends_early_is_not_believed(
    lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = lab.server("api", database)
    take_server_snapshot(database, server)
    before = stored_records(database)
    whole = Search._page

    def first_two(self: Search, body: dict[str, Any], token_name: str) -> tuple[pl.DataFrame, str | None]:
        page, _ = whole(self, body, token_name)
        return page.head(2), None

    monkeypatch.setattr(Search, "_page", first_two)
    with pytest.raises(ImmichError, match="2 assets would be stored where the server counts 18, twice"):
        take_server_snapshot(database, server, full=True)
    assert_frame_equal(stored_records(database), before)


@pytest.mark.parametrize(("way", "kind"), [("api", ApiReading), ("database", DatabaseReading)])
def test_an_upload_while_changes_are_read_is_no_reason_to_read_everything(
    lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch, way: str, kind: type[ApiReading | DatabaseReading]
) -> None:
    server = lab.server(way, database)
    take_server_snapshot(database, server)
    alice = user_named(lab.world, "Alice")
    names = iter(["before.jpg", "meanwhile 1.jpg", "meanwhile 2.jpg"])

    def upload() -> None:
        for name in names:
            lab.world.add_asset(alice, f"/data/library/alice/2024/{name}")
            lab.publish()
            return

    finish = kind.finish

    def finish_after_an_upload(self: ApiReading | DatabaseReading) -> Finished:
        upload()
        return finish(self)  # type: ignore[arg-type]

    upload()
    monkeypatch.setattr(kind, "finish", finish_after_an_upload)
    outcome = take_server_snapshot(database, server)
    assert outcome.problems == {}
    assert not any(scope.full for scope in outcome.scopes)


@both_ways
def test_a_user_who_takes_over_another_s_address_is_not_mixed_up_with_them(
    lab: Lab, database: Database, way: str
) -> None:
    world = lab.world
    server = lab.server(way, database)
    take_server_snapshot(database, server)
    alice, bob = user_named(world, "Alice"), user_named(world, "Bob")
    read_past_what_overlaps(
        lab, database, server, asset_named(world, "favourite.jpg"), asset_named(world, "PXL_0000.jpg")
    )
    alice.email = "alice@new.org"
    lab.publish()
    bob.email = "alice@example.org"
    world.add_asset(alice, "/data/library/alice/2024/new.jpg")
    world.add_asset(bob, "/data/library/bob/2024/new.jpg")
    lab.publish()
    take_server_snapshot(database, server)
    stored = stored_records(database).group_by("owner_id", "owner").len().rows()
    assert set(stored) == {(alice.id, "alice@new.org", 19), (bob.id, "alice@example.org", 5)}


def test_a_name_that_holds_nul_stops_its_owner_s_part_alone(lab: Lab, database: Database) -> None:
    odd = asset_named(lab.world, "favourite.jpg")
    odd.original_name = "a\0b.jpg"
    lab.world.touch(odd)
    outcome = take_server_snapshot(database, lab.server("api", database))
    assert list(outcome.problems) == ["alice@example.org"]
    assert f"the asset {odd.id} holds a NUL character" in outcome.problems["alice@example.org"]
    assert stored_records(database)["owner"].to_list() == ["bob@example.org"] * 4


def test_a_part_that_keeps_failing_is_not_news_at_every_look(lab: Lab, database: Database) -> None:
    server = lab.server("api", database)
    take_server_snapshot(database, server)
    bobs = lab.world.key_of(user_named(lab.world, "Bob"))
    bobs.permissions = ["user.read", "asset.statistics", "asset.read"]
    for _ in range(3):
        outcome = take_server_snapshot(database, server)
        assert "lacks the permission album.read" in outcome.problems["bob@example.org"]
        assert server_news(database, server) is None


@both_ways
def test_a_recording_of_sound_is_no_reason_to_read_everything(lab: Lab, database: Database, way: str) -> None:
    alice = user_named(lab.world, "Alice")
    server = lab.server(way, database)
    lab.world.add_asset(alice, "/data/library/alice/2024/sound.mp3", type="AUDIO")
    lab.publish()
    take_server_snapshot(database, server)
    lab.world.add_asset(alice, "/data/library/alice/2024/new.jpg")
    lab.publish()
    outcome = take_server_snapshot(database, server)
    assert outcome.counts() == {"added": 1}
    assert not any(scope.full for scope in outcome.scopes)


def test_a_row_that_is_committed_late_under_an_earlier_number_is_found(lab: Lab, database: Database) -> None:
    server = lab.server("database", database)
    take_server_snapshot(database, server)
    album, joins = album_named(lab.world, "Holiday"), asset_named(lab.world, "IMG_0005.jpg")
    with psycopg.connect(lab.database_url, autocommit=True) as immich:
        newest = immich.execute('SELECT max("updateId"::text) FROM album_asset').fetchone()
        assert newest
        earlier = uuid.UUID(int=uuid.UUID(newest[0]).int - (1 << 80))  # a millisecond
        immich.execute(
            'INSERT INTO album_asset ("albumId", "assetId", "updateId") VALUES (%s, %s, %s)',
            (album.id, joins.id, earlier),
        )
    assert server_news(database, server) is not None
    take_server_snapshot(database, server)
    assert joins.id in members_stored(database, album)


def test_what_the_database_alone_knows_is_forgotten_when_the_server_forgets_it(lab: Lab, database: Database) -> None:
    server = lab.server("database", database)
    take_server_snapshot(database, server)
    stored = "SELECT asset_id::text, auto_stack_id, live_photo_cid FROM library.immich_extra"
    ((asset_id, *known),) = query(database, stored)
    assert known == ["burst-1", "CID-1"]
    with psycopg.connect(lab.database_url, autocommit=True) as immich:
        immich.execute(
            'UPDATE asset_exif SET "autoStackId" = NULL, "livePhotoCID" = NULL WHERE "assetId" = %s', (asset_id,)
        )
    assert server_news(database, server) is not None
    take_server_snapshot(database, server)
    assert query(database, stored) == []


def test_a_deletion_is_seen_although_only_a_library_is_included(lab: Lab, database: Database) -> None:
    server = lab.server("database", database, include={"libraries": ["uploads"]})
    take_server_snapshot(database, server)
    before = stored_records(database).height
    deleted = asset_named(lab.world, "favourite.jpg")
    lab.world.delete_for_good(deleted)
    lab.publish()
    assert server_news(database, server) is not None
    take_server_snapshot(database, server)
    stored = stored_records(database)
    assert stored.height == before - 1
    assert deleted.id not in stored["asset_id"]


def test_a_latitude_too_large_for_a_number_is_not_stored(
    lab: Lab, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = Transport._parsed

    def with_a_huge_latitude(self: Transport, call: Call, response: httpx.Response) -> Any:
        answer = parsed(self, call, response)
        if isinstance(answer, dict) and "assets" in answer:
            for item in answer["assets"]["items"]:
                if item.get("exifInfo"):
                    item["exifInfo"] |= {"latitude": json.loads("1e400"), "longitude": 1.0}
        return answer

    monkeypatch.setattr(Transport, "_parsed", with_a_huge_latitude)
    outcome = take_server_snapshot(database, lab.server("api", database))
    assert outcome.problems == {}
    assert query(database, "SELECT DISTINCT latitude FROM library.immich_record") == [(None,)]
    assert query(database, "SELECT count(*) > 0 FROM library.immich_record WHERE longitude = 1") == [(True,)]

"""Details of assets, read through the API and stored, in every dialect."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from immich_pipeline.config import Settings
from immich_pipeline.immich.errors import Unreachable
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.progress import Progress
from immich_pipeline.sources.immich import details as module
from immich_pipeline.sources.immich.details import Refreshed, refresh_details
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.store.database import Database
from immich_pipeline.store.details import DETAIL_FACTS_SCHEMA, DETAIL_SCHEMA, detail_facts, details, forget_details
from immich_pipeline.store.library import activate_sources
from immich_pipeline_tests.immich.clients import ABSENT, named, rich, user
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, World
from immich_pipeline_tests.sources.immich.set_up import VERSIONS, api_settings


class Place:
    """A world, a stand-in that serves it, and the database that it is read into."""

    def __init__(self, world: World, stub: StubServer, database: Database, home: Path) -> None:
        self.world, self.stub, self.database, self.home = world, stub, database, home

    def settings(self, **more: Any) -> Settings:
        return Settings(home=self.home, immich=api_settings(self.world, self.stub.url, retries=0, **more))

    def snapshot(self) -> None:
        immich = self.settings().immich
        assert immich is not None
        server = ImmichServer(immich, FormatTable.load())
        activate_sources(self.database, [server.row])
        assert take_server_snapshot(self.database, server, full=True).problems == {}

    def refresh(self, *assets: Asset, **more: Any) -> Refreshed:
        return refresh_details(self.database, self.settings(), [asset.id for asset in assets], **more)

    def stored(self, *assets: Asset) -> list[dict[str, Any]]:
        with self.database.frames() as frames:
            rows = details(frames, [asset.id for asset in assets])
        assert dict(rows.schema) == DETAIL_SCHEMA
        return [json.loads(detail) for detail in rows["detail"]]

    def revision(self) -> int:
        with self.database.frames() as frames:
            return int(frames.scalar("SELECT number FROM pipeline.revision WHERE topic = 'details'") or 0)


@pytest.fixture
def place(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path, immich_server: Callable[..., StubServer]
) -> Place:
    world = rich(getattr(request, "param", "3.1.0"))
    made = Place(world, immich_server(world), database, tmp_path)
    made.snapshot()
    return made


@pytest.mark.parametrize("place", VERSIONS, indirect=True)
def test_what_is_read_once_is_kept(place: Place) -> None:
    asset, other = named(place.world, "favourite.jpg"), named(place.world, "trashed.jpg")
    progress = Progress("details", 2)
    assert place.refresh(asset, other, progress=progress) == Refreshed(2, 0, 0, 0, 2, ())
    assert progress.done == 2
    asked, revision = len(place.stub.requests), place.revision()
    assert place.refresh(asset, other) == Refreshed(0, 2, 0, 0, 0, ())
    assert (len(place.stub.requests), place.revision()) == (asked, revision)
    assert place.refresh(asset, other, max_age=timedelta(0)) == Refreshed(2, 0, 0, 0, 0, ())
    assert place.revision() == revision
    (state,) = place.stored(asset)
    assert (state["name"], state["tags"], state["favourite"]) == ("favourite.jpg", ["Family", "Trips/France"], True)


def test_what_changed_is_read_again(place: Place) -> None:
    asset, other = named(place.world, "favourite.jpg"), named(place.world, "edited.jpg")
    place.refresh(asset, other)
    place.world.add_tag(user(place.world, "alice"), "new", [asset])
    place.world.touch(asset)
    place.snapshot()
    assert place.refresh(asset, other) == Refreshed(1, 1, 0, 0, 1, ())
    assert place.refresh(asset, other).kept == 2
    assert place.stored(asset)[0]["tags"] == ["Family", "Trips/France", "new"]


def test_joining_an_album_counts_as_a_change(place: Place) -> None:
    asset = named(place.world, "favourite.jpg")
    place.refresh(asset)
    album = place.world.add_album(user(place.world, "alice"), "More", [asset])
    place.snapshot()
    assert place.refresh(asset).read == 1
    assert place.refresh(asset).kept == 1
    del place.world.albums[album.id]
    place.snapshot()
    assert place.refresh(asset).read == 1
    assert album.id not in place.stored(asset)[0]["albums"]


def test_what_is_forgotten_is_read_again(place: Place) -> None:
    asset = named(place.world, "favourite.jpg")
    place.refresh(asset)
    with place.database.frames() as frames:
        assert forget_details(frames, [asset.id, ABSENT]) == 1
        assert forget_details(frames, [asset.id]) == 0
    assert place.stored(asset) == []
    assert place.refresh(asset).read == 1


def test_each_owner_is_asked_with_their_own_key(place: Place) -> None:
    hers, his = named(place.world, "edited.jpg"), named(place.world, "PXL_0002.jpg")
    assert place.refresh(hers, his).read == 2
    assert {state["owner"] for state in place.stored(hers, his)} == {hers.owner_id, his.owner_id}


def test_what_the_server_does_not_know_is_forgotten(place: Place) -> None:
    asset, other = named(place.world, "favourite.jpg"), named(place.world, "edited.jpg")
    place.refresh(asset, other)
    place.world.delete_for_good(asset)
    assert place.refresh(asset, other, max_age=timedelta(0)) == Refreshed(1, 0, 1, 0, 2, ())  # the other is a cover now
    assert place.stored(asset) == []


def test_what_is_gone_or_never_was_is_passed_over(place: Place) -> None:
    asset = named(place.world, "favourite.jpg")
    place.world.delete_for_good(asset)
    place.snapshot()
    assert refresh_details(place.database, place.settings(), [asset.id, ABSENT]) == Refreshed(0, 0, 0, 0, 0, ())
    assert refresh_details(place.database, place.settings(), []) == Refreshed(0, 0, 0, 0, 0, ())


def test_what_goes_wrong_with_one_asset_stays_with_it(place: Place) -> None:
    asset, other = named(place.world, "favourite.jpg"), named(place.world, "edited.jpg")
    place.stub.fail_next(f"/assets/{asset.id}", 500)
    found = place.refresh(asset, other)
    assert (found.read, found.failed) == (1, 1)
    assert "500" in found.problems[0]
    assert found.problems[0].endswith("(1 assets)")
    assert (len(place.stored(asset)), len(place.stored(other))) == (0, 1)


def test_a_key_that_may_not_is_not_tried_for_every_asset(place: Place) -> None:
    key = place.world.key_of(user(place.world, "alice"))
    place.stub.revoke(key.secret, "face.read")
    own = [asset for asset in place.world.assets.values() if asset.owner_id == key.user_id][:6]
    found = refresh_details(place.database, place.settings(concurrency=1), [asset.id for asset in own])
    assert (found.read, found.failed) == (0, len(own))
    assert len(found.problems) == 1
    assert "face.read" in found.problems[0]
    assert sum(path == "/api/faces" for _, path, _ in place.stub.requests) == 1


def test_an_owner_without_a_key(place: Place) -> None:
    asset = named(place.world, "PXL_0002.jpg")
    del place.world.keys[place.world.key_of(user(place.world, "bob")).secret]
    found = place.refresh(asset)
    assert (found.failed, found.problems[0].partition(" of the user")[0]) == (1, "no API key")


def test_without_the_api_nothing_is_read(place: Place) -> None:
    by_database = Settings(home=place.home, immich=ImmichSettings(database_url=SecretStr("postgresql://immich")))
    for settings in (Settings(home=place.home), by_database):
        found = refresh_details(place.database, settings, [named(place.world, "edited.jpg").id])
        assert (found.read, found.failed) == (0, 1)
        assert "API alone" in found.problems[0]


def test_a_run_that_is_broken_off_keeps_what_it_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    assets = sorted((named(place.world, name) for name in ("favourite.jpg", "edited.jpg")), key=lambda one: one.id)
    place.stub.fail_next(f"/assets/{assets[1].id}", "drop", times=9)
    with pytest.raises(Unreachable):
        place.refresh(*assets)
    place.stub.fail_next("none", 500, times=0)
    assert len(place.stored(*assets)) == 1


@pytest.mark.parametrize("place", VERSIONS, indirect=True)
def test_facts(place: Place) -> None:
    world = place.world
    asset, bare, rated = named(world, "favourite.jpg"), named(world, "edited.jpg"), named(world, "live.heic")
    assert rated.exif is not None
    rated.exif.rating, rated.exif.description = 3, "x"
    place.refresh(asset, bare, rated)
    with place.database.frames() as frames:
        facts = detail_facts(frames)
    assert dict(facts.schema) == DETAIL_FACTS_SCHEMA
    rows = {row["asset_id"]: row for row in facts.iter_rows(named=True)}
    assert rows[asset.id] == {
        "asset_id": asset.id, "tags": ["Family", "Trips/France"], "people": 1, "faces": 4, "albums": 1, "links": 1,
        "description": None, "rating": None, "is_favorite": True, "visibility": "timeline", "live_video_id": None,
    }  # fmt: skip
    assert (rows[rated.id]["rating"], rows[rated.id]["description"]) == (3, "x")
    assert (rows[rated.id]["live_video_id"], rows[rated.id]["tags"]) == (rated.live_video_id, [])


def test_facts_of_nothing(database: Database) -> None:
    with database.frames() as frames:
        assert detail_facts(frames).equals(pl.DataFrame(schema=DETAIL_FACTS_SCHEMA))
        assert details(frames, []).equals(pl.DataFrame(schema=DETAIL_SCHEMA))

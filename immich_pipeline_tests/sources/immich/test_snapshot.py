"""Snapshots of an Immich server, over real HTTP and from real PostgreSQL."""

from collections.abc import Callable, Iterator

import pytest
from polars.testing import assert_frame_equal

from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.immich import by_api
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.sources.immich.watch import server_news
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import every_flag
from immich_pipeline_tests.sources.immich.set_up import VERSIONS, Lab, api_settings, lab_of, stored_records

MakeDatabase = Callable[[str], str]


@pytest.fixture
def lab(request: pytest.FixtureRequest, make_immich_database: MakeDatabase) -> Iterator[Lab]:
    """Of version 3.1, unless a test asks for others."""
    with lab_of(every_flag(getattr(request, "param", "3.1.0")), make_immich_database) as lab:
        yield lab


every_version = pytest.mark.parametrize("lab", VERSIONS, indirect=True)


def query(database: Database, text: str) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return connection.execute(text).fetchall()  # type: ignore[call-overload]


@every_version
def test_both_ways_store_the_same(lab: Lab, database: Database) -> None:
    first = take_server_snapshot(database, lab.server("api", database), full=True)
    assert first.problems == {}
    by_api = stored_records(database)
    albums = query(database, "SELECT * FROM library.immich_album ORDER BY 1, 2")
    second = take_server_snapshot(database, lab.server("database", database), full=True)
    assert second.problems == {}
    assert_frame_equal(stored_records(database), by_api)
    assert query(database, "SELECT * FROM library.immich_album ORDER BY 1, 2") == albums
    expected = [asset for asset in lab.world.assets.values() if asset.visibility != "locked"]
    assert by_api.height == len(expected) == first.assets == second.assets
    assert second.counts() == {}
    assert second.changes.inserted == 1  # of what the database alone knows
    flags = by_api.select(
        "visibility", "is_trashed", "is_offline", "is_favorite", "is_edited", "checksum_algorithm", "type"
    )
    assert {value for column in flags.iter_columns() for value in column} == {
        "timeline", "archive", "hidden", True, False, "sha1", "sha1-path", "image", "video",
    }  # fmt: skip
    assert by_api["stack_id"].drop_nulls().len() == 3
    assert len(albums) == 5


@pytest.mark.parametrize("way", ["api", "database"])
def test_what_is_looked_after_leaves_out_trash_offline_and_locked(lab: Lab, database: Database, way: str) -> None:
    take_server_snapshot(database, lab.server(way, database))
    live = {row[0] for row in query(database, "SELECT asset_id::text FROM library.live_asset")}
    assert live == {
        asset.id for asset in lab.world.assets.values() if asset.deleted_at is None and asset.visibility != "locked"
    }
    assert query(database, "SELECT DISTINCT owner FROM library.live_asset ORDER BY 1") == [
        ("alice@example.org",),
        ("bob@example.org",),
    ]


@pytest.mark.parametrize("way", ["api", "database"])
def test_the_second_snapshot_finds_and_writes_nothing(lab: Lab, database: Database, way: str) -> None:
    server = lab.server(way, database)
    assert server_news(database, server) is not None
    take_server_snapshot(database, server)
    assert server_news(database, server) is None
    again = take_server_snapshot(database, server)
    assert again.counts() == {}
    assert again.changes.total == 0
    assert not any(scope.full for scope in again.scopes)


@every_version
@pytest.mark.parametrize("way", ["api", "database"])
def test_each_change_is_told_and_followed(lab: Lab, database: Database, way: str) -> None:
    world = lab.world
    server = lab.server(way, database)
    take_server_snapshot(database, server)
    by_name = {asset.original_name: asset for asset in world.assets.values()}
    alice = next(user for user in world.users.values() if user.name == "Alice")
    world.trash(by_name["IMG_0005.jpg"])
    world.restore(by_name["trashed.jpg"])
    moved = by_name["archived.jpg"]
    moved.original_path = "/data/library/alice/2023/archived.jpg"
    world.touch(moved)
    changed = by_name["favourite.jpg"]
    changed.is_favorite = False
    world.touch(changed)
    offline = by_name["DSC_0002.NEF"]
    offline.is_offline, offline.deleted_at = False, None
    world.touch(offline)
    world.delete_for_good(by_name["long.mp4"])
    world.add_asset(alice, "/data/library/alice/2024/new.jpg")
    lab.publish()
    assert server_news(database, server) is not None
    outcome = take_server_snapshot(database, server)
    assert outcome.counts() == {
        "added": 1, "changed": 1, "gone": 1, "moved": 1, "online": 1, "restored": 1, "trashed": 1,
    }  # fmt: skip
    assert stored_records(database).height == sum(asset.visibility != "locked" for asset in world.assets.values())
    assert server_news(database, server) is None


def test_a_moved_external_file_is_told_as_moved_although_its_id_is_new(lab: Lab, database: Database) -> None:
    world = lab.world
    server = lab.server("database", database)
    take_server_snapshot(database, server)
    old = next(asset for asset in world.assets.values() if asset.original_name == "DSC_0000.NEF")
    library = world.libraries[str(old.library_id)]
    world.take_offline(old)
    new = world.add_asset(
        world.users[old.owner_id], "/external/alice/2024/DSC_0000.NEF", library=library,
        file_modified_at=old.file_modified_at, exif=old.exif,
    )  # fmt: skip
    lab.publish()
    outcome = take_server_snapshot(database, server)
    assert outcome.counts() == {"moved": 1, "offline": 1}
    moved = outcome.samples().filter(what="moved").row(0, named=True)
    assert (moved["path"], moved["before"]) == (new.original_path.lstrip("/"), old.original_path)


def test_one_failing_key_does_not_stop_the_other(lab: Lab, database: Database) -> None:
    server = lab.server("api", database)
    take_server_snapshot(database, server)
    before = stored_records(database)
    bob = next(user for user in lab.world.users.values() if user.name == "Bob")
    alice = next(user for user in lab.world.users.values() if user.name == "Alice")
    lab.world.key_of(bob).permissions = ["user.read"]
    lab.world.add_asset(alice, "/data/library/alice/2024/new.jpg")
    lab.world.add_asset(bob, "/data/library/bob/2024/new.jpg")
    outcome = take_server_snapshot(database, server)
    assert list(outcome.problems) == ["bob@example.org"]
    assert "lacks the permission" in outcome.problems["bob@example.org"]
    assert outcome.counts() == {"added": 1}
    assert stored_records(database).height == before.height + 1
    lab.world.key_of(bob).permissions = ["all"]
    assert server_news(database, server) is None  # not at every look
    query(database, "UPDATE library.reading SET problem_at = problem_at - interval '1 hour' RETURNING 1")
    assert server_news(database, server) == "bob@example.org failed before"
    assert take_server_snapshot(database, server).counts() == {"added": 1}


def test_a_reading_that_breaks_off_leaves_everything_as_it_was(lab: Lab, database: Database) -> None:
    server = lab.server("api", database)
    take_server_snapshot(database, server)
    before = stored_records(database)
    lab.stub.fail_next("/search/metadata", 400, times=100)
    with pytest.raises(ImmichError, match="search/metadata"):
        take_server_snapshot(database, server, full=True)
    assert_frame_equal(stored_records(database), before)
    assert query(database, "SELECT count(*) FROM library.reading WHERE problem IS NOT NULL") == [(2,)]


def test_whether_there_is_a_trash_is_remembered(lab: Lab, database: Database) -> None:
    server, found = lab.server("api", database), []
    for lab.world.trash_days in (30, None, 7):
        take_server_snapshot(database, server)
        found += query(database, "SELECT trash_days FROM library.source")
    lab.world.trash_days = 0
    lab.stub.fail_next("/server/features", 500)
    take_server_snapshot(database, server)
    take_server_snapshot(database, lab.server("database", database))
    assert [*found, *query(database, "SELECT trash_days FROM library.source")] == [(30,), (0,), (7,), (7,)]


def test_a_newer_version_is_read_and_one_sentence_says_that_it_is_not_changed(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_api, "_SAID", set())
    world = every_flag("3.9.0")
    with StubServer(world, validate=False) as stub:
        server = ImmichServer(api_settings(world, stub.url), FormatTable.load())
        activate_sources(database, [server.row])
        for _ in range(2):
            assert take_server_snapshot(database, server).problems == {}
            server_news(database, server)
    assert stored_records(database).height == sum(asset.visibility != "locked" for asset in world.assets.values())
    assert caplog.text.count("newer than this program knows (up to 3.2): it is read, never changed") == 1


def test_only_what_is_included_is_looked_after(lab: Lab, database: Database) -> None:
    library = next(iter(lab.world.libraries))
    for include, expected in (
        ({"users": ["bob@example.org"]}, 4),
        ({"libraries": [library]}, 3),
        ({"libraries": ["uploads"], "users": ["alice@example.org"]}, 15),
        ({"albums": ["Holiday", "Bob's"]}, 4),
    ):
        for way in ("api", "database"):
            outcome = take_server_snapshot(database, lab.server(way, database, include=include))
            assert outcome.problems == {}
            assert stored_records(database).height == expected == outcome.assets, (include, way)

"""What hangs on single assets, read and changed through the client, in every dialect."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from immich_pipeline.immich.client import ImmichClient, Resolution
from immich_pipeline.immich.errors import ApiError, ImmichError, NotFound, ReadOnlyServer, Unreachable
from immich_pipeline_tests.immich.clients import ABSENT, named, user
from immich_pipeline_tests.immich.scripted import Reply, scripted
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World


def test_one_asset_is_changed(alice: ImmichClient, world: World) -> None:
    asset = named(world, "edited.jpg")
    told = alice.update_asset(
        asset.id, description="two\nlines", rating=5, latitude=1.5, longitude=-2.5, visibility="archive",
        date_time_original="2020-02-03T04:05:06.007+02:00",
    )  # fmt: skip
    assert (told["id"], told["visibility"]) == (asset.id, "archive")
    exif = asset.exif
    assert exif is not None
    assert (exif.description, exif.rating, exif.latitude, exif.longitude) == ("two\nlines", 5, 1.5, -2.5)
    assert (exif.date_time_original, exif.time_zone) == (datetime(2020, 2, 3, 2, 5, 6, 7000, tzinfo=UTC), "UTC+2")
    alice.update_asset(asset.id, description="", rating=None, is_favorite=True)
    assert (exif.description, exif.rating, asset.is_favorite) == ("", None, True)


@pytest.mark.parametrize(("changes", "words"), [({}, "nothing"), ({"owner": 1}, "owner")])
def test_only_known_changes(alice: ImmichClient, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=f"cannot change {words}"):
        alice.update_asset(ABSENT, **changes)


def test_another_users_asset_is_not_changed(bob: ImmichClient, world: World) -> None:
    with pytest.raises(NotFound):
        bob.update_asset(named(world, "edited.jpg").id, rating=1)


def test_a_zone_by_name_keeps_the_moment(alice: ImmichClient, world: World) -> None:
    asset = named(world, "edited.jpg")
    alice.update_assets([asset.id], date_time_original="2020-07-03T04:00:00.000Z", time_zone="Europe/Paris")
    assert asset.exif is not None
    assert asset.exif.time_zone == "Europe/Paris"
    assert asset.exif.date_time_original == datetime(2020, 7, 3, 4, tzinfo=UTC)
    assert asset.local_date_time == datetime(2020, 7, 3, 6, tzinfo=UTC)


def test_a_live_video_is_linked_hidden_and_let_go(alice: ImmichClient, world: World) -> None:
    still, video = named(world, "edited.jpg"), named(world, "long.mp4")
    alice.update_asset(still.id, live_video_id=video.id)
    assert (still.live_video_id, video.visibility) == (video.id, "hidden")
    alice.update_asset(still.id, live_video_id=None)
    assert (still.live_video_id, video.visibility) == (None, "timeline")
    for other, words in ((ABSENT, "not found"), (still.id, "must be a video")):
        with pytest.raises(ApiError, match=words):
            alice.update_asset(still.id, live_video_id=other)


def test_albums_of_an_asset(alice: ImmichClient, bob: ImmichClient, world: World) -> None:
    shared = named(world, "IMG_0001.jpg")
    assert [album.name for album in alice.albums_of(shared.id)] == ["Family"]
    assert [(album.name, album.owner_id) for album in bob.albums_of(shared.id)] == [("Family", user(world, "alice").id)]
    world.trash(shared)
    assert [album.name for album in alice.albums_of(shared.id)] == ["Family"]  # it stays in its albums
    assert alice.albums_of(ABSENT) == []


def test_the_cover_of_an_album(alice: ImmichClient, world: World) -> None:
    asset, other = named(world, "favourite.jpg"), named(world, "edited.jpg")
    (album,) = alice.albums_of(asset.id)
    assert album.cover_id == asset.id
    alice.set_album_cover(album.id, other.id)
    assert [one.cover_id for one in alice.albums_of(asset.id)] == [other.id]
    world.trash(other)
    assert [one.cover_id for one in alice.albums_of(asset.id)] == [asset.id]  # which the server chose when it was asked
    with pytest.raises(ApiError, match="Invalid album thumbnail"):
        alice.set_album_cover(album.id, named(world, "long.mp4").id)


def test_a_tag_is_taken_away(alice: ImmichClient, world: World) -> None:
    asset, other = named(world, "favourite.jpg"), named(world, "archived.jpg")
    tag = next(tag for tag in alice.tags() if tag.value == "Family")
    first, second = alice.untag_assets(tag.id, [asset.id, other.id])
    assert (first.success, second.success, second.error) == (True, False, "not_found")
    assert asset.id not in world.tags[tag.id].asset_ids


def test_shared_links(alice: ImmichClient, bob: ImmichClient, world: World) -> None:
    (link,) = alice.shared_links()
    assert link.asset_ids == tuple(
        sorted(world.links[link.id].asset_ids, key=lambda one: world.assets[one].file_created_at)
    )
    asset, other = named(world, "favourite.jpg"), named(world, "archived.jpg")
    added = alice.add_to_link(link.id, [asset.id, other.id, ABSENT])
    assert [(one.success, one.error) for one in added] == [(False, "duplicate"), (True, None), (False, "no_permission")]
    removed = alice.remove_from_link(link.id, [other.id, ABSENT])
    assert [(one.success, one.error) for one in removed] == [(True, None), (False, "not_found")]
    assert bob.shared_links() == []
    with pytest.raises(ApiError, match="Shared link not found"):
        bob.add_to_link(link.id, [asset.id])


def test_a_trashed_asset_leaves_its_links_until_it_is_back(alice: ImmichClient, world: World) -> None:
    asset = named(world, "favourite.jpg")
    (before,) = alice.shared_links()
    alice.delete_assets([asset.id])
    (without,) = alice.shared_links()
    assert set(before.asset_ids) - set(without.asset_ids) == {asset.id}
    alice.restore_assets([asset.id])
    assert alice.shared_links() == [before]


def test_a_link_that_is_removed_while_links_are_read(alice: ImmichClient, server: StubServer, world: World) -> None:
    (link,) = alice.shared_links()

    def remove(_method: str, path: str) -> None:
        if path.endswith(link.id):
            world.links.clear()

    server.on_request(remove)
    assert alice.shared_links() == []


def test_a_link_that_may_not_be_read(alice: ImmichClient, server: StubServer) -> None:
    server.fail_next("/shared-links/", 403)
    with pytest.raises(ApiError, match="403"):
        alice.shared_links()


def test_the_link_of_an_album_holds_no_single_assets(alice: ImmichClient, world: World) -> None:
    link = next(one for one in world.links.values() if one.album_id)
    with pytest.raises(ApiError, match="Invalid shared link type"):
        alice.remove_from_link(link.id, [named(world, "favourite.jpg").id])


def test_faces(alice: ImmichClient, bob: ImmichClient, world: World) -> None:
    asset, other = named(world, "favourite.jpg"), named(world, "edited.jpg")
    told = alice.faces(asset.id)
    assert [face.person.name if face.person else None for face in told] == ["Marie", "Marie", "", None]
    assert told[0].box == (0.1, 0.1, 0.2, 0.2)
    marie = told[0].person
    assert marie is not None
    alice.create_face(other.id, marie.id, told[0].box, (3000, 2000))
    (made,) = alice.faces(other.id)
    assert (made.box, made.width, made.height, made.source) == ((0.1, 0.1, 0.2, 0.2), 3000, 2000, "manual")
    alice.delete_face(made.id)
    assert alice.faces(other.id) == []
    with pytest.raises(NotFound):
        alice.delete_face(made.id)
    with pytest.raises(NotFound):
        bob.faces(other.id)
    with pytest.raises(NotFound):
        alice.create_face(other.id, ABSENT, (0, 0, 1, 1), (10, 10))


def test_faces_of_what_is_in_the_trash(alice: ImmichClient, world: World) -> None:
    asset = named(world, "favourite.jpg")
    world.trash(asset)
    assert len(alice.faces(asset.id)) == 4


def test_a_face_is_not_made_twice(alice: ImmichClient, server: StubServer, world: World) -> None:
    asset = named(world, "edited.jpg")
    (person, _) = world.people.values()
    server.fail_next("POST /api/faces", "drop")
    with pytest.raises(Unreachable):
        alice.create_face(asset.id, person.id, (0, 0, 0.5, 0.5), (100, 100))
    assert [method for method, path, _ in server.requests if path == "/api/faces"] == ["POST"]


def test_a_face_that_has_no_size() -> None:
    version = Reply(200, b'{"major": 3, "minor": 1, "patch": 0}')
    face = (
        b'[{"id": "99999999-9999-4999-8999-999999999999", "boundingBoxX1": 1, "boundingBoxX2": 2, "boundingBoxY1": 3, '
        b'"boundingBoxY2": 4, "imageWidth": 0, "imageHeight": 10, "person": null}]'
    )
    with scripted(Reply(200, face), version) as other, ImmichClient(other.url, SecretStr("key")) as client:
        assert client.faces(ABSENT)[0].box == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("answer", [b"{}", b"[7]", b'[{"id": "x"}]', b'[{"id": "' + ABSENT.encode() + b'"}]'])
def test_answers_of_another_shape(answer: bytes) -> None:
    calls: list[Callable[[ImmichClient], object]] = [
        lambda client: client.faces(ABSENT),
        lambda client: client.albums_of(ABSENT),
        lambda client: client.shared_links(),
    ]
    for call in calls:
        with (
            scripted(Reply(200, answer)) as other,
            ImmichClient(other.url, SecretStr("key")) as client,
            pytest.raises(ApiError, match="is not what its API promises"),
        ):
            call(client)


def test_groups_are_resolved(alice: ImmichClient, world: World) -> None:
    (group,) = alice.duplicates()
    keep, trash = group.asset_ids
    unfit, done = Resolution(group.id, (keep,), ()), Resolution(group.id, (keep,), (trash,))
    assert [(one.success, one.error) for one in alice.resolve_duplicates([unfit])] == [(False, "validation")]
    assert [(one.id, one.success) for one in alice.resolve_duplicates([done])] == [(group.id, True)]
    assert world.assets[trash].status == "trashed"
    assert alice.resolve_duplicates([]) == []


CHANGES: list[Callable[[ImmichClient], object]] = [
    lambda client: client.update_asset(ABSENT, rating=1),
    lambda client: client.set_album_cover(ABSENT, ABSENT),
    lambda client: client.untag_assets(ABSENT, [ABSENT]),
    lambda client: client.add_to_link(ABSENT, [ABSENT]),
    lambda client: client.remove_from_link(ABSENT, [ABSENT]),
    lambda client: client.create_face(ABSENT, ABSENT, (0, 0, 1, 1), (1, 1)),
    lambda client: client.delete_face(ABSENT),
    lambda client: client.resolve_duplicates([Resolution(ABSENT, (ABSENT,), ())]),
]


@pytest.mark.parametrize("version", [b'2, "minor": 6', b'3, "minor": 3'])
def test_a_server_that_is_only_read_is_not_changed(version: bytes) -> None:
    told = Reply(200, b'{"patch": 0, "major": ' + version + b"}")
    with scripted(told) as other, ImmichClient(other.url, SecretStr("key")) as client:
        for change in CHANGES:
            with pytest.raises(ReadOnlyServer, match="is not done: Immich"):
                change(client)
    assert other.calls == ["GET /api/server/version"]


def test_what_is_no_id_is_not_sent(alice: ImmichClient, server: StubServer) -> None:
    for attempt in (alice.faces, alice.delete_face, alice.albums_of, lambda name: alice.add_to_link(name, [name])):
        with pytest.raises(ImmichError, match="is not the id of anything"):
            attempt("../users/me")
    assert server.requests == []

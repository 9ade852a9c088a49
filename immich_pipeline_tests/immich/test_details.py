"""The state of an asset: the same facts in every dialect, and nothing that the API does not promise."""

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.immich.answers import Album, Face, read_answer
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.details import StateContext, asset_state, state_of, told_of
from immich_pipeline.immich.errors import ApiError
from immich_pipeline_tests.immich.clients import ABSENT, named, user
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World


def test_everything_about_an_asset(alice: ImmichClient, world: World) -> None:
    asset = named(world, "favourite.jpg")
    assert asset.exif is not None
    link = next(one for one in world.links.values() if not one.album_id)
    album = next(one for one in world.albums.values() if one.name == "Best")
    marie, someone = world.people.values()
    people = [
        {"person": marie.id, "name": "Marie", "faces": [[0.0, 0.0, 1.0, 1.0], [0.1, 0.1, 0.2, 0.2]]},
        {"person": someone.id, "name": "", "faces": [[0.3333, 0.3333, 0.6667, 0.6667]]},
    ]
    taken = asset.file_created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    state = asset_state(alice, asset.id.upper(), StateContext(alice))
    assert state == {
        "owner": user(world, "alice").id,
        "checksum": base64.b64encode(asset.checksum).decode(),
        "checksum_algorithm": None,
        "visibility": "timeline",
        "trashed": False,
        "offline": False,
        "edited": False,
        "type": "image",
        "library": None,
        "path": asset.original_path,
        "name": "favourite.jpg",
        "size": asset.exif.file_size,
        "favourite": True,
        "rating": None,
        "description": "",
        "latitude": None,
        "longitude": None,
        "date": taken,
        "time_zone": "UTC+1",
        "local_date": asset.local_date_time.isoformat(timespec="milliseconds").removesuffix("+00:00"),
        "file_created": taken,
        "file_modified": taken,
        "tags": ["Family", "Trips/France"],
        "albums": [album.id],
        "covers": [album.id],
        "links": [link.id],
        "people": sorted(people, key=lambda person: str(person["person"])),
        "unassigned_faces": 1,
        "live_video": None,
        "stack": None,
        "stack_primary": None,
        "duplicate": None,
    }
    assert json.loads(json.dumps(state)) == state


def test_every_asset_has_a_state(alice: ImmichClient, world: World) -> None:
    context, owner = StateContext(alice), user(world, "alice").id
    for asset in world.assets.values():
        state = asset_state(alice, asset.id, context)
        if asset.visibility == "locked":
            assert state is None
        elif asset.owner_id == owner:
            assert state is not None
            assert (state["trashed"], state["offline"]) == (asset.deleted_at is not None, asset.is_offline)
            assert (state["live_video"], state["stack"], state["edited"]) == (
                asset.live_video_id,
                asset.stack_id,
                asset.is_edited,
            )
            assert (state["type"], state["library"], state["duplicate"]) == (
                asset.type.lower(),
                asset.library_id,
                asset.duplicate_id,
            )
    described = asset_state(alice, named(world, "Zoë's ünïcode 写真 \U0001f4f7.jpg").id, context)
    assert described is not None
    assert (described["latitude"], described["rating"], described["date"]) == (48.8534, 5, "2023-07-14T07:10:00.050Z")


def test_an_asset_that_is_not_there(alice: ImmichClient) -> None:
    assert asset_state(alice, ABSENT, StateContext(alice)) is None


def test_the_time_of_the_last_change_is_told_beside_the_state(alice: ImmichClient, world: World) -> None:
    asset = named(world, "edited.jpg")
    told = told_of(alice, asset.id, StateContext(alice))
    assert told is not None
    assert told.updated_at == asset.updated_at
    assert told.state == asset_state(alice, asset.id, StateContext(alice))


def test_links_are_read_once(alice: ImmichClient, server: StubServer, world: World) -> None:
    context, asset = StateContext(alice), named(world, "edited.jpg")
    assert server.requests == []
    first = asset_state(alice, asset.id, context)
    world.links.clear()
    assert asset_state(alice, asset.id, context) == first
    assert sum(path == "/api/shared-links" for _, path, _ in server.requests) == 1
    context.refresh()
    second = asset_state(alice, asset.id, context)
    assert first is not None
    assert second == first | {"links": []}
    assert sum("/shared-links" in path or "/faces" in path for _, path, _ in server.requests) == 6


def an_answer() -> dict[str, Any]:
    return {
        "id": ABSENT, "ownerId": ABSENT, "checksum": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "type": "IMAGE", "visibility": "timeline",
        "isTrashed": False, "isOffline": False, "isEdited": False, "isFavorite": False, "originalPath": "/a.jpg",
        "originalFileName": "a.jpg", "localDateTime": "2020-01-01T00:00:00.000Z", "fileCreatedAt": "2020-01-01T00:00:00.000Z",
        "fileModifiedAt": "2020-01-01T00:00:00.000Z", "updatedAt": "2020-01-01T00:00:00.000Z",
        "exifInfo": {"dateTimeOriginal": "2020-01-01T01:00:00.05+01:00", "rating": 0, "description": None},
    }  # fmt: skip


def test_older_ways_to_say_nothing() -> None:
    state = state_of(an_answer(), [], [], [])
    assert (state["rating"], state["description"], state["date"]) == (None, "", "2020-01-01T00:00:00.050Z")
    without = an_answer()
    del without["exifInfo"]
    bare = state_of(without, [], [], [])
    assert (bare["date"], bare["size"], bare["tags"], bare["stack"]) == (None, None, [], None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("isTrashed", 1),
        ("isTrashed", "false"),
        ("isFavorite", None),
        ("ownerId", "nobody"),
        ("originalPath", 7),
        ("originalFileName", "a\x00b"),
        ("localDateTime", "yesterday"),
        ("fileCreatedAt", "2020-01-01T00:00:00"),
        ("fileModifiedAt", "0001-01-01T00:00:00+14:00"),
        ("checksum", ""),
        ("exifInfo", {"rating": "5"}),
        ("exifInfo", {"latitude": "48"}),
        ("exifInfo", {"description": ["x"]}),
        ("exifInfo", {"dateTimeOriginal": 5}),
        ("exifInfo", 3),
        ("tags", [{"value": 3}]),
        ("tags", {}),
        ("stack", {"id": ABSENT}),
        ("livePhotoVideoId", ""),
    ],
)
def test_what_the_api_does_not_promise(name: str, value: object) -> None:
    with pytest.raises(ApiError, match=r"GET /assets/\{id\} is not what its API promises"):
        state_of(an_answer() | {name: value}, [], [], [])


@pytest.mark.parametrize("answer", [None, [], "asset", 7])
def test_what_is_no_asset(answer: object) -> None:
    with pytest.raises(ApiError):
        state_of(answer, [], [], [])


def test_a_change_of_unknown_time() -> None:
    class Told:
        def asset(self, _: str) -> dict[str, Any]:
            return an_answer() | {"updatedAt": None}

        def faces(self, _: str) -> list[Face]:
            return []

        def albums_of(self, _: str) -> list[Album]:
            return []

        def shared_links(self) -> list[Any]:
            return []

    client: Any = Told()
    with pytest.raises(ApiError, match="updatedAt is no time"):
        told_of(client, ABSENT, StateContext(client))


ids = st.uuids(version=4).map(str)
albums = st.builds(
    lambda one, cover: {"id": one, "albumName": "a", "ownerId": one, "assetCount": 1, "albumThumbnailAssetId": cover},
    ids,
    st.sampled_from([None, ABSENT]),
)
faces = st.builds(
    lambda one, box, person: {
        "id": one, "boundingBoxX1": box[0], "boundingBoxY1": box[1], "boundingBoxX2": box[2], "boundingBoxY2": box[3],
        "imageWidth": 100, "imageHeight": 50, "person": person and {"id": person, "name": ""},
    },
    ids,
    st.tuples(*[st.integers(0, 100)] * 4),
    st.sampled_from([None, ABSENT, ABSENT.replace("9", "8")]),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_order_in_which_it_is_told_says_nothing(data: st.DataObject) -> None:
    in_albums = data.draw(st.lists(albums, max_size=4, unique_by=lambda album: album["id"]))
    on_it, links = data.draw(st.lists(faces, max_size=5)), data.draw(st.lists(ids, max_size=3, unique=True))
    tags = [{"value": value} for value in data.draw(st.lists(st.text("ab/", min_size=1), max_size=4))]

    def state(answer: object, in_albums: object, on_it: object, links: list[str]) -> dict[str, Any]:
        return state_of(answer, read_answer(list[Album], in_albums, "x"), read_answer(list[Face], on_it, "x"), links)

    first = state(an_answer() | {"tags": tags}, in_albums, on_it, links)
    shuffled = [data.draw(st.permutations(copy.deepcopy(part))) for part in (tags, in_albums, on_it, links)]
    assert state(an_answer() | {"tags": shuffled[0]}, *shuffled[1:]) == first  # type: ignore[arg-type]
    assert sum(len(person["faces"]) for person in first["people"]) + first["unassigned_faces"] == len(on_it)

"""What real servers did that one would not expect, and the faults that a test can order."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from immich_pipeline_tests.busy import patience
from immich_pipeline_tests.immich_stub import StubServer
from immich_pipeline_tests.immich_world import Exif, User, World, every_flag

pytestmark = pytest.mark.unmeasured
GROUP = "5b0c8e6e-7a0b-4a53-9d6c-111111111111"
OTHER_GROUP = "5b0c8e6e-7a0b-4a53-9d6c-222222222222"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Home:
    """A running server and a client; calls are made as the first user unless another is named."""

    def __init__(self, world: World, server: StubServer, client: httpx.Client) -> None:
        self.world, self.server, self.client = world, server, client
        self.alice, self.bob = list(world.users.values())[:2]

    def call(self, line: str, body: object = None, user: User | None = None, **headers: str) -> httpx.Response:
        method, path = line.split(" ")
        key = self.world.key_of(user or self.alice).secret
        return self.client.request(
            method, f"{self.server.url}/api{path}", json=body, headers={"x-api-key": key, **headers}
        )

    def search(self, user: User | None = None, **body: Any) -> dict[str, Any]:
        answer = self.call("POST /search/metadata", body, user)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["assets"]
        return found

    def names(self, user: User | None = None, **body: Any) -> list[str]:
        return [item["originalFileName"] for item in self.search(user, size=1000, **body)["items"]]

    def named(self, name: str) -> str:
        return next(asset.id for asset in self.world.assets.values() if asset.original_name == name)


Start = Callable[..., Home]


@pytest.fixture
def start(immich_server: Callable[..., StubServer]) -> Iterator[Start]:
    with httpx.Client() as client:
        yield lambda world, validate=True: Home(world, immich_server(world, validate=validate), client)


@pytest.fixture(params=["2.7.5", "3.1.0", "3.2.2"])
def home(start: Start, request: pytest.FixtureRequest) -> Home:
    return start(every_flag(request.param))


@pytest.fixture(params=["3.2.2"])
def newest(start: Start, request: pytest.FixtureRequest) -> Home:
    return start(every_flag(request.param))


def test_every_listing_is_what_the_document_says(home: Home) -> None:
    for asset in home.world.assets.values():
        home.call(f"GET /assets/{asset.id}")
    for path in ("/server/ping", "/server/version", "/server/about", "/users/me", "/api-keys/me", "/libraries"):
        assert home.call(f"GET {path}").status_code == 200
    for path in ("/tags", "/stacks", "/albums", "/duplicates", "/assets/statistics?isTrashed=true"):
        assert home.call(f"GET {path}").status_code == 200
    home.search(withExif=True, withDeleted=True, size=1000)
    assert home.call("POST /search/statistics", {}).json()["total"] > 0
    assert home.server.violations == []


def test_default_visibility(home: Home) -> None:
    shown = {item["visibility"] for item in home.search(size=1000)["items"]}
    assert shown == ({"timeline"} if home.world.version == "2.7.5" else {"timeline", "archive", "hidden"})


def test_what_a_search_shows(home: Home) -> None:
    timeline = home.names(visibility="timeline")
    assert {"trashed.jpg", "locked.jpg", "archived.jpg", "DSC_0002.NEF"} & set(timeline) == set()
    assert "PXL_0000.jpg" in timeline  # a partner's
    assert "favourite.jpg" not in home.names(home.bob)  # sharing goes one way
    deleted = home.names(visibility="timeline", withDeleted=True)
    assert {"trashed.jpg", "DSC_0002.NEF"} <= set(deleted)
    assert "unprocessed.jpg" in timeline
    assert "unprocessed.jpg" not in home.names(withExif=True)
    assert {"IMG_0000.jpg", "IMG_0001.jpg", "IMG_0002.jpg"} & set(home.names(withStacked=False)) == set()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"isFavorite": True}, ["favourite.jpg"]),
        ({"type": "VIDEO", "visibility": "timeline"}, ["long.mp4"]),
        ({"originalFileName": "zoe's ÜNIcode"}, ["Zoë's ünïcode 写真 \U0001f4f7.jpg"]),
        ({"originalPath": "/external/ALICE/2023/dsc_0001"}, ["DSC_0001.NEF"]),
        ({"isOffline": True}, ["DSC_0002.NEF"]),
        ({"city": "Paris"}, ["Zoë's ünïcode 写真 \U0001f4f7.jpg"]),
        ({"isMotion": True}, ["live.heic"]),
        ({"trashedAfter": "2020-01-01T00:00:00.000Z", "originalFileName": "trashed"}, ["trashed.jpg"]),
    ],
)
def test_flat_filters(home: Home, body: dict[str, Any], names: list[str]) -> None:
    assert home.names(**body) == names


def test_albums_tags_and_checksums_in_a_search(home: Home) -> None:
    holiday = next(album for album in home.world.albums.values() if album.name == "Holiday")
    assert len(home.names(albumIds=[holiday.id])) == 2
    assert "IMG_0000.jpg" not in home.names(isNotInAlbum=True)
    edited = home.world.assets[home.named("edited.jpg")]
    home.world.add_tag(home.alice, "Trips/France/Paris", [edited])
    trips = next(tag for tag in home.world.tags.values() if tag.value == "Trips")
    assert home.names(tagIds=[trips.id]) == ["edited.jpg"]
    assert "edited.jpg" not in home.names(tagIds=None)
    assert home.names(checksum=edited.checksum.hex()) == ["edited.jpg"]


def test_library_id_null_says_nothing(home: Home) -> None:
    (library,) = home.world.libraries.values()
    assert home.names(libraryId=None) == home.names()
    assert home.names(libraryId=library.id, withDeleted=True) != home.names(withDeleted=True)


def test_changes_show_up_from_their_very_moment_on(home: Home) -> None:
    asset = home.world.assets[home.named("edited.jpg")]
    home.world.touch(asset)
    at = asset.updated_at.isoformat()
    later = (asset.updated_at + timedelta(milliseconds=1)).isoformat()
    assert home.names(updatedAfter=at) == ["edited.jpg"]
    assert home.names(updatedAfter=later) == []


def test_pages_join_without_gap_or_overlap(home: Home) -> None:
    whole = [item["id"] for item in home.search(size=1000)["items"]]
    pages, page = list[str](), "1"
    while page is not None:
        found = home.search(size=4, page=int(page))
        assert found["total"] == found["count"] == len(found["items"])
        pages += [item["id"] for item in found["items"]]
        page = found["nextPage"]
        assert page is None or isinstance(page, str)
    assert pages == whole
    taken = [item["fileCreatedAt"] for item in home.search(size=1000)["items"]]
    assert taken == sorted(taken, reverse=True)


def test_durations(home: Home) -> None:
    told = {item["originalFileName"]: item["duration"] for item in home.search(size=1000)["items"]}
    expected = ("01:02:03.004", "0:00:00.00000") if home.world.version == "2.7.5" else (3_723_004, None)
    assert (told["long.mp4"], told["edited.jpg"]) == expected


def test_locked_is_refused_wherever_it_is_asked_for(home: Home) -> None:
    locked = home.named("locked.jpg")
    searches: list[tuple[str, object]] = [
        ("POST /search/metadata", {"visibility": "locked"}),
        ("POST /search/statistics", {"visibility": "locked"}),
        ("GET /assets/statistics?visibility=locked", None),
    ]
    for line, body in searches:
        assert home.call(line, body).status_code == 401
    others: list[tuple[str, object]] = [
        (f"GET /assets/{locked}", None),
        (f"GET /assets/{locked}/original", None),
        ("DELETE /assets", {"ids": [locked]}),
        (f"PUT /assets/{locked}", {"isFavorite": True}),
    ]
    for line, body in others:
        assert home.call(line, body).status_code == 400


def test_statistics_count_own_assets_only(home: Home) -> None:
    own = [asset for asset in home.world.assets.values() if asset.owner_id == home.alice.id and not asset.deleted_at]
    visible = [asset for asset in own if asset.visibility in ("timeline", "archive")]
    counts = home.call("GET /assets/statistics").json()
    assert counts["total"] == len(visible) == counts["images"] + counts["videos"]
    assert home.call("GET /assets/statistics?isTrashed=true").json()["total"] == 2
    assert home.call("GET /assets/statistics?visibility=hidden").json() == {"images": 0, "videos": 1, "total": 1}
    assert home.call("GET /assets/statistics?isFavorite=true").json()["total"] == 1


def test_changes_through_the_api_move_the_clock(home: Home) -> None:
    asset = home.world.assets[home.named("edited.jpg")]
    before = asset.updated_at
    body = {"description": "x", "rating": 4, "latitude": 1.5, "longitude": 2.5, "visibility": "archive"}
    told = home.call(f"PUT /assets/{asset.id}", body).json()
    assert asset.updated_at > before
    assert (told["exifInfo"]["rating"], told["isArchived"], asset.visibility) == (4, True, "archive")
    home.call("PUT /assets", {"ids": [asset.id], "isFavorite": True, "dateTimeOriginal": "2020-02-03T04:05:06+02:00"})
    assert asset.is_favorite
    assert (asset.local_date_time.hour, asset.file_created_at.hour) == (4, 2)
    home.call("PUT /assets", {"ids": [asset.id], "dateTimeRelative": -60})
    assert (asset.local_date_time.hour, asset.file_created_at.hour) == (3, 1)


def test_trash_and_restore(home: Home) -> None:
    asset, offline = (home.world.assets[home.named(name)] for name in ("edited.jpg", "DSC_0002.NEF"))
    assert home.call("DELETE /assets", {"ids": [asset.id], "force": False}).status_code == 204
    assert (asset.status, asset.deleted_at) == ("trashed", asset.updated_at)
    assert home.call("POST /trash/restore/assets", {"ids": [asset.id, offline.id]}).json() == {"count": 2}
    assert (asset.status, asset.deleted_at, offline.is_offline) == ("active", None, True)
    assert offline.deleted_at is not None
    foreign = home.named("PXL_0000.jpg")
    assert home.call("DELETE /assets", {"ids": [asset.id, foreign]}).status_code == 400
    assert asset.deleted_at is None


def test_deleting_for_good_is_refused_and_told() -> None:
    world = every_flag()
    server = StubServer(world)
    server.start()
    key = world.key_of(next(iter(world.users.values()))).secret
    ids = {"ids": [next(iter(world.assets))], "force": True}
    answer = httpx.request("DELETE", f"{server.url}/api/assets", json=ids, headers={"x-api-key": key})
    assert answer.status_code == 500
    with pytest.raises(AssertionError, match="force=true"):
        server.__exit__(None)
    assert next(iter(world.assets.values())).deleted_at is None


def test_stacks_merge_and_steal(home: Home) -> None:
    ids = [home.named(f"IMG_{number:04d}.jpg") for number in range(6)]  # the first three are a stack
    merged = home.call("POST /stacks", {"assetIds": [ids[3], ids[0]]}).json()
    assert [asset["id"] for asset in merged["assets"]] == [ids[3], ids[0], ids[1], ids[2]]
    assert merged["primaryAssetId"] == ids[3]
    again = home.call("POST /stacks", {"assetIds": [ids[3], ids[0], ids[1], ids[2]]})
    assert again.status_code == 201
    assert again.json()["id"] != merged["id"]
    stolen = home.call("POST /stacks", {"assetIds": [ids[4], ids[1]]}).json()
    left = home.call(f"GET /stacks/{again.json()['id']}").json()
    assert (len(stolen["assets"]), len(left["assets"])) == (2, 3)
    home.call(f"DELETE /stacks/{left['id']}/assets/{ids[0]}")
    assert home.call(f"PUT /stacks/{left['id']}", {"primaryAssetId": ids[2]}).json()["primaryAssetId"] == ids[2]
    assert home.call(f"DELETE /stacks/{left['id']}/assets/{ids[2]}").json()["message"].startswith("Cannot remove")
    assert home.call(f"GET /stacks?primaryAssetId={ids[2]}").json()[0]["id"] == left["id"]
    assert home.call("DELETE /stacks", {"ids": [left["id"], stolen["id"]]}).status_code == 204
    assert home.world.stacks == {}
    assert all(home.world.assets[asset_id].stack_id is None for asset_id in ids)


def test_lists_of_stacks_leave_out_what_is_not_visible(home: Home) -> None:
    stacked = home.world.assets[home.named("IMG_0001.jpg")]
    home.world.trash(stacked)
    (stack,) = home.call("GET /stacks").json()
    assert [asset["originalFileName"] for asset in stack["assets"]] == ["IMG_0000.jpg", "IMG_0002.jpg"]
    assert stacked.stack_id == stack["id"]


def test_listing_duplicates_changes_them(home: Home) -> None:
    pair = [home.world.assets[home.named(f"IMG_{number:04d}.jpg")] for number in (3, 4)]
    lonely, foreign = (home.world.assets[home.named(name)] for name in ("edited.jpg", "PXL_0000.jpg"))
    for asset in (lonely, foreign):
        asset.duplicate_id = OTHER_GROUP
    stacked, before = home.world.assets[home.named("IMG_0000.jpg")], lonely.updated_at
    assert stacked.stack_id is not None
    stacked.duplicate_id = "5b0c8e6e-7a0b-4a53-9d6c-333333333333"
    pair[1].exif = Exif(file_size=10**6)
    (group,) = home.call("GET /duplicates").json()
    assert (group["duplicateId"], len(group["assets"])) == (GROUP, 2)
    assert group["suggestedKeepAssetIds"] == [pair[1].id]
    assert (lonely.duplicate_id, foreign.duplicate_id) == (None, None)
    assert lonely.updated_at > before
    assert stacked.duplicate_id is not None


def test_dismissing_duplicates(home: Home) -> None:
    strict = home.world.version != "2.7.5"
    pair = [home.world.assets[home.named(f"IMG_{number:04d}.jpg")] for number in (3, 4)]
    assert home.call(f"DELETE /duplicates/{UNKNOWN}").status_code == (400 if strict else 204)
    assert home.call(f"DELETE /duplicates/{GROUP}", user=home.bob).status_code == (400 if strict else 204)
    assert {asset.duplicate_id for asset in pair} == {GROUP}
    assert home.call(f"DELETE /duplicates/{GROUP}").status_code == 204
    assert {asset.duplicate_id for asset in pair} == {None}


def test_resolving_duplicates(home: Home) -> None:
    keep, copy = (home.world.assets[home.named(f"IMG_{number:04d}.jpg")] for number in (3, 4))
    copy.exif, copy.is_favorite = Exif(description="only here", rating=3, latitude=1.0, longitude=2.0), True
    album = home.world.add_album(home.alice, "Mixed", [copy])
    home.world.add_tag(home.alice, "a/b", [copy])

    def resolve(keep_ids: list[str], trash_ids: list[str]) -> dict[str, Any]:
        group = {"duplicateId": GROUP, "keepAssetIds": keep_ids, "trashAssetIds": trash_ids}
        (result,) = home.call("POST /duplicates/resolve", {"groups": [group]}).json()
        return dict(result)

    assert resolve([keep.id], [])["error"] == "validation"
    assert resolve([keep.id, copy.id], [copy.id])["error"] == "validation"
    assert resolve([keep.id], [copy.id]) == {"id": GROUP, "success": True}
    assert keep.exif is not None
    assert (keep.is_favorite, keep.exif.rating, keep.exif.description) == (True, 3, "only here")
    assert (keep.exif.latitude, keep.exif.longitude) == (1.0, 2.0)
    assert (keep.duplicate_id, copy.duplicate_id, copy.status) == (None, None, "trashed")
    assert keep.id in album.asset_ids
    assert home.call(f"GET /assets/{keep.id}").json()["tags"][0]["value"] == "a/b"


def test_tags(home: Home) -> None:
    asset, foreign = home.named("edited.jpg"), home.named("PXL_0000.jpg")
    leaves = home.call("PUT /tags", {"tags": ["/dedupe//keep/", "lead", "Lead"]}).json()
    assert [leaf["value"] for leaf in leaves] == ["dedupe/keep", "lead", "Lead"]
    every = {tag["value"]: tag for tag in home.call("GET /tags").json()}
    assert sorted(every) == ["Lead", "dedupe", "dedupe/keep", "lead"]
    assert leaves[0]["parentId"] == every["dedupe"]["id"]
    assert "parentId" not in leaves[1]
    assert home.call("PUT /tags", {"tags": ["lead"]}).json()[0]["id"] == leaves[1]["id"]
    pairs = {"tagIds": [leaves[0]["id"], leaves[1]["id"]], "assetIds": [asset, foreign]}
    assert home.call("PUT /tags/assets", pairs).json() == {"count": 2}
    assert home.call("PUT /tags/assets", pairs).json() == {"count": 0}
    removed = home.call(f"DELETE /tags/{leaves[1]['id']}/assets", {"ids": [asset, foreign]}).json()
    assert removed == [{"id": asset, "success": True}, {"id": foreign, "success": False, "error": "not_found"}]


def test_albums(home: Home) -> None:
    old = home.world.version == "2.7.5"
    listed = [album["albumName"] for album in home.call("GET /albums", user=home.bob).json()]
    assert listed == (["Bob's"] if old else ["Bob's", "Family"])
    if old:
        shared = home.call("GET /albums?shared=true", user=home.bob).json()
        assert [album["albumName"] for album in shared] == ["Family"]
        assert shared[0]["ownerId"] == home.alice.id
    else:
        owned = home.call("GET /albums?isOwned=false", user=home.bob).json()
        assert owned[0]["albumUsers"][0]["role"] == "owner"
    asset = home.named("edited.jpg")
    made = home.call("POST /albums", {"albumName": "New", "assetIds": [asset]})
    assert (made.status_code, made.json()["assetCount"]) == (201, 1)
    path = f"/albums/{made.json()['id']}"
    assert home.call(f"PATCH {path}", {"albumName": "Newer"}).json()["albumName"] == "Newer"
    assert home.call(f"GET {path}", user=home.bob).status_code == 400
    gone = home.call(f"DELETE {path}/assets", {"ids": [asset, UNKNOWN]}).json()
    assert [one["success"] for one in gone] == [True, False]
    empty = home.call(f"GET {path}").json()
    assert (empty["assetCount"], "startDate" in empty) == (0, False)
    inside = home.call(f"GET /albums?assetId={home.named('IMG_0001.jpg')}").json()
    assert [album["albumName"] for album in inside] == ["Family"]


def test_people_and_faces(home: Home) -> None:
    asset, person = home.world.assets[home.named("edited.jpg")], home.world.add_person(home.alice, "Marie")
    face = home.world.add_face(asset, person)
    home.world.add_face(asset, None)
    told = home.call(f"GET /assets/{asset.id}").json()
    assert [one["name"] for one in told["people"]] == ["Marie"]
    if home.world.version == "2.7.5":  # from v3 on the faces are told on their own only
        assert [one["id"] for one in told["people"][0]["faces"]] == [face.id]
        assert len(told["unassignedFaces"]) == 1
    else:
        assert "faces" not in told["people"][0]
    assert [one["person"] is None for one in home.call(f"GET /faces?id={asset.id}").json()] == [False, True]
    assert home.call("GET /people").json()["total"] == 1
    assert home.call("GET /people", user=home.bob).json()["total"] == 0
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "imageWidth": 100, "imageHeight": 100}
    made = home.call("POST /faces", {"assetId": asset.id, "personId": person.id, **box})
    assert (made.status_code, made.content) == (201, b"")
    assert asset.faces[-1].box == (10, 20, 40, 60)
    theirs = {"assetId": asset.id, "personId": home.world.add_person(home.bob).id, **box}
    assert home.call("POST /faces", theirs).status_code == 400
    refused = home.call(f"DELETE /faces/{face.id}", {"force": True}, user=home.bob)
    assert (refused.status_code, refused.json()["message"]) == (400, "Not found or no face.delete access")
    assert home.call(f"DELETE /faces/{face.id}", {"force": True}).status_code == 204
    home.world.delete_for_good(asset)
    assert home.world.faces == {}


def test_links_tell_their_first_asset_only_unless_asked_for(home: Home) -> None:
    assets = [home.world.assets[home.named(name)] for name in ("edited.jpg", "favourite.jpg", "trashed.jpg")]
    link = home.world.add_link(home.alice, assets)
    album = home.world.add_link(home.alice, album=next(iter(home.world.albums.values())))
    listed = {one["id"]: one for one in home.call("GET /shared-links").json()}
    assert [one["type"] for one in listed.values()] == ["ALBUM", "INDIVIDUAL"]
    assert len(listed[link.id]["assets"]) == 1
    assert len(home.call(f"GET /shared-links/{link.id}").json()["assets"]) == 2
    again = home.call(f"PUT /shared-links/{link.id}/assets", {"assetIds": [assets[2].id]})
    assert again.status_code == 500  # it is in the link, and in the trash
    assert home.call(f"PUT /shared-links/{album.id}/assets", {"assetIds": []}).status_code == 400
    assert home.call(f"GET /shared-links/{link.id}", user=home.bob).json()["message"] == "Shared link not found"


def test_emptying_the_trash(home: Home) -> None:
    world, live = home.world, home.world.assets[home.named("live.heic")]
    video = world.assets[home.named("live.mov")]
    twin = world.add_asset(home.alice, "/data/twin.heic", live_video_id=video.id)
    tag, album = world.add_tag(home.alice, "a", [live]), world.add_album(home.alice, "b", [live, twin])
    stacked = [world.assets[home.named(f"IMG_000{number}.jpg")] for number in range(3)]
    home.call("DELETE /assets", {"ids": [live.id, stacked[0].id]})
    assert video.deleted_at is None  # the video of a live photo does not follow its still into the trash
    world.empty_trash()
    assert (live.id in world.assets, video.id in world.assets) == (False, True)
    assert (tag.asset_ids, album.asset_ids) == ([], [twin.id])
    (stack,) = world.stacks.values()
    assert stack.primary_asset_id == stacked[1].id
    home.call("DELETE /assets", {"ids": [twin.id, stacked[1].id]})
    world.empty_trash()
    assert video.id not in world.assets  # no photo needs it any more
    assert (world.stacks, stacked[2].stack_id) == ({}, None)
    assert home.call(f"GET /assets/{stacked[2].id}").status_code == 200


def test_uploads(home: Home) -> None:
    fields = {"fileCreatedAt": "2020-01-01T00:00:00.000Z", "fileModifiedAt": "2020-01-01T00:00:00.000Z"}
    if home.world.version == "2.7.5":
        fields |= {"deviceId": "d", "deviceAssetId": "a"}

    def upload(content: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        key = home.world.key_of(home.alice).secret
        answer = home.client.post(
            f"{home.server.url}/api/assets",
            data=fields,
            files={"assetData": ("x.jpg", content)},
            headers={"x-api-key": key, **headers},
        )
        return answer.status_code, answer.json()

    status, made = upload(b"new")
    asset = home.world.assets[made["id"]]
    assert (status, made["status"], asset.content) == (201, "created", b"new")
    assert upload(b"new") == (200, {"id": asset.id, "status": "duplicate"})
    assert upload(b"other", **{"x-immich-checksum": asset.checksum.hex()}) == (
        200,
        {"id": asset.id, "status": "duplicate"},
    )
    home.world.trash(asset)
    asked = {"assets": [{"id": "1", "checksum": asset.checksum.hex()}, {"id": "2", "checksum": "00" * 20}]}
    told = home.call("POST /assets/bulk-upload-check", asked).json()["results"]
    assert [(one["action"], one.get("isTrashed")) for one in told] == [("reject", True), ("accept", None)]


def test_a_form_of_another_shape_is_noticed(start: Start) -> None:
    home = start(every_flag())
    if not home.server.checks_documents:
        pytest.skip("needs the OpenAPI documents beside the repository")
    key = home.world.key_of(home.alice).secret
    home.client.post(
        f"{home.server.url}/api/assets",
        data={"bogus": "1"},
        files={"assetData": ("x.jpg", b"x")},
        headers={"x-api-key": key},
    )
    found = "\n".join(home.server.violations)
    assert "'bogus' was unexpected" in found
    assert "'fileCreatedAt' is a required property" in found
    home.server.violations.clear()


def test_many_memberships_are_looked_up_quickly() -> None:
    world = World()
    alice = world.add_user("alice")
    assets = [world.add_asset(alice, f"/data/{number}.jpg") for number in range(3000)]
    tag = world.add_tag(alice, "every", assets)
    began = time.process_time()
    assert all(world.tags_of(asset) == [tag] for asset in assets)
    assert time.process_time() - began < 1  # 3 ms as a set, 40 ms and more as a list of 3,000
    tag.asset_ids.remove(assets[0].id)
    tag.asset_ids.append("x")
    assert assets[0].id not in tag.asset_ids
    tag.asset_ids[0] = assets[0].id
    assert assets[0].id in tag.asset_ids
    del tag.asset_ids[0]
    tag.asset_ids.insert(0, "y")
    assert tag.asset_ids.pop() == "x"
    assert [one in tag.asset_ids for one in (assets[0].id, "x", "y")] == [False, False, True]


def test_ranges_of_an_original(home: Home) -> None:
    asset = home.world.assets[home.named("edited.jpg")]
    asset.content = bytes(range(100))
    line = f"GET /assets/{asset.id}/original"
    whole = home.call(line)
    assert (whole.content, whole.headers["content-length"]) == (asset.content, "100")
    for asked, told, start, end in (
        ("bytes=90-", "bytes 90-99/100", 90, 100),
        ("bytes=0-9", "bytes 0-9/100", 0, 10),
        ("bytes=-5", "bytes 95-99/100", 95, 100),
    ):
        part = home.call(line, range=asked)
        assert (part.status_code, part.headers["content-range"]) == (206, told)
        assert part.content == asset.content[start:end]
    assert home.call(line, range="bytes=100-").status_code == 416


def test_cursors_lose_nothing_when_rows_come_and_go(newest: Home) -> None:
    order = {"field": "fileSizeInBytes", "direction": "asc"}
    whole = [item["id"] for item in newest.search(size=1000, orderBy=order)["items"]]
    first = newest.search(size=5, orderBy=order)
    for item in first["items"][:2]:
        newest.world.trash(newest.world.assets[item["id"]])
    seen, cursor = [item["id"] for item in first["items"]], first["nextCursor"]
    while cursor is not None:
        found = newest.search(size=5, orderBy=order, cursor=cursor)
        seen += [item["id"] for item in found["items"]]
        cursor = found["nextCursor"]
    assert seen == whole
    assert newest.call("POST /search/metadata", {"cursor": "nonsense"}).status_code == 400


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"isFavorite": {"eq": True}}, ["favourite.jpg"]),
        ({"visibility": {"in": ["archive", "hidden"]}}, ["archived.jpg", "live.mov"]),
        ({"type": {"ne": "IMAGE"}, "visibility": {"eq": "timeline"}}, ["long.mp4"]),
        ({"originalFileName": {"startsWith": "ARCH"}}, ["archived.jpg"]),
        (
            {"or": [{"rating": {"gte": 5}}, {"isFavorite": {"eq": True}}]},
            ["Zoë's ünïcode 写真 \U0001f4f7.jpg", "favourite.jpg"],
        ),
        ({"trashedAt": {"ne": None}}, ["DSC_0002.NEF", "trashed.jpg"]),
        ({"libraryId": {"ne": None}}, ["DSC_0000.NEF", "DSC_0001.NEF"]),
        ({"hasAlbums": {"eq": True}, "city": {"eq": "Paris"}}, ["Zoë's ünïcode 写真 \U0001f4f7.jpg"]),
    ],
)
def test_structured_filters(newest: Home, given: dict[str, Any], names: list[str]) -> None:
    assert sorted(newest.names(filter=given)) == names


def test_moments_in_structured_filters(newest: Home) -> None:
    asset = newest.world.assets[newest.named("edited.jpg")]
    newest.world.touch(asset)
    at = asset.updated_at.isoformat()
    assert newest.names(filter={"updatedAt": {"gte": at}}) == ["edited.jpg"]
    assert newest.names(filter={"updatedAt": {"gt": at}}) == []


def test_keys_are_checked(home: Home) -> None:
    (secret,) = [key.secret for key in home.world.keys.values() if key.user_id == home.bob.id]
    assert home.call("GET /libraries", user=home.bob).json()["message"] == "Forbidden"
    home.server.revoke(secret, "album.read")
    assert home.call("GET /stacks", user=home.bob).status_code == 200
    denied = home.call("GET /albums", user=home.bob)
    assert (denied.status_code, denied.json()["message"]) == (403, "Missing required permission: album.read")
    assert "album.read" not in home.call("GET /api-keys/me", user=home.bob).json()["permissions"]
    home.server.revoke(secret)
    answer = home.client.get(f"{home.server.url}/api/users/me", headers={"x-api-key": secret})
    assert answer.json()["message"] == "Invalid API key"


def test_faults_hit_what_they_are_meant_for(home: Home) -> None:
    server, body = home.server, home.search()
    server.fail_next("POST /api/search", 429, times=2, retry_after=7)
    for _ in range(2):
        answer = home.call("POST /search/metadata", {})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert home.search() == body
    server.fail_next("/stacks", "drop")
    with pytest.raises(httpx.RemoteProtocolError):
        home.call("GET /stacks")
    server.fail_next("/search/metadata", "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        home.search()
    server.fail_next("ping", "html")
    assert home.call("GET /server/ping").text.startswith("<!doctype html>")
    server.fail_next("ping", "truncated")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        home.call("GET /server/ping").json()
    server.fail_next("ping", "slow", seconds=0.2)
    began = time.monotonic()
    assert home.call("GET /server/ping").json() == {"res": "pong"}
    assert time.monotonic() - began >= 0.2
    assert [status for method, path, status in server.requests if path == "/api/stacks"] == [0]
    assert server.requests[1] == ("POST", "/api/search/metadata", 429)


def test_restart_on_the_same_port(home: Home) -> None:
    url = home.server.url
    home.server.stop()
    with pytest.raises(httpx.ConnectError):
        home.call("GET /server/ping")
    home.server.start()
    assert home.server.url == url
    assert home.call("GET /server/ping").status_code == 200


def test_stopping_does_not_wait_for_slow_answers(home: Home) -> None:
    home.server.fail_next("ping", "slow", seconds=60)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            home.call("GET /server/ping")
        except httpx.HTTPError as error:
            failed.append(error)

    asking, began = threading.Thread(target=ask), time.monotonic()
    asking.start()
    time.sleep(0.2)
    home.server.stop()
    asking.join(100)
    assert (not asking.is_alive(), len(failed)) == (True, 1)
    assert time.monotonic() - began < 10 * patience()


def test_hooks_may_change_the_world(home: Home) -> None:
    asset = home.world.assets[home.named("edited.jpg")]
    seen: list[tuple[str, str]] = []

    def vanish(method: str, path: str) -> None:
        seen.append((method, path))
        if path.endswith("/thumbnail"):
            home.world.delete_for_good(asset)

    home.server.on_request(vanish)
    answer = home.call(f"GET /assets/{asset.id}/thumbnail")
    assert (answer.status_code, answer.json()["message"]) == (400, "Not found or no asset.view access")
    assert seen == [("GET", f"/api/assets/{asset.id}/thumbnail")]


def test_only_api_is_the_api(start: Start) -> None:
    home = start(every_flag(), validate=False)
    assert home.client.get(home.server.url + "/server/ping").headers["content-type"] == "text/html"
    answer = home.call("GET /nonsense")
    assert (answer.status_code, answer.json()) == (404, {"message": "Cannot GET /api/nonsense"})
    assert home.call("GET /assets/nonsense").json()["errors"][0]["path"] == ["id"]


@pytest.mark.parametrize("version", ["2.6.3", "4.0.1"])
def test_a_version_nobody_knows_answers_in_the_nearest_dialect(start: Start, version: str) -> None:
    home = start(every_flag(version))
    told = home.call("GET /server/version").json()
    assert f"{told['major']}.{told['minor']}.{told['patch']}" == version
    assert ("nextCursor" in home.search()) is (version == "4.0.1")


def test_mistakes_of_a_client_are_noticed(start: Start) -> None:
    home = start(every_flag())
    if not home.server.checks_documents:
        pytest.skip("needs the OpenAPI documents beside the repository")
    for line, body, told in (
        ("POST /search/metadata", {"bogus": 1}, "'bogus' was unexpected"),
        ("POST /search/metadata", {"updatedAfter": "yesterday"}, "is not a 'date-time'"),
        ("POST /search/metadata", {"cursor": "x"}, "'cursor' was unexpected"),
        ("POST /search/metadata", {"size": 1001}, "1001 is greater than the maximum"),
        ("POST /stacks", {"assetIds": []}, "should be non-empty|too short"),
        ("GET /albums?shared=true", None, "no 'shared'"),
        ("GET /assets/statistics?isTrashed=perhaps", None, "is not of type 'boolean'"),
        ("GET /nonsense", None, "no such endpoint"),
        ("GET /server/ping", {"a": 1}, "a body where none belongs"),
    ):
        home.call(line, body)
        found = "\n".join(home.server.violations)
        assert any(one in found for one in told.split("|")), found
        home.server.violations.clear()


def test_mistakes_of_the_stand_in_itself_are_noticed(start: Start) -> None:
    home = start(every_flag())
    if not home.server.checks_documents:
        pytest.skip("needs the OpenAPI documents beside the repository")
    asset = home.world.assets[home.named("edited.jpg")]
    asset.duration_ms = -1
    home.call(f"GET /assets/{asset.id}")
    home.search(originalFileName="edited")
    assert [one.split(":")[0] for one in home.server.violations] == ["GET /assets/{id}", "POST /search/metadata"]
    assert all("duration" in one for one in home.server.violations)
    home.server.violations.clear()


def test_many_clients_at_once(home: Home) -> None:
    ids = [asset.id for asset in home.world.assets.values() if asset.owner_id == home.alice.id][:5]
    failures: list[str] = []

    def work(number: int) -> None:
        for _ in range(5):
            answer = home.call("PUT /tags", {"tags": [f"t{number}", "all"]})
            tag = answer.json()[1]["id"]
            if home.call("PUT /tags/assets", {"tagIds": [tag], "assetIds": ids}).status_code != 200:
                failures.append(answer.text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len([tag for tag in home.world.tags.values() if tag.value == "all"]) == 1


def test_a_large_library_is_served_quickly(start: Start) -> None:
    world = World("3.2.2")
    alice, _ = world.add_user("alice"), world.add_user("bob")
    for number in range(100_000):
        world.add_asset(alice, f"/data/library/alice/{number}.jpg")
    home = start(world, validate=False)
    home.search(size=1000, withExif=True)
    seconds = []
    for page in range(2, 12):
        began = time.process_time()  # of client and server, whatever else the machine does
        home.call("POST /search/metadata", {"size": 1000, "withExif": True, "page": page})
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.5  # a page takes about 0.06 s; going through all 100,000 assets for each would take 5 s
    assert home.search(size=1000, page=100)["nextPage"] is None
    world.trash(next(iter(world.assets.values())))
    assert home.call("POST /search/statistics", {}).json() == {"total": 99_999}

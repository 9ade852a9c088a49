"""The stand-in's answers beside those that real servers gave to the same calls."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from immich_pipeline_tests.immich_stub import StubServer
from immich_pipeline_tests.immich_stub.app import endpoints
from immich_pipeline_tests.immich_stub.openapi import FACTS
from immich_pipeline_tests.immich_world import Asset, User, World

pytestmark = [
    pytest.mark.skipif(not FACTS.exists(), reason="needs the recorded answers beside the repository"),
    pytest.mark.unmeasured,
]

UNKNOWN = "00000000-0000-4000-8000-000000000000"
COMPARED = ("message", "error", "errors", "statusCode", "errorMessage", "success", "count", "total", "res", "nextPage")
RESTRICTED = "key-restricted"
SEARCHES = ("total", "count", "next")


class Lab:
    """A library in which the recorded situations can be brought about, and a client per key."""

    def __init__(self, version: str) -> None:
        self.recorded = json.loads((FACTS / f"probe-v{version}.json").read_text(encoding="utf-8"))
        world = self.world = World(version=version)
        self.alice, self.bob = world.add_user("alice"), world.add_user("bob")
        self.library = world.add_library(self.alice, "NAS", "/external/alice")
        self.photos = [self._picture(self.alice, f"/external/alice/2023/IMG_{n:04d}.JPG") for n in range(60)]
        self.raw = self._picture(self.alice, "/external/alice/2024/raw/DSC01002.dng")
        self.locked = self._picture(self.alice, "/external/alice/l.jpg", visibility="locked")
        self.archived = self._picture(self.alice, "/external/alice/a.jpg", visibility="archive")
        self.trashed = self._picture(self.alice, "/external/alice/t.jpg")
        world.trash(self.trashed)
        self.bobs = [self._picture(self.bob, f"/data/bob/{n}.jpg") for n in range(2)]
        self.shared = world.add_album(self.alice, "Paris 2023", self.photos[:5], [self.bob])
        self.own_album = world.add_album(self.alice, "Own", self.photos[5:7])
        self.stack = world.add_stack(self.photos[10:12])
        self.tag = world.add_tag(self.alice, "Trips/France/Paris", [self.photos[0]])
        world.add_face(
            self.photos[3], world.add_person(self.alice, "Marie"), (100, 100, 300, 300), (1600, 1200), "manual"
        )
        world.keys[RESTRICTED] = type(world.key_of(self.alice))(RESTRICTED, self.alice.id, ["asset.read"])
        self.server, self.client = StubServer(world, validate=False), httpx.Client()

    def _picture(self, owner: User, path: str, **values: Any) -> Asset:
        library = self.library if path.startswith("/external") else None
        content = f"content of {path}".encode()
        return self.world.add_asset(
            owner, path, content=content, library=library, preview=b"jpeg", thumbnail=b"webp", **values
        )

    def call(self, line: str, body: object = None, user: User | None = None, **headers: str) -> httpx.Response:
        method, path = line.split(" ")
        headers = {"x-api-key": self.world.key_of(user or self.alice).secret} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.client.request(method, f"{self.server.url}/api{path}", json=body, headers=headers)


@pytest.fixture(params=["2.7.5", "3.1.0"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(request.param)
    with made.server, made.client:
        yield made


def shape(value: Any, name: str = "") -> Any:
    """Names and what must be equal; other values by their kind."""
    if name in COMPARED:
        return value
    if isinstance(value, dict):
        return {key: shape(one, key) for key, one in sorted(value.items()) if key != "correlationId"}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__


def same(lab: Lab, name: str, answer: httpx.Response) -> None:
    status, body = lab.recorded[name]
    given = (answer.status_code, shape(answer.json() if answer.content else None))
    assert given == (status, shape(None if body == [None, 0] else body))


CASES: dict[str, Callable[[Lab], httpx.Response]] = {
    "ping": lambda lab: lab.call("GET /server/ping"),
    "version": lambda lab: lab.call("GET /server/version"),
    "about": lambda lab: lab.call("GET /server/about"),
    "users/me": lambda lab: lab.call("GET /users/me"),
    "api-keys/me": lambda lab: lab.call("GET /api-keys/me"),
    "nokey": lambda lab: lab.call("GET /users/me", x_api_key=""),
    "badkey": lambda lab: lab.call("GET /users/me", x_api_key="nonsense"),
    'search {"size": 1001}': lambda lab: lab.call("POST /search/metadata", {"size": 1001}),
    'search {"visibility": "locked"}': lambda lab: lab.call("POST /search/metadata", {"visibility": "locked"}),
    "404 asset": lambda lab: lab.call(f"GET /assets/{UNKNOWN}"),
    "bob reads unshared": lambda lab: lab.call(f"GET /assets/{lab.photos[20].id}", user=lab.bob),
    "locked asset w/ key": lambda lab: lab.call(f"GET /assets/{lab.locked.id}"),
    "restricted deny": lambda lab: lab.call("GET /duplicates", x_api_key=RESTRICTED),
    "restricted users/me": lambda lab: lab.call("GET /users/me", x_api_key=RESTRICTED),
    "restricted delete": lambda lab: lab.call("DELETE /assets", {"ids": [lab.raw.id]}, x_api_key=RESTRICTED),
    "empty delete full key": lambda lab: lab.call("DELETE /assets", {"ids": []}),
    "non-admin libraries": lambda lab: lab.call("GET /libraries"),
    "tag foreign tag": lambda lab: lab.call(f"PUT /tags/{lab.tag.id}/assets", {"ids": [lab.bobs[0].id]}, user=lab.bob),
    "tag foreign asset bulk": lambda lab: lab.call(
        "PUT /tags/assets", {"tagIds": [lab.tag.id], "assetIds": [lab.bobs[0].id]}
    ),
    "stack 1 asset": lambda lab: lab.call("POST /stacks", {"assetIds": [lab.raw.id]}),
    "stack foreign": lambda lab: lab.call("POST /stacks", {"assetIds": [lab.raw.id, lab.bobs[0].id]}),
    "remove primary from stack": lambda lab: lab.call(f"DELETE /stacks/{lab.stack.id}/assets/{lab.photos[10].id}"),
    "dups empty": lambda lab: lab.call("GET /duplicates"),
    "delete dup group unknown": lambda lab: lab.call(f"DELETE /duplicates/{UNKNOWN}"),
    "trash": lambda lab: lab.call("DELETE /assets", {"ids": [lab.raw.id]}),
    "restore": lambda lab: lab.call("POST /trash/restore/assets", {"ids": [lab.trashed.id]}),
    "delete foreign": lambda lab: lab.call("DELETE /assets", {"ids": [lab.bobs[0].id]}),
    "tags upsert": lambda lab: lab.call(
        "PUT /tags", {"tags": ["dedupe/keep", "dedupe/reject", "a//b", "/lead", "Family"]}
    ),
    "tag case": lambda lab: lab.call("PUT /tags", {"tags": ["family"]}),
    "tag assets bulk": lambda lab: lab.call(
        "PUT /tags/assets", {"tagIds": [lab.tag.id], "assetIds": [lab.photos[1].id, lab.photos[2].id]}
    ),
    "tag single": lambda lab: lab.call(
        f"PUT /tags/{lab.tag.id}/assets", {"ids": [lab.photos[0].id, lab.photos[1].id, lab.bobs[0].id]}
    ),
    "people": lambda lab: lab.call("GET /people"),
    "faces": lambda lab: lab.call(f"GET /faces?id={lab.photos[3].id}"),
    "album add": lambda lab: lab.call(
        f"PUT /albums/{lab.shared.id}/assets",
        {"ids": [lab.photos[7].id, lab.photos[7].id, lab.bobs[0].id, lab.photos[0].id]},
    ),
    "bob adds own to shared": lambda lab: lab.call(
        f"PUT /albums/{lab.shared.id}/assets", {"ids": [lab.bobs[0].id]}, user=lab.bob
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_answer_is_as_recorded(lab: Lab, name: str) -> None:
    same(lab, name, CASES[name](lab))


STATUSES: dict[str, Callable[[Lab], httpx.Response]] = {
    "bob reads alice asset (shared album)": lambda lab: lab.call(f"GET /assets/{lab.photos[0].id}", user=lab.bob),
    "trashed asset w/ key": lambda lab: lab.call(f"GET /assets/{lab.trashed.id}"),
    "restricted ok": lambda lab: lab.call(f"GET /assets/{lab.raw.id}", x_api_key=RESTRICTED),
    "stack delete": lambda lab: lab.call(f"DELETE /stacks/{lab.stack.id}"),
    "PUT assets duplicateId": lambda lab: lab.call("PUT /assets", {"ids": [lab.raw.id], "duplicateId": UNKNOWN}),
    "search by checksum hex": lambda lab: lab.call("POST /search/metadata", {"checksum": lab.raw.checksum.hex()}),
}


@pytest.mark.parametrize("name", STATUSES)
def test_status_is_as_recorded(lab: Lab, name: str) -> None:
    assert STATUSES[name](lab).status_code == lab.recorded[name]


PAGES = {
    'search {"size": 50}': ({"size": 50}, 50, "2"),
    'search {"size": 50, "page": 3}': ({"size": 50, "page": 3}, 0, None),
    'search {"visibility": "archive"}': ({"visibility": "archive"}, 1, None),
    'search {"visibility": "hidden"}': ({"visibility": "hidden"}, 0, None),
    'search {"isOffline": true}': ({"isOffline": True}, 0, None),
    'search {"trashedAfter": "2020-01-01T00:00:00.000Z", "withDeleted": true}': (
        {"trashedAfter": "2020-01-01T00:00:00.000Z", "withDeleted": True},
        1,
        None,
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_recorded(lab: Lab, name: str) -> None:
    body, total, next_page = PAGES[name]
    found = lab.call("POST /search/metadata", body).json()["assets"]
    assert lab.recorded[name] == [200, {"total": total, "count": total, "next": next_page}]
    assert (found["total"], found["count"], found["nextPage"]) == (total, total, next_page)


def test_default_search_shows_what_it_showed(lab: Lab) -> None:
    recorded = lab.recorded["search default"]
    body = lab.call("POST /search/metadata", {}).json()
    assert sorted(body) == recorded["keys"]
    assert list(body["assets"]) == recorded["akeys"]
    assert all(list(item) == recorded["item_keys"] for item in body["assets"]["items"])
    assert sorted({item["visibility"] for item in body["assets"]["items"]}) == recorded["vis"]


def test_all_of_an_asset(lab: Lab) -> None:
    recorded = lab.recorded["asset"]
    body = lab.call(f"GET /assets/{lab.photos[0].id}").json()
    assert sorted(body) == sorted(recorded)
    assert list(body["exifInfo"]) == list(recorded["exifInfo"])
    assert list(body["owner"]) == list(recorded["owner"])
    assert list(body["tags"][0]) == list(recorded["tags"][0])
    stacked = lab.call(f"GET /assets/{lab.photos[10].id}").json()["stack"]
    assert list(stacked) == list(lab.recorded["asset.stack field"])
    assert body["duration"] == recorded["duration"]


def test_albums_and_stacks_have_the_recorded_names(lab: Lab) -> None:
    names, owner, _ = lab.recorded["albums"][0]
    first = lab.call("GET /albums").json()[0]
    assert list(first) == names
    assert (first.get("ownerId") is None) is (owner is None)
    one = lab.call(f"GET /albums/{lab.shared.id}").json()
    assert list(one) == list(lab.recorded["album get"])
    assert one["contributorCounts"] == [{"userId": lab.alice.id, "assetCount": 5}]
    if "assets" in one:
        assert len(one["assets"]) == 5
    for query, name in (("", "bob albums"), ("?shared=true", "bob albums shared")):
        if query == "" or lab.server.world.version.startswith("2"):
            assert len(lab.call(f"GET /albums{query}", user=lab.bob).json()) == lab.recorded[name]
    created = lab.call("POST /stacks", {"assetIds": [lab.photos[30].id, lab.photos[31].id]})
    assert [created.status_code, list(created.json())] == [
        lab.recorded["stack create"][0],
        lab.recorded["stack create"][2],
    ]


PICTURES = {
    "thumb thumbnail": "?size=thumbnail",
    "thumb preview": "?size=preview",
    "thumb fullsize": "?size=fullsize",
    "thumb original": "?size=original",
    "thumb None": "",
    "thumb bogus": "?size=bogus",
}


@pytest.mark.parametrize("name", PICTURES)
def test_thumbnails_are_as_recorded(lab: Lab, name: str) -> None:
    status, kind, size, location, keep = lab.recorded[name]
    answer = lab.call(f"GET /assets/{lab.photos[0].id}/thumbnail{PICTURES[name]}")
    told = (answer.status_code, answer.headers["content-type"], answer.headers.get("location"))
    assert told == (status, kind, location)
    assert answer.headers.get("cache-control") == keep
    if status != 200:
        assert len(answer.content) == size


def test_pictures_that_are_missing_or_unfit_for_browsers(lab: Lab) -> None:
    lab.raw.thumbnail = None
    missing = lab.call(f"GET /assets/{lab.raw.id}/thumbnail")
    recorded = lab.recorded["thumb formats/IMG_2682.heic thumbnail"]
    assert [missing.status_code, missing.headers["content-type"], len(missing.content)] == recorded[:3]
    full = lab.call(f"GET /assets/{lab.raw.id}/thumbnail?size=fullsize")
    assert full.headers["location"] == f"/api/assets/{lab.raw.id}/thumbnail?size=preview"
    assert [full.status_code, full.headers["content-type"], len(full.content)] == lab.recorded[
        "thumb raw/DSC01002.dng fullsize"
    ][:3]


def test_original_is_as_recorded(lab: Lab) -> None:
    photo = lab.photos[1]
    answer = lab.call(f"GET /assets/{photo.id}/original")
    assert photo.original_name == "IMG_0001.JPG"
    assert lab.recorded["original"] == [
        answer.status_code,
        answer.headers["content-type"],
        answer.headers["content-disposition"],
        answer.content == photo.content,
        answer.headers["accept-ranges"],
    ]


@pytest.mark.parametrize("version", ["2.7.5", "3.1.0"])
def test_permissions_are_the_recorded_ones(version: str) -> None:
    recorded = json.loads((FACTS / f"permissions-v{version}.json").read_text(encoding="utf-8"))
    for endpoint in endpoints():
        row = recorded[f"{endpoint.method} /api{endpoint.template}"]
        unnamed = version == "2.7.5" and endpoint.call == "PUT /shared-links/{id}/assets"  # names none of its own
        expected = None if unnamed else endpoint.permission
        assert (row["permission"], row["adminOnly"]) == (expected, endpoint.admin), endpoint.call

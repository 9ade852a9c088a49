import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from immich_pipeline.errors import UserError
from immich_pipeline.immich.cache import CacheError, PictureCache
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser, PathMapping
from immich_pipeline.media.reasons import ERROR_KINDS
from immich_pipeline.sources.ahead import ahead
from immich_pipeline.sources.pictures import ORIGINAL_COLUMNS, PICTURE_COLUMNS, Fetched, Hashed, Pictures
from immich_pipeline.sources.refusals import REFUSED_IN_A_ROW, SILENT_IN_A_ROW
from immich_pipeline_tests.busy import patience
from immich_pipeline_tests.immich_stub import StubServer
from immich_pipeline_tests.immich_world import Asset, User, World

CONCURRENCY = 4


def rows_of(assets: list[Asset]) -> pl.DataFrame:
    """The assets as a snapshot has them."""
    names = [name for name in dict.fromkeys(PICTURE_COLUMNS + ORIGINAL_COLUMNS) if name not in ("asset_id", "size")]
    columns: dict[str, list[Any]] = {name: [getattr(asset, name) for asset in assets] for name in names}
    columns |= {
        "asset_id": [asset.id for asset in assets],
        "size": [asset.exif.file_size if asset.exif else None for asset in assets],
    }
    return pl.DataFrame(columns, schema={name: RECORD_SCHEMA[name] for name in columns})


class Library:
    """A server with two owners, and all that is needed to read its pictures."""

    def __init__(self, folder: Path, version: str, stack: ExitStack) -> None:
        self.world = World(version=version)
        self.alice, self.bob = self.world.add_user("alice"), self.world.add_user("bob")
        self.server = stack.enter_context(StubServer(self.world))
        self.media, self.stack = folder / "media", stack
        self.cache = PictureCache(folder / "cache", 10_000_000)
        self.clients = {user.id: self.client(user) for user in (self.alice, self.bob)}

    def client(self, user: User, **options: Any) -> ImmichClient:
        """As configured, only that pauses are short."""
        key = SecretStr(self.world.key_of(user).secret)
        options = {"concurrency": CONCURRENCY, "requests_per_second": 5000, "sleep": _short, "retries": 3} | options
        return self.stack.enter_context(ImmichClient(self.server.url, key, **options))

    def add(self, owner: User, count: int = 1, **values: Any) -> list[Asset]:
        assets = []
        for number in range(count):
            path = f"/data/library/{owner.name}/{len(self.world.assets)}-{number}.jpg"
            asset = self.world.add_asset(owner, path, content=f"original {path}".encode())
            asset.preview, asset.thumbnail = f"preview {path}".encode(), f"thumbnail {path}".encode()
            for name, value in values.items():
                setattr(asset, name, value)
            assets.append(asset)
        return assets

    def put_in_media(self, asset: Asset, content: bytes = b"mounted", kind: str = "_preview.jpeg") -> Path:
        """Write a picture where Immich keeps it."""
        file = self.media / "thumbs" / asset.owner_id / asset.id[:2] / asset.id[2:4] / f"{asset.id}{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def pictures(
        self, *, mounted: bool = False, clients: dict[str, ImmichClient] | None = None, **values: Any
    ) -> Pictures:
        settings = ImmichSettings(
            url=self.server.url,
            users=(ImmichUser(api_key=SecretStr("unused here")),),
            paths=(PathMapping(immich="/data", here=self.media),) if mounted else (),
            concurrency=CONCURRENCY,
            **values,
        )
        return Pictures(settings, self.clients if clients is None else clients, self.cache)

    def fetch(self, assets: list[Asset], **options: Any) -> list[Fetched]:
        found = list(self.pictures(**options).fetch(rows_of(assets)))
        assert [one.asset_id for one in found] == [asset.id for asset in assets]
        for one in found:
            assert (one.path is None) == (one.problem is not None) == (one.problem_kind is not None)
            assert one.problem_kind is None or one.problem_kind in ERROR_KINDS
            assert all(secret not in str(one) for secret in self.world.keys)
        return found

    def sha256(self, assets: list[Asset], **options: Any) -> list[Hashed]:
        found = list(self.pictures(originals="download", **options).sha256(rows_of(assets)))
        assert [one.asset_id for one in found] == [asset.id for asset in assets]
        assert all(one.problem_kind is None or one.problem_kind in ERROR_KINDS for one in found)
        assert all((one.sha256 is None) == (one.problem is not None) for one in found)
        return found

    def asked(self) -> int:
        """How many requests came since it was asked last."""
        count = len(self.server.requests)
        self.server.requests.clear()
        return count


def _short(seconds: float) -> None:
    time.sleep(min(seconds, 0.02))


@pytest.fixture(params=["2.7.5", "3.1.0", "3.2.2"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    with ExitStack() as stack:
        yield Library(tmp_path, request.param, stack)


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[Library]:
    with ExitStack() as stack:
        yield Library(tmp_path, "3.2.2", stack)


def read(found: list[Fetched]) -> list[bytes | None]:
    return [one.path.read_bytes() if one.path else None for one in found]


# ------------------------------------------------------------------------------------------------ where pictures come from


def test_from_the_api_first_and_from_the_cache_from_then_on(library: Library) -> None:
    assets = library.add(library.alice, 10) + library.add(library.bob, 5)
    first = library.fetch(assets)
    assert read(first) == [asset.preview for asset in assets]
    assert {(one.picture, one.origin) for one in first} == {("preview", "api")}
    assert library.asked() == 15
    second = library.fetch(assets)
    assert [one.path for one in second] == [one.path for one in first]
    assert {(one.picture, one.origin) for one in second} == {("preview", "cache")}
    assert library.asked() == 0


def test_from_the_mount_without_a_request(library: Library) -> None:
    assets = library.add(library.alice, 5)
    files = [library.put_in_media(asset, b"mounted " + asset.id.encode()) for asset in assets]
    found = library.fetch(assets, mounted=True)
    assert [one.path for one in found] == [file.resolve() for file in files]
    assert {(one.picture, one.origin) for one in found} == {("preview", "mount")}
    assert library.asked() == 0
    assert library.cache.total_bytes() == 0


def test_what_is_not_on_the_mount_comes_from_the_api(newest: Library) -> None:
    assets = newest.add(newest.alice, 3)
    newest.put_in_media(assets[0])
    newest.put_in_media(assets[1], b"")  # being written just now
    found = newest.fetch(assets, mounted=True)
    assert [one.origin for one in found] == ["mount", "api", "api"]


def test_formats_that_the_server_can_be_set_to(newest: Library) -> None:
    (asset,) = newest.add(newest.alice)
    file = newest.put_in_media(asset, kind="_preview.webp")
    assert newest.fetch([asset], mounted=True)[0].path == file.resolve()


def test_an_edit_invalidates(library: Library) -> None:
    (asset,) = library.add(library.alice)
    library.fetch([asset])
    asset.is_edited, asset.preview, asset.thumbhash = True, b"cropped", b"other"
    library.world.touch(asset)
    assert read(library.fetch([asset])) == [b"cropped"]
    asset.preview = b"cropped again, and much the same at a glance"
    library.world.touch(asset)
    assert read(library.fetch([asset])) == [asset.preview]
    library.asked()
    assert read(library.fetch([asset])) == [asset.preview]
    assert library.asked() == 0


def test_an_edited_asset_has_its_own_file_on_the_mount(newest: Library) -> None:
    (asset,) = newest.add(newest.alice)
    newest.put_in_media(asset, b"as taken")
    edited = newest.put_in_media(asset, b"cropped", "_preview_edited.jpeg")
    assert read(newest.fetch([asset], mounted=True)) == [b"as taken"]
    asset.is_edited = True
    assert newest.fetch([asset], mounted=True)[0].path == edited.resolve()
    edited.unlink()
    assert read(newest.fetch([asset], mounted=True)) == [asset.preview]


def test_new_bytes_under_an_old_path_are_a_new_picture(newest: Library) -> None:
    external = newest.world.add_library(newest.alice, "NAS", "/external")
    asset = newest.world.add_asset(newest.alice, "/external/a.jpg", content=b"one", library=external)
    asset.preview = b"first"
    newest.fetch([asset])
    asset.preview, asset.file_modified_at = b"second", newest.world.tick()
    assert read(newest.fetch([asset])) == [b"second"]


def test_the_same_upload_of_two_users_is_asked_for_once(newest: Library) -> None:
    (first,), (second,) = newest.add(newest.alice), newest.add(newest.bob)
    second.checksum, second.thumbhash = first.checksum, first.thumbhash
    newest.fetch([first])
    newest.asked()
    assert newest.fetch([second])[0].origin == "cache"
    assert newest.asked() == 0


# ------------------------------------------------------------------------------------------------ pictures that are not there


def test_the_thumbnail_stands_in_for_a_missing_preview(library: Library) -> None:
    (asset,) = library.add(library.alice, preview=None)
    (found,) = library.fetch([asset])
    assert (found.picture, found.origin) == ("thumbnail", "api")
    assert read([found]) == [asset.thumbnail]
    assert library.asked() == 2
    assert library.fetch([asset])[0].origin == "cache"
    assert library.asked() == 1  # the preview may have been made meanwhile
    asset.preview = b"made meanwhile"
    assert read(library.fetch([asset])) == [b"made meanwhile"]


def test_neither_preview_nor_thumbnail(library: Library) -> None:
    (asset,) = library.add(library.alice, preview=None, thumbnail=None)
    (found,) = library.fetch([asset])
    assert found.problem_kind == "not_on_server"
    assert found.problem == "no preview on the server: run Immich's job 'Generate Thumbnails' for what is missing"


def test_an_asset_that_vanishes_after_it_was_listed(library: Library) -> None:
    assets = library.add(library.alice, 5)
    library.world.delete_for_good(assets[2])
    found = library.fetch(assets)
    assert [one.problem_kind for one in found] == [None, None, "not_on_server", None, None]
    assert found[2].problem == "the asset is not on the server any more: it is left out at the next look at the library"
    assert library.asked() == 5


def test_an_empty_picture_is_none(newest: Library) -> None:
    (asset,) = newest.add(newest.alice, preview=b"")
    assert newest.fetch([asset])[0].problem_kind == "empty"
    asset.preview = b"made again"
    assert read(newest.fetch([asset])) == [b"made again"]


def test_an_owner_without_a_key_is_read_from_the_mount(newest: Library) -> None:
    assets = newest.add(newest.alice, 3)
    newest.put_in_media(assets[0])
    newest.put_in_media(assets[1], kind="_thumbnail.webp")
    found = newest.fetch(assets, mounted=True, clients={})
    assert [one.picture for one in found] == ["preview", "thumbnail", None]
    assert [one.problem_kind for one in found] == [None, None, "not_on_server"]
    (found_nowhere,) = newest.fetch(assets[:1], clients={})
    assert found_nowhere.problem_kind == "not_mounted"
    assert found_nowhere.problem is not None
    assert "add it under 'paths', or an API key of the asset's owner" in found_nowhere.problem
    assert newest.asked() == 0


def test_links_that_leave_the_mounted_folders_are_not_read(newest: Library, tmp_path: Path) -> None:
    assets = newest.add(newest.alice, 3)
    (tmp_path / "secret").write_bytes(b"not a picture of yours")
    for asset, target in zip(
        assets, (tmp_path / "secret", newest.put_in_media(assets[1], b"inside", ".real"), None), strict=True
    ):
        file = newest.put_in_media(asset)
        if target is not None:
            file.unlink()
            file.symlink_to(target)
    assert read(newest.fetch(assets, mounted=True)) == [assets[0].preview, b"inside", b"mounted"]
    found = newest.fetch(assets, mounted=True, clients={})
    assert [one.problem_kind for one in found] == ["outside_mapped_folders", None, None]


def test_what_is_no_file_on_the_mount_is_not_waited_for(newest: Library) -> None:
    (asset,) = newest.add(newest.alice)
    file = newest.put_in_media(asset)
    file.unlink()
    file.mkdir()
    assert newest.fetch([asset], mounted=True, clients={})[0].problem_kind == "not_a_file"
    assert newest.fetch([asset], mounted=True)[0].origin == "api"


# ------------------------------------------------------------------------------------------------ a server in trouble


def test_a_permission_revoked_on_the_way_stops_that_owner_alone(library: Library) -> None:
    hers, his = library.add(library.alice, 100), library.add(library.bob, 100)
    mixed = [asset for pair in zip(hers, his, strict=True) for asset in pair]
    found: dict[str, list[Fetched]] = {library.alice.id: [], library.bob.id: []}
    secret = library.world.key_of(library.alice).secret
    for number, one in enumerate(library.pictures().fetch(rows_of(mixed))):
        if number == 50:
            library.server.revoke(secret, "asset.view")
        found[mixed[number].owner_id].append(one)
    assert all(one.path for one in found[library.bob.id])
    kinds = [one.problem_kind for one in found[library.alice.id]]
    first = kinds.index("not_permitted")
    assert 25 <= first <= 25 + 2 * CONCURRENCY
    assert set(kinds[first:]) == {"not_permitted"}
    problem = found[library.alice.id][-1].problem
    assert problem is not None
    assert "lacks the permission asset.view" in problem
    assert "give it to the key in Immich's account settings" in problem
    assert secret not in problem
    refused = [status for _, _, status in library.server.requests if status == 403]
    assert REFUSED_IN_A_ROW <= len(refused) <= REFUSED_IN_A_ROW + CONCURRENCY


def test_a_key_that_is_not_known_is_asked_about_for_a_while_only(newest: Library) -> None:
    assets = newest.add(newest.alice, 100)
    newest.world.keys.pop(newest.world.key_of(newest.alice).secret)
    found = newest.fetch(assets)
    assert {one.problem_kind for one in found} == {"not_permitted"}
    assert all("API key is not accepted" in str(one.problem) for one in found)
    assert REFUSED_IN_A_ROW <= newest.asked() <= REFUSED_IN_A_ROW + CONCURRENCY


def test_the_next_run_asks_again(newest: Library) -> None:
    assets = newest.add(newest.alice, 40)
    key = newest.world.key_of(newest.alice)
    newest.world.keys.pop(key.secret)
    newest.fetch(assets)
    newest.world.keys[key.secret] = key
    assert read(newest.fetch(assets)) == [asset.preview for asset in assets]


def test_refusals_between_answers_do_not_stop_an_owner(newest: Library) -> None:
    assets = newest.add(newest.alice, 60)
    for asset in assets[::2]:
        newest.server.fail_next(asset.id, 403, 1)
    kinds = [one.problem_kind for one in newest.fetch(assets)]
    assert kinds == ["not_permitted", None] * 30
    assert newest.asked() == 60


@pytest.mark.parametrize("fault", [503, 500, 429, "drop"])
def test_a_server_that_restarts_is_asked_again(newest: Library, fault: Any) -> None:
    assets = newest.add(newest.alice, 20)
    newest.server.fail_next("thumbnail", fault, 3)
    assert read(newest.fetch(assets)) == [asset.preview for asset in assets]
    assert newest.asked() >= 20


def test_a_server_that_goes_and_comes_back(newest: Library) -> None:
    assets = newest.add(newest.alice, 40)
    patient = newest.client(newest.alice, retries=20, sleep=lambda seconds: time.sleep(min(seconds, 0.1)))
    found = []
    for one in newest.pictures(clients={newest.alice.id: patient}).fetch(rows_of(assets)):
        if len(found) == 10:
            newest.server.stop()
            back = threading.Timer(0.4, newest.server.start)
            back.start()
        found.append(one)
    back.join()
    assert read(found) == [asset.preview for asset in assets]


def test_a_server_that_is_gone_is_not_asked_for_ever(tmp_path: Path) -> None:
    with ExitStack() as outer:
        with ExitStack() as stack:
            library = Library(tmp_path, "3.2.2", stack)
            assets = library.add(library.alice, 200)
            library.put_in_media(assets[150])
            library.fetch(assets[100:101])
            waits: list[float] = []
            client = outer.enter_context(
                ImmichClient(
                    library.server.url, SecretStr("gone"), retries=1, requests_per_second=100_000, sleep=waits.append
                )
            )
        found = library.fetch(assets, mounted=True, clients={library.alice.id: client})
    assert [number for number, one in enumerate(found) if one.path] == [100, 150]
    assert {one.problem_kind for one in found if one.problem} == {"io_error"}
    assert str(found[-1].problem).startswith("the server did not answer: it is asked again the next time (")
    assert SILENT_IN_A_ROW <= sum(wait > 0.1 for wait in waits) <= SILENT_IN_A_ROW + CONCURRENCY


def test_an_error_of_the_server_about_one_asset_is_that_assets(newest: Library) -> None:
    assets = newest.add(newest.alice, 5)
    newest.server.fail_next(assets[1].id, 500, 10)
    found = newest.fetch(assets)
    assert [one.problem_kind for one in found] == [None, "io_error", None, None, None]
    assert "GET /assets/{id}/thumbnail" in str(found[1].problem)


def test_a_cache_that_cannot_be_written_ends_the_run_and_blames_no_asset(newest: Library) -> None:
    assets = newest.add(newest.alice, 30)
    incoming = newest.cache.folder / "incoming"
    incoming.rmdir()
    incoming.write_bytes(b"in the way")
    with pytest.raises(CacheError, match="cannot be used"):
        list(newest.pictures().fetch(rows_of(assets)))
    assert newest.asked() <= 3 * CONCURRENCY


def test_a_picture_larger_than_the_cache_is_that_assets_problem(newest: Library) -> None:
    assets = newest.add(newest.alice, 3)
    assets[1].preview = bytes(2000)
    newest.cache = PictureCache(newest.cache.folder, 1000)
    found = newest.fetch(assets)
    assert [one.problem_kind for one in found] == [None, "io_error", None]
    assert str(found[1].problem).endswith("raise cache_mb")


# ------------------------------------------------------------------------------------------------ at once, and ahead


def test_no_more_requests_at_once_than_allowed(newest: Library) -> None:
    assets = newest.add(newest.alice, 12) + newest.add(newest.bob, 12)
    newest.server.fail_next("thumbnail", "slow", 24, seconds=0.2)
    began = time.monotonic()
    assert all(one.path for one in newest.fetch(assets))
    assert 0.2 * 24 / CONCURRENCY <= time.monotonic() - began < 0.2 * 24 * patience()


def test_no_more_is_fetched_ahead_than_twice_that(newest: Library) -> None:
    assets = newest.add(newest.alice, 60)
    fetched = newest.pictures().fetch(rows_of(assets))
    time.sleep(0.1)
    assert newest.server.requests == []  # nothing before the first is asked for
    for taken in range(1, 10):
        next(fetched)
        time.sleep(0.05)
        assert len(newest.server.requests) <= taken + 2 * CONCURRENCY
    fetched.close()  # type: ignore[attr-defined]
    seen = len(newest.server.requests)
    time.sleep(0.1)
    assert len(newest.server.requests) == seen < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


def test_ahead_keeps_order_and_bounds() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = ahead(lambda number: number * 2, numbers(), 3)
    assert taken == []
    assert [next(results) for _ in range(10)] == list(range(0, 20, 2))
    assert len(taken) <= 10 + 6
    assert list(results) == list(range(20, 2000, 2))
    assert list(ahead(str, [], 2)) == []
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda number: 1 / number, [1, 0, 1], 2))


# ------------------------------------------------------------------------------------------------ originals


def test_originals_are_hashed_and_not_kept(library: Library, tmp_path: Path) -> None:
    large = bytes(range(256)) * 20_000
    assets = library.add(library.alice, 5) + library.add(library.bob, 2)
    assets[3].content, assets[3].checksum = large, hashlib.sha1(large, usedforsecurity=False).digest()
    before = sorted(tmp_path.rglob("*"))
    for one, asset in zip(library.sha256(assets), assets, strict=True):
        assert asset.content is not None
        assert one.sha256 == hashlib.sha256(asset.content).digest()
        assert one.sha1 == asset.checksum
        assert one.size == len(asset.content)
    assert sorted(tmp_path.rglob("*")) == before


def test_bytes_that_were_not_uploaded_are_a_problem(library: Library) -> None:
    assets = library.add(library.alice, 3)
    assets[1].content = b"rotten"
    found = library.sha256(assets)
    assert [one.problem_kind for one in found] == [None, "checksum_mismatch", None]
    assert (found[1].sha256, found[1].sha1, found[1].size) == (
        None,
        hashlib.sha1(b"rotten", usedforsecurity=False).digest(),
        6,
    )
    assert "restore the file from a backup" in str(found[1].problem)


def test_the_checksum_of_a_path_is_not_compared(newest: Library) -> None:
    external = newest.world.add_library(newest.alice, "NAS", "/external")
    asset = newest.world.add_asset(newest.alice, "/external/a.jpg", content=b"one", library=external)
    (found,) = newest.sha256([asset])
    assert (found.sha256, found.problem) == (hashlib.sha256(b"one").digest(), None)


@pytest.mark.parametrize("originals", ["mount", "never"])
def test_originals_are_downloaded_only_when_allowed(newest: Library, originals: str) -> None:
    with pytest.raises(UserError, match=f"may not be downloaded .originals: {originals}.: set 'originals: download'"):
        newest.pictures(originals=originals).sha256(rows_of([]))


def test_originals_that_cannot_be_had(library: Library) -> None:
    assets, his = library.add(library.alice, 4), library.add(library.bob, 2)
    library.world.delete_for_good(assets[1])
    library.server.revoke(library.world.key_of(library.bob).secret, "asset.download")
    found = library.sha256([*assets, *his])
    assert [one.problem_kind for one in found] == [None, "not_on_server", None, None, "not_permitted", "not_permitted"]
    assert "asset.download" in str(found[4].problem)
    (nobody,) = library.sha256(his[:1], clients={})
    assert nobody.problem_kind == "not_permitted"
    assert "no API key of this asset's owner" in str(nobody.problem)


@pytest.mark.parametrize("fault", [503, "drop"])
def test_originals_of_a_server_that_restarts(newest: Library, fault: Any) -> None:
    assets = newest.add(newest.alice, 10)
    newest.server.fail_next("original", fault, 3)
    assert all(one.sha256 for one in newest.sha256(assets))


def test_an_original_that_breaks_off_is_begun_anew(newest: Library) -> None:
    large = bytes(range(256)) * 20_000
    (asset,) = newest.add(newest.alice, content=large, checksum=hashlib.sha1(large, usedforsecurity=False).digest())
    newest.server.fail_next("original", "cut", 2)
    (found,) = newest.sha256([asset])
    assert (found.sha256, found.size) == (hashlib.sha256(large).digest(), len(large))
    newest.server.fail_next("original", "cut", 3)
    (found,) = newest.sha256([asset])
    assert (found.sha256, found.sha1, found.size, found.problem_kind) == (None, None, None, "io_error")


def test_refused_originals_are_not_asked_for_for_ever(newest: Library) -> None:
    newest.server.revoke(newest.world.key_of(newest.alice).secret, "asset.download")
    assert {one.problem_kind for one in newest.sha256(newest.add(newest.alice, 100))} == {"not_permitted"}
    assert REFUSED_IN_A_ROW <= newest.asked() <= REFUSED_IN_A_ROW + CONCURRENCY

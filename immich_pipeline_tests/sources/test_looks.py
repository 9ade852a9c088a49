import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from pydantic import SecretStr

from immich_pipeline.config import Settings
from immich_pipeline.dedup.looks import PAIR_SCHEMA
from immich_pipeline.dedup.schema import LOOK_SCHEMA
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser, PathMapping
from immich_pipeline.media.looks import PictureLook
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.progress import Progress
from immich_pipeline.sources import looks as looks_module
from immich_pipeline.sources.look import look_at_library
from immich_pipeline.sources.looks import known_looks, look_at_pairs
from immich_pipeline.sources.shelf import Shelf
from immich_pipeline.store.database import Database
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, User, World
from immich_pipeline_tests.photos import scene


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


class Library:
    """A folder of files, known to the database; pairs are named by path or name."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings

    def scan(self) -> None:
        look_at_library(self.database, self.settings)

    def ids(self) -> dict[str, str]:
        with self.database.frames() as frames:
            return dict(frames.read("SELECT name, asset_id::text FROM library.live_asset").iter_rows())

    def pairs(self, *names: tuple[str, str], whole: bool = False) -> pl.DataFrame:
        ids = self.ids()
        rows = [
            (ids.get(left, _NOWHERE), ids.get(right, _NOWHERE), left.encode(), right.encode(), whole)
            for left, right in (sorted(pair) for pair in names)
        ]
        return pl.DataFrame(rows, schema=PAIR_SCHEMA, orient="row").sort("left_content", "right_content")

    def known(self) -> dict[tuple[bytes, bytes], dict[str, Any]]:
        with self.database.frames() as frames:
            found = known_looks(frames)
        assert found.select([pl.col(name).cast(dtype) for name, dtype in LOOK_SCHEMA.items()]).equals(found)
        return {(row["left_content"], row["right_content"]): row for row in found.iter_rows(named=True)}


_NOWHERE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Library:
    photos = tmp_path / "photos"
    photos.mkdir()
    base = scene(1, (640, 480))
    for name, content in {
        "a.png": encoded(base, "PNG"),
        "b.png": encoded(base, "PNG", compress_level=1),
        "c.jpg": encoded(base, quality=80),
        "d.jpg": encoded(scene(2, (640, 480)), quality=80),
        "e.jpg": encoded(base.resize((300, 225)), quality=70),
        "f.jpg": encoded(base, quality=80)[:3000],
        "g.gif": encoded(base, "GIF", save_all=True, append_images=[scene(3, (640, 480))]),
    }.items():
        (photos / name).write_bytes(content)
    library = Library(database, Settings(photos=photos, home=tmp_path / "home", workers=2))
    library.scan()
    return library


PAIRS = [
    ("a.png", "b.png"),
    ("a.png", "c.jpg"),
    ("c.jpg", "d.jpg"),
    ("c.jpg", "e.jpg"),
    ("d.jpg", "f.jpg"),
    ("a.png", "g.gif"),
]


def test_pictures_of_a_folder(folder: Library) -> None:
    pairs = folder.pairs(*PAIRS, whole=True)
    progress = Progress("test", 7)
    seen = look_at_pairs(folder.database, folder.settings, pairs, progress)
    assert (seen.pairs, seen.pictures, seen.postponed, seen.changes.inserted, progress.done) == (6, 5, 0, 6, 7)
    known = folder.known()
    copy, reencoded, other = known[b"a.png", b"b.png"], known[b"a.png", b"c.jpg"], known[b"c.jpg", b"d.jpg"]
    assert (copy["correlation"], copy["colour"], copy["same_pixels"], copy["problem"]) == (1.0, 0.0, True, None)
    assert reencoded["correlation"] > 0.7
    assert reencoded["colour"] < 3
    assert reencoded["same_pixels"] is False
    assert other["correlation"] < 0.3
    assert known[b"c.jpg", b"e.jpg"]["correlation"] > 0.7
    assert "end of the picture is missing" in known[b"d.jpg", b"f.jpg"]["problem"]
    assert "several pictures" in known[b"a.png", b"g.gif"]["problem"]
    assert sum(seen.problems.values()) == 2
    again = look_at_pairs(folder.database, folder.settings, pairs)
    assert (again.changes.total, again.pairs) == (0, 6)
    assert look_at_pairs(folder.database, folder.settings, pairs.clear()).pairs == 0


def test_pixels_are_hashed_only_where_that_is_asked_for(folder: Library) -> None:
    look_at_pairs(folder.database, folder.settings, folder.pairs(("a.png", "b.png")))
    assert folder.known()[b"a.png", b"b.png"]["same_pixels"] is None


def test_each_picture_is_decoded_once_and_memory_is_bounded(folder: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a.png", "b.png", "c.jpg", "d.jpg", "e.jpg"]
    every = folder.pairs(*((one, other) for one in names for other in names if one < other))
    decoded: list[str] = []
    looks = MeasurePool.looks

    def counted(pool: MeasurePool, tasks: Any) -> Iterator[list[PictureLook]]:
        for part in looks(pool, tasks):
            decoded.extend(look.asset_id for look in part)
            yield part

    monkeypatch.setattr(MeasurePool, "looks", counted)
    expected = look_at_pairs(folder.database, folder.settings, every)
    assert len(decoded) == len(set(decoded)) == 5
    in_memory = folder.known()
    monkeypatch.setattr(looks_module, "Shelf", lambda home: Shelf(home, memory_bytes=1))
    assert look_at_pairs(folder.database, folder.settings, every).changes.total == 0
    assert folder.known() == in_memory
    assert expected.pairs == 10


def test_what_was_seen_before_an_interruption_stays(folder: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks_module, "_CHUNK_PAIRS", 1)
    compare = looks_module.compare_looks
    compared: list[object] = []

    def interrupted(left: PictureLook, right: PictureLook) -> tuple[float, float]:
        compared.append(left)
        if len(compared) == 3:
            raise KeyboardInterrupt
        return compare(left, right)

    monkeypatch.setattr(looks_module, "compare_looks", interrupted)
    pairs = folder.pairs(("a.png", "b.png"), ("a.png", "c.jpg"), ("c.jpg", "d.jpg"), ("c.jpg", "e.jpg"))
    monkeypatch.setattr(MeasurePool, "_chunk_size", lambda _: 1)
    with pytest.raises(KeyboardInterrupt):
        look_at_pairs(folder.database, folder.settings, pairs)
    known = folder.known()
    assert 1 <= len(known) <= 2
    left = pairs.filter(
        ~pl.struct("left_content", "right_content").is_in([{"left_content": a, "right_content": b} for a, b in known])
    )
    seen = look_at_pairs(folder.database, folder.settings, left)
    assert seen.pairs == left.height == 4 - len(known)
    assert len(folder.known()) == 4


def test_what_may_pass_is_not_kept(folder: Library) -> None:
    pairs = folder.pairs(("a.png", "c.jpg"), ("c.jpg", "nowhere.jpg"), ("a.png", "b.png"))
    assert folder.settings.photos
    (folder.settings.photos / "b.png").unlink()
    (folder.settings.photos / "c.jpg").write_bytes(encoded(scene(9)))
    seen = look_at_pairs(folder.database, folder.settings, pairs)
    assert (seen.pairs, seen.postponed, folder.known()) == (0, 3, {})
    assert "changed since it was hashed" in str(seen.problems)


def test_an_earlier_version_of_the_code_saw_nothing(folder: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = folder.pairs(("a.png", "c.jpg"))
    look_at_pairs(folder.database, folder.settings, pairs)
    monkeypatch.setattr(looks_module, "LOOKS", "next")
    assert folder.known() == {}
    assert look_at_pairs(folder.database, folder.settings, pairs).changes.updated == 1
    assert len(folder.known()) == 1


# ------------------------------------------------------------------------------------------------- a server's assets


class Server(Library):
    """A server's library, its folders mounted here or not."""

    def __init__(self, database: Database, folder: Path, stack: ExitStack) -> None:
        self.world = World(version="3.1.0")
        self.alice: User = self.world.add_user("alice", is_admin=True)
        self.stub = stack.enter_context(StubServer(self.world))
        self.media = folder / "media"
        self._folder = folder
        super().__init__(database, self.with_server())

    def with_server(self, **values: Any) -> Settings:
        mounted = (PathMapping(immich="/data", here=self.media),) if self.media.exists() else ()
        immich = ImmichSettings(
            url=self.stub.url,
            users=(ImmichUser(api_key=SecretStr(self.world.key_of(self.alice).secret)),),
            paths=mounted,
            requests_per_second=5000,
            **({"originals": "mount"} if mounted else {}) | values,
        )
        return Settings(home=self._folder / "home", workers=2, immich=immich)

    def add(self, name: str, content: bytes, preview: bytes | None = None) -> Asset:
        path = f"/data/library/alice/{name}"
        asset = self.world.add_asset(self.alice, path, content=content)
        asset.preview = preview
        return asset

    def mount(self, *assets: Asset) -> None:
        for asset in assets:
            file = self.media / asset.original_path.removeprefix("/data/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(asset.content)
        self.settings = self.with_server()

    def previews_asked(self) -> int:
        return sum("thumbnail" in str(request) for request in self.stub.requests)


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(database, tmp_path, stack)


PICTURE = scene(1, (640, 480))
PREVIEW = encoded(PICTURE, quality=80)


def test_previews_where_originals_are_not_read(server: Server) -> None:
    server.add("a.jpg", encoded(PICTURE, quality=95), PREVIEW)
    server.add("b.jpg", encoded(PICTURE, quality=60), PREVIEW)
    server.add("c.jpg", encoded(PICTURE, quality=40), None)
    server.add("d.gif", encoded(PICTURE, "GIF"), PREVIEW)
    server.scan()
    pairs = server.pairs(("a.jpg", "b.jpg"), ("a.jpg", "c.jpg"), ("a.jpg", "d.gif"), whole=True)
    seen = look_at_pairs(server.database, server.settings, pairs)
    known = server.known()
    assert (seen.pairs, seen.postponed) == (2, 1)
    assert known[b"a.jpg", b"b.jpg"]["correlation"] == 1.0
    assert known[b"a.jpg", b"b.jpg"]["same_pixels"] is None
    assert "may move" in known[b"a.jpg", b"d.gif"]["problem"]


def test_mounted_originals_where_pixels_may_be_equal(server: Server) -> None:
    png, packed = encoded(PICTURE, "PNG"), encoded(PICTURE, "PNG", compress_level=1)
    assets = server.add("a.png", png, PREVIEW), server.add("b.png", packed, PREVIEW)
    server.mount(*assets)
    server.scan()
    look_at_pairs(server.database, server.settings, server.pairs(("a.png", "b.png"), whole=True))
    assert server.known()[b"a.png", b"b.png"]["same_pixels"] is True
    assert server.previews_asked() == 0


def test_previews_first_and_the_other_way_out(server: Server) -> None:
    preview_only = server.add("a.jpg", encoded(PICTURE, quality=95), PREVIEW)
    no_preview = server.add("b.jpg", encoded(PICTURE, quality=90), None)
    # a format that is not decoded here, with a preview
    strange = server.add("c.jxl", b"\xff\x0a" + bytes(100), PREVIEW)
    linked_away = server.add("d.jpg", encoded(PICTURE, quality=85), PREVIEW)
    server.mount(preview_only, no_preview, strange, linked_away)
    outside = server.media.parent / "outside.jpg"
    outside.write_bytes(linked_away.content)
    file = server.media / "library/alice/d.jpg"
    file.unlink()
    file.symlink_to(outside)
    server.scan()
    near = server.pairs(("a.jpg", "b.jpg"))
    whole = server.pairs(("b.jpg", "c.jxl"), ("b.jpg", "d.jpg"), whole=True)
    seen = look_at_pairs(server.database, server.settings, pl.concat([near, whole]))
    assert (seen.pairs, seen.postponed, seen.problems) == (3, 0, {})
    assert all(row["correlation"] > 0.7 for row in server.known().values())
    assert {row["same_pixels"] for row in server.known().values()} == {None}


def test_a_server_that_does_not_answer_postpones(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("a.jpg", encoded(PICTURE, quality=95), PREVIEW)
    server.add("b.jpg", encoded(PICTURE, quality=60), PREVIEW)
    server.scan()
    pairs = server.pairs(("a.jpg", "b.jpg"))
    settings = server.with_server()
    assert settings.immich
    wrong = settings.immich.model_copy(update={"users": (ImmichUser(api_key=SecretStr("wrong")),)})
    seen = look_at_pairs(server.database, settings.model_copy(update={"immich": wrong}), pairs)
    assert (seen.pairs, seen.postponed, server.known()) == (0, 1, {})


# ------------------------------------------------------------------------------------------------- the shelf


@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_a_shelf_gives_back_what_was_put_there(tmp_path: Path, memory: int) -> None:
    def look(number: int) -> PictureLook:
        return PictureLook(str(number), bytes([number]) * 65536, bytes([number + 1]) * 3072, width=number)

    with Shelf(tmp_path / "new", memory) as shelf:
        for number in range(5):
            shelf.put(bytes([number]), look(number))
        shelf.drop(b"\x01")
        assert b"\x01" not in shelf
        shelf.put(b"x", look(9))
        shelf.put(b"p", PictureLook("p", problem="damaged"))
        assert [shelf.get(key) for key in (b"\x00", b"\x02", b"x")] == [look(0), look(2), look(9)]
        assert shelf.get(b"p").problem == "damaged"
        assert len(shelf) == 6
    assert list((tmp_path / "new").iterdir()) == []

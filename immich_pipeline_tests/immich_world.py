"""An Immich library as plain objects: what the stand-in server serves and what the test database is filled with, so that both agree."""

import hashlib
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Visibility = Literal["timeline", "archive", "hidden", "locked"]
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def _uuid(seed: random.Random) -> str:
    return str(uuid.UUID(int=seed.getrandbits(128), version=4))


@dataclass
class User:
    id: str
    email: str
    name: str
    is_admin: bool = False
    cluster_group_id: str | None = None


@dataclass
class ApiKey:
    """`permissions` are Immich's names, ["all"] for everything."""

    secret: str
    user_id: str
    permissions: list[str] = field(default_factory=lambda: ["all"])
    name: str = "test"


@dataclass
class ExternalLibrary:
    id: str
    owner_id: str
    name: str
    import_paths: list[str]


@dataclass
class Stack:
    id: str
    owner_id: str
    primary_asset_id: str


@dataclass
class Album:
    id: str
    owner_id: str
    name: str
    asset_ids: list[str] = field(default_factory=list)
    shared_with: list[str] = field(default_factory=list)


@dataclass
class Tag:
    id: str
    user_id: str
    value: str
    asset_ids: list[str] = field(default_factory=list)


@dataclass
class Exif:
    """The columns of asset_exif that are told by API and database; `auto_stack_id` and `live_photo_cid` by the database alone."""

    make: str | None = None
    model: str | None = None
    lens_model: str | None = None
    exif_image_width: int | None = None
    exif_image_height: int | None = None
    file_size: int | None = None
    orientation: str | None = None
    date_time_original: datetime | None = None
    modify_date: datetime | None = None
    time_zone: str | None = None
    f_number: float | None = None
    focal_length: float | None = None
    iso: int | None = None
    exposure_time: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    description: str = ""
    projection_type: str | None = None
    rating: int | None = None
    auto_stack_id: str | None = None
    live_photo_cid: str | None = None


@dataclass
class Asset:
    """One asset; `content` is the original's bytes when the server can serve it, `preview` a JPEG, `thumbnail` a WebP."""

    id: str
    owner_id: str
    original_path: str
    original_name: str
    checksum: bytes
    checksum_algorithm: Literal["sha1", "sha1-path"]
    file_created_at: datetime
    file_modified_at: datetime
    local_date_time: datetime  # the wall clock, stored as UTC
    created_at: datetime
    updated_at: datetime
    type: Literal["IMAGE", "VIDEO", "AUDIO", "OTHER"] = "IMAGE"
    library_id: str | None = None
    is_favorite: bool = False
    visibility: Visibility = "timeline"
    deleted_at: datetime | None = None
    status: Literal["active", "trashed", "deleted"] = "active"
    is_offline: bool = False
    is_edited: bool = False
    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    thumbhash: bytes | None = None
    live_video_id: str | None = None
    stack_id: str | None = None
    duplicate_id: str | None = None
    exif: Exif | None = None
    content: bytes | None = field(default=None, repr=False)
    preview: bytes | None = field(default=None, repr=False)
    thumbnail: bytes | None = field(default=None, repr=False)

    @property
    def is_external(self) -> bool:
        return self.library_id is not None


@dataclass
class World:
    """Everything a server holds. `now` is its clock: every change moves it on by a millisecond and stamps what it touches."""

    version: str = "3.1.0"
    users: dict[str, User] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    libraries: dict[str, ExternalLibrary] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    albums: dict[str, Album] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    partners: set[tuple[str, str]] = field(default_factory=set)  # (shared by, shown to)
    now: datetime = START
    seed: random.Random = field(default_factory=lambda: random.Random(1), repr=False)

    def tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def add_user(self, name: str, *, is_admin: bool = False, permissions: list[str] | None = None) -> User:
        """A user with one API key, `key-<name>-...`."""
        user = User(_uuid(self.seed), f"{name}@example.org", name.title(), is_admin)
        self.users[user.id] = user
        secret = f"key-{name}-{self.seed.getrandbits(64):016x}"
        self.keys[secret] = ApiKey(secret, user.id, permissions or ["all"])
        return user

    def key_of(self, user: User) -> ApiKey:
        return next(key for key in self.keys.values() if key.user_id == user.id)

    def add_library(self, owner: User, name: str, import_path: str) -> ExternalLibrary:
        library = ExternalLibrary(_uuid(self.seed), owner.id, name, [import_path])
        self.libraries[library.id] = library
        return library

    def add_asset(
        self,
        owner: User,
        path: str,
        *,
        content: bytes | None = None,
        library: ExternalLibrary | None = None,
        **values: object,
    ) -> Asset:
        """An image by default: uploads have the SHA-1 of their bytes as checksum, files of an external library that of their path.

        Any field of `Asset` may be given in `values`; `exif` is filled with the size when not given.
        """
        asset_id = _uuid(self.seed)
        body = content if content is not None else asset_id.encode()
        digest = hashlib.sha1(f"path:{path}".encode() if library else body, usedforsecurity=False).digest()
        moment = self.tick()
        taken = START - timedelta(days=self.seed.randrange(3000), milliseconds=self.seed.randrange(86_400_000))
        defaults: dict[str, object] = {
            "original_name": path.rpartition("/")[2],
            "checksum": digest,
            "checksum_algorithm": "sha1-path" if library else "sha1",
            "library_id": library.id if library else None,
            "file_created_at": taken,
            "file_modified_at": taken,
            "local_date_time": taken + timedelta(hours=1),
            "created_at": moment,
            "updated_at": moment,
            "thumbhash": hashlib.md5(body, usedforsecurity=False).digest(),
            "width": 4000,
            "height": 3000,
            "exif": Exif(file_size=len(body), date_time_original=taken, time_zone="UTC+1"),
            "content": content,
        }
        asset = Asset(id=asset_id, owner_id=owner.id, original_path=path, **(defaults | values))  # type: ignore[arg-type]
        self.assets[asset.id] = asset
        return asset

    def touch(self, asset: Asset) -> None:
        """What Immich's trigger does on every update."""
        asset.updated_at = self.tick()

    def trash(self, asset: Asset) -> None:
        self.touch(asset)
        asset.deleted_at, asset.status = asset.updated_at, "trashed"

    def restore(self, asset: Asset) -> None:
        self.touch(asset)
        asset.deleted_at, asset.status = None, "active"

    def take_offline(self, asset: Asset) -> None:
        """The file of an external library is missing: deletion time set, status stays active."""
        self.touch(asset)
        asset.deleted_at, asset.is_offline = asset.updated_at, True

    def delete_for_good(self, asset: Asset) -> None:
        del self.assets[asset.id]
        for album in self.albums.values():
            album.asset_ids = [member for member in album.asset_ids if member != asset.id]

    def add_stack(self, assets: list[Asset]) -> Stack:
        stack = Stack(_uuid(self.seed), assets[0].owner_id, assets[0].id)
        self.stacks[stack.id] = stack
        for asset in assets:
            asset.stack_id = stack.id
            self.touch(asset)
        return stack

    def add_album(self, owner: User, name: str, assets: list[Asset], shared_with: list[User] | None = None) -> Album:
        album = Album(_uuid(self.seed), owner.id, name, [a.id for a in assets], [u.id for u in shared_with or []])
        self.albums[album.id] = album
        return album

    def add_tag(self, user: User, value: str, assets: list[Asset] | None = None) -> Tag:
        """The user's tag of that value, "a/b" below "a"; it and its parents are made if need be."""
        names = value.split("/")
        for path in ("/".join(names[: depth + 1]) for depth in range(len(names))):
            tag = next((t for t in self.tags.values() if (t.user_id, t.value) == (user.id, path)), None)
            if tag is None:
                tag = Tag(_uuid(self.seed), user.id, path)
                self.tags[tag.id] = tag
        tag.asset_ids += [asset.id for asset in assets or []]
        return tag


def every_flag(version: str = "3.1.0") -> World:
    """Two users and a partner, and an asset for every flag that a snapshot tells."""
    world = World(version=version)
    alice, bob = world.add_user("alice", is_admin=True), world.add_user("bob")
    world.partners.add((bob.id, alice.id))
    library = world.add_library(alice, "NAS", "/external/alice")
    add = world.add_asset
    plain = [add(alice, f"/data/library/alice/2024/IMG_{number:04d}.jpg") for number in range(6)]
    world.trash(add(alice, "/data/library/alice/2024/trashed.jpg"))
    add(alice, "/data/library/alice/2024/archived.jpg", visibility="archive")
    add(alice, "/data/library/alice/2024/locked.jpg", visibility="locked")
    add(alice, "/data/library/alice/2024/favourite.jpg", is_favorite=True)
    add(alice, "/data/library/alice/2024/edited.jpg", is_edited=True)
    video = add(
        alice,
        "/data/library/alice/2024/live.mov",
        type="VIDEO",
        visibility="hidden",
        duration_ms=2966,
        width=1440,
        height=1080,
    )
    add(alice, "/data/library/alice/2024/live.heic", live_video_id=video.id)
    add(alice, "/data/library/alice/2024/long.mp4", type="VIDEO", duration_ms=3_723_004)
    add(alice, "/data/library/alice/2024/unprocessed.jpg", exif=None, thumbhash=None, width=None, height=None)
    described = add(alice, "/data/library/alice/2024/Zoë's ünïcode 写真 \U0001f4f7.jpg")
    described.exif = Exif(
        make="Canon", model="Canon EOS R6", lens_model="RF24-105mm F4 L IS USM", exif_image_width=1200, exif_image_height=1600,
        file_size=322828, orientation="6", date_time_original=datetime(2023, 7, 14, 7, 10, 0, 50000, tzinfo=UTC),
        modify_date=datetime(2026, 10, 12, 7, 5, 26, 664000, tzinfo=UTC), time_zone="UTC+2", f_number=4.0, focal_length=35.0, iso=200,
        exposure_time="1/250", latitude=48.8534, longitude=2.3488, city="Paris", state="Île-de-France", country="France",
        description="a <b>bridge</b>", rating=5, auto_stack_id="burst-1", live_photo_cid="CID-1",
    )  # fmt: skip
    external = [add(alice, f"/external/alice/2023/DSC_{number:04d}.NEF", library=library) for number in range(3)]
    world.take_offline(external[2])
    world.add_stack(plain[:3])
    for asset in plain[3:5]:
        asset.duplicate_id = "5b0c8e6e-7a0b-4a53-9d6c-111111111111"
        world.touch(asset)
    theirs = [add(bob, f"/data/library/bob/2025/PXL_{number:04d}.jpg") for number in range(4)]
    world.add_album(alice, "Holiday", [plain[0], described])
    world.add_album(alice, "Family", [plain[1]], shared_with=[bob])
    world.add_album(bob, "Bob's", theirs[:2])
    return world

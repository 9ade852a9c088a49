"""An Immich library as plain objects: what the stand-in server serves and what the test database is filled with, so that both agree."""

import hashlib
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, SupportsIndex

Visibility = Literal["timeline", "archive", "hidden", "locked"]
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def _uuid(seed: random.Random) -> str:
    return str(uuid.UUID(int=seed.getrandbits(128), version=4))


class Members(list[str]):
    """Ids in their order, of which it is quickly told whether one is among them."""

    _known: set[str] | None = None

    def __contains__(self, one: object) -> bool:
        if self._known is None or len(self._known) != len(self):
            self._known = set(self)
        return one in self._known

    def append(self, one: str) -> None:
        super().append(one)
        if self._known is not None:
            self._known.add(one)

    def remove(self, one: str) -> None:
        super().remove(one)
        self._known = None

    def __setitem__(self, place: Any, value: Any) -> None:
        super().__setitem__(place, value)
        self._known = None

    def __delitem__(self, place: SupportsIndex | slice) -> None:
        super().__delitem__(place)
        self._known = None

    def pop(self, place: SupportsIndex = -1) -> str:
        self._known = None
        return super().pop(place)

    def insert(self, place: SupportsIndex, one: str) -> None:
        super().insert(place, one)
        self._known = None


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
    exclusion_patterns: list[str] = field(default_factory=list)


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
    asset_ids: list[str] = field(default_factory=Members)
    shared_with: list[str] = field(default_factory=list)
    cover_id: str | None = None


@dataclass
class Tag:
    id: str
    user_id: str
    value: str
    asset_ids: list[str] = field(default_factory=Members)


@dataclass
class SharedLink:
    """A link without an account: of an album, or of single assets."""

    id: str
    user_id: str
    album_id: str | None = None
    asset_ids: list[str] = field(default_factory=Members)


@dataclass
class Person:
    """Someone whom an owner's pictures show; the name is empty until it is given."""

    id: str
    owner_id: str
    name: str = ""


@dataclass
class Face:
    """A face on an asset; `box` is left, top, right, bottom in pixels of a picture of `size`."""

    id: str
    asset_id: str
    person_id: str | None
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    source: Literal["machine-learning", "exif", "manual"] = "machine-learning"


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
    faces: list[Face] = field(default_factory=list, repr=False)
    content: bytes | None = field(default=None, repr=False)
    preview: bytes | None = field(default=None, repr=False)
    thumbnail: bytes | None = field(default=None, repr=False)

    @property
    def is_external(self) -> bool:
        return self.library_id is not None


@dataclass
class World:
    """Everything a server holds. `now` is its clock: every change moves it on by a millisecond and stamps what it touches.

    `trash_days`: how long its trash keeps things; None: it is switched off. `missing_folders`: the server sees every folder but these.
    """

    version: str = "3.1.0"
    users: dict[str, User] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    libraries: dict[str, ExternalLibrary] = field(default_factory=dict)
    assets: dict[str, Asset] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)
    albums: dict[str, Album] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    links: dict[str, SharedLink] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    faces: dict[str, Face] = field(default_factory=dict)
    partners: set[tuple[str, str]] = field(default_factory=set)  # (shared by, shown to)
    now: datetime = START
    trash_days: int | None = 30
    missing_folders: set[str] = field(default_factory=set)
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
        """The asset and its file are gone, and what hung on it; a stack of which one asset is left is no more."""
        del self.assets[asset.id]
        holders: list[Album | Tag | SharedLink] = [*self.albums.values(), *self.tags.values(), *self.links.values()]
        for holder in holders:
            if asset.id in holder.asset_ids:
                holder.asset_ids = Members(member for member in holder.asset_ids if member != asset.id)
        for face in list(asset.faces):
            self.remove_face(face)
        stack = self.stacks.get(asset.stack_id or "")
        if stack is not None:
            self._shrink(stack, asset)

    def _shrink(self, stack: Stack, lost: Asset) -> None:
        left = [one for one in self.assets.values() if one.stack_id == stack.id]
        if len(left) < 2:
            del self.stacks[stack.id]
            for one in left:
                one.stack_id = None
                self.touch(one)
        elif stack.primary_asset_id == lost.id:
            stack.primary_asset_id = left[0].id

    def empty_trash(self) -> None:
        """What is in the trash is gone for good, with the videos of live photos that no other asset has; offline assets stay."""
        trashed = [one for one in self.assets.values() if one.status == "trashed"]
        videos = [one.live_video_id for one in trashed if one.live_video_id is not None]
        for asset in trashed:
            self.delete_for_good(asset)
        needed = {one.live_video_id for one in self.assets.values()}
        for video in [self.assets[one] for one in dict.fromkeys(videos) if one in self.assets and one not in needed]:
            self.delete_for_good(video)
        for asset in self.assets.values():
            if asset.live_video_id is not None and asset.live_video_id not in self.assets:
                asset.live_video_id = None

    def add_person(self, owner: User, name: str = "") -> Person:
        person = Person(_uuid(self.seed), owner.id, name)
        self.people[person.id] = person
        return person

    def add_face(
        self,
        asset: Asset,
        person: Person | None,
        box: tuple[int, int, int, int] = (100, 100, 300, 300),
        size: tuple[int, int] = (1440, 1080),
        source: Literal["machine-learning", "exif", "manual"] = "machine-learning",
    ) -> Face:
        """A face, as it was found on a preview of that size; the asset's own time stays as it is."""
        self.tick()
        face = Face(_uuid(self.seed), asset.id, person.id if person else None, box, size, source)
        self.faces[face.id] = face
        asset.faces.append(face)
        return face

    def remove_face(self, face: Face) -> None:
        self.tick()
        del self.faces[face.id]
        if face.asset_id in self.assets:
            self.assets[face.asset_id].faces.remove(face)

    def add_link(self, user: User, assets: Iterable[Asset] = (), album: Album | None = None) -> SharedLink:
        """A link of single assets, or of an album."""
        link = SharedLink(_uuid(self.seed), user.id, album.id if album else None, Members(asset.id for asset in assets))
        self.links[link.id] = link
        return link

    def tags_of(self, asset: Asset) -> list[Tag]:
        return [tag for tag in self.tags.values() if asset.id in tag.asset_ids]

    def albums_of(self, asset: Asset) -> list[Album]:
        return [album for album in self.albums.values() if asset.id in album.asset_ids]

    def add_stack(self, assets: list[Asset]) -> Stack:
        stack = Stack(_uuid(self.seed), assets[0].owner_id, assets[0].id)
        self.stacks[stack.id] = stack
        for asset in assets:
            asset.stack_id = stack.id
            self.touch(asset)
        return stack

    def add_album(self, owner: User, name: str, assets: list[Asset], shared_with: list[User] | None = None) -> Album:
        members = Members(asset.id for asset in assets)
        album = Album(_uuid(self.seed), owner.id, name, members, [user.id for user in shared_with or []])
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

"""A server full of duplicates on which everything that people know of their photos is spread by chance, and the pipeline beside it.

Pictures are not decoded: what would be measured of them is written into the pipeline's database. All that follows is the real thing:
captures, candidates, groups, sets, details, decisions, plan, apply, journal, undo.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import SecretStr

from immich_pipeline.actions.duplicate_plan import brakes_of, duplicate_outlook, open_executor
from immich_pipeline.actions.engine import Applied, Undone, apply_plan, save_plan, undo
from immich_pipeline.actions.model import Plan
from immich_pipeline.config import Settings
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.policies import BackupSettings, BrakeSettings, BudgetSettings, DuplicateSettings, ProtectSettings
from immich_pipeline.sources.captures import compute_captures
from immich_pipeline.sources.duplicates import (
    compute_candidates,
    compute_decisions,
    compute_groups,
    decision_tables,
    pairs_to_see,
)
from immich_pipeline.sources.immich.details import Refreshed, refresh_details
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.sources.looks import LOOKS
from immich_pipeline.sources.whole_library import WHOLE_LIBRARY, inputs_of
from immich_pipeline.store import derived, state
from immich_pipeline.store.content import (
    FILE_HASH,
    FILE_HASH_SCHEMA,
    PERCEPTUAL_HASH,
    PERCEPTUAL_HASH_SCHEMA,
    PHOTO_METADATA,
    PHOTO_METADATA_SCHEMA,
)
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.library import activate_sources
from immich_pipeline.store.looks import write_looks
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Album, Asset, Exif, ExternalLibrary, Person, SharedLink, Tag, User, World

Seen = Literal["same_pixels", "reencoded"]
FIRST = datetime(2019, 1, 5, 9, 30, 12, 345000, tzinfo=UTC)
BETWEEN = timedelta(hours=13, minutes=7, seconds=3)
ZONES = ("UTC+1", "Europe/Berlin", "UTC", "UTC+5:30", "UTC-8", "America/New_York")
CAMERAS = (("Canon", "Canon EOS R6", "RF24-105mm"), ("Apple", "iPhone 12", "back camera"), ("Google", "Pixel 7", None))
LINES = ("Grandma's 80th", "at the lake", "Zoë & Jürgen", "second line <b>bold</b>", "写真", "taken by Bob")
TAGS = ("trips/2019/Norway", "trips/2019", "family", "work/receipts/old", "Ünïcode/写真")
SMALL_BITS = 6


@dataclass
class Group:
    """One picture and its copies as they were made.

    Attributes:
        number: its place.
        recipe: how it was made.
        shots: lists of assets that show the same: a RAW file and its JPEG are two.
        untouched: why nothing of it may ever be given up; empty: something may.
        certain: whether it must be resolved without a person, by whatever settings.
    """

    number: int
    recipe: str
    owner: User
    shots: list[list[Asset]]
    untouched: str = ""
    certain: bool = False

    @property
    def files(self) -> list[Asset]:
        """All assets of it."""
        return [asset for shot in self.shots for asset in shot]


Camera = tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class Shot:
    """One moment as a file shows it: when and where the clock stood, how large, how it looks (both hashes), by what."""

    taken: datetime
    zone: str
    size: tuple[int, int]
    look: tuple[int, bytes]
    camera: Camera


@dataclass
class Measured:
    """What would be read out of one file."""

    phash: int
    phash256: bytes
    width: int
    height: int
    exif: Exif
    local: datetime
    subsec: str | None = None


@dataclass
class Crowd:
    """The albums, tags, links and people of one owner, for all groups to be in."""

    albums: list[Album] = field(default_factory=list)
    links: list[SharedLink] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    strangers: list[Person] = field(default_factory=list)


class DuplicateWorld:
    """Alice and Bob with `groups` groups of copies, and photos that are copies of nothing."""

    def __init__(self, version: str, groups: int, seed: int = 1) -> None:
        self.world = World(version=version, seed=random.Random(seed))
        self.dice = random.Random(seed)
        self.alice, self.bob = self.world.add_user("alice", is_admin=True), self.world.add_user("bob")
        self.allowed = self.world.add_library(self.alice, "scans", "/external/scans")
        self.kept_out = self.world.add_library(self.alice, "archive", "/external/archive")
        self.measured: dict[str, Measured] = {}
        self.same: list[tuple[str, str, Seen]] = []
        self.groups: list[Group] = []
        self.bystanders: list[Asset] = []
        self.crowds = {user.id: self._crowd(user, max(4, groups // 12)) for user in (self.alice, self.bob)}
        recipes, weights = zip(*_RECIPES.items(), strict=True)
        for number in range(groups):
            name = recipes[number] if number < len(recipes) else self.dice.choices(recipes, weights)[0]
            owner = self.bob if name not in _OF_ALICE and self.dice.random() < 0.2 else self.alice
            self.groups.append(getattr(self, f"_{name}")(number, owner))
        for album in self.world.albums.values():
            album.cover_id = album.cover_id or next(iter(album.asset_ids))

    def twins(self, copies: int = 1, seen: Seen = "reencoded") -> Group:
        """One more group of Alice's, with nothing to merge: the first file is the largest."""
        number = len(self.groups)
        files = self._shots(number, self.alice, copies + 1, seen, folder="here")
        self.groups.append(Group(number, "twins", self.alice, [files], certain=True))
        return self.groups[-1]

    # -- recipes

    def _pair(self, number: int, owner: User, copies: int = 1) -> Group:
        files = self._shots(number, owner, copies + 1)
        self._spread(files)
        return Group(number, "pair", owner, [files], certain=copies == 1 and self._is_simple(files))

    def _many(self, number: int, owner: User) -> Group:
        return self._named(self._pair(number, owner, self.dice.choice([2, 2, 3, 5])), "many")

    def _live(self, number: int, owner: User) -> Group:
        """The moving half on one side, on both, or one that both share."""
        group = self._named(self._pair(number, owner), "live")
        files = group.files
        for file in self.dice.choice([files[:1], files[1:], files[1:], files]):
            self._give_video(file, number)
        return group

    def _shared_video(self, number: int, owner: User) -> Group:
        group = self._named(self._pair(number, owner), "shared_video")
        video = self._give_video(group.files[0], number)
        group.files[1].live_video_id = video.id
        return group

    def _stack(self, number: int, owner: User) -> Group:
        """A stack with a third asset, round the copy or round the original."""
        group = self._named(self._pair(number, owner), "stack")
        others = [self._bystander(owner) for _ in range(self.dice.choice([1, 2]))]
        stacked = [*others, self.dice.choice(group.files)]
        self.dice.shuffle(stacked)
        self.world.add_stack(stacked)
        return group

    def _stacked_together(self, number: int, owner: User) -> Group:
        group = self._named(self._pair(number, owner), "stacked_together")
        self.world.add_stack([*self.dice.sample(group.files, 2), self._bystander(owner)])
        return group

    def _two_stacks(self, number: int, owner: User) -> Group:
        group = self._named(self._pair(number, owner), "two_stacks")
        for file in group.files:
            self.world.add_stack([file, self._bystander(owner)])
        return group

    def _raw_jpeg(self, number: int, owner: User) -> Group:
        """Imported twice: two captures, one decision."""
        folders = ("card", "old-laptop")
        first = replace(self._shot(number), camera=CAMERAS[0])
        stem = f"DSC_{number:06d}"
        shots: list[list[Asset]] = []
        for extension, seen in (("CR2", "reencoded"), ("JPG", "same_pixels")):
            shot = replace(first, look=self._hashes())
            paths = [f"/data/library/{owner.name}/{folder}/{stem}.{extension}" for folder in folders]
            files = [self._file(owner, path, shot) for path in paths]
            self._alike(files, "reencoded" if seen == "reencoded" else "same_pixels")
            shots.append(files)
        place = self._somewhere()
        self._spread(shots[1], place, dates=False)
        self._spread(shots[0][1:], place, dates=False)
        return Group(number, "raw_jpeg", owner, shots)

    def _exact(self, number: int, owner: User) -> Group:
        """An upload and the same bytes in an external library that may be deleted from."""
        return self._external(number, owner, self.allowed, "exact")

    def _not_allowed(self, number: int, owner: User) -> Group:
        return self._external(number, owner, self.kept_out, "not_allowed")

    def _external(self, number: int, owner: User, library: ExternalLibrary, recipe: str) -> Group:
        shot = self._shot(number)
        content = f"picture {number} {self.dice.random()}".encode() * 9
        upload = self._file(owner, f"/data/library/{owner.name}/IMG_{number:06d}.jpg", shot, content)
        path = f"{library.import_paths[0]}/{number:06d}_scan.jpg"
        inside = self._file(owner, path, shot, content, library=library)
        self._spread([upload, inside])
        return Group(number, recipe, owner, [[upload, inside]])

    def _protected(self, number: int, owner: User) -> Group:
        """All tagged to be kept."""
        group = self._named(self._pair(number, owner, self.dice.choice([1, 2])), "protected")
        self.world.add_tag(owner, "keep/forever", group.files)
        group.untouched = "tagged to be kept"
        return group

    def _elsewhere(self, number: int, owner: User) -> Group:
        """Two places, far apart."""
        files = self._shots(number, owner, 2)
        for place, file in enumerate(files):
            self._place(file, (47.1 + place / 50, 11.3))
        return Group(number, "elsewhere", owner, [files], untouched="taken at two places")

    def _other_camera(self, number: int, owner: User) -> Group:
        files = self._shots(number, owner, 2)
        for file, camera in zip(files, CAMERAS, strict=False):
            self._by_camera(file, camera)
        return Group(number, "other_camera", owner, [files], untouched="by two cameras")

    def _camera_lost(self, number: int, owner: User) -> Group:
        """The smaller copy alone knows the camera, which no server can be told."""
        files = self._shots(number, owner, 2, seen="reencoded")
        self._by_camera(files[0], (None, None, None))
        self._by_camera(files[1], CAMERAS[0])
        return Group(number, "camera_lost", owner, [files], untouched="the camera would be lost")

    def _burst(self, number: int, owner: User) -> Group:
        """Frames of one second."""
        files = self._shots(number, owner, 3)
        for place, file in enumerate(files):
            self._by_camera(file, CAMERAS[1])
            known, exif = self.measured[file.id], self._exif(file)
            known.subsec = f"{100 + 210 * place}"
            taken = exif.date_time_original
            assert taken is not None
            self._date(
                file, taken.replace(microsecond=0) + timedelta(milliseconds=100 + 210 * place), exif.time_zone or "UTC"
            )
        return Group(number, "burst", owner, [files], untouched="frames of a burst")

    def _edited(self, number: int, owner: User) -> Group:
        """Another crop: the hashes are close, the shape is not."""
        files = self._shots(number, owner, 2, seen="reencoded")
        known = self.measured[files[1].id]
        known.width = known.width * 3 // 4
        return Group(number, "edited", owner, [files], untouched="edited: for a person to see")

    def _edited_there(self, number: int, owner: User) -> Group:
        """The lesser copy was edited on the server."""
        files = self._shots(number, owner, 2, seen="reencoded")
        files[1].is_edited = True
        return Group(number, "edited_there", owner, [files], untouched="edited on the server")

    def _other_people(self, number: int, owner: User) -> Group:
        files = self._shots(number, owner, 2)
        for file, person in zip(files, self.dice.sample(self.crowds[owner.id].people, 2), strict=True):
            self.world.add_face(file, person)
        return Group(number, "other_people", owner, [files], untouched="they show different people")

    def _other_owner(self, number: int, owner: User) -> Group:
        """Alice and Bob have the same picture: each keeps theirs."""
        shot = self._shot(number)
        files = [
            self._file(user, f"/data/library/{user.name}/IMG_{number:06d}.jpg", shot) for user in (self.alice, self.bob)
        ]
        self._alike(files, "same_pixels")
        return Group(number, "other_owner", owner, [files], untouched="of two owners")

    def _locked(self, number: int, owner: User) -> Group:
        files = self._shots(number, owner, 2)
        files[self.dice.randrange(2)].visibility = "locked"
        return Group(number, "locked", owner, [files], untouched="in the locked folder")

    def _in_trash(self, number: int, owner: User) -> Group:
        """A copy that somebody put into the trash before stays there, and is no copy any more."""
        files = self._shots(number, owner, 2)
        self.world.trash(files[self.dice.randrange(2)])
        return Group(number, "in_trash", owner, [files], untouched="in the trash already")

    def _archived(self, number: int, owner: User) -> Group:
        group = self._named(self._pair(number, owner), "archived")
        for file in self.dice.sample(group.files, self.dice.choice([1, 1, 2])):
            file.visibility = "archive"
        return group

    # -- pieces

    def _named(self, group: Group, recipe: str) -> Group:
        group.recipe, group.certain = recipe, False
        return group

    def _is_simple(self, files: Sequence[Asset]) -> bool:
        """Nothing that could make a person look: no word of love on any, equal pixels."""
        albums = {asset_id for album in self.world.albums.values() for asset_id in album.asset_ids}
        dear = any(file.is_favorite or (self._exif(file).rating or 0) >= 4 or file.id in albums for file in files)
        named = any(face.person_id for file in files for face in file.faces)
        return not dear and not named

    def _crowd(self, user: User, size: int) -> Crowd:
        other = next(one for one in self.world.users.values() if one.id != user.id)
        crowd = Crowd()
        for number in range(size):
            mine, theirs = self._bystander(user), self._bystander(other)
            crowd.albums.append(
                self.world.add_album(user, f"{user.name} {number}", [mine], [other] if number % 3 == 0 else [])
            )
            if number % 2:
                crowd.albums.append(self.world.add_album(other, f"from {other.name} {number}", [theirs], [user]))
        crowd.links = [self.world.add_link(user, [self._bystander(user)]) for _ in range(min(10, size))]
        self.world.add_link(user, album=crowd.albums[0])
        crowd.people = [self.world.add_person(user, f"{name} of {user.name}") for name in ("Ann", "Ben", "Zoë", "Kim")]
        crowd.strangers = [self.world.add_person(user) for _ in range(3)]
        return crowd

    def _bystander(self, owner: User) -> Asset:
        """A photo like no other, which nobody may touch."""
        number = len(self.bystanders)
        taken = FIRST - BETWEEN * (number + 1)
        path = f"/data/library/{owner.name}/2018/P{number:07d}.jpg"
        asset = self._file(owner, path, Shot(taken, "UTC+1", (4000, 3000), self._hashes(), CAMERAS[2]))
        self.bystanders.append(asset)
        return asset

    def _shots(
        self, number: int, owner: User, files: int, seen: Seen | None = None, folder: str | None = None
    ) -> list[Asset]:
        """The best one first, then copies of it: as large and alike to the pixel, or smaller and saved again."""
        shot = self._shot(number)
        looks: list[Seen] = ["same_pixels", "reencoded"]
        alike = seen or self.dice.choice(looks)
        made = []
        for place in range(files):
            scale = 1 if alike == "same_pixels" or place == 0 else self.dice.choice([2, 4])
            copy = replace(shot, size=(shot.size[0] // scale, shot.size[1] // scale), look=self._near(shot.look))
            where = folder or self.dice.choice(["camera", "chat", "from-phone", "disk"])
            path = f"/data/library/{owner.name}/{where}-{place}/{'IMG' if place == 0 else 'photo'}_{number:06d}x{place}.jpg"
            if folder is None and self.dice.random() < 0.3:
                path = f"/data/upload/{owner.id}/{self.dice.getrandbits(64):016x}.jpg"
            made.append(self._file(owner, path, copy))
        self._alike(made, alike)
        return made

    def _file(
        self,
        owner: User,
        path: str,
        shot: Shot,
        content: bytes | None = None,
        **more: Any,
    ) -> Asset:
        size = shot.size
        content = content or f"{path} {self.dice.random()}".encode() * self.dice.randrange(3, 30)
        exif = Exif(file_size=len(content), exif_image_width=size[0], exif_image_height=size[1])
        asset = self.world.add_asset(
            owner, path, content=content, exif=exif, width=size[0], height=size[1], file_modified_at=shot.taken, **more
        )
        self.measured[asset.id] = Measured(*shot.look, *size, exif=Exif(), local=shot.taken)
        self._date(asset, shot.taken, shot.zone)
        self._by_camera(asset, shot.camera)
        return asset

    def _date(self, asset: Asset, taken: datetime, zone: str) -> None:
        exif, wall = self._exif(asset), taken + offset_of(zone, taken)
        exif.date_time_original = asset.file_created_at = taken
        exif.time_zone, asset.local_date_time = zone, wall
        known = self.measured[asset.id]
        known.exif.date_time_original, known.exif.time_zone, known.local = taken, zone, wall

    def _by_camera(self, asset: Asset, camera: Camera) -> None:
        for exif in (self._exif(asset), self.measured[asset.id].exif):
            exif.make, exif.model, exif.lens_model = camera

    def _undated(self, asset: Asset) -> None:
        """Nobody knows when: the server takes the file's time."""
        exif, known = self._exif(asset), self.measured[asset.id]
        exif.date_time_original = exif.time_zone = None
        asset.local_date_time = asset.file_created_at
        known.exif.date_time_original = known.exif.time_zone = None

    def _unzoned(self, asset: Asset) -> None:
        """A wall clock without a zone: the server takes it for its own, UTC."""
        exif, known = self._exif(asset), self.measured[asset.id]
        exif.time_zone = known.exif.time_zone = None
        if self.dice.random() < 0.5:  # of a server whose own zone is that of the photo
            return
        exif.date_time_original = asset.file_created_at = known.exif.date_time_original = asset.local_date_time

    def _place(self, asset: Asset, place: tuple[float, float]) -> None:
        exif = self._exif(asset)
        exif.latitude, exif.longitude = place
        if self.dice.random() < 0.5:  # the file itself says so, too
            known = self.measured[asset.id].exif
            known.latitude, known.longitude = place

    def _give_video(self, still: Asset, number: int) -> Asset:
        owner = self.world.users[still.owner_id]
        body = f"video {number} {self.dice.random()}".encode() * 20
        path = f"/data/library/{owner.name}/live/{number:06d}-{self.dice.getrandbits(32):08x}.mov"
        video = self.world.add_asset(
            owner, path, content=body, type="VIDEO", visibility="hidden", duration_ms=2900, file_created_at=still.file_created_at,
            file_modified_at=still.file_modified_at, local_date_time=still.local_date_time,
            exif=Exif(file_size=len(body), date_time_original=still.file_created_at, time_zone=self._exif(still).time_zone),
        )  # fmt: skip
        still.live_video_id = video.id
        return video

    def _spread(self, files: list[Asset], place: tuple[float, float] | None = None, *, dates: bool = True) -> None:
        """Give each file some of what is known of the picture: on all, on some, on one alone."""
        for file in self._some(files, 0.2 if dates else 0):
            self._unzoned(file)
        for file in self._some(files, 0.1 if dates else 0):
            self._undated(file)
        latitude, longitude = place or self._somewhere()
        for file in self._some(files, 0.5):
            self._place(file, (round(latitude + self.dice.uniform(-2e-5, 2e-5), 6), round(longitude, 6)))
        self._put_into(files)
        self._say(files)

    def _put_into(self, files: list[Asset]) -> None:
        """Albums, links, tags, faces."""
        crowd, dice, world = self.crowds[files[0].owner_id], self.dice, self.world
        owner = world.users[files[0].owner_id]
        for album in dice.sample(crowd.albums, dice.randrange(3)):
            chosen = self._some(files, 0.5)
            album.asset_ids += [file.id for file in chosen if file.id not in album.asset_ids]
            if chosen and dice.random() < 0.3:
                album.cover_id = dice.choice(chosen).id
        for link in dice.sample(crowd.links, dice.randrange(2)):
            link.asset_ids += [file.id for file in self._some(files, 0.4) if file.id not in link.asset_ids]
        for value in dice.sample(TAGS, dice.randrange(3)):
            world.add_tag(
                owner, value, [file for file in self._some(files, 0.5) if not has_tag(world, owner, value, file)]
            )
        person = dice.choice(crowd.people)
        for file in self._some(files, 0.3):
            world.add_face(file, person, (100, 120, 300, 340))
        for file in self._some(files, 0.2):
            world.add_face(file, dice.choice([None, *crowd.strangers]), (500, 100, 620, 260))

    def _say(self, files: list[Asset]) -> None:
        """What a person says of a picture."""
        for file in self._some(files, 0.2):
            file.is_favorite = True
        for file in self._some(files, 0.3):
            self._exif(file).rating = self.dice.choice([1, 2, 3, 4, 5])
        for file in self._some(files, 0.4):
            lines = self.dice.sample(LINES, self.dice.randrange(1, 4))
            self._exif(file).description = self.dice.choice(["\n", "\n\n", "\r\n", " \n "]).join(lines)

    def _some(self, files: list[Asset], chance: float) -> list[Asset]:
        if self.dice.random() >= chance:
            return []
        part = self.dice.sample(files, self.dice.randrange(1, len(files) + 1))
        return self.dice.choice([files, [self.dice.choice(files)], [files[-1]], part])

    def _alike(self, files: Sequence[Asset], seen: Seen) -> None:
        self.same += [(left.id, right.id, seen) for left, right in combinations(files, 2)]

    def _somewhere(self) -> tuple[float, float]:
        return self.dice.uniform(-60, 60), self.dice.uniform(-170, 170)

    def _shot(self, number: int) -> Shot:
        size = self.dice.choice([(4000, 3000), (3000, 4000), (6000, 4000)])
        zone, camera = self.dice.choice(ZONES), self.dice.choice(CAMERAS)
        return Shot(FIRST + BETWEEN * number, zone, size, self._hashes(), camera)

    def _hashes(self) -> tuple[int, bytes]:
        return self.dice.getrandbits(64) - 2**63, self.dice.randbytes(32)

    def _near(self, look: tuple[int, bytes]) -> tuple[int, bytes]:
        """A few bits of the large hash are others, as after saving again: any two files stay within the limit."""
        bits = int.from_bytes(look[1])
        for _ in range(self.dice.randrange(SMALL_BITS)):
            bits ^= 1 << self.dice.randrange(256)
        return look[0], bits.to_bytes(32)

    @staticmethod
    def _exif(asset: Asset) -> Exif:
        assert asset.exif is not None
        return asset.exif


_RECIPES: dict[str, int] = {
    "pair": 40, "many": 12, "live": 8, "stack": 7, "stacked_together": 2, "two_stacks": 1, "raw_jpeg": 6, "exact": 6, "not_allowed": 3,
    "protected": 2, "elsewhere": 2, "other_camera": 1, "camera_lost": 1, "burst": 2, "edited": 1, "edited_there": 1, "other_people": 1,
    "other_owner": 1, "locked": 1, "in_trash": 1, "archived": 4, "shared_video": 1,
}  # fmt: skip
_OF_ALICE = {"exact", "not_allowed"}


def offset_of(zone: str, at: datetime) -> timedelta:
    """How far the clocks of a zone, as Immich names zones, are before UTC."""
    if not zone.startswith("UTC"):
        return at.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    hours, _, minutes = zone.removeprefix("UTC").partition(":")
    sign = -1 if hours.startswith("-") else 1
    return timedelta(hours=int(hours or 0), minutes=sign * int(minutes or 0))


def has_tag(world: World, owner: User, value: str, asset: Asset) -> bool:
    """Whether an asset has a tag of its owner."""
    return any(
        tag.value == value and tag.user_id == owner.id and asset.id in tag.asset_ids for tag in world.tags.values()
    )


def eager(library: str, **more: Any) -> DuplicateSettings:
    """Nothing but a tag keeps a copy from being given up: as much as can be is merged."""
    return DuplicateSettings(
        mode="auto",
        protect=ProtectSettings(favourites=False, rating=None, albums=False),
        **_unattended(library) | more,
    )


def cautious(library: str, **more: Any) -> DuplicateSettings:
    """As the program comes, but for what it needs to go on without a person."""
    return DuplicateSettings(mode="auto", **_unattended(library) | more)


def _unattended(library: str) -> dict[str, Any]:
    return {
        "delete_from": (library,),
        "brakes": BrakeSettings(max_share=1, max_number=1_000_000),
        "backup": BackupSettings(keep_free_mb=0),
    }


class Pipeline:
    """The pipeline beside a `DuplicateWorld`: looks, plans, applies and undoes, by its settings alone."""

    def __init__(
        self,
        made: DuplicateWorld,
        stub: StubServer,
        database: Database,
        home: Path,
        *,
        settings: Callable[..., DuplicateSettings] = eager,
        budget: int = 500,
    ) -> None:
        self.made, self.stub, self.database, self.home = made, stub, database, home
        self.duplicates = settings(made.allowed.id, budget=BudgetSettings(groups=budget))
        self.keys = [key.secret for key in made.world.keys.values()]
        self.runs, self.plans = 0, list[Plan]()

    @property
    def settings(self) -> Settings:
        return settings_of(self.home, self.stub.url, self.keys, self.duplicates)

    def look(self, *, full: bool = False) -> Refreshed:
        """Everything up to the decisions, as the assets of the pipeline do it one after the other."""
        settings = self.settings
        assert settings.immich is not None
        server = ImmichServer(settings.immich, FormatTable.load())
        activate_sources(self.database, [server.row])
        assert take_server_snapshot(self.database, server, full=full).problems == {}
        with self.database.frames() as frames:
            measure(frames, self.made)
            found = compute_captures(frames, settings)
            derived.write(
                frames, "captures", {derived.CAPTURE_MEMBER: found.members, derived.KEPT_WHOLE: found.kept_whole}
            )
            derived.write(frames, "candidates", {derived.CANDIDATE: compute_candidates(frames, settings)})
            see(frames, self.made)
            assert pairs_to_see(frames).is_empty()
            derived.write(frames, "duplicates", dict(compute_groups(frames, settings)))
            members = derived.sets(frames)["asset_id"].to_list()
        read = refresh_details(self.database, settings, members)
        with self.database.frames() as frames:
            made = compute_decisions(frames, settings)
            derived.write(frames, "decisions", dict(decision_tables(made)))
            for asset in WHOLE_LIBRARY:
                state.mark_computed(frames, asset, inputs_of(frames, asset, settings))
        return read

    def plan(self) -> Plan:
        self.plans.append(save_plan(self.database, duplicate_outlook(self.database, self.settings).plan))
        return self.plans[-1]

    @property
    def kept(self) -> dict[str, str]:
        """By each asset that was ever to be given up the one that was to be kept for it."""
        actions = [action for plan in self.plans for action in plan.actions]
        return {loser: action.payload["keeper"] for action in actions for loser in action.payload["losers"]}

    def left_out(self) -> pl.DataFrame:
        return duplicate_outlook(self.database, self.settings).left_out

    def decisions(self) -> pl.DataFrame:
        with self.database.frames() as frames:
            columns = "set_id, class, verdict, keeper_id::text AS keeper_id, conflicts, decided_by"
            return derived.read_table(frames, derived.DECISION, columns)

    def apply(self, plan_id: str) -> Applied:
        """Unattended: the brakes are those of the settings, and nobody confirms anything."""
        return applied(self.database, self.settings, plan_id, self._run())

    def undo(self, plan_id: str) -> Undone:
        return undone(self.database, self.settings, plan_id, self._run())

    def _run(self) -> str:
        self.runs += 1
        return f"run {self.runs}"

    def backups(self) -> dict[str, Path]:
        """By asset the recorded copy."""
        with self.database.connect() as connection:
            rows = connection.execute("SELECT asset_id::text, path FROM actions.backup").fetchall()
        return {asset_id: self.home / "backups" / path for asset_id, path in rows}


def settings_of(home: Path, url: str, keys: Sequence[str], duplicates: DuplicateSettings) -> Settings:
    """The settings of an unattended pipeline; a request that fails is an action that fails."""
    users = tuple(ImmichUser(api_key=SecretStr(key)) for key in keys)
    server = ImmichSettings(url=url, users=users, requests_per_second=10_000, retries=0, originals="download")
    return Settings(home=home, immich=server, duplicates=duplicates)


@contextmanager
def _executor(database: Database, settings: Settings) -> Iterator[Any]:
    with open_executor(database, settings) as executor:
        yield executor


def applied(database: Database, settings: Settings, plan_id: str, run_id: str) -> Applied:
    """Apply with the real executor of the kind."""
    with _executor(database, settings) as executor:
        return apply_plan(database, plan_id, executor, brakes=brakes_of(settings), run_id=run_id, wait=True)


def undone(database: Database, settings: Settings, plan_id: str, run_id: str) -> Undone:
    """Undo with the real executor of the kind."""
    with _executor(database, settings) as executor:
        return undo(database, executor, plan_id=plan_id, run_id=run_id, wait=True)


def measure(frames: Frames, made: DuplicateWorld) -> None:
    """Write what reading the files of the library as it is now would tell."""
    known = frames.read(
        "SELECT asset_id::text AS asset_id, size, mtime_ns, format, kind FROM library.asset WHERE gone_at IS NULL ORDER BY 1"
    )
    hashes, metadata, pictures = [], [], []
    for asset_id, size, mtime_ns, name, kind in known.iter_rows():
        asset, version = made.world.assets[asset_id], (asset_id, size, mtime_ns, "1")
        assert asset.content is not None
        sha1 = hashlib.sha1(asset.content, usedforsecurity=False).digest()
        hashes.append((*version, hashlib.sha256(asset.content).digest(), sha1, name, None, None, None, 1))
        looks = made.measured.get(asset_id)
        if looks is None or kind == "video":
            continue
        metadata.append((*version, *_metadata(looks)))
        pictures.append(
            (*version, looks.phash, looks.phash256, 32, True, looks.width, looks.height, "original", None, None)
        )
    frames.merge(FILE_HASH, pl.DataFrame(hashes, schema=FILE_HASH_SCHEMA, orient="row"))
    frames.merge(PHOTO_METADATA, pl.DataFrame(metadata, schema=PHOTO_METADATA_SCHEMA, orient="row"))
    frames.merge(PERCEPTUAL_HASH, pl.DataFrame(pictures, schema=PERCEPTUAL_HASH_SCHEMA, orient="row"))


def _metadata(known: Measured) -> tuple[object, ...]:
    exif = known.exif
    dated, zoned = exif.date_time_original is not None, exif.time_zone is not None
    offset = (
        round((known.local - exif.date_time_original).total_seconds() / 60)
        if dated and zoned and exif.date_time_original
        else None
    )
    local = known.local.replace(tzinfo=None) if dated else None
    return (
        exif.date_time_original if zoned else None, local, offset, known.subsec, "exif_original" if dated else None, exif.make,
        exif.model, None, exif.lens_model, exif.latitude, exif.longitude, None, 1, None, None, None, None, None,
    )  # fmt: skip


def see(frames: Frames, made: DuplicateWorld) -> None:
    """Write what looking at the pictures would tell."""
    keys = {}
    for asset_id, looks in made.measured.items():
        content = made.world.assets[asset_id].content if asset_id in made.world.assets else None
        if content is not None:
            keys[asset_id] = hashlib.sha256(content).digest() + looks.phash256
    rows = [
        (*sorted((keys[left], keys[right])), 0.97, 0.8, 2.5, 1.5, seen == "same_pixels", None)
        for left, right, seen in made.same
        if left in keys and right in keys
    ]
    schema = {"left_content": pl.Binary, "right_content": pl.Binary, "correlation": pl.Float32, "colour": pl.Float32,
              "spot": pl.Float32, "tint": pl.Float32, "same_pixels": pl.Boolean, "problem": pl.String}  # fmt: skip
    write_looks(
        frames, pl.DataFrame(rows, schema=schema, orient="row").unique(["left_content", "right_content"]), LOOKS
    )

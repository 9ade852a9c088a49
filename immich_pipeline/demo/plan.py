"""What is in the demo library and where: tables of albums, of copies and of special shots, and the plan made from them.

Albums are a family's folders. Every copy, pair and burst is taken from the first photos of an album, so that the rest can be more or fewer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from immich_pipeline.demo.exif import Camera, Shot

How = Literal["exact", "reencoded", "chat", "edited", "png", "webp", "heic", "upright"]


def _pixel_name(shot: Shot, _: int) -> str:
    return f"PXL_{shot.utc:%Y%m%d_%H%M%S}{shot.taken.microsecond // 1000:03}.jpg"


PIXEL = Camera("Google", "Pixel 8", None, "Pixel 8 back camera 6.9mm f/1.68", "HDR+ 1.0", _pixel_name, True, True, 3)
PHONE = Camera(
    "Apple",
    "iPhone 14 Pro",
    None,
    "iPhone 14 Pro back camera 6.86mm f/1.78",
    "17.5",
    lambda _, n: f"IMG_{n:04}.JPG",
    True,
    True,
    3,
)
CAMERA = Camera(
    "RICOH IMAGING COMPANY, LTD.",
    "PENTAX K-1",
    "4711001",
    "HD PENTAX-D FA 28-105mm F3.5-5.6",
    "PENTAX K-1 Ver 1.50",
    lambda _, n: f"IMGP{n:04}.JPG",
    False,
    False,
    2,
)


@dataclass(frozen=True)
class Album:
    """A folder of photos, taken one after the other."""

    folder: str
    begins: datetime
    zone_minutes: int
    camera: Camera
    place: tuple[float, float]
    first_number: int


ALBUMS = {
    "seaside": Album("2021/2021-07 Seaside", datetime(2021, 7, 14, 9, 30, 12), 120, PIXEL, (54.4702, 8.6423), 0),
    "spring": Album("2022/2022-05 Spring walk", datetime(2022, 5, 8, 10, 2, 41), 120, CAMERA, (47.5622, 10.7498), 1001),
    "winter": Album("2022/2022-12 Winter", datetime(2022, 12, 26, 13, 15, 3), 60, PHONE, (46.8523, 9.5308), 1201),
    "birthday": Album("2023/2023-06 Birthday", datetime(2023, 6, 15, 15, 0, 30), 120, PHONE, (48.1372, 11.5756), 2301),
    "city": Album("2023/2023-09 City trip", datetime(2023, 9, 22, 11, 45, 5), 60, PIXEL, (38.7139, -9.1394), 0),
    "garden": Album("2024/2024-03 Garden", datetime(2024, 3, 30, 16, 20, 17), 60, CAMERA, (48.1372, 11.5756), 3001),
    "lake": Album("2024/2024-06 Lake", datetime(2024, 6, 22, 8, 10, 54), 120, PIXEL, (47.6011, 9.4602), 0),
}

COPIES: tuple[tuple[str, int, How, str], ...] = (
    # album, which of its photos, how it was copied, where to ({stem} and {name} are the original's)
    ("seaside", 0, "exact", "Backup/2021-07 Seaside/{name}"),
    ("seaside", 1, "exact", "Backup/2021-07 Seaside/{name}"),
    ("seaside", 2, "exact", "Backup/2021-07 Seaside/{name}"),
    ("seaside", 2, "exact", "2021/2021-07 Seaside/{stem} (1).jpg"),
    ("seaside", 3, "reencoded", "Downloads/{stem}.jpg"),
    ("seaside", 4, "chat", "WhatsApp/IMG-20210715-WA0001.jpg"),
    ("seaside", 5, "webp", "Downloads/seaside.webp"),
    ("spring", 0, "exact", "Backup/2022-05 Spring walk/{name}"),
    ("spring", 4, "exact", "2022/2022-05 Spring walk/{stem} - Copy.JPG"),
    ("spring", 5, "edited", "Prints/{stem} print.jpg"),
    ("winter", 0, "exact", "2022/2022-12 Winter/{stem} (1).JPG"),
    ("winter", 1, "reencoded", "Downloads/{stem}.jpg"),
    ("winter", 2, "heic", "Downloads/snow.heic"),
    ("winter", 3, "chat", "WhatsApp/IMG-20221227-WA0004.jpg"),
    ("winter", 4, "edited", "Prints/{stem} print.JPG"),
    ("birthday", 0, "exact", "Backup/2023-06 Birthday/{name}"),
    ("birthday", 0, "chat", "WhatsApp/IMG-20230616-WA0002.jpg"),
    ("birthday", 0, "reencoded", "Downloads/{stem}.jpg"),
    ("birthday", 1, "exact", "Backup/2023-06 Birthday/{name}"),
    ("birthday", 2, "upright", "Downloads/{stem} upright.jpg"),
    ("birthday", 3, "png", "Downloads/invitation.png"),
    ("birthday", 4, "heic", "Downloads/cake.heic"),
    ("birthday", 5, "edited", "2023/2023-06 Birthday/{stem}_edited.JPG"),
    ("city", 0, "exact", "Backup/2023-09 City trip/{name}"),
    ("city", 1, "exact", "Backup/2023-09 City trip/{name}"),
    ("city", 2, "reencoded", "Downloads/{stem}.jpg"),
    ("city", 3, "chat", "WhatsApp/IMG-20230923-WA0007.jpg"),
    ("city", 4, "webp", "Downloads/tower.webp"),
    ("city", 5, "edited", "2023/2023-09 City trip/{stem}_edited.jpg"),
    ("garden", 2, "exact", "Backup/2024-03 Garden/{name}"),
    ("garden", 3, "reencoded", "Downloads/{stem}.jpg"),
    ("garden", 4, "png", "Downloads/tulips.png"),
    ("lake", 0, "exact", "2024/2024-06 Lake/{stem}(1).jpg"),
    ("lake", 1, "chat", "WhatsApp/IMG-20240623-WA0001.jpg"),
    ("lake", 2, "chat", "WhatsApp/IMG-20240623-WA0002.jpg"),
    ("lake", 3, "reencoded", "Downloads/{stem}.jpg"),
)

WITH_RAW: tuple[tuple[str, int], ...] = (("spring", 0), ("spring", 1), ("spring", 2), ("garden", 0), ("garden", 1))
"""Photos that the camera saved as RAW and as JPEG."""

RAW_BACKUPS: tuple[tuple[str, int, str], ...] = (("spring", 0, "Backup/2022-05 Spring walk/{stem}.DNG"),)
WITH_XMP: tuple[tuple[str, int], ...] = (("spring", 0), ("garden", 1))
WITH_AAE: tuple[tuple[str, int], ...] = (("winter", 5), ("birthday", 3))
SIDEWAYS: tuple[str, int] = ("birthday", 2)
"""A portrait held upright: saved as the sensor lies, with orientation 6."""

LEAST_PER_ALBUM = 6
BURST_FRAMES = 6
NAMED_BURST_FRAMES = 4
NEIGHBOURS = 2
TAKEOUT_PHOTOS = 2
NAMED_PHOTOS = ("Family/Fête d'été \N{PARTY POPPER}.jpg", "Family/Ausflu\u0308ge.jpg")
"""Names with other than plain letters: composed and with an emoji; decomposed, as macOS writes them."""
_BURST_ID = "5A1C2E7B-6F0D-4B6A-9C55-0D2F6E3B8A17"
_LIVE_ID = "C0FFEE11-2B3C-4D5E-8F90-123456789ABC"


@dataclass(frozen=True)
class Copy:
    """Another file made from a photo."""

    path: str
    how: How


@dataclass
class Photo:
    """An original: one JPEG, and everything that comes from the same painting.

    Attributes:
        path: relative to the library, "/" between the parts.
        scene: number of the painting.
        shot: when, where, with what.
        shift: of the view, in pixels to the right and down: frames of one burst share a painting.
        copies: other files of the same picture.
        raw_paths: DNG files of the same shot.
    """

    path: str
    scene: int
    shot: Shot
    shift: tuple[int, int] = (0, 0)
    copies: list[Copy] = field(default_factory=list)
    raw_paths: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.rpartition(".")[0]

    def place(self, pattern: str) -> str:
        """A path from a pattern of the tables."""
        return pattern.format(name=self.name, stem=self.stem)


@dataclass(frozen=True)
class Group:
    """Files that belong together, by the name of their class (duplicates) or kind (captures)."""

    kind: str
    paths: tuple[str, ...]


@dataclass
class Plan:
    """Everything that comes from paintings, and the groups to be found in it."""

    photos: list[Photo]
    sidecars: dict[str, str]
    """Path of each sidecar and of the photo or RAW that it belongs to."""
    live_video: str
    captures: list[Group]

    @property
    def scenes(self) -> int:
        """How many paintings there are."""
        return 1 + max(photo.scene for photo in self.photos)

    @property
    def duplicates(self) -> list[Group]:
        """Every photo with its copies; a group is called after the copy that is furthest from the original."""
        return sorted(_duplicates(self.photos), key=lambda group: group.paths)


_CLASS_OF: dict[How, str] = {"exact": "exact", "edited": "edited"}
_FURTHEST_LAST = ("exact", "reencoded", "edited")


def make_plan(photos: int, *, heic: bool) -> Plan:
    """Plan a library.

    Args:
        photos: about how many photos in all; never fewer than the tables need.
        heic: whether HEIC files can be written here.
    """
    albums = {name: list(_album_photos(album, LEAST_PER_ALBUM)) for name, album in ALBUMS.items()}
    _add_copies(albums, heic=heic)
    special = _special_photos()
    planned = sum(map(_files, [*(photo for album in albums.values() for photo in album), *special]))
    for place, (name, album) in enumerate(ALBUMS.items()):
        more = max(photos - planned + place, 0) // len(ALBUMS)
        albums[name] = albums[name] + list(_album_photos(album, LEAST_PER_ALBUM + more))[LEAST_PER_ALBUM:]
    ordered = [photo for album in albums.values() for photo in album] + special
    return Plan(_with_scenes(ordered), _sidecars(albums, special), _live_video(special), _captures(albums, special))


def _files(photo: Photo) -> int:
    return 1 + len(photo.copies) + len(photo.raw_paths)


def _album_photos(album: Album, count: int) -> Iterator[Photo]:
    for number in range(count):
        # Odd steps, so that neither minutes nor fractions of a second repeat.
        taken = album.begins + timedelta(minutes=7 * number, seconds=13 * number, milliseconds=137 * number + 61)
        place = (album.place[0] + number * 0.0007, album.place[1] - number * 0.0011)
        shot = Shot(taken, album.zone_minutes, album.camera, place)
        yield Photo(f"{album.folder}/{album.camera.file_name(shot, album.first_number + number)}", 0, shot)


def _add_copies(albums: dict[str, list[Photo]], *, heic: bool) -> None:
    for name, number, how, pattern in COPIES:
        if heic or how != "heic":
            photo = albums[name][number]
            photo.copies.append(Copy(photo.place(pattern), how))
    for name, number in WITH_RAW:
        photo = albums[name][number]
        photo.raw_paths.append(photo.path.removesuffix(".JPG") + ".DNG")
    for name, number, pattern in RAW_BACKUPS:
        photo = albums[name][number]
        photo.raw_paths.append(photo.place(pattern))
    sideways = albums[SIDEWAYS[0]][SIDEWAYS[1]]
    sideways.shot = replace(sideways.shot, orientation=6)


def _special_photos() -> list[Photo]:
    birthday, lake = ALBUMS["birthday"], ALBUMS["lake"]
    return [
        *_burst(birthday, datetime(2023, 6, 15, 17, 30, 5, 100_000)),
        *_named_burst(lake, datetime(2024, 6, 22, 14, 35, 1, 234_000)),
        *_neighbours(lake, datetime(2024, 6, 22, 18, 1, 9, 480_000)),
        Photo(
            "2023/2023-06 Birthday/IMG_2401.JPG",
            0,
            Shot(datetime(2023, 6, 15, 18, 2, 44, 731_000), 120, PHONE, content_id=_LIVE_ID),
        ),
        *(
            Photo(
                f"Takeout/Google Photos/Photos from 2020/IMG_2020081{n}_103000.jpg",
                0,
                Shot(datetime(2020, 8, 10 + n, 10, 30), 120, PIXEL),
            )
            for n in range(TAKEOUT_PHOTOS)
        ),
        *(Photo(path, 0, Shot(datetime(2019, 7, 6 + n, 12, 5, 8), 120, PHONE)) for n, path in enumerate(NAMED_PHOTOS)),
    ]


def _burst(album: Album, first: datetime) -> Iterator[Photo]:
    """Frames of a phone that writes one id into all of them, a tenth of a second apart."""
    for n in range(BURST_FRAMES):
        shot = Shot(first + timedelta(milliseconds=100 * n), album.zone_minutes, PHONE, album.place, burst_id=_BURST_ID)
        yield Photo(f"{album.folder}/{PHONE.file_name(shot, 2391 + n)}", 0, shot, (3 * n, n))


def _named_burst(album: Album, first: datetime) -> Iterator[Photo]:
    """Frames of a phone that says so in their names, one of them the cover."""
    key = f"{first:%Y%m%d%H%M%S}{first.microsecond // 1000:03}"
    for n in range(NAMED_BURST_FRAMES):
        shot = Shot(first + timedelta(milliseconds=100 * n), album.zone_minutes, PIXEL, album.place)
        cover = "_COVER" if n == 1 else ""
        yield Photo(f"{album.folder}/{n:05}IMG_{n:05}_BURST{key}{cover}.jpg", 0, shot, (3 * n, n))


def _neighbours(album: Album, first: datetime) -> Iterator[Photo]:
    """The same view taken twice within seconds: alike, and yet two photos."""
    for n in range(NEIGHBOURS):
        shot = Shot(first + timedelta(milliseconds=2300 * n), album.zone_minutes, PIXEL, album.place)
        yield Photo(f"{album.folder}/{PIXEL.file_name(shot, 0)}", 0, shot, (3 * n, n))


def _with_scenes(photos: list[Photo]) -> list[Photo]:
    """Number the paintings: a photo whose view is shifted shows what the one before shows."""
    scene = -1
    for photo in photos:
        scene += photo.shift == (0, 0)
        photo.scene = scene
    return photos


def _sidecars(albums: dict[str, list[Photo]], special: list[Photo]) -> dict[str, str]:
    sidecars = {}
    for name, number in WITH_XMP:
        raw = albums[name][number].raw_paths[0]
        sidecars[raw.removesuffix(".DNG") + ".xmp"] = raw
    for name, number in WITH_AAE:
        photo = albums[name][number]
        sidecars[photo.path.removesuffix(".JPG") + ".AAE"] = photo.path
    for photo, ending in zip(_takeout(special), (".supplemental-metadata.json", ".json"), strict=True):
        sidecars[photo.path + ending] = photo.path
    return sidecars


def _takeout(special: list[Photo]) -> list[Photo]:
    return [photo for photo in special if photo.path.startswith("Takeout/")]


def _live_video(special: list[Photo]) -> str:
    still = next(photo for photo in special if photo.shot.content_id)
    return still.path.removesuffix(".JPG") + ".MOV"


def _captures(albums: dict[str, list[Photo]], special: list[Photo]) -> list[Group]:
    groups = []
    for name, number in WITH_RAW:
        photo = albums[name][number]
        rendered = [photo.path, *(copy.path for copy in photo.copies)]
        groups += [Group("raw_jpeg", (jpeg, raw)) for jpeg, raw in zip(rendered, photo.raw_paths, strict=False)]
    for photo in (photo for album in albums.values() for photo in album):
        groups += [Group("versions", (photo.path, copy.path)) for copy in photo.copies if _is_version(copy)]
    burst = tuple(photo.path for photo in special if photo.shot.burst_id)
    named = tuple(photo.path for photo in special if "_BURST" in photo.name)
    still = next(photo for photo in special if photo.shot.content_id)
    groups += [Group("burst", burst), Group("burst", named), Group("live", (still.path, _live_video(special)))]
    return sorted((Group(group.kind, tuple(sorted(group.paths))) for group in groups), key=lambda group: group.paths)


def _is_version(copy: Copy) -> bool:
    """Whether a copy says by its name that it is the same photo, edited: then it is no duplicate."""
    return "_edited." in copy.path


def _duplicates(photos: list[Photo]) -> Iterator[Group]:
    for photo in photos:
        copies = [copy for copy in photo.copies if not _is_version(copy)]
        if copies:
            classes = [_CLASS_OF.get(copy.how, "reencoded") for copy in copies]
            kind = max(classes, key=_FURTHEST_LAST.index)
            yield Group(kind, tuple(sorted([photo.path, *(copy.path for copy in copies)])))
        if len(photo.raw_paths) > 1:
            yield Group("exact", tuple(sorted(photo.raw_paths)))

"""A source library with every kind of row that there can be, and what of it a job shares."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, UPLOADS, House

ODD_NAMES = (
    "100% _sure_.jpg",
    'it\'s "quoted" \\ $$ {0} %s.jpg',
    "..hidden..jpg",
    "two\nlines\tand a tab.jpg",
    "Zoë's ünïcode 写真 \U0001f4f7.jpg",
    "preview_thumbnail.webp.jpg",
)


@dataclass
class FullLibrary:
    """By a name of ours: assets, people, faces, stacks and albums of alice's.

    Attributes:
        shared: names of the assets that the external job copies.
        held_back: names of those that it does not, with the reason that it must have ("": simply not in scope or not ready).
    """

    assets: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    faces: dict[str, str] = field(default_factory=dict)
    stacks: dict[str, str] = field(default_factory=dict)
    albums: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    held_back: dict[str, str] = field(default_factory=dict)

    @property
    def shared_ids(self) -> set[str]:
        return {self.assets[name] for name in self.shared}


def fill(house: House) -> FullLibrary:
    """Everything, in alice's external library and beside it; bob and carol have something of their own."""
    library = FullLibrary()
    _pictures(house, library)
    _odd_names(house, library)
    _live_and_video(house, library)
    _states(house, library)
    _stacks(house, library)
    _people(house, library)
    _albums_and_tags(house, library)
    _owned_by_bob(house, library)
    _others(house, library)
    return library


def _pictures(house: House, library: FullLibrary) -> None:
    base = f"{EXTERNAL}/2024"
    plain = house.add_photo(f"{base}/plain.jpg", exif=every_exif_column(house))
    edited = house.add_photo(f"{base}/edited.jpg", files=("preview", "thumbnail", "fullsize"))
    house.add_edit(
        edited, ("crop", {"x": 1, "y": 2, "width": 300, "height": 200}), ("rotate", {"angle": 270}), ("mirror", {"axis": "horizontal"})
    )  # fmt: skip
    raw = house.add_photo(f"{base}/DSC_0001.NEF", files=("preview", "thumbnail", "fullsize", "sidecar"))
    house.db.execute(
        """UPDATE asset_file SET "isProgressive" = true WHERE type = 'preview' AND "assetId" = %s""", [raw]
    )
    text = house.add_photo(f"{base}/menu.jpg")
    house.add_text(text, "Soupe à l'oignon", "12 €", "Plat du jour")
    motion, motion_video = house.add_motion_photo(f"{base}/PXL_1.MP.jpg")
    library.assets |= {
        "plain": plain, "edited": edited, "raw": raw, "text": text, "motion": motion, "motion video": motion_video
    }  # fmt: skip
    library.shared |= {"plain", "edited", "raw", "text", "motion", "motion video"}


def every_exif_column(house: House) -> dict[str, object]:
    """A value for each column of asset_exif but its key and its stamps."""
    moment = datetime(2023, 7, 14, 7, 10, 0, 50_000, tzinfo=UTC)
    values: dict[str, object] = {
        "make": "Canon", "model": "Canon EOS R6", "lensModel": "RF24-105mm F4 L IS USM", "exifImageWidth": 1200, "exifImageHeight": 1600,
        "orientation": "6", "fileSizeInByte": 2**40, "dateTimeOriginal": moment, "modifyDate": moment + timedelta(days=3),
        "timeZone": "UTC+2", "fNumber": 4.0, "focalLength": 35.5, "iso": 200, "exposureTime": "1/250", "fps": 29.97, "latitude": 48.8534,
        "longitude": 2.3488, "city": "Paris", "state": "Île-de-France", "country": "France", "description": "a <b>bridge</b>\nat night",
        "rating": 5, "tags": ["Places/France/Paris", "Night"], "projectionType": "EQUIRECTANGULAR", "profileDescription": "Display P3",
        "colorspace": "65535", "bitsPerSample": 8, "livePhotoCID": "CID-1", "autoStackId": "burst-1",
        "lockedProperties": ["description", "rating", "tags"],
    }  # fmt: skip
    columns = {
        name for (name,) in house.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'asset_exif'")
    }  # fmt: skip
    assert columns - values.keys() == {"assetId", "updatedAt", "updateId"}, "the test library leaves a column empty"
    return values


def _odd_names(house: House, library: FullLibrary) -> None:
    for name in ODD_NAMES:
        library.assets[name] = house.add_photo(f"{EXTERNAL}/50% off_/{name}")
        library.shared.add(name)
    # by its text below the prefix, by its meaning carol's
    library.assets["climbing"] = house.add_photo(f"{EXTERNAL}/../carol/secret.jpg")
    library.assets["sibling"] = house.add_photo(f"{EXTERNAL}2/secret.jpg")
    library.assets["wild card"] = house.add_photo("/external_alice/secret.jpg")
    library.assets["upload"] = house.add_photo(f"{UPLOADS}/2024/upload.jpg")
    library.held_back |= dict.fromkeys(("climbing", "sibling", "wild card", "upload"), "")


def _live_and_video(house: House, library: FullLibrary) -> None:
    still, half = house.add_live_photo(f"{EXTERNAL}/2024/live.heic")
    library.assets |= {
        "live": still,
        "live video": half,
        "video": house.add_video(f"{EXTERNAL}/2024/birthday.mp4"),
    }
    library.shared |= {"live", "live video", "video"}


def _states(house: House, library: FullLibrary) -> None:
    base = f"{EXTERNAL}/states"
    assets = {
        "favourite": house.add_photo(f"{base}/favourite.jpg", isFavorite=True),
        "archived": house.add_photo(f"{base}/archived.jpg", visibility="archive"),
        "duplicate": house.add_photo(f"{base}/duplicate.jpg", duplicateId=house.new_id()),
        "locked": house.add_photo(f"{base}/locked.jpg", visibility="locked"),
        "trashed": house.add_photo(f"{base}/trashed.jpg"),
        "offline": house.add_photo(f"{base}/offline.jpg"),
        "new": house.add_photo(f"{base}/new.jpg", processed=False),
        "no clip": house.add_photo(f"{base}/no clip.jpg"),
        "no faces": house.add_photo(f"{base}/no faces.jpg"),
        "no metadata": house.add_photo(f"{base}/no metadata.jpg"),
    }
    changes.trash(house, assets["trashed"])
    changes.take_offline(house, assets["offline"])
    house.remove("smart_search", assetId=assets["no clip"])
    house.update("asset_job_status", {"assetId": assets["no faces"]}, facesRecognizedAt=None)
    house.update("asset_job_status", {"assetId": assets["no metadata"]}, metadataExtractedAt=None)
    library.assets |= assets
    library.shared |= {"favourite", "archived", "duplicate"}
    library.held_back |= dict.fromkeys(
        ("locked", "trashed", "offline", "new", "no clip", "no faces", "no metadata"), ""
    )


def _stacks(house: House, library: FullLibrary) -> None:
    whole = {f"whole {number}": house.add_photo(f"{EXTERNAL}/stack/whole {number}.jpg") for number in range(3)}
    partly = {
        "part shared": house.add_photo(f"{EXTERNAL}/stack/part.jpg"),
        "part upload": house.add_photo(f"{UPLOADS}/2024/part.jpg"),
    }
    library.assets |= whole | partly
    library.shared |= {*whole, "part shared"}
    library.held_back["part upload"] = ""
    library.stacks = {"whole": house.add_stack(*whole.values()), "part": house.add_stack(*reversed(partly.values()))}


def _people(house: House, library: FullLibrary) -> None:
    people = {
        "Ann": house.add_person("Ann", isFavorite=True, color="#ff0000", birthDate=date(1980, 2, 29)),
        "unnamed": house.add_person(),
        "hidden": house.add_person("Stranger", isHidden=True),
        "private": house.add_person("Not shared"),
        "no picture": house.add_person("No picture", thumbnailPath=""),
    }
    assets = library.assets
    group, alone = house.add_photo(f"{EXTERNAL}/2024/group.jpg"), house.add_photo(f"{EXTERNAL}/2024/alone.jpg")
    assets |= {"group": group, "alone": alone}
    library.shared |= {"group", "alone"}
    add = house.add_face
    library.faces = {
        "Ann": add(group, people["Ann"]),
        "unnamed": add(group, people["unnamed"], box=(400, 100, 500, 230)),
        "hidden": add(group, people["hidden"], box=(600, 100, 700, 230)),
        "nobody": add(group, None, box=(800, 100, 900, 230)),
        "twin box": add(group, people["no picture"], box=(800, 100, 900, 230)),
        "invisible": add(group, people["Ann"], box=(1, 1, 20, 20), isVisible=False),
        "deleted": add(group, people["Ann"], box=(2, 2, 30, 30), deletedAt=datetime(2024, 6, 1, tzinfo=UTC)),
        "of exif": add(alone, people["Ann"], box=(10, 20, 30, 40), sourceType="exif", search=False),
        "manual": add(alone, people["unnamed"], box=(50, 60, 70, 80), sourceType="manual"),
        "private": add(assets["upload"], people["private"]),
        "private Ann": add(assets["upload"], people["Ann"], box=(5, 5, 50, 50)),
        "on video": add(assets["video"], people["hidden"], box=(7, 7, 70, 70)),
    }
    library.people = people


def _albums_and_tags(house: House, library: FullLibrary) -> None:
    assets = library.assets
    library.albums = {
        "Holiday": house.add_album(house.alice, "Holiday", assets["plain"], assets["live"], assets["upload"]),
        "of bob": house.add_album(house.bob, "From Alice"),
    }
    house.add_tag(house.alice, "Family", "#00ff00")
    house.tag(assets["plain"], "Family/Children/Zoë")
    house.tag(assets["group"], "Family")
    house.tag(assets["upload"], "Private/Secret")
    house.add_tag(house.bob, "Family")


def _owned_by_bob(house: House, library: FullLibrary) -> None:
    """By name, capture time to the millisecond and camera: IMG_5; of shots in one second without a fraction nobody can say."""
    moment = datetime(2024, 3, 3, 12, 0, 5, 250_000, tzinfo=UTC)
    times: dict[str, Any] = {"fileCreatedAt": moment, "localDateTime": moment, "fileModifiedAt": moment}
    exif = {"dateTimeOriginal": moment, "make": "Apple", "model": "iPhone 15"}
    library.assets["owned"] = house.add_photo(f"{EXTERNAL}/phone/IMG_5.HEIC", exif=exif, **times)
    library.held_back["owned"] = "owned_name"
    library.assets["of bob"] = house.add_photo("/data/library/bob/IMG_5.heic", owner=house.bob, exif=exif, **times)
    second = moment.replace(microsecond=0)
    whole: dict[str, Any] = {"fileCreatedAt": second, "localDateTime": second, "fileModifiedAt": second}
    for name, path in (("first shot", "phone/IMG_6.HEIC"), ("second shot", "phone/IMG_6 (2).HEIC")):
        library.assets[name] = house.add_photo(f"{EXTERNAL}/{path}", exif=exif | {"dateTimeOriginal": second}, **whole)
        library.shared.add(name)
    house.add_photo(
        "/data/library/bob/IMG_6.heic", owner=house.bob, exif=exif | {"dateTimeOriginal": second}, **whole
    )  # fmt: skip


def _others(house: House, library: FullLibrary) -> None:
    """What nothing may happen to."""
    own = house.add_photo("/data/library/bob/own.jpg", owner=house.bob)
    someone = house.add_person("Ann of Bob", owner=house.bob)
    house.add_face(own, someone)
    house.add_stack(own, house.add_photo("/data/library/bob/own 2.jpg", owner=house.bob))
    strange = house.add_photo("/data/library/carol/own.jpg", owner=house.carol)
    house.add_face(strange, house.add_person("Carol's friend", owner=house.carol))
    house.add_album(house.carol, "Carol's", strange)
    house.tag(strange, "Family")
    library.assets |= {"bob's own": own, "carol's own": strange}

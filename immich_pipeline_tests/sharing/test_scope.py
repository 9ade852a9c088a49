"""Which assets are shared: in scope, ready, nobody's copy, and not there already."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from immich_pipeline.sharing.model import Job, Scope, SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, UPLOADS, House
from immich_pipeline_tests.sharing.invariants import broken, copied, copies_of, target_of
from immich_pipeline_tests.sharing.runs import cycle, outlook

NOON = datetime(2024, 3, 3, 12, 0, 5, 250_000, tzinfo=UTC)


def taken(moment: datetime) -> dict[str, Any]:
    return {"fileCreatedAt": moment, "fileModifiedAt": moment, "localDateTime": moment}


def phone(moment: datetime, model: str = "iPhone 15") -> dict[str, Any]:
    return {"make": "Apple", "model": model, "dateTimeOriginal": moment}


def skips(house: House) -> list[tuple[Any, ...]]:
    return house.rows(
        "SELECT source_id::text, reason, blocking_asset::text FROM immich_pipeline_sharing.skip ORDER BY 1"
    )


def test_b03_one_source_is_shared_with_several_users_each_by_a_policy_of_its_own(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_face(photo, house.add_person("Ann"))
    theirs = house.add_library(house.carol, "from Alice too", "/external/carol", exclusion="**/*")
    to_carol = house.job(
        name="alice to carol", target_owner=house.carol, target_library=theirs, target_prefix="/external/carol/alice",
        policy=SharePolicy(names="off"),
    )  # fmt: skip
    cycle(house)
    cycle(house, to_carol)
    assert copied(house) == copied(house, to_carol) == {photo}
    assert target_of(house, photo) != target_of(house, photo, to_carol)
    assert broken(house, house.job(), to_carol) == []
    names = dict(house.rows('SELECT "ownerId"::text, name FROM person'))
    assert (names[house.bob], names[house.carol]) == ("Ann", "")
    assert cycle(house).written == cycle(house, to_carol).written == 0


def test_b04_two_users_share_with_each_other_and_no_copy_is_copied_back(house: House) -> None:
    # else they would be left out for being there by name and time
    nameless: dict[str, Any] = {"make": None, "model": None}
    hers = house.add_photo(f"{EXTERNAL}/hers.jpg", exif=nameless)
    house.add_face(hers, house.add_person("Ann"))
    own = house.add_library(house.bob, "NAS of Bob", "/external/bobs")
    his = house.add_photo("/external/bobs/his.jpg", owner=house.bob, libraryId=own, exif=nameless)
    house.add_face(his, house.add_person("Ann", owner=house.bob))
    back = house.job(
        name="bob to alice", source_owner=house.bob, target_owner=house.alice, source_prefix="/external",
        target_library=house.add_library(house.alice, "from Bob", "/external/from-bob", exclusion="**/*"),
        target_prefix="/external/from-bob/all",
    )  # fmt: skip
    for _ in range(3):
        cycle(house)
        cycle(house, back)
    assert copied(house) == {hers}
    assert copied(house, back) == {his}
    assert skips(house) == []
    assert broken(house, house.job(), back) == []
    assert cycle(house).written == cycle(house, back).written == 0


def test_b05_only_what_immich_is_done_with_is_taken_and_what_waits_is_counted(house: House) -> None:
    house.add_photo(f"{EXTERNAL}/ready.jpg")
    waiting = house.add_photo(f"{EXTERNAL}/new.jpg", processed=False)
    half = house.add_photo(f"{EXTERNAL}/half.jpg")
    house.update("asset_job_status", {"assetId": half}, facesRecognizedAt=None)
    house.db.execute("""UPDATE asset SET "createdAt" = now() - interval '3 days' WHERE id = %s""", [waiting])
    found = outlook(house)
    assert found.backlog.count == 2
    assert found.backlog.oldest is not None
    assert timedelta(days=2) < datetime.now(UTC) - found.backlog.oldest < timedelta(days=4)
    assert cycle(house).copied == 1
    house.process(waiting, {})
    house.update("asset", {"id": waiting}, thumbhash=b"thumbhash")
    assert cycle(house).copied == 1
    assert copied(house) >= {waiting}
    assert half not in copied(house)


def test_b05_what_is_waited_for_is_a_choice(house: House) -> None:
    blind = house.add_photo(f"{EXTERNAL}/no machine learning.jpg")
    house.remove("smart_search", assetId=blind)
    house.update("asset_job_status", {"assetId": blind}, facesRecognizedAt=None)
    assert cycle(house).copied == 0
    job = house.job(policy=SharePolicy(wait_for=("metadata",)))
    assert cycle(house, job).copied == 1
    assert copied(house) == {blind}


def test_b07_nothing_beside_or_above_the_prefix_is_ever_shared(house: House) -> None:
    inside = house.add_photo(f"{EXTERNAL}/2024/in.jpg")
    for path in (
        f"{EXTERNAL}2/x.jpg",
        f"{EXTERNAL}/../bob/x.jpg",
        f"{EXTERNAL}/./x.jpg",
        f"{EXTERNAL}//x.jpg",
        "/externalXalice/x.jpg",
    ):
        house.add_photo(path)
    cycle(house)
    assert copied(house) == {inside}
    assert house.value('SELECT count(*) FROM asset WHERE "ownerId" = %s', house.bob) == 1


def test_locked_assets_stay_private(house: House) -> None:
    """Also when they are put into the locked folder later: the copy goes then."""
    house.add_photo(f"{EXTERNAL}/secret.jpg", visibility="locked")
    later = house.add_photo(f"{EXTERNAL}/later.jpg")
    cycle(house)
    assert copied(house) == {later}
    changes.set_asset(house, later, visibility="locked")
    cycle(house, house.job(policy=SharePolicy(on_source_delete="delete")))
    assert copied(house) == set()


def scope_world(house: House) -> dict[str, str]:
    assets = {
        name: house.add_photo(f"{EXTERNAL}/{folder}/{name}.jpg", **taken(datetime(2024, month, 5, 23, 30, tzinfo=UTC)))
        for month, (folder, name) in enumerate(
            [("trips", "rome"), ("trips", "oslo"), ("home", "garden"), ("home", "cat"), ("trips2", "paris")], 1
        )
    }
    house.add_album(house.alice, "Best", assets["rome"], assets["garden"])
    house.tag(assets["cat"], "Animals/Cats")
    house.tag(assets["oslo"], "Animals")
    ann = house.add_person("Ann")
    house.add_face(assets["rome"], ann)
    house.add_face(assets["cat"], ann, deletedAt=datetime.now(UTC))
    house.update("asset", {"id": assets["paris"]}, isFavorite=True)
    return assets


def scope_of(house: House, what: str) -> Scope:
    def one(query: str) -> str:
        return str(house.value(query))

    scopes = {
        "folder": lambda: Scope(paths=(f"{EXTERNAL}/trips",)),
        "two folders": lambda: Scope(paths=(f"{EXTERNAL}/trips", f"{EXTERNAL}/home")),
        "album": lambda: Scope(albums=(one("SELECT id FROM album WHERE \"albumName\" = 'Best'"),)),
        "tag": lambda: Scope(tags=(one("SELECT id FROM tag WHERE value = 'Animals'"),)),
        "tag below": lambda: Scope(tags=(one("SELECT id FROM tag WHERE value = 'Animals/Cats'"),)),
        "person": lambda: Scope(people=(one(f'SELECT "{"personGroupId" if house.groups else "id"}" FROM person'),)),
        "favourites": lambda: Scope(favourites=True),
        "since": lambda: Scope(since=date(2024, 4, 5)),
        "until": lambda: Scope(until=date(2024, 2, 5)),
        "days": lambda: Scope(since=date(2024, 2, 5), until=date(2024, 3, 5)),
        "album in folder": lambda: Scope(
            albums=(one("SELECT id FROM album WHERE \"albumName\" = 'Best'"),), paths=(f"{EXTERNAL}/trips",)
        ),
    }
    return scopes[what]()


SCOPES = {
    "folder": {"rome", "oslo"},
    "two folders": {"rome", "oslo", "garden", "cat"},
    "album": {"rome", "garden"},
    "tag": {"oslo", "cat"},
    "tag below": {"cat"},
    "person": {"rome"},
    "favourites": {"paris"},
    "since": {"cat", "paris"},
    "until": {"rome", "oslo"},
    "days": {"oslo", "garden"},
    "album in folder": {"rome"},
}


@pytest.mark.parametrize("version", ["3.1.0", "3.2"])
def test_b29_a_scope_is_a_folder_an_album_a_tag_a_person_favourites_days_or_all_of_them(
    make_house: Any, version: str
) -> None:
    house: House = make_house(version)
    assets = scope_world(house)
    for what, names in SCOPES.items():
        subjects = outlook(house, house.job(scope=scope_of(house, what))).planned["copy"].subjects
        assert set(subjects) == {assets[name] for name in names}, what


def test_b29_what_leaves_the_album_leaves_the_target(house: House) -> None:
    assets = scope_world(house)
    job = house.job(scope=scope_of(house, "album"), policy=SharePolicy(on_source_delete="delete"))
    cycle(house, job)
    assert copied(house) == {assets["rome"], assets["garden"]}
    album = house.value("SELECT id::text FROM album WHERE \"albumName\" = 'Best'")
    changes_of = [(house.take_out, "rome"), (house.put_into, "cat")]
    for change, name in changes_of:
        change(album, assets[name])
    assert cycle(house, job).removed == 1
    assert copied(house) == {assets["garden"], assets["cat"]}
    assert broken(house, job) == []


def test_a_live_photos_video_comes_with_its_still_whatever_the_scope_says_of_the_video(house: House) -> None:
    still, video = house.add_live_photo(f"{EXTERNAL}/2024/live.heic")
    album = house.add_album(house.alice, "Best", still)
    job = house.job(scope=Scope(albums=(album,)))
    cycle(house, job)
    assert copied(house) == {still, video}
    assert broken(house, job) == []


def test_b30_what_bob_has_uploaded_himself_is_not_made_twice(house: House) -> None:
    photo = house.add_photo(f"{UPLOADS}/a.jpg", content=b"the same bytes")
    own = house.add_photo("/data/library/bob/mine.jpg", owner=house.bob, content=b"the same bytes")
    job = house.upload_job()
    for _ in range(2):
        assert cycle(house, job).copied == 0
        assert skips(house) == [(photo, "owned_content", own)]


def test_b10_b30_a_live_photos_video_comes_along_though_the_target_has_the_film(house: House) -> None:
    still, video = house.add_live_photo(f"{UPLOADS}/live.heic")
    film = house.value("SELECT checksum FROM asset WHERE id = %s", video)
    house.add_video("/data/library/bob/film.mov", owner=house.bob, checksum=film)
    job = house.upload_job()
    cycle(house, job)
    assert copied(house, job) == {still, video}
    assert skips(house) == []
    assert broken(house, job) == []


def test_b31_the_same_name_time_to_the_fraction_and_camera_are_the_same_picture(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/IMG_5.HEIC", exif=phone(NOON), **taken(NOON))
    own = house.add_photo("/data/library/bob/IMG_5.jpg", owner=house.bob, exif=phone(NOON), **taken(NOON))
    assert cycle(house).copied == 0
    assert skips(house) == [(photo, "owned_name", own)]


@pytest.mark.parametrize(
    "difference",
    ["no fraction", "another camera", "another stem", "another fraction", "no camera"],
)
def test_b31_two_shots_in_one_second_or_of_two_cameras_are_not(house: House, difference: str) -> None:
    moment, exif, name, other_moment, other_exif = NOON, phone(NOON), "IMG_5.jpg", NOON, phone(NOON)
    if difference == "no fraction":
        moment = other_moment = NOON.replace(microsecond=0)
        exif = other_exif = phone(moment)
    elif difference == "another camera":
        other_exif = phone(NOON, "iPhone 16")
    elif difference == "another stem":
        name = "IMG_6.jpg"
    elif difference == "another fraction":
        other_moment = NOON + timedelta(milliseconds=1)
        other_exif = phone(other_moment)
    else:
        exif = other_exif = {"make": None, "model": None, "dateTimeOriginal": NOON}
    photo = house.add_photo(f"{EXTERNAL}/IMG_5.HEIC", exif=exif, **taken(moment))
    house.add_photo(f"/data/library/bob/{name}", owner=house.bob, exif=other_exif, **taken(other_moment))
    cycle(house)
    assert copied(house) == {photo}
    assert skips(house) == []


def test_b31_a_copy_of_another_job_stands_in_nobodys_way(house: House) -> None:
    """The same shot lies in two folders, each shared by a job of its own."""
    first = house.add_photo(f"{EXTERNAL}/IMG_5.HEIC", exif=phone(NOON), **taken(NOON))
    second = house.add_photo(f"{UPLOADS}/IMG_5.HEIC", exif=phone(NOON), **taken(NOON))
    cycle(house)
    cycle(house, house.upload_job())
    assert copied(house) == {first}
    assert copied(house, house.upload_job()) == {second}
    assert {copy.state for copy in copies_of(house, house.upload_job())} == {"live"}


@pytest.mark.parametrize("gone", ["deleted", "renamed"])
def test_b32_a_skip_is_forgotten_when_what_stood_in_the_way_is_gone(house: House, gone: str) -> None:
    """Whether it still is what it was is looked at once a day, with everything else. In the trash it still is his."""
    photo = house.add_photo(f"{EXTERNAL}/IMG_5.HEIC", exif=phone(NOON), **taken(NOON))
    own = house.add_photo("/data/library/bob/IMG_5.jpg", owner=house.bob, exif=phone(NOON), **taken(NOON))
    cycle(house)
    changes.trash(house, own)
    assert cycle(house, full=True).copied == 0
    assert len(skips(house)) == 1
    if gone == "deleted":
        changes.delete_for_good(house, own)
    else:
        changes.set_asset(house, own, originalFileName="other.jpg")
    assert cycle(house, full=gone == "renamed").copied == 1
    assert skips(house) == []
    assert copied(house) == {photo}


def test_b32_a_skip_is_forgotten_when_its_source_is_gone(house: House, job: Job) -> None:
    photo = house.add_photo(f"{EXTERNAL}/IMG_5.HEIC", exif=phone(NOON), **taken(NOON))
    house.add_photo("/data/library/bob/IMG_5.jpg", owner=house.bob, exif=phone(NOON), **taken(NOON))
    cycle(house, job)
    changes.delete_for_good(house, photo)
    cycle(house, job)
    assert skips(house) == []

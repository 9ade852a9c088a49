"""What becomes of copies when their sources go, or when the target's owner does not want them."""

import os
from typing import Literal

import pytest

from immich_pipeline.sharing.model import Job, RemovalBrake, SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump, files, row_places
from immich_pipeline_tests.sharing.full_library import fill
from immich_pipeline_tests.sharing.house import EXTERNAL, TARGET, UPLOADS, House
from immich_pipeline_tests.sharing.invariants import broken, copied, copies_of, target_of
from immich_pipeline_tests.sharing.runs import cycle, outlook
from immich_pipeline_tests.sharing.versions import EVERY_VERSION

OnDelete = Literal["delete", "trash", "keep"]


def job_with(house: House, on_source_delete: OnDelete) -> Job:
    return house.job(policy=SharePolicy(on_source_delete=on_source_delete))


def shared_photos(house: House, number: int = 3) -> list[str]:
    """Photos of one person each, and of one who is on all of them."""
    common = house.add_person("Ann")
    photos = [house.add_photo(f"{EXTERNAL}/{place}.jpg") for place in range(number)]
    for place, photo in enumerate(photos):
        house.add_face(photo, common)
        house.add_face(photo, house.add_person(f"Only {place}" if place % 2 else ""), box=(500, 500, 600, 600))
    return photos


def in_safe_trash(house: House, copy: str) -> bool:
    """In the trash as a file that was not found: what becomes of it there does not reach the original, which is the source's."""
    row = house.row("asset", id=copy)
    return row["deletedAt"] is not None and row["isOffline"] and row["status"] == "active"


@pytest.mark.parametrize(
    ("house", "how"),
    [("2.7.5", "trashed"), ("3.1.0", "trashed"), ("3.1.0", "deleted"), ("3.1.0", "out of scope"), ("3.2", "deleted")],
    indirect=["house"],
)
def test_b33_a_copy_whose_source_is_gone_is_deleted_with_everything_that_hung_on_it(house: House, how: str) -> None:
    """As if the source had never been there."""
    job = job_with(house, "delete")
    kept = house.add_photo(f"{EXTERNAL}/kept.jpg")
    house.add_stack(house.add_photo(f"{EXTERNAL}/stack/1.jpg"), house.add_photo(f"{EXTERNAL}/stack/2.jpg"))
    cycle(house, job)
    before = dump(house)
    photos = shared_photos(house, 2)
    still, video = house.add_live_photo(f"{EXTERNAL}/live.heic")
    house.add_stack(*photos)
    cycle(house, job)
    assert copied(house) >= {kept, *photos, still, video}
    gone = [*photos, still, video]
    if how == "trashed":
        changes.trash(house, *gone)
    elif how == "deleted":
        changes.delete_for_good(house, *gone)
    else:
        house.db.execute(
            """UPDATE asset SET "originalPath" = '/elsewhere' || "originalPath" WHERE id = ANY(%s::uuid[])""", [gone]
        )
    report = cycle(house, job)
    assert report.removed == 4
    assert broken(house, job) == []
    after = dump(house)
    his = [row for table in after.tables.values() for row in table if house.bob in row or TARGET in row]
    assert sorted(his) == sorted(
        row for table in before.tables.values() for row in table if house.bob in row or TARGET in row
    )
    assert cycle(house, job).written == 0


@pytest.mark.parametrize("house", ["3.1.0", "3.2"], indirect=True)
def test_b33_a_copy_is_trashed_with_its_source_and_comes_back_with_it(house: House) -> None:
    job = job_with(house, "trash")
    photos = shared_photos(house)
    cycle(house, job)
    copy = target_of(house, photos[0])
    changes.trash(house, photos[0])
    assert cycle(house, job).removed == 1
    assert in_safe_trash(house, copy)
    assert cycle(house, job).written == 0
    changes.restore(house, photos[0])
    cycle(house, job)
    row = house.row("asset", id=copy)
    assert (row["status"], row["deletedAt"], row["isOffline"]) == ("active", None, False)
    assert broken(house, job) == []
    assert cycle(house, job).written == 0


@pytest.mark.parametrize("policy", ["delete", "trash"])
def test_b10_b33_a_live_photos_video_goes_and_comes_back_with_its_still(house: House, policy: OnDelete) -> None:
    """Immich's trash takes the still alone; its hidden video stays where it is."""
    job = job_with(house, policy)
    still, video = house.add_live_photo(f"{EXTERNAL}/live.heic")
    house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house, job)
    changes.trash(house, still)
    assert cycle(house, job).removed == 2
    assert {copy.source for copy in copies_of(house, job, "live")} & {still, video} == set()
    assert cycle(house, job).written == 0
    changes.restore(house, still)
    cycle(house, job)
    assert {copy.source for copy in copies_of(house, job, "live")} >= {still, video}
    assert broken(house, job) == []
    assert cycle(house, job).written == 0


def test_b33_what_the_source_changed_while_the_copy_was_in_the_trash_is_there_when_it_comes_back(house: House) -> None:
    job = job_with(house, "trash")
    photos = shared_photos(house)
    cycle(house, job)
    changes.trash(house, photos[0])
    cycle(house, job)
    changes.set_exif(house, photos[0], description="while it was away")
    changes.read_text_again(house, photos[0], "new text")
    cycle(house, job)
    changes.restore(house, photos[0])
    cycle(house, job)
    cycle(house, job)
    assert broken(house, job) == []


@pytest.mark.parametrize("policy", ["trash", "keep"])
def test_b33_what_is_shared_no_longer_is_trashed_or_kept_and_follows_again_when_it_is(
    house: House, policy: OnDelete
) -> None:
    job = job_with(house, policy)
    photos = shared_photos(house, 2)
    cycle(house, job)
    copy, path = target_of(house, photos[0]), f"{EXTERNAL}/0.jpg"
    house.update("asset", {"id": photos[0]}, originalPath="/elsewhere/0.jpg")
    for _ in range(2):
        cycle(house, job)
        assert in_safe_trash(house, copy) == (policy == "trash")
    assert cycle(house, job).written == 0
    changes.set_exif(house, photos[0], description="nobody else's business")
    cycle(house, job)
    assert house.row("asset_exif", assetId=copy)["description"] == ""
    house.update("asset", {"id": photos[0]}, originalPath=path)
    cycle(house, job)
    assert not in_safe_trash(house, copy)
    assert broken(house, job) == []
    assert cycle(house, job).written == 0


def test_b33_files_go_before_the_rows_that_name_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run that is killed in between would leave files that nobody knows of."""
    job = job_with(house, "delete")
    photo = shared_photos(house, 1)[0]
    cycle(house, job)
    copy = target_of(house, photo)
    pictures = [house.picture_path(copy, "preview"), house.picture_path(copy, "thumbnail")]
    rows: dict[str, int] = {}
    unlink = os.unlink

    def watched(path: str) -> None:
        rows[path] = house.value('SELECT count(*) FROM asset_file WHERE "assetId" = %s', copy)
        unlink(path)

    changes.trash(house, photo)
    monkeypatch.setattr("immich_pipeline.sharing.media_folder.os.unlink", watched)
    assert cycle(house, job).removed == 1
    assert {rows[str(house.here(path))] for path in pictures} == {2}
    assert house.value("SELECT count(*) FROM asset WHERE id = %s", copy) == 0


def test_b33_a_source_that_was_deleted_for_good_leaves_its_copy_in_the_trash(house: House) -> None:
    """The target's owner can still bring it back; its pictures stay, though the source's are gone."""
    job = job_with(house, "trash")
    photos = shared_photos(house)
    cycle(house, job)
    copy = target_of(house, photos[0])
    changes.delete_for_good(house, photos[0])
    cycle(house, job)
    assert in_safe_trash(house, copy)
    assert house.here(house.picture_path(copy, "preview")).exists()
    assert broken(house, job) == []
    assert cycle(house, job).written == 0


def test_b33_a_copy_is_kept_where_the_policy_says_so(house: House) -> None:
    job = job_with(house, "keep")
    photos = shared_photos(house)
    cycle(house, job)
    before = dump(house)
    changes.delete_for_good(house, photos[0])
    report = cycle(house, job)
    assert report.removed == 0
    assert photos[0] in copied(house)
    copies = [row for row in before.tables["asset"] if house.target_library in row]
    assert [row for row in dump(house).tables["asset"] if house.target_library in row] == copies
    assert cycle(house, job).written == 0


def test_b15_originals_and_sidecars_are_never_touched_though_the_way_to_them_lies_in_the_media_folder(
    house: House,
) -> None:
    """A sidecar that lies elsewhere has no place beside the copy, and is left out."""
    house.here("/data/library/bob").mkdir(parents=True)
    house.here("/data/library/bob/alice").symlink_to("../alice")
    job = house.upload_job(target_prefix="/data/library/bob/alice", policy=SharePolicy(on_source_delete="delete"))
    photo, other = (house.add_photo(f"{UPLOADS}/{name}.jpg") for name in "ab")
    sidecar = house.add_file(photo, "sidecar")
    elsewhere = house.add_file(other, "sidecar", path="/data/sidecars/b.xmp")
    own = files(house)
    assert cycle(house, job).copied == 2
    made = files(house)
    assert {path for path in made if path not in own and not path.startswith("thumbs/")} == set()
    for path in (f"{UPLOADS}/a.jpg", sidecar, elsewhere):
        assert house.here(path).stat().st_nlink == 1
    sidecars = house.rows(
        """SELECT "assetId"::text, path FROM asset_file WHERE type = 'sidecar' AND "assetId" <> ALL(%s::uuid[])""",
        [photo, other],
    )
    assert sidecars == [(target_of(house, photo), "/data/library/bob/alice/a.jpg.xmp")]
    changes.trash(house, photo, other)
    assert cycle(house, job).removed == 2
    assert files(house) == own


def test_b34_what_the_target_trashed_is_remembered_and_not_made_again(house: House) -> None:
    photos = shared_photos(house)
    cycle(house)
    copy = target_of(house, photos[0])
    changes.trash(house, copy)
    changes.set_exif(house, photos[0], description="changed")
    for _ in range(2):
        assert cycle(house).copied == 0
    assert in_safe_trash(house, copy)
    assert broken(house, house.job()) == []
    assert cycle(house).written == 0
    assert house.value('SELECT count(*) FROM asset WHERE "libraryId" = %s', house.target_library) == 3


@pytest.mark.parametrize("policy", ["refuse", "again"])
@pytest.mark.parametrize("how", ["at once", "from the trash"])
def test_b34_what_the_target_deleted_is_made_again_only_where_the_policy_says_so(
    house: House, policy: Literal["refuse", "again"], how: str
) -> None:
    job = house.job(policy=SharePolicy(on_target_delete=policy))
    photos = shared_photos(house)
    cycle(house, job)
    copy = target_of(house, photos[0])
    if how == "from the trash":
        changes.trash(house, copy)
        cycle(house, job)
    changes.delete_for_good(house, copy)
    report = cycle(house, job)
    assert report.copied == (1 if policy == "again" else 0)
    assert (photos[0] in copied(house)) == (policy == "again")
    assert broken(house, job) == []
    before = row_places(house)
    assert cycle(house, job).written == 0
    assert row_places(house) == before


def test_b27_someone_without_faces_goes_only_if_ours_and_not_named_by_the_target(house: House) -> None:
    """A name that came from the source is no reason to stay."""
    job = job_with(house, "delete")
    photos = shared_photos(house)
    own = house.add_person("", owner=house.bob)  # bob's own, with no face at the moment
    cycle(house, job)
    assert {name for (name,) in house.rows('SELECT name FROM person WHERE "ownerId" = %s', house.bob)} == {
        "", "Ann", "Only 1",
    }  # fmt: skip
    changes.trash(house, *photos)
    cycle(house, job, brake=RemovalBrake(released=True))
    assert house.rows('SELECT id::text, name FROM person WHERE "ownerId" = %s', house.bob) == [(own, "")]


def test_b27_whom_the_target_named_stays(house: House) -> None:
    job = job_with(house, "delete")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_face(photo, house.add_person(""))
    cycle(house, job)
    house.db.execute("""UPDATE person SET name = 'My friend' WHERE "ownerId" = %s""", [house.bob])
    changes.trash(house, photo)
    cycle(house, job)
    assert house.rows('SELECT name FROM person WHERE "ownerId" = %s', house.bob) == [("My friend",)]
    assert cycle(house, job).written == 0


def test_b27_whoever_has_a_face_in_the_trash_or_on_something_else_stays(house: House) -> None:
    """They are without a name, and of us; but not without a face."""
    job = job_with(house, "delete")
    people = [house.add_person("") for _ in range(3)]
    photos = [house.add_photo(f"{EXTERNAL}/{place}.jpg") for place in range(3)]
    for photo, person in zip(photos, people, strict=True):
        house.add_face(photo, person)
    cycle(house, job)
    query = f'''SELECT "{house.person_column}"::text FROM asset_face WHERE "assetId" = %s'''
    binned, on_own, gone = (house.value(query, target_of(house, photo)) for photo in photos)
    of_bob = [house.add_photo(f"/data/library/bob/{place}.jpg", owner=house.bob) for place in range(2)]
    house.add_face(of_bob[0], binned)
    house.add_face(of_bob[1], on_own)
    changes.trash(house, of_bob[0], *photos)
    cycle(house, job)
    left = {person for (person,) in house.rows('SELECT id::text FROM person WHERE "ownerId" = %s', house.bob)}
    assert left == {binned, on_own}
    assert gone not in left
    assert cycle(house, job).written == 0


def test_b41_copies_that_a_scan_took_offline_are_brought_back(house: House) -> None:
    """The library's exclusion pattern makes a scan find nothing; that is no wish of anybody's."""
    photos = shared_photos(house)
    cycle(house)
    before = dump(house)
    copies = [copy.target for copy in copies_of(house, house.job())]
    changes.take_offline(house, *copies)
    cycle(house)
    for copy in copies:
        row = house.row("asset", id=copy)
        assert (row["isOffline"], row["deletedAt"], row["status"]) == (False, None, "active")
    assert copied(house) == set(photos)
    assert broken(house, house.job()) == []
    assert dump(house).files == before.files


def test_b41_a_copy_whose_original_is_away_too_comes_back_with_it(house: House) -> None:
    photo = shared_photos(house, 1)[0]
    cycle(house)
    copy = target_of(house, photo)
    changes.take_offline(house, photo, copy)
    assert cycle(house).written == 0
    assert house.row("asset", id=copy)["isOffline"] is True
    changes.bring_back_online(house, photo)
    cycle(house)
    assert house.row("asset", id=copy)["isOffline"] is False
    assert broken(house, house.job()) == []


@pytest.mark.parametrize("policy", ["delete", "trash"])
def test_b33_the_brake_holds_back_what_would_empty_the_target(house: House, policy: OnDelete) -> None:
    """A scan that found nothing of the source's; or a person who selected all."""
    photos = shared_photos(house, 40)
    job = job_with(house, policy)
    cycle(house, job)
    before = dump(house)
    changes.trash(house, *photos[:30])
    report = cycle(house, job)
    assert report.removed == 0
    assert report.held_back is not None
    assert "30" in report.held_back
    assert {row for row in before.tables["asset"] if house.target_library in row} <= set(dump(house).tables["asset"])
    assert any("30" in problem for problem in outlook(house, job).problems)
    assert cycle(house, job, brake=RemovalBrake(released=True)).removed == 30
    assert broken(house, job) == []


@pytest.mark.parametrize("policy", ["delete", "trash"])
def test_a_source_whose_disk_is_away_is_no_source_that_is_gone(house: House, policy: OnDelete) -> None:
    """Immich marks it offline and gives it a time of deletion; its files may be back tomorrow."""
    photos = shared_photos(house)
    job = job_with(house, policy)
    cycle(house, job)
    places = row_places(house)
    changes.take_offline(house, *photos)
    report = cycle(house, job)
    assert report.removed == 0
    for photo in photos:
        assert house.row("asset", id=target_of(house, photo))["deletedAt"] is None
    assert len(places["public.asset"]) == len(row_places(house)["public.asset"])
    changes.bring_back_online(house, *photos)
    cycle(house, job)
    assert broken(house, job) == []
    assert cycle(house, job).written == 0


def test_nothing_is_removed_when_only_copying_was_asked_for(house: House) -> None:
    photos = shared_photos(house)
    job = job_with(house, "delete")
    cycle(house, job)
    changes.trash(house, photos[0])
    new = house.add_photo(f"{EXTERNAL}/new.jpg")
    changes.set_exif(house, photos[1], description="changed")
    report = cycle(house, job, operations=("copy",))
    assert (report.copied, report.removed) == (1, 0)
    assert copied(house) == {*photos, new}
    assert house.row("asset_exif", assetId=target_of(house, photos[1]))["description"] == ""
    report = cycle(house, job, operations=("remove",), only=[target_of(house, photos[0])])
    assert report.removed == 1
    assert cycle(house, job, operations=("follow",)).counts["follow"]["asset_exif"] == 1
    assert broken(house, job) == []


@EVERY_VERSION
def test_b43_a_look_says_what_the_cycle_then_does_and_writes_nothing(house: House) -> None:
    library = fill(house)
    job = house.job(album=library.albums["of bob"], policy=SharePolicy(tags="copy", on_source_delete="delete"))
    before = dump(house)
    found = outlook(house, job)
    assert dump(house) == before
    assert set(found.planned["copy"].subjects) == library.shared_ids
    assert found.skips == {"owned_name": 1, "outside": 1}
    report = cycle(house, job)
    assert found.planned["copy"].counts == report.counts["copy"]
    assert outlook(house, job).is_quiet
    changes.trash(house, library.assets["group"])
    changes.set_exif(house, library.assets["plain"], description="new")
    changes.move_face(house, library.faces["of exif"], library.people["unnamed"])
    copies = {name: target_of(house, library.assets[name]) for name in ("group", "plain", "alone")}
    places = row_places(house)
    found = outlook(house, job)
    assert row_places(house) == places
    assert set(found.planned["remove"].subjects) == {copies["group"]}
    assert set(found.planned["follow"].subjects) == {copies["plain"], copies["alone"]}
    report = cycle(house, job)
    assert {name: sum(planned.counts.values()) > 0 for name, planned in found.planned.items()} == {
        name: sum(report.counts.get(name, {}).values()) > 0 for name in found.planned
    }
    assert outlook(house, job).is_quiet

"""What leaves, what comes back, and that no original is ever in danger from the target's trash."""

import pytest

from immich_pipeline.sharing.model import Job, Scope, SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import broken, target_of
from immich_pipeline_tests.sharing.runs import cycle, outlook, undone

IN_DANGER = """
SELECT count(*) FROM asset WHERE "libraryId" = %s AND (status <> 'active' OR "deletedAt" IS NOT NULL AND NOT "isOffline")
"""
"""Assets whose original Immich deletes when their time in the trash is over, or the trash is emptied."""


def state(house: House, copy: str) -> tuple[str, bool, bool, str]:
    """Status, in the trash, offline; and what we say of it."""
    row = house.row("asset", id=copy)
    known = house.value("SELECT state FROM immich_pipeline_sharing.copy WHERE target_id = %s", copy)
    return (row["status"], row["deletedAt"] is not None, row["isOffline"], known)


def test_a_copy_goes_into_the_trash_without_its_original_and_comes_back(house: House) -> None:
    job = house.job(policy=SharePolicy(on_source_delete="trash"))
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house, job)
    copy = target_of(house, photo)
    changes.trash(house, photo)
    assert outlook(house, job).planned["remove"].subjects == (copy,)
    assert cycle(house, job).removed == 1
    assert state(house, copy) == ("active", True, True, "trashed")
    assert house.value(IN_DANGER, house.target_library) == 0
    assert cycle(house, job).written == 0
    changes.set_exif(house, photo, description="while it was away")
    cycle(house, job)
    changes.restore(house, photo)
    cycle(house, job)
    assert state(house, copy) == ("active", False, False, "live")
    assert broken(house, job) == []
    assert cycle(house, job).written == 0


def test_a_copy_that_its_owner_takes_out_of_the_trash_is_kept(house: House) -> None:
    job = house.job(policy=SharePolicy(on_source_delete="trash"))
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house, job)
    copy = target_of(house, photo)
    changes.trash(house, photo)
    cycle(house, job)
    changes.bring_back_online(house, copy)
    for _ in range(2):
        assert cycle(house, job).written == 0
    assert state(house, copy) == ("active", False, False, "kept")
    changes.restore(house, photo)
    changes.set_exif(house, photo, description="it is followed again")
    cycle(house, job)
    assert state(house, copy)[3] == "live"
    assert broken(house, job) == []


@pytest.mark.parametrize("policy", ["delete", "trash", "keep"])
def test_b34_what_the_target_puts_into_the_trash_is_made_safe(house: House, policy: str) -> None:
    job = house.job(policy=SharePolicy(on_source_delete=policy))  # type: ignore[arg-type]
    photos = [house.add_photo(f"{EXTERNAL}/{place}.jpg") for place in range(3)]
    house.add_stack(*photos)
    cycle(house, job)
    copies = [target_of(house, photo) for photo in photos]
    changes.trash(house, *copies[:2])
    house.update("asset", {"id": copies[1]}, status="deleted")  # the trash is just being emptied
    assert set(outlook(house, job).planned["follow"].subjects) == set(copies[:2])
    report = cycle(house, job)
    assert [state(house, copy) for copy in copies[:2]] == [("active", True, True, "declined")] * 2
    assert house.value(IN_DANGER, house.target_library) == 0
    changes.set_exif(house, photos[0], description="not for the trash")
    for _ in range(2):
        assert cycle(house, job).written == 0
    assert outlook(house, job).is_quiet
    undone(house, report.run)
    assert state(house, copies[0]) == ("trashed", True, False, "live")
    changes.restore(house, *copies[:2])
    cycle(house, job)
    assert state(house, copies[0]) == ("active", False, False, "live")
    assert broken(house, job) == []


def test_b34_a_copy_in_the_trash_that_a_scan_took_offline_is_made_safe_too(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house)
    copy = target_of(house, photo)
    changes.trash(house, copy)
    changes.take_offline(house, copy)
    assert state(house, copy) == ("trashed", True, True, "live")
    for written in (True, False):
        assert (cycle(house).written > 0) == written
        assert state(house, copy) == ("active", True, True, "declined")


def test_whoever_mounts_originals_read_only_may_do_without_the_guard(house: House) -> None:
    job = house.job(policy=SharePolicy(guard_originals=False))
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house, job)
    changes.trash(house, target_of(house, photo))
    for _ in range(2):
        assert cycle(house, job).written == 0
    assert state(house, target_of(house, photo)) == ("trashed", True, False, "live")


def test_b34_a_declined_copy_that_is_purged_is_not_made_again_and_leaves_with_its_source(house: House) -> None:
    job = house.job(policy=SharePolicy(on_source_delete="delete"))
    purged, leaving = (house.add_photo(f"{EXTERNAL}/{place}.jpg") for place in range(2))
    cycle(house, job)
    copies = [target_of(house, photo) for photo in (purged, leaving)]
    changes.trash(house, *copies)
    cycle(house, job)
    changes.delete_for_good(house, copies[0])
    changes.trash(house, leaving)
    assert cycle(house, job).removed == 1
    assert house.rows('SELECT id FROM asset WHERE "libraryId" = %s', house.target_library) == []
    assert house.rows("SELECT source_id::text, state FROM immich_pipeline_sharing.copy") == [(purged, "refused")]
    assert cycle(house, job).written == 0


def test_b29_what_comes_back_into_scope_is_followed_from_where_it_was_left(house: House) -> None:
    """Nothing of the asset itself tells that it is in the album again."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    album = house.add_album(house.alice, "for Bob", photo)
    job: Job = house.job(scope=Scope(albums=(album,)), policy=SharePolicy(on_source_delete="keep"))
    cycle(house, job)
    house.take_out(album, photo)
    cycle(house, job)
    changes.set_exif(house, photo, description="changed meanwhile")
    cycle(house, job)
    assert house.row("asset_exif", assetId=target_of(house, photo))["description"] == ""
    house.put_into(album, photo)
    cycle(house, job)
    assert broken(house, job) == []
    assert house.row("asset_exif", assetId=target_of(house, photo))["description"] == "changed meanwhile"

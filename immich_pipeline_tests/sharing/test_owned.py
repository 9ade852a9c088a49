"""Copies of what the target has of its own by now are taken away, and stay away as long as it has it."""

from immich_pipeline.sharing.owned import Doubles, remove_doubles
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.house import UPLOADS, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle, media_of, session, undone
from immich_pipeline_tests.sharing.test_scope import NOON, phone, skips, taken
from immich_pipeline_tests.sharing.test_undo_scenarios import differences


def doubles(house: House, *, dry_run: bool = False) -> Doubles:
    with session(house) as connection:
        return remove_doubles(connection, house.upload_job(), media_of(house), dry_run=dry_run)


def test_b45_copies_of_what_the_target_has_uploaded_since_are_removed_and_come_back_by_an_undo(house: House) -> None:
    """Of a name and a time that two cameras share, and of what lies in bob's trash, the copy stays."""
    job = house.upload_job()
    bytes_of = {name: f"the bytes of {name}".encode() for name in ("same", "binned")}
    same, binned = (house.add_photo(f"{UPLOADS}/{name}.jpg", content=bytes_of[name]) for name in ("same", "binned"))
    named, other = (
        house.add_photo(f"{UPLOADS}/{name}.HEIC", exif=phone(NOON, name), **taken(NOON)) for name in ("IMG_5", "IMG_6")
    )
    still, video = house.add_live_photo(f"{UPLOADS}/live.heic")
    cycle(house, job)
    own = {
        name: house.add_photo(f"/data/library/bob/{name}.jpg", owner=house.bob, content=bytes_of[name])
        for name in ("same", "binned")
    }
    own["IMG_5"] = house.add_photo(
        "/data/library/bob/IMG_5.jpg", owner=house.bob, exif=phone(NOON, "IMG_5"), **taken(NOON)
    )
    house.add_photo("/data/library/bob/IMG_6.jpg", owner=house.bob, exif=phone(NOON, "another"), **taken(NOON))
    checksum = house.value("SELECT checksum FROM asset WHERE id = %s", still)
    own["live"] = house.add_photo("/data/library/bob/live.heic", owner=house.bob, checksum=checksum)
    changes.trash(house, own["binned"])
    before = dump(house)

    seen = doubles(house, dry_run=True)
    assert dump(house) == before
    copies = {source: target_of(house, source, job) for source in (same, named, still, video)}
    assert {(double.copy, double.film, double.reason) for double in seen.found} == {
        (copies[same], None, "owned_content"),
        (copies[named], None, "owned_name"),
        (copies[still], copies[video], "owned_content"),
    }
    done = doubles(house)
    assert (done.found, seen.run) == (seen.found, 0)
    assert copied(house, job) == {binned, other}
    assert broken(house, job) == []
    for _ in range(2):
        assert cycle(house, job).copied == 0
    assert set(skips(house)) == {
        (same, "owned_content", own["same"]),
        (named, "owned_name", own["IMG_5"]),
        (still, "owned_content", own["live"]),
    }
    assert doubles(house).found == ()
    assert undone(house, done.run).refused == ()
    assert differences(before, dump(house)) == []
    assert copied(house, job) == {same, binned, named, other, still, video}
    assert cycle(house, job).removed == 0
    assert broken(house, job) == []


def test_b45_a_copy_that_was_taken_away_is_made_again_when_the_targets_own_is_gone(house: House) -> None:
    job = house.upload_job()
    photo = house.add_photo(f"{UPLOADS}/a.jpg", content=b"the same")
    before = dump(house)
    cycle(house, job)
    own = house.add_photo("/data/library/bob/a.jpg", owner=house.bob, content=b"the same")
    assert len(doubles(house).found) == 1
    cycle(house, job)
    changes.delete_for_good(house, own)
    house.here("/data/library/bob/a.jpg").unlink()
    assert cycle(house, job).copied == 1
    assert copied(house, job) == {photo}
    assert skips(house) == []
    assert undone(house, job.name).refused == ()
    assert differences(before, dump(house)) == []

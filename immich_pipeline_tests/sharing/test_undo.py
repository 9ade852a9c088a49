"""Taking back where the world has moved on meanwhile."""

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.model import SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump, tracking
from immich_pipeline_tests.sharing.house import EXTERNAL, TARGET, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle, undone

DELETE = SharePolicy(on_source_delete="delete")


def test_b44_a_removed_copy_comes_back_without_pictures_when_the_source_has_none_any_more(house: House) -> None:
    """Immich makes them anew; their rows would promise what is not there."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_face(photo, house.add_person("Ann"))
    job = house.job(policy=DELETE)
    cycle(house, job)
    copy = target_of(house, photo)
    changes.trash(house, photo)
    report = cycle(house, job)
    assert report.removed == 1
    changes.delete_for_good(house, photo)
    told = undone(house, report.run).refused
    assert len(told) == 1
    assert told[0].startswith("2 thumbnails are gone at the source too")
    assert house.row("asset", id=copy)["originalPath"] == f"{TARGET}/a.jpg"
    assert house.rows('SELECT FROM asset_file WHERE "assetId" = %s', copy) == []
    assert len(house.rows('SELECT FROM asset_face WHERE "assetId" = %s', copy)) == 1
    assert house.rows('SELECT FROM face_search JOIN asset_face ON id = "faceId" WHERE "assetId" = %s', copy) != []


def test_b44_a_source_that_was_copied_anew_keeps_its_new_copy(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    job = house.job(policy=DELETE)
    cycle(house, job)
    changes.trash(house, photo)
    removal = cycle(house, job)
    changes.restore(house, photo)
    cycle(house, job)
    before = dump(house)
    told = undone(house, removal.run).refused
    assert told != ()
    assert dump(house) == before
    assert copied(house, job) == {photo}
    assert broken(house, job) == []


def test_b44_what_the_owner_of_the_target_changed_in_other_columns_stays(house: House) -> None:
    """A later edit of the source was carried over; meanwhile the copy became a favourite."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house)
    copy = target_of(house, photo)
    changes.set_asset(house, photo, thumbhash=b"another", width=17)
    report = cycle(house)
    changes.set_asset(house, copy, isFavorite=True)
    assert undone(house, report.run).refused == ()
    row = house.row("asset", id=copy)
    assert (row["isFavorite"], row["width"]) == (True, 4000)


def test_b44_a_row_whose_parent_is_gone_stays_away_and_is_told(house: House) -> None:
    """The album that the removed copy was in has been deleted since."""
    photo, other = house.add_photo(f"{EXTERNAL}/a.jpg"), house.add_photo(f"{EXTERNAL}/b.jpg")
    job = house.job(policy=DELETE)
    cycle(house, job)
    copies = [target_of(house, one) for one in (photo, other)]
    kept, gone = house.add_album(house.bob, "kept", *copies), house.add_album(house.bob, "gone", *copies)
    changes.trash(house, photo, other)
    report = cycle(house, job)
    house.remove("album", id=gone)
    told = undone(house, report.run).refused
    assert [line.split(" were ")[0] for line in told] == ["2 rows of album_asset"]
    assert len(house.rows('SELECT FROM album_asset WHERE "albumId" = %s', kept)) == 2
    assert {str(row[0]) for row in house.rows('SELECT id FROM asset WHERE "ownerId" = %s', house.bob)} == set(copies)


def test_b44_a_stack_that_the_target_put_something_of_its_own_into_stays(house: House) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{name}.jpg") for name in "ab"]
    house.add_stack(*photos)
    own = house.add_photo("/data/library/bob/own.jpg", owner=house.bob)
    house.add_photo(f"{EXTERNAL}/c.jpg")
    cycle(house)
    stack = house.row("asset", id=target_of(house, photos[0]))["stackId"]
    changes.set_asset(house, own, stackId=stack)
    undone(house, house.job().name)
    assert house.row("asset", id=own)["stackId"] is None  # what is left of a stack of one
    assert [str(row[0]) for row in house.rows('SELECT id FROM asset WHERE "ownerId" = %s', house.bob)] == [own]


def test_b44_undo_of_every_run_in_turn_is_undo_of_the_job(house: House) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{name}.jpg") for name in "ab"]
    house.add_face(photos[0], house.add_person("Ann"))
    start = dump(house)
    runs = [cycle(house).run]
    changes.set_exif(house, photos[0], description="changed")
    runs.append(cycle(house).run)
    house.add_stack(*photos)
    runs.append(cycle(house).run)
    for run in reversed(runs):
        assert undone(house, run).refused == ()
    bobs = {name: [row for row in rows if house.bob in row] for name, rows in dump(house).tables.items()}
    assert bobs == {name: [row for row in rows if house.bob in row] for name, rows in start.tables.items()}
    assert {name for name, rows in tracking(house).items() if rows} == {"run"}


def test_b44_only_what_was_done_can_be_undone_and_only_once(house: House) -> None:
    with pytest.raises(UserError, match="no run 1"):
        undone(house, 1)
    with pytest.raises(UserError, match="has done nothing"):
        undone(house, "nobody's job")
    house.add_photo(f"{EXTERNAL}/a.jpg")
    report = cycle(house)
    undone(house, report.run)
    with pytest.raises(UserError, match=f"no run {report.run}"):
        undone(house, report.run)
    assert cycle(house).copied == 1


def test_b44_what_was_put_back_is_seen_again_by_the_next_cycle(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house)
    changes.set_exif(house, photo, description="changed")
    report = cycle(house)
    undone(house, report.run)
    copy = target_of(house, photo)
    assert house.row("asset_exif", assetId=copy)["description"] == ""
    cycle(house)
    assert house.row("asset_exif", assetId=copy)["description"] == "changed"

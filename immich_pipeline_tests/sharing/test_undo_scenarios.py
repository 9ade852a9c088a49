"""After an undo the database and the media folder are as they were before."""

import json

import pytest

from immich_pipeline.sharing.model import SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import Dump, dump, tracking
from immich_pipeline_tests.sharing.full_library import fill
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle, undone
from immich_pipeline_tests.sharing.versions import EVERY_VERSION


def differences(before: Dump, after: Dump) -> list[str]:
    """Rows and files that differ. Immich's own triggers stamp what is put back: of such rows the two stamps alone may be new."""
    found = []
    for table, rows in before.tables.items():
        gone, come = set(rows) - set(after.tables[table]), set(after.tables[table]) - set(rows)
        if sorted(map(_without_stamps, gone)) != sorted(map(_without_stamps, come)):
            found.append(f"{table}: without {gone}, with {come}")
    files = [path for path in {*before.files, *after.files} if before.files.get(path) != after.files.get(path)]
    return found + [f"{path}: {before.files.get(path)}, {after.files.get(path)}" for path in files]


def _without_stamps(row: str) -> str:
    values = {name: value for name, value in json.loads(row).items() if name not in ("updatedAt", "updateId")}
    return json.dumps(values, sort_keys=True)


@EVERY_VERSION
def test_b44_b46_undo_of_a_job_leaves_the_database_and_the_media_folder_as_they_were(house: House) -> None:
    """Rows of all tables, bytes and numbers of links of all files; nothing is known of the job any more."""
    library = fill(house)
    job = house.job(album=library.albums["of bob"], policy=SharePolicy(tags="copy", names="mirror"))
    before = dump(house)
    cycle(house, job)
    cycle(house, job)
    assert differences(before, dump(house)) != []
    assert undone(house, job.name).refused == ()
    after = dump(house)
    assert {table for table in before.tables if before.tables[table] != after.tables[table]} <= {"album"}
    assert differences(before, after) == []
    assert {name: rows for name, rows in tracking(house).items() if rows and name != "run"} == {}


@EVERY_VERSION
def test_b44_undo_of_a_job_after_a_life_of_changes_leaves_only_what_the_source_changed(house: House) -> None:
    """The same changes of the source in a house where nothing was shared."""
    library = fill(house)
    job = house.job(
        album=library.albums["of bob"], policy=SharePolicy(tags="copy", names="mirror", on_source_delete="trash")
    )
    start = dump(house)
    cycle(house, job)
    assets, faces, people = library.assets, library.faces, library.people
    changes.set_exif(house, assets["plain"], description="changed", rating=1)
    cycle(house, job)
    changes.move_face(house, faces["of exif"], people["unnamed"])
    changes.set_person(house, people["unnamed"], name="Now named")
    cycle(house, job)
    changes.trash(house, assets["alone"])
    changes.read_text_again(house, assets["text"], "another")
    house.add_face(assets["edited"], people["Ann"], box=(3, 3, 9, 9))
    cycle(house, job)
    house.take_out(library.albums["Holiday"], assets["plain"])
    changes.merge_people(house, people["Ann"], people["unnamed"])
    cycle(house, job)
    now = dump(house)
    undone(house, job.name)
    after = dump(house)
    his = house.bob
    assert [row for row in after.tables["asset"] if his in row] == [row for row in start.tables["asset"] if his in row]
    for table in ("person", "stack", "tag", "album_asset", "tag_asset"):
        mine = {row for row in now.tables[table] if his in row} - {row for row in start.tables[table] if his in row}
        assert mine & set(after.tables[table]) == set(), table
    assert {path for path in after.files if his in path} == {path for path in start.files if his in path}
    assert {path: entry[1] for path, entry in after.files.items() if house.alice in path and entry[1] > 1} == {}
    assert {name: rows for name, rows in tracking(house).items() if rows and name != "run"} == {}


def test_b44_undo_of_the_last_run_takes_back_that_run_alone(house: House) -> None:
    library = fill(house)
    job = house.job(album=library.albums["of bob"], policy=SharePolicy(tags="copy", names="mirror"))
    cycle(house, job)
    new = house.add_photo(f"{EXTERNAL}/new.jpg")
    house.add_face(new, house.add_person("Someone new"))
    changes.set_exif(house, library.assets["plain"], description="changed")
    changes.set_person(house, library.people["Ann"], name="Anna")
    changes.move_face(house, library.faces["of exif"], library.people["unnamed"])
    before = dump(house)
    report = cycle(house, job)
    assert report.copied == 1
    assert undone(house, report.run).refused == ()
    assert differences(before, dump(house)) == []
    assert new not in copied(house)


@pytest.mark.parametrize("policy", ["delete", "trash"])
def test_b44_copies_that_a_run_removed_are_back_under_the_same_ids(house: House, policy: str) -> None:
    library = fill(house)
    job = house.job(policy=SharePolicy(on_source_delete=policy))  # type: ignore[arg-type]
    cycle(house, job)
    gone = ["group", "live", "live video", "whole 0"]
    copies = {name: target_of(house, library.assets[name]) for name in gone}
    changes.trash(house, *(library.assets[name] for name in gone))
    before = dump(house)
    report = cycle(house, job)
    assert report.removed == 4
    assert undone(house, report.run).refused == ()
    assert {name: target_of(house, library.assets[name]) for name in gone} == copies
    assert differences(before, dump(house)) == []


def test_b44_what_somebody_changed_afterwards_is_left_and_told(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    job = house.job()
    own = house.add_person("", owner=house.bob)
    cycle(house, job)
    copy = target_of(house, photo)
    changes.set_exif(house, photo, description="second")
    report = cycle(house, job)
    changes.set_exif(house, copy, description="as Bob says")
    told = undone(house, report.run).refused
    assert len(told) == 1
    assert house.row("asset_exif", assetId=copy)["description"] == "as Bob says"
    assert own


def test_b46_undo_of_one_job_leaves_the_others_alone(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    upload = house.add_photo("/data/library/alice/b.jpg")
    ann = house.add_person("Ann")
    for asset in (photo, upload):
        house.add_face(asset, ann)
    cycle(house)
    before = dump(house)
    cycle(house, house.upload_job())
    undone(house, house.upload_job().name)
    assert differences(before, dump(house)) == []
    assert broken(house, house.job()) == []
    cycle(house, house.upload_job())
    undone(house, house.job().name)
    assert copied(house, house.upload_job()) == {upload}
    assert broken(house, house.upload_job()) == []

"""What a look tells: what would be done, what waits, what is left out, what a person should know of."""

import os
import stat
from typing import Any

import pytest

from immich_pipeline.sharing.cycle import look, run_cycle
from immich_pipeline.sharing.model import RemovalBrake, SharePolicy
from immich_pipeline.sharing.reports import LeftOut
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump, tracking
from immich_pipeline_tests.sharing.house import EXTERNAL, TARGET, House
from immich_pipeline_tests.sharing.invariants import target_of
from immich_pipeline_tests.sharing.runs import cycle, media_of, outlook, session


def test_b43_each_operation_is_told_with_its_assets_and_samples(house: House) -> None:
    house.add_photo(f"{EXTERNAL}/shared.jpg")
    later = house.add_photo(f"{EXTERNAL}/later.jpg")
    gone = house.add_photo(f"{EXTERNAL}/gone.jpg")
    job = house.job(policy=SharePolicy(on_source_delete="delete"))
    assert outlook(house, job).planned["copy"].samples[0] == f"{EXTERNAL}/shared.jpg as {TARGET}/shared.jpg"
    cycle(house, job)
    new = house.add_photo(f"{EXTERNAL}/new.jpg")
    house.add_photo(f"{EXTERNAL}/waits.jpg", processed=False)
    house.add_photo(f"{EXTERNAL}/../climbing.jpg")
    changes.set_exif(house, later, description="changed")
    changes.trash(house, gone)
    before = dump(house), tracking(house)
    found = outlook(house, job)
    assert (dump(house), tracking(house)) == before
    assert found.planned["copy"].subjects == (new,)
    assert found.planned["copy"].counts == {
        "asset": 1, "asset_exif": 1, "asset_job_status": 1, "asset_file": 2, "smart_search": 1, "files": 2,
    }  # fmt: skip
    assert found.planned["follow"].subjects == (target_of(house, later),)
    assert found.planned["follow"].samples == (f"{TARGET}/later.jpg",)
    assert found.planned["remove"].subjects == (target_of(house, gone),)
    assert found.planned["remove"].samples == (f"{TARGET}/gone.jpg",)
    assert (found.copies, found.backlog.count, found.problems) == (3, 1, ())
    assert found.backlog.oldest is not None
    assert found.left_out == (
        LeftOut("outside", f"{EXTERNAL}/../climbing.jpg", None, f"'{EXTERNAL}/../climbing.jpg' is no path that stays below {EXTERNAL}"),
    )  # fmt: skip
    assert not found.is_quiet
    cycle(house, job)
    assert outlook(house, job).is_quiet
    assert outlook(house, job).skips == {"outside": 1}


def test_the_brake_is_told_before_it_holds(house: House) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(12)]
    job = house.job(policy=SharePolicy(on_source_delete="delete"))
    cycle(house, job)
    changes.trash(house, *photos)
    with session(house) as connection:
        held = look(connection, job, media_of(house))
        let = look(connection, job, media_of(house), brake=RemovalBrake(released=True))
    assert held.planned["remove"].subjects == ()
    assert len(held.problems) == 1
    assert "12 of 12 copies would leave" in held.problems[0]
    assert len(let.planned["remove"].subjects) == 12
    assert let.problems == ()


def test_b13_other_file_systems_are_told_with_the_space_that_copies_take(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add_photo(f"{EXTERNAL}/a.jpg")
    ask = os.stat

    def elsewhere(path: Any, **options: Any) -> os.stat_result:
        """As if every folder lay on a disk of its own."""
        found = ask(path, **options)
        return os.stat_result([*found[:2], found.st_dev + 1, *found[3:]]) if stat.S_ISDIR(found.st_mode) else found

    with session(house) as connection, monkeypatch.context() as patched:
        media = media_of(house)
        patched.setattr("immich_pipeline.sharing.media_folder.os.stat", elsewhere)
        found = look(connection, house.job(), media)
    assert found.space is not None
    assert (found.space.linkable, found.space.needed > 0) == (False, True)
    assert "another file system" in found.problems[0]


def test_what_was_chosen_alone_is_touched_and_the_rest_is_told(house: House) -> None:
    first, second = house.add_photo(f"{EXTERNAL}/a.jpg"), house.add_photo(f"{EXTERNAL}/b.jpg")
    lines: list[str] = []
    with session(house) as connection:
        report = run_cycle(connection, house.job(), media_of(house), only=[second], progress=lines.append)
        assert report.copied == 1
        assert look(connection, house.job(), media_of(house)).planned["copy"].subjects == (first,)
    assert "copy: 1 of 1 assets" in lines

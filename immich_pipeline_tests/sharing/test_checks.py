"""What is looked at in copies says when something is wrong, and only then."""

from collections.abc import Callable

import pytest

from immich_pipeline.sharing.checks import CHECKS, Finding, findings
from immich_pipeline.sharing.contract import read_layout
from immich_pipeline.sharing.work import Work
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.full_library import fill
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import target_of
from immich_pipeline_tests.sharing.runs import cycle, media_of, session


def found(house: House) -> dict[str, Finding]:
    with session(house) as connection:
        work = Work(connection, house.job(), 0, read_layout(connection), media_of(house))
        return {finding.name: finding for finding in findings(work)}


def _forget_jobs(house: House, copy: str) -> None:
    house.update("asset_job_status", {"assetId": copy}, facesRecognizedAt=None)


def _unlink(house: House, copy: str) -> None:
    house.here(house.picture_path(copy, "preview")).unlink()


def _scan(house: House, copy: str) -> None:
    house.db.execute("UPDATE library SET \"refreshedAt\" = now() + interval '1 hour'")


def _take_apart(house: House, copy: str) -> None:
    house.db.execute('UPDATE asset SET "livePhotoVideoId" = NULL WHERE "ownerId" = %s', [house.bob])


def _copy_on(house: House, copy: str) -> None:
    house.db.execute(
        """INSERT INTO immich_pipeline_sharing.copy (target_id, source_id, source_owner, target_owner, job, run, state)
           SELECT gen_random_uuid(), target_id, target_owner, %s, job, run, 'live' FROM immich_pipeline_sharing.copy LIMIT 1""",
        [house.carol],
    )


def _invent(house: House, copy: str) -> None:
    house.add_face(copy, house.add_person("", owner=house.bob), box=(1, 2, 3, 4))


WRONG: dict[str, Callable[[House, str], None]] = {
    "jobs_for_copies": _forget_jobs,
    "copies_offline": changes.take_offline,
    "originals_in_danger": changes.trash,
    "scan_pending": _scan,
    "live_halves": _take_apart,
    "chain_length": _copy_on,
    "people_invented": _invent,
    "leaked_files": _unlink,
}


@pytest.mark.parametrize("house", ["2.7.5", "3.2"], indirect=True)
def test_b18_after_a_cycle_all_is_well(house: House) -> None:
    fill(house)
    cycle(house)
    assert [finding for finding in found(house).values() if not finding.passed] == []


def test_what_is_wrong_is_found_by_the_check_that_is_for_it_and_no_other(house: House) -> None:
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_live_photo(f"{EXTERNAL}/b.heic")
    house.add_face(photo, house.add_person("Ann"))
    cycle(house)
    copy = target_of(house, photo)
    assert set(WRONG) == {check.__name__ for check in CHECKS}
    for name, spoil in WRONG.items():
        with house.db.transaction(force_rollback=True):
            spoil(house, copy)
            # seen by another session only once it is committed: asked in this one
            work = Work(house.db, house.job(), 0, read_layout(house.db), media_of(house))
            wrong = [finding for finding in findings(work) if not finding.passed]
        assert [finding.name for finding in wrong] == [name]
        assert wrong[0].remedy


@pytest.mark.parametrize("house", ["3.1.0", "3.2"], indirect=True)
def test_b48_people_whom_immich_made_of_copies_alone_are_counted(house: House) -> None:
    """Not those who came with the copies, were named, or are on something of the target's own as well."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_face(photo, house.add_person(""))
    cycle(house)
    copy, own = target_of(house, photo), house.add_photo("/data/library/bob/own.jpg", owner=house.bob)
    assert found(house)["people_invented"].numbers == {"people": 0}
    invented = [house.add_person("", owner=house.bob) for _ in range(2)]
    named, of_bob = house.add_person("Cleo", owner=house.bob), house.add_person("", owner=house.bob)
    for place, person in enumerate([*invented, named, of_bob]):
        house.add_face(copy, person, box=(10 * place, 0, 10 * place + 9, 9))
    house.add_face(own, of_bob)
    told = found(house)["people_invented"]
    assert (told.passed, told.numbers) == (False, {"people": 2})
    assert "merge them" in told.remedy
    for person in invented:
        changes.set_person(house, person, owner=house.bob, name="somebody after all")
    assert found(house)["people_invented"].passed

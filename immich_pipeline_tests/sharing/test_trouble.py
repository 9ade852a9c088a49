"""Killed, cut off, refused by the disk, at any step: nothing is left lying about, and the next cycle ends as an undisturbed one would."""

import os
import random
from contextlib import suppress

import psycopg
import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.model import SharePolicy
from immich_pipeline_tests.immich_db.definition import SCHEMAS
from immich_pipeline_tests.sharing import changes, trouble
from immich_pipeline_tests.sharing.dumps import dump, row_places
from immich_pipeline_tests.sharing.house import EXTERNAL, MEDIA, House
from immich_pipeline_tests.sharing.invariants import broken, copied
from immich_pipeline_tests.sharing.many import add_many, drop_vector_indexes
from immich_pipeline_tests.sharing.runs import cycle, undone
from immich_pipeline_tests.sharing.test_undo_scenarios import differences
from immich_pipeline_tests.thorough import THOROUGH, times

pytestmark = pytest.mark.unmeasured
ROUNDS = int(os.environ.get("SHARING_TROUBLE_ROUNDS", times(8, 50)))
"""Of each kind; the environment may say how many."""
VERSIONS = pytest.mark.parametrize("house", SCHEMAS if THOROUGH else ["3.1.0"], indirect=True)


class Life:
    """Something happens at the source before each round: photos come, change and go."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.dice, self.number = house, random.Random(seed), 0
        self.job = house.job(
            album=house.add_album(house.bob, "From Alice"),
            policy=SharePolicy(tags="copy", on_source_delete="delete", names="mirror"),
        )
        self.people = [house.add_person(name) for name in ("Ann", "", "Ben")]
        self.alive: list[str] = []
        self.videos: dict[str, str] = {}  # of live photos -> their stills

    def go_on(self) -> None:
        house, dice = self.house, self.dice
        self.number += 1
        new = [house.add_photo(f"{EXTERNAL}/{self.number}/{place}.jpg") for place in range(3)]
        for photo in new:
            house.add_face(photo, dice.choice(self.people))
        house.add_face(new[0], house.add_person(""), box=(1, 2, 30, 40))
        house.tag(new[1], f"Round/{self.number}")
        if self.number % 2:
            house.add_stack(*new[:2])
        still, video = house.add_live_photo(f"{EXTERNAL}/{self.number}/live.heic")
        house.add_text(still, "text")
        if len(self.alive) > 6:
            changes.set_exif(house, self.alive[-1], description=f"round {self.number}")
            changes.regenerate_pictures(house, self.alive[-2], str(self.number))
            gone, trashed = self.alive[0], self.alive[1]
            changes.delete_for_good(house, gone)
            changes.trash(house, trashed)
            del self.alive[:2]
        self.alive += [*new, still]
        self.videos[video] = still

    def converged(self) -> None:
        """One undisturbed cycle, and all is as it should be."""
        self.house.db.execute("UPDATE immich_pipeline_sharing.skip SET retry_at = now() WHERE retry_at IS NOT NULL")
        report = cycle(self.house, self.job)
        assert report.failures == ()
        assert broken(self.house, self.job) == []
        assert copied(self.house) == {
            *self.alive,
            *(video for video, still in self.videos.items() if still in self.alive),
        }
        if self.number % 3 == 0:
            before = row_places(self.house)
            assert cycle(self.house, self.job).written == 0
            assert row_places(self.house) == before


@pytest.fixture
def life(house: House) -> Life:
    life = Life(house, 1)
    life.go_on()
    return life


@VERSIONS
def test_b14_b37_a_process_killed_at_any_step_leaves_nothing_behind(house: House, life: Life) -> None:
    steps = trouble.steps_of(house.role_url(), house.media, life.job)
    dice, kills = random.Random(2), 0
    for _ in range(ROUNDS):
        life.go_on()
        kills += trouble.killed(house.role_url(), house.media, life.job, dice.randint(1, steps))
        kills += dice.random() < 0.3 and trouble.killed(house.role_url(), house.media, life.job, dice.randint(1, steps))
        life.converged()
    assert kills >= ROUNDS * 3 // 4


@VERSIONS
def test_b37_a_connection_cut_at_any_step_leaves_nothing_behind(house: House, life: Life) -> None:
    steps = trouble.steps_of(house.role_url(), house.media, life.job)
    dice, cuts = random.Random(3), 0
    for _ in range(ROUNDS):
        life.go_on()
        countdown = trouble.Countdown(dice.randint(1, steps), trouble.cut(house.url))
        with suppress(psycopg.OperationalError):
            trouble.run(house.role_url(), house.media, life.job, countdown)
        cuts += countdown.steps >= countdown.at
        life.converged()
    assert cuts >= ROUNDS * 3 // 4


@VERSIONS
def test_b14_a_link_or_an_unlink_that_fails_leaves_nothing_behind(house: House, life: Life) -> None:
    dice = random.Random(4)
    cycle(house, life.job)
    for _ in range(ROUNDS):
        life.go_on()
        kind = "link" if dice.random() < 0.7 else "unlink"
        refuse = trouble.fail_with(dice.choice(trouble.FILE_TROUBLE[kind]))
        countdown = trouble.Countdown(dice.randint(1, 30), refuse, (kind,))
        with suppress(UserError, OSError):
            trouble.run(house.role_url(), house.media, life.job, countdown)
        # what could not be removed is noted: the next run tries again
        noted = {
            f"nobody's file {path.removeprefix(f'{MEDIA}/')}"
            for (path,) in house.rows("SELECT path FROM immich_pipeline_sharing.file")
        }
        assert {problem for problem in broken(house, life.job) if problem.startswith("nobody's file")} <= noted
        assert len(noted) <= (1 if kind == "unlink" else 0)
        life.converged()


@VERSIONS
def test_b44_an_undo_killed_at_any_step_is_finished_by_the_next(house: House, life: Life) -> None:
    dice = random.Random(5)
    before = dump(house)
    for _ in range(max(ROUNDS // 3, 3)):
        cycle(house, life.job)
        trouble.killed(house.role_url(), house.media, life.job, dice.randint(1, 60), undoing=True)
        with suppress(UserError):  # it may have been done
            undone(house, life.job.name)
        assert differences(before, dump(house)) == []


def test_b06_one_poisoned_asset_among_5000_is_left_out_alone(house: House) -> None:
    """4,999 are copied in that cycle; the one is recorded with the database's reason and tried again later."""
    drop_vector_indexes(house)
    add_many(house, 5000, embeddings=False, faces=1)
    job = house.job(policy=SharePolicy(wait_for=("metadata",)))
    poisoned = house.value("SELECT md5('asset 3210')::uuid::text")
    house.update("asset_exif", {"assetId": poisoned}, description="poison")
    house.db.execute("ALTER TABLE asset_exif ADD CONSTRAINT no_poison CHECK (description <> 'poison') NOT VALID")
    report = cycle(house, job)
    assert report.copied == 4999
    assert [failure.source_id for failure in report.failures] == [poisoned]
    ((source, reason, detail, tries),) = house.rows(
        "SELECT source_id::text, reason, detail, tries FROM immich_pipeline_sharing.skip"
    )
    assert (source, reason, tries) == (poisoned, "failed", 1)
    assert "no_poison" in detail
    assert poisoned not in copied(house)
    assert house.value('SELECT count(*) FROM asset WHERE "libraryId" = %s', house.target_library) == 4999
    again = cycle(house, job)  # the first time it may have been an accident
    assert (again.copied, again.written, len(again.failures)) == (0, 0, 1)
    third = cycle(house, job)
    assert (third.copied, third.written, third.failures) == (0, 0, ())  # its time has not come
    house.db.execute("ALTER TABLE asset_exif DROP CONSTRAINT no_poison")
    house.db.execute("UPDATE immich_pipeline_sharing.skip SET retry_at = now() - interval '1 second'")
    assert cycle(house, job).copied == 1
    assert house.value("SELECT count(*) FROM immich_pipeline_sharing.skip") == 0

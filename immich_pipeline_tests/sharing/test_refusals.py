"""Nothing is written to a database that is not as it must be; what is merely new is copied, or told."""

from collections.abc import Callable

import pytest
from psycopg import sql
from pydantic import SecretStr

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.role import role_sql
from immich_pipeline.sharing.session import ShareBusy, open_session, writing
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle, outlook
from immich_pipeline_tests.sharing.versions import EVERY_VERSION

STRANGE = {
    "a column that must be given": (
        "ALTER TABLE asset ADD COLUMN novelty text NOT NULL DEFAULT ''; ALTER TABLE asset ALTER COLUMN novelty DROP DEFAULT",
        "novelty",
    ),
    "a column that is gone": ('ALTER TABLE asset_exif DROP COLUMN "lockedProperties"', "lockedProperties"),
    "a table that is gone": ("DROP TABLE ocr_search", "ocr_search"),
    "a key that is gone": (
        'ALTER TABLE asset_file DROP CONSTRAINT "asset_file_assetId_type_isEdited_uq"',
        "asset_file",
    ),
    "an unknown kind of visibility": ("ALTER TYPE asset_visibility_enum ADD VALUE 'invisible'", "invisible"),
    "an unknown source of faces": ("ALTER TYPE sourcetype ADD VALUE 'dream'", "dream"),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_b38_an_unknown_change_of_the_schema_is_refused_with_its_name_before_anything_is_written(
    house: House, strange: str
) -> None:
    house.add_photo(f"{EXTERNAL}/a.jpg")
    statement, name = STRANGE[strange]
    house.db.execute(sql.SQL(statement))
    before = dump(house)
    for act in (cycle, outlook):
        with pytest.raises(UserError, match=name):
            act(house)
    assert dump(house) == before


def test_b38_all_that_is_wrong_is_told_at_once(house: House) -> None:
    for strange in ("a column that must be given", "an unknown source of faces", "a key that is gone"):
        house.db.execute(sql.SQL(STRANGE[strange][0]))
    with pytest.raises(UserError) as told:
        cycle(house)
    assert all(word in str(told.value) for word in ("novelty", "dream", "asset_file"))


@EVERY_VERSION
def test_b12_b38_a_column_that_immich_adds_later_is_copied_and_followed(house: House) -> None:
    house.db.execute("ALTER TABLE asset ADD COLUMN novelty text")
    house.db.execute("ALTER TABLE asset_exif ADD COLUMN aperture integer")
    house.db.execute("ALTER TABLE asset_face ADD COLUMN smile real NOT NULL DEFAULT 0")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg", novelty="new", exif={"aperture": 8})
    house.add_face(photo, house.add_person("Ann"), smile=0.5)
    cycle(house)
    assert broken(house, house.job()) == []
    assert house.row("asset", id=target_of(house, photo))["novelty"] == "new"
    changes.set_asset(house, photo, novelty="newer")
    changes.set_exif(house, photo, locked=False, aperture=11)
    cycle(house)
    assert broken(house, house.job()) == []
    assert house.row("asset_exif", assetId=target_of(house, photo))["aperture"] == 11


def test_b38_a_table_that_hangs_on_assets_and_is_not_known_is_told_and_does_no_harm(house: House) -> None:
    house.db.execute(
        'CREATE TABLE asset_mood ("assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE, mood text)'
    )
    house.db.execute(role_sql())  # as after each upgrade
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.insert("asset_mood", assetId=photo, mood="glad")
    assert any("asset_mood" in problem for problem in outlook(house).problems)
    cycle(house)
    assert copied(house) == {photo}
    assert house.value("SELECT count(*) FROM asset_mood") == 1


@pytest.mark.parametrize("house", ["3.2"], indirect=True)
def test_b21_users_of_different_cluster_groups_cannot_share_and_the_reason_is_told(house: House) -> None:
    house.add_photo(f"{EXTERNAL}/a.jpg")
    other = house.new_id()
    house.insert("cluster_group", id=other)
    house.update("user", {"id": house.bob}, clusterGroupId=other)
    before = dump(house)
    with pytest.raises(UserError, match="cluster group"):
        cycle(house)
    assert dump(house) == before
    house.update("user", {"id": house.bob}, clusterGroupId=house.cluster_group)
    assert cycle(house).copied == 1


JOBS: dict[str, tuple[Callable[[House], Job], str]] = {
    "same user": (lambda house: house.job(target_owner=house.alice), "same user"),
    "library of another": (lambda house: house.job(target_library=house.library), "library"),
    "no library": (lambda house: house.job(target_library=house.new_id()), "library"),
    "album of another": (lambda house: house.job(album=house.add_album(house.carol, "Carol's")), "album"),
    "no album": (lambda house: house.job(album=house.new_id()), "album"),
    "no such user": (lambda house: house.job(target_owner=house.new_id()), "user"),
}


@pytest.mark.parametrize("version", ["2.7.5", "3.1.0"])
def test_b02_a_job_whose_parts_do_not_belong_together_is_refused(
    make_house: Callable[[str], House], version: str
) -> None:
    house = make_house(version)
    for what, (make, word) in JOBS.items():
        job = make(house)
        with pytest.raises(UserError, match=word):
            cycle(house, job)
        assert house.value("SELECT count(*) FROM asset") == 0, what


def test_two_runs_never_overlap(house: House) -> None:
    house.add_photo(f"{EXTERNAL}/a.jpg")
    with open_session(SecretStr(house.role_url())) as connection, writing(connection):
        with pytest.raises(ShareBusy):
            cycle(house)
        assert outlook(house).planned["copy"].subjects != ()  # looking is allowed
    assert cycle(house).copied == 1


def test_b36_a_phase_that_fails_does_not_stop_the_others(house: House) -> None:
    """A trigger of somebody else's on stacks; photos come all the same, and the rest is caught up with."""
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(2)]
    house.add_stack(*photos)
    house.db.execute(
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no stacks today'; END $$;
           CREATE TRIGGER refuse BEFORE INSERT ON stack FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )
    album = house.add_album(house.bob, "From Alice")
    job = house.job(album=album)
    report = cycle(house, job)
    assert report.copied == 2
    assert any("no stacks today" in failure.reason for failure in report.failures)
    assert house.value('SELECT count(*) FROM album_asset WHERE "albumId" = %s', album) == 2
    house.db.execute("DROP TRIGGER refuse ON stack")
    report = cycle(house, job)
    assert report.failures == ()
    assert house.value('SELECT count(*) FROM stack WHERE "ownerId" = %s', house.bob) == 1


def test_a_waiting_immich_is_not_kept_waiting(house: House) -> None:
    """A lock that Immich holds for long ends a phase or a batch, not the night."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    with open_session(SecretStr(house.role_url())) as connection:
        settings = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout', 'application_name')"
            ).fetchall()
        )
    assert 0 < int(settings["lock_timeout"]) <= 10_000
    assert int(settings["statement_timeout"]) > 0
    assert "sharing" in settings["application_name"]
    assert cycle(house).copied == 1
    assert copied(house) == {photo}

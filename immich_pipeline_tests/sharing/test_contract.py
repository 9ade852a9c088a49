"""What is told of a database that differs, word by word; everything is tried in transactions that are rolled back."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from immich_pipeline.sharing.contract import CannotShare, check_job, read_layout
from immich_pipeline.sharing.session import Connection
from immich_pipeline_tests.sharing.house import House

DIFFERENCES = {
    "ALTER TABLE asset ADD COLUMN novelty text NOT NULL": "asset.novelty must be given a value, and is not known here",
    "ALTER TABLE tag ALTER COLUMN color TYPE text": "tag.color is text, expected character varying",
    'ALTER TABLE asset_exif DROP COLUMN "lockedProperties"': "asset_exif.lockedProperties is missing",
    "DROP TABLE ocr_search": "the table ocr_search is missing",
    "ALTER TABLE face_search DROP CONSTRAINT face_search_pkey": "face_search (faceId) is not unique any more",
    "CREATE UNIQUE INDEX ON asset_exif (description)": "asset_exif (description) is unique, which is not known here",
    "CREATE UNIQUE INDEX ON tag (lower(value), color)": "tag ((expression), color) is unique, which is not known here",
    'CREATE UNIQUE INDEX ON stack ("ownerId") WHERE false': "stack (ownerId, ...) is unique, which is not known here",
    "INSERT INTO version_history (version, \"createdAt\") VALUES ('9.0.0', now() + interval '1 day')": "Immich 9.0.0 is newer",
    "INSERT INTO version_history (version, \"createdAt\") VALUES ('main', now() + interval '1 day')": "no version of Immich",
    "ALTER TABLE asset RENAME TO photo": "the table asset is missing",
}
HARMLESS = (
    "ALTER TABLE asset ADD COLUMN novelty text",
    'ALTER TABLE asset ADD COLUMN novelty text GENERATED ALWAYS AS ("originalPath") STORED',
    "CREATE INDEX ON asset_exif (description)",
    "CREATE TABLE novelty (id uuid PRIMARY KEY, name text NOT NULL UNIQUE)",
    "DELETE FROM version_history",
)


@contextmanager
def changed(house: House, statement: str) -> Iterator[Connection]:
    with psycopg.connect(house.url) as connection:
        connection.execute(sql.SQL(statement))
        yield connection
        connection.rollback()


def test_b38_every_difference_is_told_in_words(house: House) -> None:
    for statement, expected in DIFFERENCES.items():
        with changed(house, statement) as connection, pytest.raises(CannotShare) as told:
            read_layout(connection)
        assert any(expected in problem for problem in told.value.problems), (statement, told.value.problems)
        assert expected in str(told.value)


def test_b38_what_is_merely_new_is_no_hindrance_and_a_derived_column_is_not_written(house: House) -> None:
    for statement in HARMLESS:
        with changed(house, statement) as connection:
            layout = read_layout(connection)
            assert ("novelty" in layout.columns["asset"]) == (statement == HARMLESS[0])


@pytest.mark.parametrize("house", ["2.7.5", "3.1.0"], indirect=True)
def test_b02_everything_about_a_job_is_told_at_once(house: House) -> None:
    album = house.add_album(house.carol, "Carol's")
    for table, key in (("user", house.bob), ("library", house.library), ("album", album)):
        house.db.execute(
            sql.SQL('UPDATE {} SET "deletedAt" = now() WHERE id = %s').format(sql.Identifier(table)), [key]
        )
    job = house.job(target_library=house.library, album=album, source_owner=house.new_id())
    with psycopg.connect(house.url) as connection, pytest.raises(CannotShare) as told:
        check_job(connection, job, read_layout(connection))
    assert [problem.replace(job.source_owner, "?").replace(house.bob, "bob") for problem in told.value.problems] == [
        "the source user ? is not there",
        "the target user bob is deleted",
        "the target library is not the target user's",
        "the target library is deleted",
        "the album is deleted",
        "the album is not the target user's",
    ]

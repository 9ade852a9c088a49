"""The tables of data: every table that hangs on an asset is copied or not for a reason, and every known database keeps the contract."""

import psycopg
import pytest

from immich_pipeline.sharing.contract import read_layout
from immich_pipeline.sharing.faults import reach, said
from immich_pipeline.sharing.session import prepare
from immich_pipeline.sharing.tables import copied_tables, not_copied
from immich_pipeline_tests.sharing.house import House
from immich_pipeline_tests.sharing.runs import session
from immich_pipeline_tests.sharing.versions import EVERY_VERSION


@EVERY_VERSION
def test_b38_every_table_that_hangs_on_an_asset_is_copied_or_not_for_a_reason(house: House) -> None:
    with session(house) as connection:
        layout = read_layout(connection)
    copied = {table.name for table in copied_tables(layout)}
    assert set(layout.referring) | {"asset"} <= copied | set(not_copied())
    assert copied & set(not_copied()) == set()
    assert layout.unknown_tables == ()
    assert layout.version == {"2.7.5": "2.7", "3.1.0": "3.0", "3.2": "3.2"}[house.version]
    assert layout.person_groups == (house.version == "3.2")


@EVERY_VERSION
def test_a_copied_table_is_written_with_every_column_but_those_that_say_why(house: House) -> None:
    with session(house) as connection:
        prepare(connection)
        layout = read_layout(connection)
    left_out = {table.name: set(layout.columns[table.name]) - set(table.columns) for table in copied_tables(layout)}
    stamps = {"id", "createdAt", "updatedAt", "updateId", "isEdited"}
    assert all(columns <= stamps for columns in left_out.values())
    assert left_out["asset"] == {"updatedAt", "updateId", "isEdited"}
    assert all(len(table.columns) == len(table.values) for table in copied_tables(layout))
    assert layout.keys["immich_pipeline_sharing.copy"] == ("target_id",)
    assert layout.keys["tag_asset"] == ("assetId", "tagId")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.UniqueViolation, "asset"),
        (psycopg.errors.RaiseException, "asset"),
        (psycopg.errors.ProgramLimitExceeded, "asset"),
        (psycopg.errors.InvalidTextRepresentation, "asset"),
        (psycopg.errors.DeadlockDetected, "phase"),
        (psycopg.errors.LockNotAvailable, "phase"),
        (psycopg.errors.QueryCanceled, "phase"),
        (psycopg.errors.UndefinedColumn, "cycle"),
        (psycopg.errors.InsufficientPrivilege, "cycle"),
        (psycopg.errors.DiskFull, "cycle"),
        (psycopg.errors.AdminShutdown, "cycle"),
        (psycopg.errors.ConnectionException, "cycle"),
        (psycopg.OperationalError, "cycle"),
    ],
)
def test_b36_how_far_an_error_reaches(error: type[psycopg.Error], expected: str) -> None:
    assert reach(error("first line\nsecond line")) == expected


def test_an_error_is_said_in_one_line() -> None:
    assert said(ValueError("first line\nsecond line")) == "first line"
    assert said(ValueError()) == "ValueError"

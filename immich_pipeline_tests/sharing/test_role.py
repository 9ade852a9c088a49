"""The role that shares may do what sharing needs, and not one thing more that would matter."""

import psycopg
import pytest
from pydantic import SecretStr

from immich_pipeline.sharing.role import missing_rights, role_sql
from immich_pipeline.sharing.session import open_session, prepare, writing
from immich_pipeline_tests.sharing.house import House
from immich_pipeline_tests.sharing.versions import EVERY_VERSION

REFUSED = (
    'SELECT password FROM "user"',
    'UPDATE "user" SET "isAdmin" = true',
    "SELECT * FROM api_key",
    "SELECT * FROM system_metadata",
    "UPDATE library SET name = 'x'",
    "DELETE FROM album",
    "INSERT INTO album DEFAULT VALUES",
    "DELETE FROM asset_audit",
    "TRUNCATE asset",
    "DROP TABLE asset",
    "ALTER TABLE asset ADD COLUMN x text",
    "CREATE TABLE public.x (y text)",
    "CREATE SCHEMA x",
    "CREATE ROLE another",
)


@EVERY_VERSION
def test_it_may_keep_its_own_tables_and_nothing_that_is_not_needed(house: House) -> None:
    for _ in range(2):  # after an upgrade of Immich it is run again
        house.db.execute(role_sql("immich_share"))
    with open_session(SecretStr(house.role_url("immich_share"))) as connection:
        prepare(connection)
        with writing(connection):
            connection.execute("INSERT INTO immich_pipeline_sharing.run (job) VALUES ('x')")
        assert connection.execute('SELECT email FROM "user" WHERE id = %s', [house.bob]).fetchone() is not None
        assert missing_rights(connection) == []
        assert connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone() is not None
        for statement in REFUSED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    assert (
        house.value("SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = 'immich_share'")
        is False
    )


def test_its_name_is_whatever_a_person_likes(house: House) -> None:
    name = 'Alice\'s "share"'
    house.db.execute(role_sql(name))
    assert house.value("SELECT has_table_privilege(%s, 'asset', 'INSERT')", name) is True
    house.db.execute("DROP OWNED BY {0}; DROP ROLE {0}".format('"Alice\'s ""share"""'))

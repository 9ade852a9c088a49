"""Drifted tables, rights that are too many or too few, sessions that cannot write, servers that do not answer."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from polars.testing import assert_frame_equal
from psycopg import sql
from pydantic import SecretStr

from immich_pipeline.immich.contract import SchemaDrift
from immich_pipeline.immich.database import DatabaseUnreachable, ImmichDatabase
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.session import Address
from immich_pipeline.immich.versions import ServerVersion
from immich_pipeline_tests.immich.expected import expected_records
from immich_pipeline_tests.immich.libraries import VERSIONS, Library, many_assets, read


@contextmanager
def role(library: Library, *grants: str, asking: str | None = None) -> Iterator[SecretStr]:
    """The database's URL for a new role with these rights, written without its name: "SELECT ON asset"."""
    name = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(library.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN" + (f" PASSWORD '{asking}'" if asking else ""))
        for grant in grants:
            admin.execute(f"GRANT {grant} TO {name}")
        yield SecretStr(library.url.replace("postgres@", f"{name}@"))
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ('ALTER TABLE asset RENAME "checksumAlgorithm" TO "checksumKind"', "asset.checksumAlgorithm is missing"),
        ("DROP TABLE asset_exif CASCADE", "the table asset_exif is missing"),
        ("ALTER TABLE asset ALTER duration TYPE text", "asset.duration is text, expected "),
        ("ALTER TYPE asset_visibility_enum ADD VALUE 'secret'", "asset_visibility_enum has the unknown value 'secret'"),
    ],
)
def test_drift_is_named_and_nothing_is_read(changing: Library, statement: str, missing: str) -> None:
    mark = changing.reader.watermark()
    changing.run(statement)
    check = changing.reader.check()
    assert check.contract is None
    assert len(check.missing) == 1
    assert check.missing[0].startswith(missing)
    assert check.nearest.name == VERSIONS[changing.world.version]
    for attempt in (
        lambda: list(changing.reader.records(changing.owners)),
        changing.reader.watermark,
        lambda: changing.reader.changed_since(mark),
        changing.reader.owners,
        lambda: changing.reader.count(changing.owners),
    ):
        with pytest.raises(SchemaDrift) as error:
            attempt()
        assert missing in str(error.value)


def test_an_unknown_newer_version_whose_columns_match_is_read(newest: Library) -> None:
    newest.run('CREATE TABLE asset_mood ("assetId" uuid REFERENCES asset, mood text)')
    newest.run("ALTER TABLE asset ADD mood text")
    newest.run("INSERT INTO version_history (version, \"createdAt\") VALUES ('v3.9.0', now() + interval '1 second')")
    check = newest.reader.check()
    assert check.contract is not None
    assert check.unknown == ("asset_mood",)
    assert newest.reader.server_version() == ServerVersion(3, 9, 0)
    assert_frame_equal(read(newest.reader, newest.owners), expected_records(newest.world, newest.owners))


def test_a_version_that_cannot_be_read_is_none(newest: Library) -> None:
    newest.run("UPDATE version_history SET version = 'the latest'")
    assert newest.reader.server_version() is None
    newest.run("DELETE FROM version_history")
    assert newest.reader.server_version() is None


def test_another_database_is_no_immich(server_url: str) -> None:
    reader = ImmichDatabase(SecretStr(server_url))
    assert reader.check().contract is None
    with pytest.raises(SchemaDrift, match="the table asset is missing"):
        reader.owners()


def test_rights_of_a_superuser(library: Library) -> None:
    rights = library.reader.rights()
    assert rights.superuser
    assert not rights.read_only
    assert "asset" in rights.can_write
    assert rights.cannot_read == ()


def test_a_role_that_may_only_read_is_enough(library: Library) -> None:
    with role(library, "SELECT ON ALL TABLES IN SCHEMA public") as url:
        reader = ImmichDatabase(url)
        rights = reader.rights()
        assert rights.role.startswith("reader_")
        assert rights.read_only
        assert rights.can_write == rights.cannot_read == ()
        assert_frame_equal(read(reader, library.owners), expected_records(library.world, library.owners))
        assert not reader.changed_since(reader.watermark())
        assert reader.embeddings(list(library.world.assets)).height
        assert reader.faces(list(library.world.assets)).height
        assert reader.server_version() == ServerVersion.parse(library.world.version)


def test_rights_that_are_too_many(library: Library) -> None:
    everything = "SELECT ON ALL TABLES IN SCHEMA public"
    with role(library, everything, "DELETE ON asset", 'UPDATE ("isFavorite") ON asset', "INSERT ON tag") as url:
        rights = ImmichDatabase(url).rights()
    assert not rights.read_only
    assert not rights.superuser
    assert rights.can_write == ("asset", "tag")


def test_rights_that_are_too_few_are_named(library: Library) -> None:
    contract = library.reader.check().require()
    tables = ", ".join(f'"{table}"' for table in contract.tables if table not in ("user", "asset_exif"))
    with role(library, f"SELECT ON {tables}", 'SELECT (id, name) ON "user"') as url:
        reader = ImmichDatabase(url)
        rights = reader.rights()
        assert rights.cannot_read[0] == "asset_exif"
        assert set(rights.cannot_read[1:]) == {"user.email", "user.isAdmin", "user.createdAt", "user.deletedAt"}
        assert rights.missing_for_snapshot == rights.cannot_read
        assert reader.check().contract == contract  # not to be allowed to read a table is not drift
        with pytest.raises(ImmichError, match="permission denied for table asset_exif") as error:
            list(reader.records(library.owners))
        assert "GRANT SELECT" in str(error.value)
        assert not isinstance(error.value, SchemaDrift | DatabaseUnreachable)


def test_a_snapshot_does_without_embeddings_and_faces(library: Library) -> None:
    contract = library.reader.check().require()
    later = ("smart_search", "asset_face", "person")
    tables = ", ".join(f'"{table}"' for table in contract.tables if table not in later)
    with role(library, f"SELECT ON {tables}") as url:
        reader = ImmichDatabase(url)
        rights = reader.rights()
        assert rights.cannot_read == ("asset_face", "person", "smart_search")
        assert rights.missing_for_snapshot == ()
        assert read(reader, library.owners).height
        with pytest.raises(ImmichError, match="permission denied for table"):
            reader.faces(list(library.world.assets))


@pytest.mark.parametrize(
    "statement",
    [
        'INSERT INTO tag ("userId", value) SELECT id, \'x\' FROM "user" RETURNING 1',
        'UPDATE asset SET "isFavorite" = true RETURNING 1',
        "DELETE FROM asset RETURNING 1",
    ],
)
def test_a_session_cannot_write_whatever_the_role_may_do(library: Library, statement: str) -> None:
    for url in (library.url, library.url + "&options=-c%20default_transaction_read_only%3Doff"):
        with (
            Address(SecretStr(url), 60).session() as session,
            pytest.raises(ImmichError, match="read-only transaction"),
        ):
            session.read(sql.SQL(statement))


def test_how_a_session_is_set_up(library: Library) -> None:
    names = ("transaction_read_only", "transaction_isolation", "statement_timeout", "search_path", "application_name")
    columns = sql.SQL(", ").join(
        sql.SQL("current_setting({0}) AS {1}").format(sql.Literal(n), sql.Identifier(n)) for n in names
    )
    with Address(SecretStr(library.url), 90).session() as session:
        found = session.read(sql.SQL("SELECT {}").format(columns)).row(0)
    assert found == ("on", "repeatable read", "90s", "public", "immich-pipeline")


def test_nothing_answers() -> None:
    reader = ImmichDatabase(SecretStr("postgresql://immich:hunter2@127.0.0.1:1/immich"))
    with pytest.raises(DatabaseUnreachable, match="cannot open Immich's database") as error:
        reader.check()
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)
    assert "hunter2" not in repr(reader) + repr(vars(reader))


def test_a_database_that_is_not_there(server_url: str) -> None:
    missing = urlsplit(server_url)._replace(path="/no_such_immich").geturl()
    with pytest.raises(DatabaseUnreachable, match='database "no_such_immich" does not exist'):
        ImmichDatabase(SecretStr(missing)).owners()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://immich:hunter2/3@db/immich",
        "postgresql://immich:hunter2@hunter3@db/immich",
        "postgresql://immich:hunter2@db:port/immich",
        "postgresql://immich:%hunter2@db/immich",
        "postgresql://immich:hunter2@db/immich?nonsense=hunter3",
        "hunter2",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ImmichError, match="cannot be read") as error:
        ImmichDatabase(SecretStr(url))
    assert "hunter" not in str(error.value)


def test_a_wrong_password_is_refused_and_not_repeated(newest: Library) -> None:
    with passwords_wanted(newest.url), role(newest, "SELECT ON ALL TABLES IN SCHEMA public", asking="right") as url:
        user = urlsplit(url.get_secret_value()).username

        def reader(password: str) -> ImmichDatabase:
            return ImmichDatabase(SecretStr(url.get_secret_value().replace(f"{user}@", f"{user}:{password}@")))

        assert reader("right").owners().height == 2
        with pytest.raises(DatabaseUnreachable, match="password authentication failed") as error:
            reader("s3cret-Pa%25ss%2Fword").owners()
    assert "s3cret" not in str(error.value)
    assert str(user) in str(error.value)


@contextmanager
def passwords_wanted(url: str) -> Iterator[None]:
    """Have the server ask roles named reader_... for their password."""
    with psycopg.connect(url, autocommit=True) as admin:
        row = admin.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        before = rules.read_text()
        rules.write_text("local all /^reader_ scram-sha-256\n" + before)
        admin.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            rules.write_text(before)
            admin.execute("SELECT pg_reload_conf()")


def test_a_server_that_goes_away_while_it_is_read(server_url: str) -> None:
    with many_assets(server_url) as (reader, owners, url):
        frames = reader.records(owners, rows=100)
        next(frames)
        with psycopg.connect(url) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = 'immich-pipeline' AND datname = current_database()"
            )
        with pytest.raises(DatabaseUnreachable, match="lost Immich's database"):
            list(frames)


def test_a_table_that_goes_away_while_it_is_read(library: Library) -> None:
    missing = 'relation "asset_mood" does not exist'
    with Address(SecretStr(library.url), 60).session() as session, pytest.raises(SchemaDrift, match=missing):
        session.read(sql.SQL("SELECT * FROM asset_mood"))


def test_an_error_of_another_kind_keeps_its_code(library: Library) -> None:
    said = r"\(22012\): division by zero"
    with Address(SecretStr(library.url), 60).session() as session, pytest.raises(ImmichError, match=said):
        session.read(sql.SQL("SELECT 1 / 0"))


def test_a_statement_that_takes_too_long(library: Library) -> None:
    with (
        Address(SecretStr(library.url), 0.2).session() as session,
        pytest.raises(ImmichError, match="took longer than"),
    ):
        session.read(sql.SQL("SELECT pg_sleep(5)::text"))

"""Bring the database's tables to the state this version of the code expects. Forward only."""

from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.conninfo import conninfo_to_dict

from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database

VERSION_SCHEMA = "pipeline"


def migrate(database: Database) -> tuple[str | None, str]:
    """Run the migrations that are missing; returns the revision before and after.

    Raises:
        UserError: the database was written by a newer version of this program, or its user may not make tables.
    """
    config = Config()
    config.set_main_option("script_location", str(resources.files("immich_pipeline.store") / "migrations"))
    script = ScriptDirectory.from_config(config)
    engine = sa.create_engine("postgresql+psycopg://", creator=database.connect, poolclass=sa.pool.NullPool)
    try:
        return _upgrade(database, engine, config, script)
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise UserError(
            f"cannot make the tables in the database at {database.place} ({reason}): its user needs the right to create schemas there"
        ) from error


def _upgrade(database: Database, engine: sa.Engine, config: Config, script: ScriptDirectory) -> tuple[str | None, str]:
    head = script.get_current_head() or ""
    with database.lock("migrate"), engine.connect() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
        connection.commit()
        before = MigrationContext.configure(
            connection, opts={"version_table_schema": VERSION_SCHEMA}
        ).get_current_revision()
        connection.rollback()
        if before is not None and before not in {revision.revision for revision in script.walk_revisions()}:
            raise UserError(
                f"the database at {database.place} was written by a newer immich-pipeline (revision {before}): update this program"
            )
        if before != head:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    return before, head


def dagster_url(url: str, schema: str = "dagster") -> str:
    """The same database as Dagster's storage must be told it: its tables in a schema of their own, by psycopg 2.

    SQLAlchemy 2.1 takes a bare `postgresql://` for psycopg 3 when that is installed, and dagster-postgres then fails on its first
    event (it sends a parameter with NOTIFY). Dagster's event log may lose its last half second in a power cut; our tables may not.
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    query = {
        name: value
        for name, value in parts.items()
        if name not in {"user", "password", "dbname", "port", "host", "options"}
    }
    host = parts.get("host")
    if host and host.startswith("/"):
        query["host"], host = host, None
    query["options"] = f"-c search_path={schema} -c synchronous_commit=off"
    return sa.URL.create(
        "postgresql+psycopg2",
        username=parts.get("user"),
        password=parts.get("password"),
        host=host,
        port=int(parts["port"]) if parts.get("port") else None,
        database=parts.get("dbname"),
        query=query,
    ).render_as_string(hide_password=False)

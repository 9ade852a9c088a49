"""Databases with the tables of one version of Immich, copied from a template that is made once per server."""

import psycopg
from psycopg import sql

from immich_pipeline_tests.databases import copy_database, database_url, drop_database
from immich_pipeline_tests.immich_db.definition import ddl, schema_of


def create_immich_database(server_url: str, name: str, version: str) -> str:
    """A database `name` with the tables of Immich `version` ("2.7.5", "3.1.0", "3.2", "3.2.2" ...) and its version history, else empty.

    Args:
        server_url: of any database of the server; its role must be a superuser.
        name: what the database is called; must not exist.
        version: of the server that it is to look like.

    Returns:
        The new database's URL.
    """
    schema = schema_of(version)
    url = copy_database(server_url, name, _template(server_url, schema))
    full = version if version.count(".") > 1 else f"{version}.0"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO version_history (version) VALUES (%s)", [full])
    return url


def _template(server_url: str, schema: str) -> str:
    name = f"immich_template_{schema.replace('.', '_')}"
    with psycopg.connect(database_url(server_url, "postgres"), autocommit=True) as admin:
        if admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            return name
        # under another name until it is whole: a script that fails must not leave a template behind
        unfinished = f"{name}_unfinished"
        drop_database(server_url, unfinished)
        with psycopg.connect(copy_database(server_url, unfinished, "template0")) as connection:
            connection.execute(ddl(schema))
        admin.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
        )
    return name

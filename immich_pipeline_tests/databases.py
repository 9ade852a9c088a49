"""Databases of tests: copied from one that is ready, dropped after use."""

from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql


def database_url(server_url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def copy_database(server_url: str, name: str, template: str) -> str:
    """Make the database `name` as the database `template` is; returns its URL.

    Its files are copied: by default PostgreSQL writes every page of them to its journal, which takes four times as long.
    """
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(database_url(server_url, "postgres"), autocommit=True) as admin:
        admin.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return database_url(server_url, name)


def drop_database(server_url: str, name: str) -> None:
    """Drop it, if it is there, and whoever is connected to it."""
    with psycopg.connect(database_url(server_url, "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

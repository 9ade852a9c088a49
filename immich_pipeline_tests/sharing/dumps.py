"""Everything that is in a house, to be compared before and after."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from immich_pipeline_tests.sharing.house import House

_LOGS = {("immich_pipeline_sharing", "run"), ("immich_pipeline_sharing", "watermark")}
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"


@dataclass(frozen=True)
class Dump:
    """Rows as JSON text, sorted, by table; files by path: inode, number of links, size and a hash of the content."""

    tables: Mapping[str, list[str]]
    files: Mapping[str, tuple[int, int, int, str]] = field(default_factory=dict)


def dump(house: House) -> Dump:
    """All of Immich's tables, its audit tables apart, and its media folder."""
    names = [name for name in table_names(house.db, "public") if not name.endswith("_audit")]
    return Dump({name: table_rows(house.db, "public", name) for name in names}, files(house))


def tracking(house: House) -> dict[str, list[str]]:
    """The tables that copies are tracked in."""
    schema = "immich_pipeline_sharing"
    return {name: table_rows(house.db, schema, name) for name in table_names(house.db, schema)}


def table_names(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    return [name for (name,) in connection.execute(_TABLES, [schema])]


def table_rows(connection: psycopg.Connection[Any], schema: str, table: str) -> list[str]:
    """Each row as JSON text."""
    query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(sql.Identifier(schema, table))
    return sorted(row for (row,) in connection.execute(query))


def files(house: House) -> dict[str, tuple[int, int, int, str]]:
    """The media folder: path below it -> inode, links, size, hash."""
    found = {}
    for folder, _, names in os.walk(house.media):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - many
            status = os.lstat(path)
            with open(path, "rb") as file:  # noqa: PTH123
                content = hashlib.sha1(file.read(), usedforsecurity=False).hexdigest()
            found[os.path.relpath(path, house.media)] = (status.st_ino, status.st_nlink, status.st_size, content)
    return found


def row_places(house: House) -> dict[str, list[str]]:
    """Where each row of each table is and which transaction wrote it: the same twice when nothing was written in between.

    The log of runs and the watermarks are left out: they are what a cycle that writes nothing else writes.
    """
    return {
        f"{schema}.{name}": sorted(
            f"{place} {xmin}"
            for place, xmin in house.db.execute(
                sql.SQL("SELECT ctid::text, xmin::text FROM {}").format(sql.Identifier(schema, name))
            )
        )
        for schema in ("public", "immich_pipeline_sharing")
        for name in table_names(house.db, schema)
        if (schema, name) not in _LOGS
    }

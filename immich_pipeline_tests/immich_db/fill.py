"""Put a `World` into a database, whole or as changes that the triggers see."""

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from immich_pipeline_tests.immich_db.definition import schema_of
from immich_pipeline_tests.immich_db.rows import Rows, rows_of
from immich_pipeline_tests.immich_world import World

# Rows of these refer to each other: one statement inserts both, since foreign keys are looked at when it ends.
_TOGETHER = (("asset", "stack"), ("person", "asset_face"))
# What is deleted on its own, first; the rest of it goes by cascade, as on the server. Assets go before the library and the user that
# they belong to: only a DELETE of their own is audited.
_DELETED_FIRST = ("stack", "asset", "album", "tag", "library", "user", "cluster_group", "person", "person_group")


def fill(url: str, world: World, *, machine_learning: bool = True) -> None:
    """Put the whole world into an empty database, with the times that its assets have.

    Each `updateId` fits its `updatedAt`. With `machine_learning`, each picture with EXIF also has an embedding, every second a face: the
    vector indexes take 4 ms a picture, so leave it off for large worlds (and then in `write_changes` too, which else adds them).

    Raises:
        ValueError: the database is of another schema than the world's version, or not empty.
    """
    tables = rows_of(world, machine_learning=machine_learning)
    with psycopg.connect(url) as connection:
        _expect_version(connection, world)
        _stage_rows(connection, tables)
        if connection.execute('SELECT FROM "user" LIMIT 1').fetchone() is not None:
            raise ValueError("this database is not empty: use write_changes")
        for group in _groups(tables):
            _insert(connection, group, stamped=True)


def write_changes(url: str, world: World, *, machine_learning: bool = True) -> None:
    """Make the database's rows those of the world, by deleting, inserting and updating only what differs.

    The database stamps what is written, by its own clock: `updated_at` and `created_at` of the world are not written and do not count as
    a difference. `take_stamps` brings them back. Rows of tables that the world knows nothing of stay.

    Raises:
        ValueError: the database is of another schema than the world's version.
    """
    tables = rows_of(world, machine_learning=machine_learning)
    with psycopg.connect(url) as connection:
        _expect_version(connection, world)
        _stage_rows(connection, tables)
        by_name = {rows.table: rows for rows in tables}
        for table in dict.fromkeys([*(name for name in _DELETED_FIRST if name in by_name), *by_name]):
            _delete(connection, by_name[table])
            if table == "stack":  # a stack that stays gets its new primary asset before the old one goes
                _update(
                    connection, by_name["stack"], only_if='EXISTS (SELECT FROM asset WHERE id = new."primaryAssetId")'
                )
        for group in _groups(tables):
            _insert(connection, group, stamped=False)
            for rows in group:
                _update(connection, rows)


def take_stamps(url: str, world: World) -> None:
    """Give the world's assets the times that the database stamped them with, and put the world's clock after them."""
    with psycopg.connect(url) as connection:
        for asset_id, created, updated in connection.execute('SELECT id::text, "createdAt", "updatedAt" FROM asset'):
            asset = world.assets[asset_id]
            asset.created_at, asset.updated_at = created, updated
            world.now = max(world.now, updated)


def _expect_version(connection: psycopg.Connection, world: World) -> None:
    found = [version for (version,) in connection.execute('SELECT version FROM version_history ORDER BY "createdAt"')]
    if not found or schema_of(found[-1]) != schema_of(world.version):
        raise ValueError(f"a world of Immich {world.version} does not fit a database of {found[-1:]}")


def _stage_rows(connection: psycopg.Connection, tables: Sequence[Rows]) -> None:
    """One temporary table per table, `new_<table>`, gone with the transaction."""
    for rows in tables:
        stage = _stage(rows)
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                stage, _list(rows.columns), sql.Identifier(rows.table)
            )
        )
        with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(stage)) as copy:
            for row in rows.rows:
                copy.write_row(row)
        connection.execute(sql.SQL("ANALYZE {}").format(stage))


def _groups(tables: Sequence[Rows]) -> Iterator[list[Rows]]:
    by_name = {rows.table: rows for rows in tables}
    partners = {name: pair for pair in _TOGETHER for name in pair}
    for name in list(by_name):
        if name in by_name:
            yield [by_name.pop(member) for member in partners.get(name, (name,))]


def _insert(connection: psycopg.Connection, group: Sequence[Rows], *, stamped: bool) -> None:
    parts = [_insertion(rows, stamped=stamped) for rows in group]
    earlier = [sql.SQL("part_{} AS ({})").format(sql.SQL(str(place)), part) for place, part in enumerate(parts[:-1])]
    head = sql.SQL("WITH {} ").format(sql.SQL(", ").join(earlier)) if earlier else sql.SQL("")
    connection.execute(head + parts[-1])


def _insertion(rows: Rows, *, stamped: bool) -> sql.Composed:
    columns = _list(name for name in rows.columns if stamped or name not in rows.stamps)
    return sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM {2} AS new WHERE NOT EXISTS (SELECT FROM {0} AS old WHERE {3})").format(
        sql.Identifier(rows.table), columns, _stage(rows), _same_key(rows)
    )  # fmt: skip


def _update(connection: psycopg.Connection, rows: Rows, *, only_if: str = "true") -> None:
    columns = [name for name in rows.columns if name not in {*rows.key, *rows.stamps, *rows.once}]
    if not columns:
        return
    connection.execute(
        sql.SQL("UPDATE {} AS old SET {} FROM {} AS new WHERE {} AND ROW({}) IS DISTINCT FROM ROW({}) AND {}").format(
            sql.Identifier(rows.table),
            sql.SQL(", ").join(sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in columns),
            _stage(rows),
            _same_key(rows),
            sql.SQL(", ").join(sql.Identifier("old", name) for name in columns),
            sql.SQL(", ").join(sql.Identifier("new", name) for name in columns),
            sql.SQL(only_if),
        )
    )


def _delete(connection: psycopg.Connection, rows: Rows) -> None:
    connection.execute(
        sql.SQL("DELETE FROM {} AS old WHERE NOT EXISTS (SELECT FROM {} AS new WHERE {})").format(
            sql.Identifier(rows.table), _stage(rows), _same_key(rows)
        )
    )


def _same_key(rows: Rows) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("old.{0} = new.{0}").format(sql.Identifier(name)) for name in rows.key)


def _stage(rows: Rows) -> sql.Identifier:
    return sql.Identifier(f"new_{rows.table}")


def _list(names: Iterator[str] | Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)

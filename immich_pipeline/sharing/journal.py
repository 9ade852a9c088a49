"""Rows that were there before, changed and deleted so that it can be undone.

One statement changes any number of rows and writes into the journal what they were and what they are. Tables are Immich's by their plain
name, or our own as `immich_pipeline_sharing.NAME`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from immich_pipeline.sharing.session import SCHEMA
from immich_pipeline.sharing.work import Work

_NOTE = sql.SQL(
    "INSERT INTO immich_pipeline_sharing.journal (run, table_name, operation, target_asset, key, before, after) "
)
_ASSET_COLUMNS = ("assetId", "target_asset", "asset_id")


def table_name(table: str) -> sql.Identifier:
    """A table in a statement."""
    return sql.Identifier(*table.split(".", 1)) if table.startswith(f"{SCHEMA}.") else sql.Identifier("public", table)


def update(
    work: Work,
    table: str,
    assignments: sql.Composable,
    where: sql.Composable,
    *,
    using: sql.Composable | None = None,
    values: Mapping[str, Any] | None = None,
) -> int:
    """`UPDATE table AS row SET assignments FROM using WHERE where`, journalled; returns how many rows were changed.

    Rows must not occur twice among what is joined. In all parts `row` is the table's row. `work.values` are parameters; `values` are
    further ones. Write conditions so that only rows that differ are changed.
    """
    statement = sql.SQL(
        "WITH changed AS (UPDATE {table} AS row SET {assignments} {using} WHERE {where} RETURNING {keys}, to_jsonb(row) AS after_row) "
        "{note} SELECT %(run)s, {name}, 'update', {asset}, {key}, to_jsonb(row), changed.after_row "
        "FROM changed JOIN {table} AS row ON {same}"
    ).format(
        table=table_name(table),
        assignments=assignments,
        using=sql.SQL("FROM {}").format(using) if using else sql.SQL(""),
        where=where,
        keys=sql.SQL(", ").join(
            sql.SQL("row.{} AS {}").format(sql.Identifier(column), _key_alias(place))
            for place, column in enumerate(work.layout.keys[table])
        ),
        note=_NOTE,
        name=sql.Literal(table),
        asset=_asset_of(work, table),
        key=_key_of(work.layout.keys[table]),
        same=sql.SQL(" AND ").join(
            sql.SQL("row.{} = changed.{}").format(sql.Identifier(column), _key_alias(place))
            for place, column in enumerate(work.layout.keys[table])
        ),
    )
    return work.connection.execute(statement, {**work.values, **(values or {})}).rowcount


def delete(
    work: Work,
    table: str,
    where: sql.Composable,
    *,
    using: sql.Composable | None = None,
    asset: sql.Composable | None = None,
    values: Mapping[str, Any] | None = None,
) -> int:
    """`DELETE FROM table AS row USING using WHERE where`, journalled; returns how many rows were deleted.

    Rows of other tables that go with them (ON DELETE CASCADE) are not: delete those first. `asset` says which copy a row belongs to, in
    terms of `row`; by default what the row itself says.
    """
    statement = sql.SQL(
        "WITH row AS (DELETE FROM {table} AS row {using} WHERE {where} RETURNING row.*) "
        "{note} SELECT %(run)s, {name}, 'delete', {asset}, {key}, to_jsonb(row), NULL FROM row"
    ).format(
        table=table_name(table),
        using=sql.SQL("USING {}").format(using) if using else sql.SQL(""),
        where=where,
        note=_NOTE,
        name=sql.Literal(table),
        asset=asset or _asset_of(work, table),
        key=_key_of(work.layout.keys[table]),
    )
    return work.connection.execute(statement, {**work.values, **(values or {})}).rowcount


def note_deleted(work: Work, table: str, rows: sql.Composable, asset: sql.Composable) -> int:
    """Write rows of a table that are about to go with others into the journal; `rows` is what follows FROM, with the table as `row`."""
    statement = sql.SQL(
        "{note} SELECT %(run)s, {name}, 'delete', {asset}, {key}, to_jsonb(row), NULL FROM {rows}"
    ).format(note=_NOTE, name=sql.Literal(table), asset=asset, key=_key_of(work.layout.keys[table]), rows=rows)
    return work.connection.execute(statement, work.values).rowcount


def count_rows(work: Work, table: str, rows: sql.Composable, asset: sql.Composable) -> int:
    """How many rows `note_deleted` would write."""
    row = work.connection.execute(sql.SQL("SELECT count(*) FROM {}").format(rows), work.values).fetchone()
    return int(row[0]) if row else 0


def insert(
    work: Work,
    table: str,
    columns: Sequence[str],
    rows: sql.Composable,
    *,
    conflict: sql.Composable | None = None,
    asset: sql.Composable | None = None,
    values: Mapping[str, Any] | None = None,
) -> int:
    """`INSERT INTO table (columns) rows`, journalled; returns how many rows were inserted.

    For rows that no table of ours knows with its run: those of copies made in the same run need none. `conflict` is what follows
    ON CONFLICT; `asset` as of `delete`.
    """
    statement = sql.SQL(
        "WITH row AS (INSERT INTO {table} ({columns}) {rows} {conflict} RETURNING *) "
        "{note} SELECT %(run)s, {name}, 'insert', {asset}, {key}, NULL, to_jsonb(row) FROM row"
    ).format(
        table=table_name(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        rows=rows,
        conflict=sql.SQL("ON CONFLICT {}").format(conflict) if conflict else sql.SQL(""),
        note=_NOTE,
        name=sql.Literal(table),
        asset=asset or _asset_of(work, table),
        key=_key_of(work.layout.keys[table]),
    )
    return work.connection.execute(statement, {**work.values, **(values or {})}).rowcount


def _key_alias(place: int) -> sql.Identifier:
    return sql.Identifier(f"key_{place}")


def _key_of(columns: Sequence[str]) -> sql.Composable:
    """The row's key as an object."""
    return sql.SQL("jsonb_build_object({})").format(
        sql.SQL(", ").join(
            sql.SQL("{}, row.{}").format(sql.Literal(column), sql.Identifier(column)) for column in columns
        )
    )


def _asset_of(work: Work, table: str) -> sql.Composable:
    """Which copy a row belongs to, as it says itself."""
    if table in {"asset", f"{SCHEMA}.copy"}:
        return sql.SQL("row.{}").format(sql.Identifier("id" if table == "asset" else "target_id"))
    found = [column for column in _ASSET_COLUMNS if column in work.layout.columns[table]]
    return sql.SQL("row.{}").format(sql.Identifier(found[0])) if found else sql.SQL("NULL::uuid")

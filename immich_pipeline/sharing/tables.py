"""Which tables are copied for an asset, and how a row of the copy comes from one of the source: tables.toml, against the live columns."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from psycopg import sql

from immich_pipeline.sharing.journal import table_name
from immich_pipeline.sharing.paths import copied_path
from immich_pipeline.sharing.work import Layout


@dataclass(frozen=True)
class CopiedTable:
    """A table whose rows are copied; see tables.toml.

    Attributes:
        name: of the table.
        asset: the column that says which asset a row belongs to.
        key: columns that tell the rows of one asset apart; None: they have none, all of an asset are replaced together.
        columns: those that are written, in the catalog's order.
        values: a value for each of them, of `source` and `batch`.
        where: which rows of the source are copied.
        follow: whether later changes are carried over.
        followed: columns of which they are.
        unless_null: of those, the ones of which a null is not.
        usual: nearly every asset has its row.
    """

    name: str
    asset: str
    key: tuple[str, ...] | None
    columns: tuple[str, ...]
    values: tuple[sql.Composable, ...]
    where: sql.Composable
    follow: bool
    followed: tuple[str, ...] = ()
    unless_null: tuple[str, ...] = ()
    usual: bool = False

    def rows(self, batch: sql.Composable = sql.Identifier("batch")) -> sql.Composed:  # noqa: B008 - a constant
        """`SELECT ...`: the rows of the copies, with the columns of `columns`; `batch` is what stands for the mapping."""
        return sql.SQL(
            "SELECT {values} FROM {batch} AS batch JOIN {table} AS source ON source.{asset} = batch.source_id WHERE {where}"
        ).format(
            values=sql.SQL(", ").join(self.values),
            batch=batch,
            table=table_name(self.name),
            asset=sql.Identifier(self.asset),
            where=self.where,
        )

    def column_list(self) -> sql.Composed:
        """The columns that are written, as a statement names them."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))


@cache
def not_copied() -> Mapping[str, str]:
    """Tables that refer to an asset and whose rows are not copied one by one, with the reason."""
    known: dict[str, str] = _table()["not_copied"]
    return known


def copied_tables(layout: Layout) -> Sequence[CopiedTable]:
    """The tables that are copied, in the order in which they can be."""
    entries = [entry for entry in _table()["table"] if layout.version in entry.get("versions", [layout.version])]
    return [_copied(entry, layout.columns[entry["name"]]) for entry in entries]


def _copied(entry: dict[str, Any], live: Sequence[str]) -> CopiedTable:
    columns = tuple(column for column in live if column not in entry["left_out"])
    overrides = {entry["asset"]: "batch.target_id", **entry.get("overrides", {})}
    key = entry.get("key")
    return CopiedTable(
        name=entry["name"],
        asset=entry["asset"],
        key=None if key is None else tuple(key),
        columns=columns,
        values=tuple(
            _expression(overrides[column])
            if column in overrides
            else sql.SQL("source.{}").format(sql.Identifier(column))
            for column in columns
        ),
        where=_expression(entry.get("where", "TRUE")),
        follow=entry["follow"],
        followed=tuple(
            column for column in columns if column not in {entry["asset"], *(key or ()), *entry.get("once", ())}
        ),
        unless_null=tuple(entry.get("unless_null", ())),
        usual=entry.get("usual", False),
    )


def _expression(text: str) -> sql.Composed:
    return sql.SQL(text).format(file_path=file_path())


def file_path() -> sql.Composed:
    """Where a file of `source` (a row of asset_file) is for the copy; null where it has no place.

    A sidecar lies beside the original and moves with it, under the target's prefix; all others are Immich's own.
    """
    own = copied_path(
        sql.SQL("source.path"),
        sql.SQL("%(source_owner)s::text"),
        sql.SQL("%(target_owner)s::text"),
        sql.SQL("batch.source_id::text"),
        sql.SQL("batch.target_id::text"),
    )
    return sql.SQL(
        "CASE WHEN source.type <> 'sidecar' THEN {own} "
        "WHEN starts_with(source.path, %(source_prefix)s || '/') AND source.path !~ '(/\\.{{0,2}}(/|$))' "
        "THEN %(target_prefix)s || substr(source.path, length(%(source_prefix)s) + 1) END"
    ).format(own=own)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files("immich_pipeline.sharing") / "tables.toml").read_text("utf-8"))

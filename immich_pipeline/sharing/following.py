"""Later changes of the source carried over to its copies, table by table: rows that changed, came or went.

The source says what an asset is; columns that the target's owner has locked by an edit of their own stay, and what follows from them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.changes import is_quiet, note_unfollowed
from immich_pipeline.sharing.journal import table_name
from immich_pipeline.sharing.tables import CopiedTable, copied_tables
from immich_pipeline.sharing.work import Counts, Seen, Work

PAIRS = sql.SQL(
    "(SELECT source_id, target_id, NULL::text AS path, NULL::bytea AS checksum FROM changed WHERE NOT fresh)"
)
"""Which copy belongs to which source, of those that are looked at; their paths are followed in places.py."""

# What is locked in the end: `properties` by the target's owner, who locked what we did not write as locked; `written` as at the source,
# with the tags that we gave (tags.py).
_KEPT = """
SELECT pair.target_id AS id, own.properties, source."lockedProperties" AS source, ARRAY(
  SELECT property FROM unnest(source."lockedProperties") AS property WHERE property <> ALL (own.properties)
  UNION ALL SELECT 'tags' WHERE %(copy_tags)s AND 'tags' = ANY (copy.locked) AND 'tags' <> ALL (own.properties)
    AND 'tags' <> ALL (coalesce(source."lockedProperties", '{}'))
)::varchar[] AS written
FROM changed AS pair JOIN immich_pipeline_sharing.copy ON copy.target_id = pair.target_id
  LEFT JOIN asset_exif AS source ON source."assetId" = pair.source_id LEFT JOIN asset_exif AS there ON there."assetId" = pair.target_id,
  LATERAL (SELECT ARRAY(
    SELECT unnest(there."lockedProperties") EXCEPT SELECT unnest(coalesce(copy.locked, source."lockedProperties")::varchar[])
    ORDER BY 1) AS properties) AS own
WHERE NOT pair.fresh
"""
_LOCKED = "(kept.written || kept.properties)"
# As a set: the order says nothing.
_LOCKED_VALUE = f"""
CASE WHEN coalesce(row."lockedProperties", '{{}}') @> {_LOCKED} AND coalesce(row."lockedProperties", '{{}}') <@ {_LOCKED}
THEN row."lockedProperties" WHEN cardinality({_LOCKED}) = 0 THEN kept.source ELSE {_LOCKED} END
"""
# Columns that go with a locked property of another name.
_FOLLOW_FROM: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "asset": {"fileCreatedAt": ("dateTimeOriginal",), "localDateTime": ("dateTimeOriginal",)},
    "asset_exif": {name: (name, "latitude", "longitude") for name in ("city", "state", "country")},
}

_NOW = sql.SQL("({})").format(sql.SQL(_KEPT))


@dataclass(frozen=True)
class _Following:
    """How the rows of one table are followed.

    Attributes:
        table: which.
        using: what an update of `row` is joined with, `new` among it.
        differs: the condition that a row is not as it is to be.
        assignments: what makes it so.
        missing: the rows that are to be inserted.
        extra: the condition that a row is to be deleted, joined with `changed AS pair`; None: never.
    """

    table: CopiedTable
    using: sql.Composable
    differs: sql.Composable
    assignments: sql.Composable
    missing: sql.Composable
    extra: sql.Composable | None


def follow(work: Work) -> Counts:
    """Carry over every table but asset_file, whose files come first (pictures.py)."""
    if is_quiet(work):
        return {}
    # what is locked is looked at once: what is written below changes it
    work.connection.execute("DROP TABLE IF EXISTS pg_temp.kept")
    work.connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE kept ON COMMIT DROP AS {}").format(sql.SQL(_KEPT)), work.values
    )
    kept = sql.Identifier("kept")
    counts: Counts = {}
    for table in _tables(work):
        counts[table.name] = follow_table(work, table, kept=kept) if table.key is not None else _replace(work, table)
    _follow_locks(work)
    note_unfollowed(work, "back", {})
    return {table: rows for table, rows in counts.items() if rows}


def follow_outlook(work: Work) -> Seen:
    """Which rows of copies would be changed, made or removed."""
    counts: Counts = {}
    subjects: dict[str, None] = {}
    for table in _tables(work):
        found = table_outlook(work, table) if table.key is not None else _replaced(work, table)
        counts[table.name] = len(found)
        subjects.update(dict.fromkeys(found))
    return Seen({table: rows for table, rows in counts.items() if rows}, tuple(subjects))


def follow_table(
    work: Work,
    table: CopiedTable,
    *,
    kept: sql.Composable = _NOW,
    rows: sql.Composable | None = None,
) -> int:
    """Make the rows of copies what their sources' are; returns how many were written.

    `kept` is what says what is locked, `rows` are the rows that are to be, where they were found before.
    """
    how = _how(table, kept, rows)
    written = 0
    if table.followed:
        written += journal.update(work, table.name, how.assignments, how.differs, using=how.using)
    if how.extra is not None:
        written += journal.delete(work, table.name, how.extra, using=sql.SQL("changed AS pair"))
    if table.name != "asset":
        written += journal.insert(work, table.name, table.columns, how.missing)
    return written


def table_outlook(work: Work, table: CopiedTable) -> list[str]:
    """The copies whose rows `follow_table` would write, one entry per row."""
    how, name, asset = _how(table, _NOW), table_name(table.name), sql.Identifier(table.asset)
    parts: list[sql.Composable] = []
    if table.followed:
        parts.append(sql.SQL("SELECT row.{} FROM {} AS row, {} WHERE {}").format(asset, name, how.using, how.differs))
    if how.extra is not None:
        parts.append(sql.SQL("SELECT row.{} FROM {} AS row, changed AS pair WHERE {}").format(asset, name, how.extra))
    if table.name != "asset":
        parts.append(
            sql.SQL("SELECT missing.{} FROM ({}) AS missing ({})").format(asset, how.missing, table.column_list())
        )
    return _ids(work, sql.SQL(" UNION ALL ").join(parts))


def _tables(work: Work) -> Iterator[CopiedTable]:
    for table in copied_tables(work.layout):
        if table.follow and table.name != "asset_file":
            # what a copy was given at first in place of a null is not given again
            values = [
                sql.SQL("source.{}").format(sql.Identifier(column)) if column in table.unless_null else value
                for column, value in zip(table.columns, table.values, strict=True)
            ]
            yield replace(table, values=tuple(values))


def _how(table: CopiedTable, kept: sql.Composable, rows: sql.Composable | None = None) -> _Following:
    asset, name = sql.Identifier(table.asset), table_name(table.name)
    new = sql.SQL("({}) AS new ({})").format(rows or table.rows(PAIRS), table.column_list())
    same = sql.SQL(" AND ").join(
        sql.SQL("row.{0} = new.{0}").format(sql.Identifier(column)) for column in (table.asset, *(table.key or ()))
    )
    values = [_value(table, column) for column in table.followed]
    keeps = sql.SQL("{} LEFT JOIN {} AS kept ON kept.id = new.{}").format(new, kept, asset)
    return _Following(
        table,
        using=keeps if table.name in _FOLLOW_FROM else new,
        differs=sql.SQL("{} AND ROW({}) IS DISTINCT FROM ROW({})").format(
            same, _row(table.followed), sql.SQL(", ").join(values)
        ),
        assignments=sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), value)
            for column, value in zip(table.followed, values, strict=True)
        ),
        missing=sql.SQL(
            "SELECT new.* FROM {new} JOIN asset ON asset.id = new.{asset} WHERE NOT EXISTS (SELECT FROM {name} AS row WHERE {same})"
        ).format(new=new, asset=asset, name=name, same=same),
        extra=None if table.unless_null or table.name == "asset" else _extra(table),
    )


def _extra(table: CopiedTable) -> sql.Composed:
    """Rows of copies that have no counterpart."""
    same = [
        sql.SQL("source.{} = pair.source_id").format(sql.Identifier(table.asset)),
        *(sql.SQL("source.{0} = row.{0}").format(sql.Identifier(column)) for column in table.key or ()),
    ]
    return sql.SQL(
        "row.{asset} = pair.target_id AND NOT pair.fresh AND NOT EXISTS (SELECT FROM {name} AS source WHERE {same})"
    ).format(asset=sql.Identifier(table.asset), name=table_name(table.name), same=sql.SQL(" AND ").join(same))


def _value(table: CopiedTable, column: str) -> sql.Composable:
    """What a column is to be."""
    name = sql.Identifier(column)
    if column == "lockedProperties":
        return sql.SQL(_LOCKED_VALUE)
    if column in table.unless_null:
        return sql.SQL("coalesce(new.{0}, row.{0})").format(name)
    if table.name not in _FOLLOW_FROM:
        return sql.SQL("new.{}").format(name)
    properties = list(_FOLLOW_FROM[table.name].get(column, (column,)))
    return sql.SQL("CASE WHEN kept.properties && {}::varchar[] THEN row.{name} ELSE new.{name} END").format(
        sql.Literal(properties), name=name
    )


def _replace(work: Work, table: CopiedTable) -> int:
    """Rows that cannot be told apart: all of a copy whose rows are not those of its source."""
    unlike = sql.SQL("({})").format(_unlike(work, table))
    asset = sql.Identifier(table.asset)
    deleted = journal.delete(work, table.name, sql.SQL("row.{} IN {}").format(asset, unlike))
    rows = sql.SQL("SELECT new.* FROM ({}) AS new ({}) WHERE new.{} IN {}").format(
        table.rows(PAIRS), table.column_list(), asset, unlike
    )
    return deleted + journal.insert(work, table.name, table.columns, rows)


def _replaced(work: Work, table: CopiedTable) -> list[str]:
    return _ids(work, _unlike(work, table))


def _unlike(work: Work, table: CopiedTable) -> sql.Composed:
    """Copies whose rows are not those of their sources."""
    wanted = table.rows(PAIRS)
    there = sql.SQL(
        "SELECT {} FROM {} AS row JOIN changed AS pair ON pair.target_id = row.{} WHERE NOT pair.fresh"
    ).format(_row(table.columns), table_name(table.name), sql.Identifier(table.asset))
    return sql.SQL(
        "SELECT DISTINCT {asset} FROM (({wanted} EXCEPT ALL {there}) UNION ALL ({there} EXCEPT ALL {wanted})) AS unlike ({columns})"
    ).format(asset=sql.Identifier(table.asset), wanted=wanted, there=there, columns=table.column_list())


def _follow_locks(work: Work) -> None:
    """Write down what we have locked, for the next time."""
    journal.update(
        work,
        "immich_pipeline_sharing.copy",
        sql.SQL("locked = kept.written"),
        sql.SQL("row.target_id = kept.id AND row.locked IS DISTINCT FROM kept.written::text[]"),
        using=sql.Identifier("kept"),
    )


def _ids(work: Work, query: sql.Composed) -> list[str]:
    return [str(asset) for (asset,) in work.connection.execute(query, work.values)]


def _row(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier("row", column) for column in columns)

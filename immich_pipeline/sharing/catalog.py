"""The live catalog of Immich's database, with what writing to it needs to know: keys, defaults, unique indexes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from immich_pipeline.immich.contract import Catalog
from immich_pipeline.sharing.session import SCHEMA, Connection

# Not information_schema: that leaves out what the role may not read, which is not the same as missing.
_COLUMNS = """
SELECT CASE nspname WHEN 'public' THEN relname::text ELSE nspname || '.' || relname END, attname::text,
  CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN format_type(atttypid, NULL) ELSE typname::text END,
  attnotnull AND NOT atthasdef AND attidentity = '', attgenerated <> '' OR attidentity = 'a'
FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_namespace AS space ON space.oid = relnamespace
  JOIN pg_catalog.pg_attribute ON attrelid = class.oid JOIN pg_catalog.pg_type AS type ON type.oid = atttypid
WHERE nspname IN ('public', %s) AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
ORDER BY class.oid, attnum
"""
_UNIQUE = """
SELECT CASE nspname WHEN 'public' THEN relname::text ELSE nspname || '.' || relname END, indisprimary, indpred IS NOT NULL,
  ARRAY(SELECT coalesce(attname::text, '(expression)') FROM unnest(indkey) WITH ORDINALITY AS place (number, rank)
    LEFT JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = number AND number > 0
    WHERE rank <= indnkeyatts ORDER BY rank)
FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS class ON class.oid = indrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = relnamespace
WHERE indisunique AND indisvalid AND nspname IN ('public', %s)
"""
_LABELS = """
SELECT typname::text, array_agg(enumlabel::text ORDER BY enumsortorder)
FROM pg_catalog.pg_enum JOIN pg_catalog.pg_type AS type ON type.oid = enumtypid
WHERE typnamespace = 'public'::regnamespace GROUP BY typname
"""
_REFER_TO_ASSET = """
SELECT DISTINCT relname::text, attname::text, confdeltype = 'c'
FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class AS class ON class.oid = conrelid
  JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
WHERE contype = 'f' AND relnamespace = 'public'::regnamespace AND confrelid = 'public.asset'::regclass
"""
_HAS_ASSET = "SELECT to_regclass('public.asset') IS NOT NULL"


@dataclass
class LiveTable:
    """One table as it is.

    Attributes:
        types: column to type, as immich/contracts.toml writes types, in the catalog's order.
        required: columns that are not null and have no default.
        generated: columns that cannot be given a value.
        key: columns of the primary key.
        unique: columns of each unique index, "..." at the end where it is only of a part of the rows.
    """

    types: dict[str, str] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    generated: set[str] = field(default_factory=set)
    key: tuple[str, ...] = ()
    unique: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class LiveCatalog:
    """A database as it is; our own tables are there as `immich_pipeline_sharing.NAME`.

    Attributes:
        tables: by name.
        labels: enum type to its labels.
        referring: table to the columns that refer to an asset, with whether a row goes when the asset goes.
    """

    tables: Mapping[str, LiveTable]
    labels: Mapping[str, tuple[str, ...]]
    referring: Mapping[str, Mapping[str, bool]]

    @property
    def as_read(self) -> Catalog:
        """What of it the contracts of reading look at."""
        columns = {name: table.types for name, table in self.tables.items()}
        return Catalog(columns, self.labels, tuple(self.referring))


def read_catalog(connection: Connection) -> LiveCatalog:
    """Read which tables, columns, keys and labels there are."""
    tables: dict[str, LiveTable] = {}
    for table, column, kind, required, generated in connection.execute(_COLUMNS, [SCHEMA]):
        live = tables.setdefault(table, LiveTable())
        live.types[column] = kind
        if required:
            live.required.append(column)
        if generated:
            live.generated.add(column)
    for table, primary, partial, columns in connection.execute(_UNIQUE, [SCHEMA]):
        if table in tables:
            tables[table].unique.add(" ".join([*columns, *(["..."] if partial else [])]))
            if primary:
                tables[table].key = tuple(columns)
    referring: dict[str, dict[str, bool]] = {}
    if connection.execute(_HAS_ASSET).fetchone() == (True,):
        for table, column, cascades in connection.execute(_REFER_TO_ASSET):
            referring.setdefault(table, {})[column] = cascades
    return LiveCatalog(tables, {kind: tuple(names) for kind, names in connection.execute(_LABELS)}, referring)

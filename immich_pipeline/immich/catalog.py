"""The live catalog of Immich's database, as the contracts write it."""

import polars as pl
from psycopg import sql

from immich_pipeline.immich.contract import Catalog
from immich_pipeline.immich.session import Session

# pg_catalog is asked, not information_schema: that leaves out what the role may not read, which is not the same as missing.
_COLUMNS = sql.SQL(
    "SELECT relname::text AS table, attname::text AS column, "
    "CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN format_type(atttypid, NULL) ELSE typname::text END AS type "
    "FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_attribute ON attrelid = class.oid "
    "JOIN pg_catalog.pg_type AS type ON type.oid = atttypid "
    "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped"
)
_LABELS = sql.SQL(
    "SELECT typname::text AS type, enumlabel::text AS label FROM pg_catalog.pg_enum "
    "JOIN pg_catalog.pg_type AS type ON type.oid = enumtypid WHERE typnamespace = 'public'::regnamespace ORDER BY enumsortorder"
)
_REFER_TO_ASSET = sql.SQL(
    "SELECT DISTINCT relname::text AS name FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class AS class ON class.oid = conrelid "
    "WHERE contype = 'f' AND relnamespace = 'public'::regnamespace AND confrelid = "
    "(SELECT oid FROM pg_catalog.pg_class WHERE relname = 'asset' AND relnamespace = 'public'::regnamespace)"
)


def read_catalog(session: Session) -> Catalog:
    """Read which tables, columns and labels there are."""
    columns: dict[str, dict[str, str]] = {}
    for table, column, kind in session.read(_COLUMNS).iter_rows():
        columns.setdefault(table, {})[column] = kind
    labels = session.read(_LABELS).group_by("type", maintain_order=True).agg(pl.col("label"))
    return Catalog(
        columns=columns,
        labels={kind: tuple(names) for kind, names in labels.iter_rows()},
        refer_to_asset=tuple(session.read(_REFER_TO_ASSET)["name"]),
    )

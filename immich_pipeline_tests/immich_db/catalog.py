"""What a database's catalog says of its tables, in the words of the shared catalogs."""

from typing import Any

import psycopg

_COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod), NOT attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
"""
_CONSTRAINTS = """
SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid)
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND contype IN ('p', 'f', 'u', 'c')
"""
_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
_TRIGGERS = """
SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid)
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
"""
_ENUMS = """
SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder)
FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY typname
"""


def read_catalog(url: str) -> dict[str, Any]:
    """Enums and tables: `columns` (type, nullable, default), `constraints`, `indexes` and `triggers` (each a definition by its name)."""
    tables: dict[str, dict[str, Any]] = {}
    with psycopg.connect(url) as connection:
        for table, column, kind, nullable, default in connection.execute(_COLUMNS):
            entry = tables.setdefault(table, {"columns": {}, "constraints": {}, "indexes": {}, "triggers": {}})
            entry["columns"][column] = {"type": kind, "nullable": nullable, "default": default}
        for subject, query in (("constraints", _CONSTRAINTS), ("indexes", _INDEXES), ("triggers", _TRIGGERS)):
            for table, name, definition in connection.execute(query):
                tables[table][subject][name] = definition
        return {"enums": dict(connection.execute(_ENUMS).fetchall()), "tables": tables}

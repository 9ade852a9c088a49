"""The DDL of one of Immich's schemas, put together from the files in `schema/`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import sql

_FOLDER = Path(__file__).parent / "schema"
_STEPS = {"2.7.5": "v2_7_5.sql", "3.1.0": "v3_1_0.sql", "3.2": "v3_2.sql"}
SCHEMAS = tuple(_STEPS)
"""The schemas that we know, oldest first."""


def schema_of(version: str) -> str:
    """The schema that a server of this version ("2.7.5", "3.0.1", "3.2.2") has: each is named after the version that brought it.

    Raises:
        ValueError: the version is older than all of them.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    for schema, first in (("3.2", (3, 2)), ("3.1.0", (3, 0)), ("2.7.5", (2, 7))):
        if (major, minor) >= first:
            return schema
    raise ValueError(f"no schema for Immich {version}")


@cache
def ddl(schema: str) -> str:
    """Everything that turns an empty database into one of this schema, as one script."""
    steps = SCHEMAS[: SCHEMAS.index(schema) + 1]
    parts = [_read("functions.sql"), *(_read(_STEPS[step]) for step in steps)]
    triggers = tomllib.loads(_read("triggers.toml"))
    parts += [_stamp(table, name) for table, name in _stamped(triggers["stamps"], schema).items()]
    made: set[str] = set()
    for audit in triggers["audits"]:
        if not _applies(audit, schema):
            continue
        targets = [audit["into"], *([audit["also_into"]] if "also_into" in audit else [])]
        parts += [_audit_table(target, audit) for target in targets if target not in made]
        made.update(targets)
        parts.append(_audit_trigger(audit))
    return "\n".join(parts)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _applies(entry: dict[str, Any], schema: str) -> bool:
    place = SCHEMAS.index(schema)
    since, before = entry.get("since"), entry.get("before")
    return (since is None or place >= SCHEMAS.index(since)) and (before is None or place < SCHEMAS.index(before))


def _stamped(stamps: dict[str, Any], schema: str) -> dict[str, str]:
    tables = stamps["tables"] + (stamps["tables_since_3_2"] if schema == "3.2" else [])
    names: dict[str, str] = stamps["names"]
    return {table: f"{table}_updatedAt" for table in tables} | names


def _name(text: str) -> str:
    return sql.Identifier(text).as_string(None)


def _stamp(table: str, name: str) -> str:
    return f"CREATE TRIGGER {_name(name)} BEFORE UPDATE ON {_name(table)} FOR EACH ROW EXECUTE FUNCTION updated_at();"


def _audit_table(target: str, audit: dict[str, Any]) -> str:
    types, parents = audit.get("types", {}), audit.get("parent", {})
    columns = [f"{_name(column)} {types.get(column, 'uuid')} NOT NULL" for column in audit["columns"]]
    keys = [
        f"FOREIGN KEY ({_name(column)}) REFERENCES {_name(parent)} ON UPDATE CASCADE ON DELETE CASCADE"
        for column, parent in parents.items()
    ]
    indexed = ["deletedAt", *(column for column in audit["columns"] if column not in audit.get("unindexed", []))]
    body = [
        "id uuid PRIMARY KEY DEFAULT immich_uuid_v7()",
        *columns,
        '"deletedAt" timestamptz NOT NULL DEFAULT clock_timestamp()',
        *keys,
    ]
    indexes = [f"CREATE INDEX ON {_name(target)} ({_name(column)});" for column in indexed]
    return "\n".join([f"CREATE TABLE {_name(target)} ({', '.join(body)});", *indexes])


def _audit_trigger(audit: dict[str, Any]) -> str:
    columns = ", ".join(_name(column) for column in audit["columns"])
    values = ", ".join(f"gone.{_name(column)}" for column in audit["columns"].values())
    present = [
        f"EXISTS (SELECT FROM {_name(parent)} WHERE id = gone.{_name(audit['columns'][column])})"
        for column, parent in audit.get("parent", {}).items()
    ]
    condition = f" WHERE {' AND '.join(present)}" if present else ""

    def told(target: str) -> str:
        return f"INSERT INTO {_name(target)} ({columns}) SELECT {values} FROM old AS gone{condition};"

    second = audit.get("also_into")
    also = f" IF pg_trigger_depth() = 1 THEN {told(second)} END IF;" if second else ""
    depth = "<= 1" if audit.get("depth") == 1 else "= 0"
    trigger = _name(audit["trigger"])
    return (
        f"CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {told(audit['into'])}{also} RETURN NULL; END $$;\n"
        f"CREATE TRIGGER {trigger} AFTER DELETE ON {_name(audit['table'])} REFERENCING OLD TABLE AS old "
        f"FOR EACH STATEMENT WHEN (pg_trigger_depth() {depth}) EXECUTE FUNCTION {trigger}();"
    )

"""The database role that shares: what it must be allowed to do, as SQL to run once."""

import re
from importlib import resources

from psycopg import sql

from immich_pipeline.sharing.session import SCHEMA, Connection

DEFAULT_ROLE = "immich_share"


def role_sql(role: str = DEFAULT_ROLE) -> str:
    """The statements that make the role, or give it what it lacks; to be run as the owner of Immich's database."""
    return sql.SQL(_text()).format(role=sql.Identifier(role), name=sql.Literal(role)).as_string(None)


def missing_rights(connection: Connection) -> list[str]:
    """What this connection's role lacks of the rights that `role.sql` gives, as `asset: INSERT`; tables that are not there aside."""
    listed = re.findall(r"\('(\w+)', '([A-Z, ]+)'\)", _text())
    wanted = [(table, right) for table, rights in listed for right in rights.split(", ")]
    query = (
        "SELECT wanted.name, wanted.privilege FROM unnest(%s::text[], %s::text[]) AS wanted (name, privilege) "
        "WHERE to_regclass(format('public.%%I', wanted.name)) IS NOT NULL "
        "AND NOT has_table_privilege(format('public.%%I', wanted.name), wanted.privilege)"
    )
    tables, rights = (list(column) for column in zip(*wanted, strict=True))
    found = [f"{table}: {right}" for table, right in connection.execute(query, [tables, rights]).fetchall()]
    schema = connection.execute(
        "SELECT coalesce(has_schema_privilege(to_regnamespace(%s), 'CREATE'), has_database_privilege(current_database(), 'CREATE'))",
        [SCHEMA],
    ).fetchone()
    return found if schema == (True,) else [*found, f"schema {SCHEMA}: CREATE"]


def _text() -> str:
    return (resources.files("immich_pipeline.sharing") / "role.sql").read_text(encoding="utf-8")

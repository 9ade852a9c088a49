"""The database role that shares: what it must be allowed to do, as SQL to run once."""

from importlib import resources

from psycopg import sql

DEFAULT_ROLE = "immich_share"


def role_sql(role: str = DEFAULT_ROLE) -> str:
    """The statements that make the role, or give it what it lacks; to be run as the owner of Immich's database."""
    text = (resources.files("immich_pipeline.sharing") / "role.sql").read_text(encoding="utf-8")
    return sql.SQL(text).format(role=sql.Identifier(role), name=sql.Literal(role)).as_string(None)

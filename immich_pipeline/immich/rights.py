"""What the database role may do: everything that is read, and nothing else, is how it should be."""

from dataclasses import dataclass

from psycopg import sql

from immich_pipeline.immich.contract import Contract
from immich_pipeline.immich.session import Session

ON_DEMAND = frozenset({"smart_search", "asset_face", "person", "version_history"})
"""Tables that a snapshot does without: they are read only when something asks for embeddings, faces or the server's version."""


@dataclass(frozen=True)
class Rights:
    """The rights of the role that is used.

    Attributes:
        role: its name.
        superuser: it may do anything, whatever the tables say.
        can_write: tables of Immich that it may change.
        cannot_read: what is read and the role must not: tables ("asset"), or columns ("user.email") of a table it sees in part.
    """

    role: str
    superuser: bool
    can_write: tuple[str, ...]
    cannot_read: tuple[str, ...]

    @property
    def missing_for_snapshot(self) -> tuple[str, ...]:
        """What a snapshot needs and the role may not read."""
        return tuple(name for name in self.cannot_read if name.partition(".")[0] not in ON_DEMAND)

    @property
    def read_only(self) -> bool:
        """Whether the role cannot change anything of Immich's."""
        return not self.superuser and not self.can_write


_ROLE = sql.SQL(
    "SELECT rolname::text AS role, rolsuper AS superuser FROM pg_catalog.pg_roles WHERE rolname = current_user"
)
_CAN_WRITE = sql.SQL(
    "SELECT relname::text AS name FROM pg_catalog.pg_class "
    "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') "
    "AND (has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(oid, 'INSERT, UPDATE')) "
    "ORDER BY relname"
)
_CANNOT_READ = sql.SQL(
    "SELECT relname::text AS table, attname::text AS column, has_any_column_privilege(class.oid, 'SELECT') AS partly "
    "FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_attribute ON attrelid = class.oid "
    "WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped "
    "AND (NOT has_schema_privilege(relnamespace, 'USAGE') OR NOT has_column_privilege(class.oid, attnum, 'SELECT')) "
    "AND (relname, attname) IN (VALUES {wanted}) ORDER BY relname, attnum"
)


def read_rights(session: Session, contract: Contract) -> Rights:
    """Ask the database what its own role may do with the tables of a contract."""
    role, superuser = session.read(_ROLE).row(0)
    writable = session.read(_CAN_WRITE)["name"].to_list()
    wanted = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(table), sql.Literal(column))
        for table, columns in contract.columns.items()
        for column in columns
    )
    hidden = session.read(_CANNOT_READ.format(wanted=wanted))
    names = [f"{table}.{column}" if partly else table for table, column, partly in hidden.iter_rows()]
    return Rights(role, superuser, tuple(writable), tuple(dict.fromkeys(names)))

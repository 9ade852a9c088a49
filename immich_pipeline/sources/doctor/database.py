"""Does the database answer, does it look as we know it, and may our role read it, and nothing more?"""

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from immich_pipeline.immich.contract import Contract, ContractCheck
from immich_pipeline.immich.database import ImmichDatabase, Rights
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.immich.versions import ServerVersion, support_of
from immich_pipeline.sources.doctor.clock import compare_clocks
from immich_pipeline.sources.doctor.facts import Tables
from immich_pipeline.sources.doctor.limits import Limits
from immich_pipeline.sources.doctor.look import Notes

READER = "immich_pipeline_reader"


def look_at_database(settings: ImmichSettings, limits: Limits, notes: Notes) -> Tables | None:
    """Reach the database; compare its tables with the contracts; look at what our role may do.

    Raises:
        DatabaseUnreachable: it does not answer.
    """
    if settings.database_url is None:
        return None
    database = ImmichDatabase(settings.database_url, timeout_seconds=max(1, int(limits.step_seconds) - 1))
    before = datetime.now(UTC)
    theirs = database.now()
    after = datetime.now(UTC)
    notes.ok("connection", f"answers at {place(settings.database_url)}")
    compare_clocks("the database", theirs, before, after, notes)
    check = database.check()
    _note_contract(check, bool(settings.url and settings.users and settings.read == "auto"), notes)
    rights = database.rights()
    _note_rights(rights, check.contract or check.nearest, settings.database_url, notes)
    if check.contract is None:
        return Tables(holds=False, usable=False)
    _note_version(database, rights, notes)
    unreadable = frozenset(name.partition(".")[0] for name in rights.cannot_read)
    if rights.missing_for_snapshot:
        return Tables(holds=True, usable=False, cannot_read=unreadable)
    return Tables(
        holds=True,
        usable=True,
        cannot_read=unreadable,
        owners=database.owners(),
        libraries=database.libraries(),
    )


def place(url: SecretStr) -> str:
    """Where a database is: host, port and name, never the password."""
    try:
        parts = conninfo_to_dict(url.get_secret_value())
    except ProgrammingError:
        return "an address that is none"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{parts.get('host') or 'localhost'}{port}/{_database_name(url)}"


def _database_name(url: SecretStr) -> str:
    try:
        parts = conninfo_to_dict(url.get_secret_value())
    except ProgrammingError:
        return "immich"
    return str(parts.get("dbname") or parts.get("user") or "immich")


def _note_contract(check: ContractCheck, api_instead: bool, notes: Notes) -> None:
    if check.contract:
        notes.ok("tables", f"as Immich has them from {check.contract.name} on")
    else:
        instead = "the API is read instead" if api_instead else "it is not read"
        notes.problem(
            "tables",
            f"they are not as any known version of Immich has them (nearest: {check.nearest.name}): {'; '.join(check.missing)}; {instead}",
            "install a version of immich-pipeline that knows this Immich"
            + ("" if api_instead else ", or add url and users to the settings, so that the API can be read instead"),
        )
    if check.unknown:
        notes.ok("tables", f"new ones that refer to assets and are not read: {', '.join(check.unknown)}")


def _note_version(database: ImmichDatabase, rights: Rights, notes: Notes) -> None:
    if any(name.startswith("version_history") for name in rights.cannot_read):
        return
    try:
        version: ServerVersion | None = database.server_version()
    except ImmichError as error:  # the tables count, not the version; so this is a note beside them
        notes.warning("version", str(error))
        return
    if version is None:
        notes.warning("version", "the database does not say which version of Immich last used it")
    elif (note := support_of(version).note) is not None:
        notes.warning("version", note)
    else:
        notes.ok("version", f"last used by Immich {version}")


def _note_rights(rights: Rights, contract: Contract, url: SecretStr, notes: Notes) -> None:
    if rights.superuser:
        notes.warning(
            f"role {rights.role}",
            "is a superuser, which may read and change everything; the pipeline itself opens read-only sessions",
            create_role_sql(contract, url),
        )
    elif rights.can_write:
        notes.warning(
            f"role {rights.role}",
            f"may change {_listed(rights.can_write)}; the pipeline itself opens read-only sessions",
            create_role_sql(contract, url),
        )
    else:
        notes.ok(f"role {rights.role}", "may not change anything")
    if rights.cannot_read:
        notes.problem("rights to read", f"{rights.role} may not read {_listed(rights.cannot_read)}", grant_sql(rights))
    else:
        notes.ok("rights to read", f"{rights.role} may read everything that is read")


def grant_sql(rights: Rights) -> str:
    """SQL that lets the role read what it lacks; to be run as the owner of the database."""
    role = identifier(rights.role)
    columns: dict[str, list[str]] = {}
    for name in rights.cannot_read:
        table, _, column = name.partition(".")
        columns.setdefault(table, []).extend([column] if column else [])
    tables = [table for table, some in columns.items() if not some]
    lines = ["as the owner of the database:", f"GRANT USAGE ON SCHEMA public TO {role};"]
    if tables:
        lines.append(f"GRANT SELECT ON {_identifiers(tables)} TO {role};")
    lines += [
        f"GRANT SELECT ({_identifiers(some)}) ON {identifier(table)} TO {role};"
        for table, some in columns.items()
        if some
    ]
    return "\n".join(lines)


def create_role_sql(contract: Contract, url: SecretStr) -> str:
    """SQL that makes a role which may read what we read, and nothing else; to be run as the owner of the database.

    Taking rights from the role in use would not help where it owns the tables, so it is a new one.
    """
    return (
        "as the owner of the database, make a role for this, and name it in the database address instead:\n"
        f"CREATE ROLE {READER} LOGIN PASSWORD 'choose one';\n"
        f"GRANT CONNECT ON DATABASE {identifier(_database_name(url))} TO {READER};\n"
        f"GRANT USAGE ON SCHEMA public TO {READER};\n"
        f"GRANT SELECT ON {_identifiers(contract.tables)} TO {READER};"
    )


def identifier(name: str) -> str:
    """A name as SQL takes it whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _identifiers(names: Sequence[str]) -> str:
    return ", ".join(identifier(name) for name in names)


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"

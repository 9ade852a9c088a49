"""Whether Immich's database is one that may be written to, and what it looks like then; and whether a job fits it.

The version is told by the columns, as for reading (immich/contract.py); contract.toml adds what writing relies on. Whatever is not as it
must be is told at once.
"""

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from psycopg import sql

from immich_pipeline.errors import UserError
from immich_pipeline.immich.contract import compare
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.queries import VERSION
from immich_pipeline.immich.versions import ServerVersion, support_of
from immich_pipeline.sharing.catalog import LiveCatalog, LiveTable, read_catalog
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.session import Connection
from immich_pipeline.sharing.work import Layout

_USERS = 'SELECT id::text, "deletedAt" IS NULL FROM "user" WHERE id = ANY(%s::uuid[])'
_LIBRARY = 'SELECT "ownerId"::text, "deletedAt" IS NULL FROM library WHERE id = %s'
_ALBUM = 'SELECT "deletedAt" IS NULL, {} FROM album WHERE id = %(album)s'
_ALBUM_OWNER = {
    True: '"ownerId" = %(owner)s',
    False: 'EXISTS (SELECT FROM album_user WHERE "albumId" = album.id AND "userId" = %(owner)s AND role = \'owner\')',
}
_GROUPS = 'SELECT count(DISTINCT "clusterGroupId") FROM "user" WHERE id = ANY(%s::uuid[])'


class CannotShare(UserError):  # noqa: N818 - what it says is the error
    """The database, or the job, is not as it must be; the message lists everything.

    Attributes:
        problems: a sentence each.
    """

    def __init__(self, opening: str, problems: list[str]) -> None:
        super().__init__(f"{opening}: {'; '.join(problems)}")
        self.problems = tuple(problems)


def read_layout(connection: Connection) -> Layout:
    """What the live database looks like.

    Raises:
        CannotShare: it must not be written to; everything that is wrong is listed.
    """
    catalog = read_catalog(connection)
    check = compare(catalog.as_read)
    version = check.nearest.name
    problems = [*check.missing, *_problems(catalog, version)]
    problems += [] if check.missing else _version_problems(connection)
    if problems:
        raise CannotShare(
            "Immich's database is not as this program knows it, and nothing is written to it (nor was)", problems
        )
    return Layout(
        version=version,
        columns={
            name: tuple(column for column in table.types if column not in table.generated)
            for name, table in catalog.tables.items()
        },
        keys={name: table.key for name, table in catalog.tables.items()},
        person_groups="person-group" in check.nearest.features,
        unknown_tables=check.unknown,
        referring=catalog.referring,
    )


def check_job(connection: Connection, job: Job, layout: Layout) -> None:
    """See that users, library and album of a job are there and belong together.

    Raises:
        CannotShare: they do not; everything that is wrong is listed.
    """
    problems = [
        *_user_problems(connection, job),
        *_library_problems(connection, job),
        *_album_problems(connection, job, layout),
        *group_problems(connection, job, layout),
    ]
    if problems:
        raise CannotShare(f"the job '{job.name}' cannot run", problems)


def _user_problems(connection: Connection, job: Job) -> list[str]:
    if job.source_owner == job.target_owner:
        return ["source and target are the same user"]
    active: dict[str, bool] = dict(connection.execute(_USERS, [[job.source_owner, job.target_owner]]).fetchall())
    asked = {"source": job.source_owner, "target": job.target_owner}
    return [
        f"the {role} user {user} {'is deleted' if user in active else 'is not there'}"
        for role, user in asked.items()
        if not active.get(user)
    ]


def _library_problems(connection: Connection, job: Job) -> list[str]:
    found = connection.execute(_LIBRARY, [job.target_library]).fetchone()
    if found is None:
        return [f"the target library {job.target_library} is not there"]
    owner, active = found
    problems = [] if owner == job.target_owner else ["the target library is not the target user's"]
    return problems + ([] if active else ["the target library is deleted"])


def _album_problems(connection: Connection, job: Job, layout: Layout) -> list[str]:
    if job.album is None:
        return []
    found = connection.execute(
        sql.SQL(_ALBUM).format(sql.SQL(_ALBUM_OWNER[layout.version == "2.7"])),
        {"album": job.album, "owner": job.target_owner},
    ).fetchone()
    if found is None:
        return [f"the album {job.album} is not there"]
    active, owned = found
    return ([] if active else ["the album is deleted"]) + ([] if owned else ["the album is not the target user's"])


def group_problems(connection: Connection, job: Job, layout: Layout) -> list[str]:
    """Why the people of one user of a job are not known to the other (from 3.2 on); nothing when they are."""
    if not layout.person_groups:
        return []
    found = connection.execute(_GROUPS, [[job.source_owner, job.target_owner]]).fetchone()
    if found is None or found[0] <= 1:
        return []
    return [
        "source and target user are in different cluster groups, so that one's people are not known to the other: put both into one "
        "cluster group (Administration, Users, then the user's cluster group), let Immich recognise people anew, and run the job again"
    ]


def _version_problems(connection: Connection) -> list[str]:
    found = connection.execute(VERSION).fetchone()
    if found is None:
        return []
    try:
        note = support_of(ServerVersion.parse(found[0])).note
    except ImmichError as error:
        note = str(error)
    return [] if note is None else [note]


def _problems(catalog: LiveCatalog, version: str) -> list[str]:
    found: list[str] = []
    for known in _table()["table"]:
        if version not in known.get("versions", [version]):
            continue
        live = catalog.tables.get(known["name"])
        if live is None:
            found.append(f"the table {known['name']} is missing")
        else:
            found += _table_problems(live, known)
    return found + [
        f"{kind} has the unknown value '{label}'"
        for kind, labels in _table()["labels"].items()
        for label in catalog.labels.get(kind, ())
        if label not in labels
    ]


def _table_problems(live: LiveTable, known: dict[str, Any]) -> list[str]:
    name = known["name"]
    needs: dict[str, str] = known.get("needs", {})
    found = [f"{name}.{column} is missing" for column in needs if column not in live.types]
    found += [
        f"{name}.{column} is {live.types[column]}, expected {kind}"
        for column, kind in needs.items()
        if live.types.get(column, kind) != kind
    ]
    if "required" in known:
        found += [
            f"{name}.{column} must be given a value, and is not known here"
            for column in live.required
            if column not in known["required"]
        ]
    if "unique" in known:
        found += [f"{name} ({_said(key)}) is not unique any more" for key in known["unique"] if key not in live.unique]
        found += [
            f"{name} ({_said(key)}) is unique, which is not known here"
            for key in sorted(live.unique)
            if key not in known["unique"]
        ]
    return found


def _said(key: str) -> str:
    return ", ".join(key.split(" "))


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((resources.files("immich_pipeline.sharing") / "contract.toml").read_text("utf-8"))

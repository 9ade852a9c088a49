"""Who and what there is in Immich's database, by the names that people call it: users, libraries, albums, tags, people."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from immich_pipeline.sharing.session import Connection


@dataclass(frozen=True)
class KnownUser:
    """A user; `folder` is what the folder of their uploads below `library/` is called when the storage template is on."""

    id: str
    email: str
    name: str
    folder: str
    deleted: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What the user may be called."""
        return self.email, self.name


@dataclass(frozen=True)
class KnownLibrary:
    """An external library; paths as Immich sees them."""

    id: str
    owner_id: str
    name: str
    import_paths: list[str]
    exclusion_patterns: list[str]
    deleted: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What the library may be called."""
        return (self.name,)


@dataclass(frozen=True)
class KnownAlbum:
    """An album, with its owner and with everybody who sees it, the owner included."""

    id: str
    owner_id: str
    name: str
    seen_by: list[str]
    deleted: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What the album may be called."""
        return (self.name,)


_USERS = """
    SELECT id::text, email, name, coalesce("storageLabel", id::text) AS folder, "deletedAt" IS NOT NULL AS deleted
    FROM "user" ORDER BY "createdAt", id"""

_LIBRARIES = """
    SELECT id::text, "ownerId"::text AS owner_id, name, "importPaths" AS import_paths, "exclusionPatterns" AS exclusion_patterns,
           "deletedAt" IS NOT NULL AS deleted
    FROM library ORDER BY "createdAt", id"""

# up to 2.7 an album names its owner, from 3.0 on the owner is one of its users
_ALBUMS = """
    SELECT a.id::text, {owner}::text AS owner_id, a."albumName" AS name,
           coalesce((SELECT array_agg(u."userId"::text) FROM album_user u WHERE u."albumId" = a.id), '{{}}') || {owner}::text AS seen_by,
           a."deletedAt" IS NOT NULL AS deleted
    FROM album a WHERE a.id = %(id)s OR a."albumName" = %(name)s ORDER BY a."createdAt", a.id"""
_OWNER_IN_ALBUM = 'a."ownerId"'
_OWNER_AMONG_USERS = """(SELECT o."userId" FROM album_user o WHERE o."albumId" = a.id AND o.role = 'owner')"""

_TAGS = 'SELECT id::text FROM tag WHERE "userId" = %(owner)s AND (id = %(id)s OR value = %(name)s)'

_PEOPLE = 'SELECT {person}::text FROM person WHERE "ownerId" = %(owner)s AND ({person} = %(id)s OR name = %(name)s) ORDER BY 1'


def users(connection: Connection) -> list[KnownUser]:
    """All users, deleted ones included, in the order in which they were made."""
    with connection.cursor(row_factory=class_row(KnownUser)) as cursor:
        return cursor.execute(_USERS).fetchall()


def libraries(connection: Connection) -> list[KnownLibrary]:
    """All external libraries, deleted ones included, in the order in which they were made."""
    with connection.cursor(row_factory=class_row(KnownLibrary)) as cursor:
        return cursor.execute(_LIBRARIES).fetchall()


def albums(connection: Connection, wanted: str) -> list[KnownAlbum]:
    """The albums of this name or id, whoever's they are, deleted ones included."""
    in_album = has_column(connection, "album", "ownerId")
    query = sql.SQL(_ALBUMS).format(owner=sql.SQL(_OWNER_IN_ALBUM if in_album else _OWNER_AMONG_USERS))
    with connection.cursor(row_factory=class_row(KnownAlbum)) as cursor:
        return cursor.execute(query, {"id": uuid_or_none(wanted), "name": wanted}).fetchall()


def tags(connection: Connection, owner_id: str, wanted: str) -> list[str]:
    """The ids of a user's tags that are called so, or have this id: one at most."""
    asked = {"owner": owner_id, "id": uuid_or_none(wanted), "name": wanted}
    return [tag_id for (tag_id,) in connection.execute(_TAGS, asked).fetchall()]


def people(connection: Connection, owner_id: str, wanted: str) -> list[str]:
    """The ids (from 3.2 on: of the groups) of a user's people who are called so, or have this id."""
    column = "personGroupId" if has_column(connection, "person", "personGroupId") else "id"
    query = sql.SQL(_PEOPLE).format(person=sql.Identifier(column))
    asked = {"owner": owner_id, "id": uuid_or_none(wanted), "name": wanted}
    return [person_id for (person_id,) in connection.execute(query, asked).fetchall()]


def called(wanted: str, among: Sequence["KnownUser | KnownLibrary"]) -> list[str]:
    """The ids of those that are meant by a word: by id, else by a name as it is written, else by a name whatever its capitals."""
    known_id = str(uuid_or_none(wanted))
    exactly = [one.id for one in among if wanted in one.names]
    loosely = [one.id for one in among if wanted.casefold() in (name.casefold() for name in one.names)]
    return [one.id for one in among if one.id == known_id] or exactly or loosely


def has_column(connection: Connection, table: str, column: str) -> bool:
    """Whether a table of Immich's has a column of this name."""
    query = "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped"
    return connection.execute(query, [f"public.{table}", column]).fetchone() is not None


def uuid_or_none(text: str) -> UUID | None:
    """The id that a text is; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None

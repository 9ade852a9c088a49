"""A library of a million assets, made by the server itself in a few statements."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from immich_pipeline_tests.immich_db.definition import schema_of

BLOCK = 50
"""Assets come in blocks of one owner, each with the same mixture: see `_ASSETS`."""
ALBUMS = 10
"""Albums of each owner; each holds one asset of ten blocks."""

_TABLES = ("user", "library", "asset", "asset_exif", "stack", "album", "album_user", "album_asset")

# One row per asset: its number, its owner's number, its place in the block and when it was taken.
_NUMBERS = """
CREATE TEMPORARY TABLE number ON COMMIT DROP AS
SELECT i,
  md5('asset ' || i)::uuid AS id,
  i / %(block)s AS block,
  i %% %(block)s AS place,
  md5('user ' || i / %(block)s %% %(owners)s)::uuid AS owner,
  i / %(block)s %% %(owners)s AS owner_number,
  timestamptz '2005-01-01 00:00:00.123456Z' + i * interval '10 minutes' AS taken,
  timestamptz '2026-02-01 00:00:00.654321Z' + i * interval '1 millisecond' AS written
FROM generate_series(0, %(n)s - 1) AS i
"""

_USERS = """
INSERT INTO "user" (id, email, name, "isAdmin"{user_columns})
SELECT md5('user ' || o)::uuid, 'user' || o || '@example.org', 'User ' || o, o = 0{user_values}
FROM generate_series(0, %(owners)s - 1) AS o
"""

_LIBRARIES = """
INSERT INTO library (id, "ownerId", name, "importPaths", "exclusionPatterns")
SELECT md5('library ' || o)::uuid, md5('user ' || o)::uuid, 'NAS', ARRAY['/external/user' || o], ARRAY[]::text[]
FROM generate_series(0, %(owners)s - 1) AS o
"""

# Places 0 to 2 are a stack, 10 a live photo with its video 11, 12 a video, 13 trashed, 14 archived, 15 locked, 16 a favourite, 17 without
# EXIF, 18 and 19 duplicates, 20 edited, 40 to 49 of the library, of which 49 is offline.
_ASSETS = """
INSERT INTO asset (id, "ownerId", "libraryId", type, "originalPath", "originalFileName", checksum, "checksumAlgorithm",
  "fileCreatedAt", "fileModifiedAt", "localDateTime", duration, width, height, thumbhash, "isFavorite", "isExternal", "isOffline",
  "isEdited", visibility, status, "livePhotoVideoId", "stackId", "duplicateId", "createdAt", "updatedAt", "updateId", "deletedAt"
  {asset_columns})
SELECT id, owner, CASE WHEN place >= 40 THEN md5('library ' || owner_number)::uuid END,
  CASE WHEN place IN (11, 12) THEN 'VIDEO' ELSE 'IMAGE' END, path, name,
  CASE WHEN place >= 40 THEN decode(md5('path:' || path), 'hex') ELSE decode(md5('bytes ' || i), 'hex') END || int4send(i),
  (CASE WHEN place >= 40 THEN 'sha1-path' ELSE 'sha1' END)::asset_checksum_algorithm_enum,
  taken, taken, taken + interval '1 hour', CASE WHEN place IN (11, 12) THEN {duration} END,
  4000, 3000, decode(md5('thumb ' || i), 'hex'), place = 16, place >= 40, place = 49, place = 20,
  (CASE place WHEN 11 THEN 'hidden' WHEN 14 THEN 'archive' WHEN 15 THEN 'locked' ELSE 'timeline' END)::asset_visibility_enum,
  (CASE place WHEN 13 THEN 'trashed' ELSE 'active' END)::assets_status_enum,
  CASE WHEN place = 10 AND i < %(n)s - 1 THEN md5('asset ' || i + 1)::uuid END,
  CASE WHEN place < 3 THEN md5('stack ' || block)::uuid END,
  CASE WHEN place IN (18, 19) THEN md5('duplicate ' || block)::uuid END,
  written, written, immich_uuid_v7(written), CASE WHEN place IN (13, 49) THEN written END
  {asset_values}
FROM number
CROSS JOIN LATERAL (SELECT CASE WHEN place = 11 THEN 'IMG_' || i - 1 || '.mov' WHEN place = 12 THEN 'MOV_' || i || '.mp4'
  WHEN place >= 40 THEN 'DSC_' || i || '.NEF' ELSE 'IMG_' || i || '.jpg' END AS name) AS named
CROSS JOIN LATERAL (SELECT CASE WHEN place >= 40 THEN '/external/user' ELSE '/data/library/user' END
  || owner_number || '/' || extract(year FROM taken) || '/' || name AS path) AS placed
"""

_EXIF = """
INSERT INTO asset_exif ("assetId", make, model, "lensModel", "exifImageWidth", "exifImageHeight", "fileSizeInByte", orientation,
  "dateTimeOriginal", "modifyDate", "timeZone", "fNumber", "focalLength", iso, "exposureTime", latitude, longitude, city, state,
  country, description, rating, "livePhotoCID", "autoStackId", "updatedAt", "updateId")
SELECT id, 'Canon', 'Canon EOS R6', 'RF24-105mm F4 L IS USM', 4000, 3000, 3000000 + i, '1',
  taken, taken, 'UTC+1', 4, 35, 200, '1/250',
  CASE WHEN place %% 2 = 0 THEN 48.8 + place / 1000.0 END, CASE WHEN place %% 2 = 0 THEN 2.3 + place / 1000.0 END,
  CASE WHEN place %% 2 = 0 THEN 'Paris' END, CASE WHEN place %% 2 = 0 THEN 'Île-de-France' END,
  CASE WHEN place %% 2 = 0 THEN 'France' END, CASE WHEN place = 16 THEN 'a bridge' ELSE '' END, CASE WHEN place = 16 THEN 5 END,
  CASE WHEN place IN (10, 11) THEN 'CID-' || block END, CASE WHEN place < 3 THEN 'burst-' || block END,
  written, immich_uuid_v7(written)
FROM number WHERE place <> 17
"""

_STACKS = """
INSERT INTO stack (id, "ownerId", "primaryAssetId", "createdAt", "updatedAt", "updateId")
SELECT md5('stack ' || block)::uuid, owner, id, written, written, immich_uuid_v7(written) FROM number WHERE place = 0
"""

_EDITS = """
INSERT INTO asset_edit ("assetId", sequence, action, parameters)
SELECT id, 0, 'rotate', '{{"angle": 90}}' FROM number WHERE place = 20
"""

_ALBUMS = """
INSERT INTO album (id, "albumName"{album_columns})
SELECT md5('album ' || o || ' ' || a)::uuid, 'Album ' || a{album_values}
FROM generate_series(0, %(owners)s - 1) AS o, generate_series(0, %(albums)s - 1) AS a
"""

_OWNERS_OF_ALBUMS = """
INSERT INTO album_user ("albumId", "userId", role)
SELECT md5('album ' || o || ' ' || a)::uuid, md5('user ' || o)::uuid, 'owner'
FROM generate_series(0, %(owners)s - 1) AS o, generate_series(0, %(albums)s - 1) AS a
"""

_MEMBERS = """
INSERT INTO album_asset ("albumId", "assetId")
SELECT md5('album ' || owner_number || ' ' || block / %(owners)s %% %(albums)s)::uuid, id FROM number WHERE place BETWEEN 3 AND 7
"""

_GROUPS = """
INSERT INTO cluster_group (id) SELECT md5('cluster group ' || o)::uuid FROM generate_series(0, %(owners)s - 1) AS o
"""


def bulk_assets(url: str, n: int, owners: int = 2) -> list[str]:
    """Fill an empty database with `n` assets and their EXIF: uploads, a library each, stacks, live photos, videos, albums, all flags.

    Checksums have the right length and are unique, but are nobody's SHA-1. A million assets take about 40 seconds.

    Returns:
        The owners' ids. The same call makes the same library, apart from the random part of `updateId`.
    """
    with psycopg.connect(url) as connection:
        version = connection.execute("SELECT version FROM version_history").fetchone()
        if version is None:
            raise ValueError("this database has no version history")
        schema = schema_of(version[0])
        values = {"n": n, "owners": owners, "block": BLOCK, "albums": ALBUMS}
        connection.execute(
            "SET LOCAL session_replication_role = replica"
        )  # no foreign key is looked up a million times
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        connection.execute("SET LOCAL synchronous_commit = off")
        with _without_indexes(connection):
            for statement in _statements(schema):
                connection.execute(statement, values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        return [str(owner) for (owner,) in connection.execute('SELECT id FROM "user" ORDER BY email')]


def _statements(schema: str) -> list[sql.Composed]:
    """The statements for one schema, in order."""
    old = schema == "2.7.5"
    words = {
        "duration": """to_char(interval '1 millisecond' * (1000 + i), 'HH24:MI:SS.MS')""" if old else "1000 + i",
        "asset_columns": ', "deviceAssetId", "deviceId"' if old else "",
        "asset_values": ", name, CASE WHEN place >= 40 THEN 'Library Import' ELSE 'WEB' END" if old else "",
        "album_columns": ', "ownerId"' if old else "",
        "album_values": ", md5('user ' || o)::uuid" if old else "",
        "user_columns": ', "clusterGroupId"' if schema == "3.2" else "",
        "user_values": ", md5('cluster group ' || o)::uuid" if schema == "3.2" else "",
    }
    texts = [_NUMBERS, _USERS, _LIBRARIES, _ASSETS, _EXIF, _STACKS, _EDITS, _ALBUMS, _MEMBERS]
    texts += [] if old else [_OWNERS_OF_ALBUMS]
    texts += [_GROUPS] if schema == "3.2" else []
    return [sql.SQL(text).format(**{name: sql.SQL(word) for name, word in words.items()}) for text in texts]


@contextmanager
def _without_indexes(connection: psycopg.Connection) -> Iterator[None]:
    """Drop the indexes that no constraint needs, and make them again at the end: sorted once, not row by row."""
    found = connection.execute(
        """
        SELECT index.relname, pg_get_indexdef(index.oid)
        FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS owner ON owner.oid = indrelid
        WHERE owner.relname = ANY(%s) AND owner.relnamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.oid)
        """,
        [list(_TABLES)],
    ).fetchall()
    for name, _ in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    for _, definition in found:
        connection.execute(definition)

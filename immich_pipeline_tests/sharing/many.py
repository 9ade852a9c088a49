"""A library of any number of assets, made by the server itself in a few statements; pictures on disk where they are wanted."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from immich_pipeline_tests.sharing.house import EMBEDDING_SIZE, EXTERNAL, MEDIA, House

FILES_OF_AN_ASSET = 2
_ASSETS = """
INSERT INTO asset (id, "ownerId", "libraryId", type, "originalPath", "originalFileName", checksum, "checksumAlgorithm", "fileCreatedAt",
  "fileModifiedAt", "localDateTime", width, height, thumbhash, "isExternal"{columns})
SELECT md5('asset ' || i)::uuid, %(owner)s, %(library)s, 'IMAGE', path, 'IMG_' || i || '.jpg', sha1(path), 'sha1-path', taken, taken,
  taken, 4000, 3000, decode(md5(i::text), 'hex'), true{values}
FROM generate_series(%(first)s, %(last)s) AS i
CROSS JOIN LATERAL (SELECT %(folder)s || '/' || i / 1000 || '/IMG_' || i || '.jpg' AS path,
  timestamptz '2010-01-01 00:00:00.123Z' + i * interval '5 minutes' AS taken) AS made
"""
_EXIF = """
INSERT INTO asset_exif ("assetId", make, model, "lensModel", "exifImageWidth", "exifImageHeight", "fileSizeInByte", "dateTimeOriginal",
  "modifyDate", "timeZone", "fNumber", "focalLength", iso, "exposureTime", latitude, longitude, city, state, country)
SELECT id, 'Canon', 'Canon EOS R6', 'RF24-105mm F4 L IS USM', 4000, 3000, 4000000, "fileCreatedAt", "fileCreatedAt", 'UTC+1', 4, 35, 200,
  '1/250', 48.8, 2.3, 'Paris', 'Île-de-France', 'France'
FROM asset WHERE id = ANY(SELECT md5('asset ' || i)::uuid FROM generate_series(%(first)s, %(last)s) AS i)
"""
_STATUS = """
INSERT INTO asset_job_status ("assetId", "metadataExtractedAt", "facesRecognizedAt", "duplicatesDetectedAt", "ocrAt")
SELECT md5('asset ' || i)::uuid, now(), now(), now(), now() FROM generate_series(%(first)s, %(last)s) AS i
"""
_FILES = """
INSERT INTO asset_file ("assetId", type, path)
SELECT id, type, %(media)s || '/thumbs/' || %(owner)s || '/' || left(id::text, 2) || '/' || substr(id::text, 3, 2) || '/' || id || ending
FROM generate_series(%(first)s, %(last)s) AS i
CROSS JOIN LATERAL (SELECT md5('asset ' || i)::uuid AS id) AS asset
CROSS JOIN (VALUES ('preview', '_preview.jpeg'), ('thumbnail', '_thumbnail.webp')) AS kind (type, ending)
"""
_GROUPS = """
INSERT INTO person_group (id, "clusterGroupId") SELECT md5('person ' || p)::uuid, %(group)s FROM generate_series(1, %(people)s) AS p
"""
_PEOPLE = """
INSERT INTO person ("ownerId", {person}, name, "thumbnailPath")
SELECT %(owner)s, id, CASE WHEN p %% 2 = 0 THEN 'Person ' || p ELSE '' END,
  %(media)s || '/thumbs/' || %(owner)s || '/' || left(id::text, 2) || '/' || substr(id::text, 3, 2) || '/' || id || '.jpeg'
FROM generate_series(1, %(people)s) AS p CROSS JOIN LATERAL (SELECT md5('person ' || p)::uuid AS id) AS made
"""
_FACES = """
INSERT INTO asset_face (id, "assetId", {person}, "imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1", "boundingBoxX2",
  "boundingBoxY2")
SELECT md5('face ' || i || ' ' || f)::uuid, md5('asset ' || i)::uuid, md5('person ' || (1 + (i * 7 + f) %% %(people)s))::uuid, 1440, 1080,
  f * 100, 100, f * 100 + 80, 200
FROM generate_series(%(first)s, %(last)s) AS i, generate_series(1, %(faces)s) AS f
"""
_SHA1 = """
CREATE OR REPLACE FUNCTION sha1(path text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(md5('path:' || path), 'hex') || '\\x00000000' $$
"""


def add_many(
    house: House, number: int, *, first: int = 1, faces: int = 2, people: int = 100, embeddings: bool = True, files: bool = True
) -> None:  # fmt: skip
    """Photos in alice's external library, `first` and on, each with EXIF, two pictures, an embedding, and faces.

    Checksums have the right length and are unique, but are nobody's SHA-1: PostgreSQL has no such function of its own.

    Args:
        house: to be filled.
        number: of assets.
        first: number of the first.
        faces: of each asset.
        people: whose faces they are, in turn; made when `first` is 1.
        embeddings: of assets and faces, 512 random numbers each.
        files: the pictures are on disk too, some bytes each.
    """
    old = house.version == "2.7.5"
    words = {
        "columns": sql.SQL(', "deviceAssetId", "deviceId"' if old else ""),
        "values": sql.SQL(", 'IMG_' || i, 'Library Import'" if old else ""),
        "person": sql.Identifier(house.person_column),
    }
    values = {
        "owner": house.alice, "library": house.library, "first": first, "last": first + number - 1, "folder": f"{EXTERNAL}/many",
        "media": MEDIA, "people": people, "faces": faces, "group": house.cluster_group,
    }  # fmt: skip
    texts = [_ASSETS, _EXIF, _STATUS, _FILES]
    if faces:
        person = _PEOPLE if house.groups else _PEOPLE.replace("{person}", "id")
        texts += ([_GROUPS] if house.groups else []) + [person] if first == 1 else []
        texts.append(_FACES)
    with house.db.transaction(), psycopg.ClientCursor(house.db) as cursor:
        house.db.execute(_SHA1)
        house.db.execute("SET LOCAL session_replication_role = replica")  # no foreign key is looked up
        for text in texts:
            cursor.execute(sql.SQL(text).format(**words), values)
        house.db.execute("DROP FUNCTION sha1")
        if embeddings:
            numbers = range(first, first + number)
            _embed(cursor, "smart_search", "assetId", [f"asset {i}" for i in numbers])
            _embed(cursor, "face_search", "faceId", [f"face {i} {f}" for i in numbers for f in range(1, faces + 1)])
    house.db.execute("ANALYZE")
    if files:
        _write_files(house)


def _embed(cursor: psycopg.ClientCursor[Any], table: str, column: str, names: Sequence[str]) -> None:
    """Random vectors of length 1 for the rows with the ids that `md5(name)` gives, in PostgreSQL's binary form of COPY."""
    row = np.dtype(
        [("fields", ">i2"), ("id length", ">i4"), ("id", "S16"), ("length", ">i4"), ("dimensions", ">i2"), ("unused", ">i2"),
         ("vector", ">f4", EMBEDDING_SIZE)]
    )  # fmt: skip
    dice = np.random.default_rng(len(names))
    statement = sql.SQL("COPY {} ({}, embedding) FROM STDIN (FORMAT binary)")
    with cursor.copy(statement.format(sql.Identifier(table), sql.Identifier(column))) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for start in range(0, len(names), 5000):
            part = names[start : start + 5000]
            rows = np.zeros(len(part), row)
            rows["fields"], rows["id length"], rows["length"], rows["dimensions"] = (
                2,
                16,
                4 + 4 * EMBEDDING_SIZE,
                EMBEDDING_SIZE,
            )
            rows["id"] = [hashlib.md5(name.encode(), usedforsecurity=False).digest() for name in part]
            vectors = dice.standard_normal((len(part), EMBEDDING_SIZE), dtype=np.float32)
            rows["vector"] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            copy.write(rows.tobytes())
        copy.write(b"\xff\xff")


def _write_files(house: House) -> None:
    """The pictures that the tables name and that are not there."""
    paths = house.rows(
        """SELECT path FROM asset_file WHERE type <> 'sidecar' UNION ALL
           SELECT "thumbnailPath" FROM person WHERE "thumbnailPath" <> ''"""
    )

    def write(path: str) -> None:
        if not house.here(path).exists():
            house.write(path, path.encode())

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(write, (path for (path,) in paths), chunksize=500):
            pass


def drop_vector_indexes(house: House) -> None:
    """Without them a test of many assets takes seconds, not minutes."""
    house.db.execute("DROP INDEX clip_index, face_index")

"""What is asked of Immich's database. Values are written into the statements as quoted literals: see `Session.stream`."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql

from immich_pipeline.immich.contract import Contract
from immich_pipeline.immich.watermark import WATCHED, Watermark, before

UPLOADS = "uploads"
"""What stands for "no library" where libraries are chosen."""


@dataclass(frozen=True)
class Scope:
    """Which assets are read. Locked ones and those that Immich has marked as deleted never are.

    Args:
        owner_ids: of these users; of nobody when empty.
        library_ids: of these external libraries, "uploads" for those in none; None: of all.
        album_ids: in one of these albums; None: whether in one or not.

    Raises:
        ValueError: an id is not a uuid, or a choice is empty: it would say "nothing" where "everything" was meant, or the reverse.
    """

    owner_ids: Sequence[str]
    library_ids: Sequence[str] | None = None
    album_ids: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if any(chosen is not None and not chosen for chosen in (self.library_ids, self.album_ids)):
            raise ValueError("name at least one library or album, or None for all")

    def where(self) -> sql.Composable:
        """The condition on `asset`, a row of the table asset."""
        conditions = [
            sql.SQL('asset."ownerId" {}').format(_one_of(self.owner_ids)),
            sql.SQL("asset.visibility IN ('timeline', 'archive', 'hidden') AND asset.status IN ('active', 'trashed')"),
        ]
        if self.library_ids is not None:
            conditions.append(self._in_libraries(self.library_ids))
        if self.album_ids is not None:
            conditions.append(
                sql.SQL(
                    'EXISTS (SELECT 1 FROM album_asset AS member JOIN album ON album.id = member."albumId" '
                    'WHERE member."assetId" = asset.id AND album."deletedAt" IS NULL AND album.id {})'
                ).format(_one_of(self.album_ids))
            )
        return sql.SQL(" AND ").join(conditions)

    @staticmethod
    def _in_libraries(library_ids: Sequence[str]) -> sql.Composable:
        libraries = [library for library in library_ids if library != UPLOADS]
        named = sql.SQL('asset."libraryId" {}').format(_one_of(libraries))
        if len(libraries) == len(library_ids):
            return named
        return sql.SQL('({} OR asset."libraryId" IS NULL)').format(named)


# Cast to text by the server: reading a million uuids or enums in their own types takes the driver longer than the cast.
RECORD_COLUMNS = """
    asset.id::text AS asset_id,
    asset."ownerId"::text AS owner_id,
    asset."libraryId"::text AS library_id,
    asset.type AS type,
    asset."originalPath" AS original_path,
    asset."originalFileName" AS original_name,
    asset.checksum AS checksum,
    asset."checksumAlgorithm"::text AS checksum_algorithm,
    exif."fileSizeInByte" AS size,
    asset."fileCreatedAt" AS file_created_at,
    asset."fileModifiedAt" AS file_modified_at,
    asset."localDateTime" AS local_date_time,
    asset."updatedAt" AS updated_at,
    asset.width AS width,
    asset.height AS height,
    asset.duration AS duration_ms,
    asset.thumbhash AS thumbhash,
    asset.visibility::text AS visibility,
    asset."isFavorite" AS is_favorite,
    asset."deletedAt" IS NOT NULL AS is_trashed,
    asset."isOffline" AS is_offline,
    asset."isEdited" AS is_edited,
    asset."livePhotoVideoId"::text AS live_video_id,
    asset."stackId"::text AS stack_id,
    stack."primaryAssetId"::text AS stack_primary_id,
    asset."duplicateId"::text AS duplicate_id,
    exif.make AS make,
    exif.model AS model,
    exif."lensModel" AS lens,
    exif."dateTimeOriginal" AS taken_at,
    exif."timeZone" AS time_zone,
    exif.latitude AS latitude,
    exif.longitude AS longitude,
    exif.orientation AS orientation,
    exif.description AS description,
    exif.rating AS rating,
    exif.city AS city,
    exif.state AS state,
    exif.country AS country
"""
_JOINED = (
    'asset LEFT JOIN asset_exif AS exif ON exif."assetId" = asset.id LEFT JOIN stack ON stack.id = asset."stackId"'
)

NOW = sql.SQL("SELECT clock_timestamp() AS now")
VERSION = sql.SQL('SELECT version FROM version_history ORDER BY "createdAt" DESC LIMIT 1')
OWNERS = sql.SQL(
    'SELECT id::text AS owner_id, email, name, "isAdmin" AS is_admin FROM "user" WHERE "deletedAt" IS NULL ORDER BY "createdAt", id'
)
LIBRARIES = sql.SQL(
    'SELECT id::text AS library_id, "ownerId"::text AS owner_id, name, "importPaths" AS import_paths FROM library '
    'WHERE "deletedAt" IS NULL ORDER BY "createdAt", id'
)


def records(scope: Scope, since: Watermark | None) -> sql.Composable:
    """Every asset in the scope with its EXIF row and its stack, in no order; those that changed since, when a watermark is given."""
    conditions = [scope.where()]
    if since is not None:
        conditions.append(sql.SQL("asset.id IN ({})").format(_changed(scope, since)))
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(
        sql.SQL(RECORD_COLUMNS), sql.SQL(_JOINED), sql.SQL(" AND ").join(conditions)
    )


def count(scope: Scope) -> sql.Composable:
    """How many photos and videos of the scope each owner has."""
    return sql.SQL(
        "SELECT \"ownerId\"::text AS owner_id, count(*) AS total FROM asset WHERE {} AND type IN ('IMAGE', 'VIDEO') GROUP BY 1"
    ).format(scope.where())


def locked_count(owner_ids: Sequence[str]) -> sql.Composable:
    """How many locked assets the owners have together."""
    return sql.SQL(
        "SELECT count(*) AS total FROM asset WHERE visibility = 'locked' AND status IN ('active', 'trashed') AND \"ownerId\" {}"
    ).format(_one_of(owner_ids))


def gone(scope: Scope, since: Watermark) -> sql.Composable:
    """The ids of assets that were deleted or changed since, or left an album, and that are not in the scope now."""
    owners = _one_of(scope.owner_ids)
    deleted = sql.SQL('SELECT "assetId" FROM asset_audit WHERE id >= {} AND "ownerId" {}')
    candidates = [_changed(scope, since), deleted.format(_stamp(since.begin), owners)]
    if scope.album_ids is not None:
        left = sql.SQL('SELECT "assetId" FROM album_asset_audit WHERE id >= {}')
        candidates.append(left.format(_stamp(since.begin)))
    return sql.SQL(
        "SELECT candidate.id::text AS asset_id FROM ({}) AS candidate (id) LEFT JOIN asset AS known ON known.id = candidate.id "
        'WHERE (known.id IS NULL OR known."ownerId" {}) '
        "AND NOT EXISTS (SELECT 1 FROM asset WHERE asset.id = candidate.id AND {})"
    ).format(sql.SQL(" UNION ").join(candidates), owners, scope.where())


def extras(scope: Scope, since: Watermark | None) -> sql.Composable:
    """Burst and live photo ids of the assets that have one."""
    conditions = [scope.where(), sql.SQL('(exif."autoStackId" IS NOT NULL OR exif."livePhotoCID" IS NOT NULL)')]
    if since is not None:
        conditions.append(sql.SQL("asset.id IN ({})").format(_changed(scope, since)))
    return sql.SQL(
        'SELECT asset.id::text AS asset_id, exif."autoStackId" AS auto_stack_id, exif."livePhotoCID" AS live_photo_cid '
        'FROM asset JOIN asset_exif AS exif ON exif."assetId" = asset.id WHERE {}'
    ).format(sql.SQL(" AND ").join(conditions))


def albums(scope: Scope, contract: Contract) -> sql.Composable:
    """Each asset's albums that its owner owns or that are shared with them."""
    seen = 'EXISTS (SELECT 1 FROM album_user AS viewer WHERE viewer."albumId" = album.id AND viewer."userId" = asset."ownerId")'
    if "album-owner-column" in contract.features:
        seen = f'(album."ownerId" = asset."ownerId" OR {seen})'
    return sql.SQL(
        'SELECT asset.id::text AS asset_id, album.id::text AS album_id, album."albumName" AS album_name '
        'FROM album_asset AS member JOIN album ON album.id = member."albumId" JOIN asset ON asset.id = member."assetId" '
        'WHERE album."deletedAt" IS NULL AND {} AND {}'
    ).format(sql.SQL(seen), scope.where())


def embeddings(asset_ids: Sequence[str]) -> sql.Composable:
    """The picture embeddings of assets that are not locked."""
    return sql.SQL(
        "SELECT asset.id::text AS asset_id, search.embedding::real[] AS embedding FROM smart_search AS search "
        "JOIN asset ON asset.id = search.\"assetId\" WHERE asset.visibility IN ('timeline', 'archive', 'hidden') AND asset.id {}"
    ).format(_one_of(asset_ids))


def faces(asset_ids: Sequence[str], contract: Contract) -> sql.Composable:
    """The faces found on assets that are not locked, boxes relative to the picture that they were found on."""
    person, key = "person.id", "personId"
    if "person-group" in contract.features:
        person, key = 'person."ownerId" = asset."ownerId" AND person."personGroupId"', "personGroupId"
    return sql.SQL(
        "SELECT asset.id::text AS asset_id, face.id::text AS face_id, face.{key}::text AS person_id, "
        "nullif(person.name, '') AS person_name, "
        'face."boundingBoxX1" / nullif(face."imageWidth", 0)::float8 AS x1, '
        'face."boundingBoxY1" / nullif(face."imageHeight", 0)::float8 AS y1, '
        'face."boundingBoxX2" / nullif(face."imageWidth", 0)::float8 AS x2, '
        'face."boundingBoxY2" / nullif(face."imageHeight", 0)::float8 AS y2, '
        'face."sourceType"::text AS source '
        'FROM asset_face AS face JOIN asset ON asset.id = face."assetId" LEFT JOIN person ON {person} = face.{key} '
        'WHERE face."deletedAt" IS NULL AND face."isVisible" '
        "AND asset.visibility IN ('timeline', 'archive', 'hidden') AND asset.id {assets}"
    ).format(key=sql.Identifier(key), person=sql.SQL(person), assets=_one_of(asset_ids))


def newest() -> sql.Composable:
    """The moment, and the newest row of every watched table; a row that is stamped with a time to come does not count."""
    one = "(SELECT {column} FROM {table} WHERE {column} <= clock.now ORDER BY {column} DESC LIMIT 1)::text AS {field}"
    columns = [
        sql.SQL(one).format(column=sql.Identifier(column), table=sql.Identifier(table), field=sql.Identifier(name))
        for name, (table, column) in WATCHED.items()
    ]
    # clock.now is the largest version 7 uuid of this millisecond
    return sql.SQL(
        "SELECT clock.now::text AS taken, {} FROM (SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') "
        "|| repeat('f', 20))::uuid AS now) AS clock"
    ).format(sql.SQL(", ").join(columns))


def windows(newest: Watermark) -> sql.Composable:
    """A digest of the stamps from two minutes before the newest on, of all watched tables together."""
    one = "(SELECT count(*) || ' ' || coalesce(sum(uuid_hash_extended({column}, 0)), 0) FROM {table} WHERE {column} >= {begin})"
    columns = [
        sql.SQL(one).format(
            column=sql.Identifier(column),
            table=sql.Identifier(table),
            begin=_stamp(before(getattr(newest, name))),
        )
        for name, (table, column) in WATCHED.items()
    ]
    return sql.SQL("SELECT md5(concat_ws(',', {})) AS digest").format(sql.SQL(", ").join(columns))


def _changed(scope: Scope, since: Watermark) -> sql.Composable:
    """The ids of assets whose row, EXIF row or stack (or membership, where albums are chosen) was written since."""
    parts = [
        'SELECT changed.id FROM asset AS changed WHERE changed."updateId" >= {}',
        'SELECT changed."assetId" FROM asset_exif AS changed WHERE changed."updateId" >= {}',
        'SELECT member.id FROM stack AS changed JOIN asset AS member ON member."stackId" = changed.id WHERE changed."updateId" >= {}',
    ]
    if scope.album_ids is not None:
        parts.append('SELECT changed."assetId" FROM album_asset AS changed WHERE changed."updateId" >= {}')
    return sql.SQL(" UNION ").join(sql.SQL(part).format(_stamp(since.begin)) for part in parts)


def _stamp(stamp: str) -> sql.Composable:
    return sql.SQL("{}::uuid").format(sql.Literal(stamp))


def _one_of(ids: Sequence[str]) -> sql.Composable:
    """`= ANY (...)` of uuids."""
    listed = ",".join(str(UUID(given)) for given in ids)
    return sql.SQL("= ANY ({}::uuid[])").format(sql.Literal("{" + listed + "}"))

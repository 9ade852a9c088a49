"""Which assets a job shares, which of them can be copied now, and what is still waited for.

The conditions are about a row of Immich's table `asset`, by whatever alias, and name the parameters of `Work.values`.
"""

from datetime import datetime
from typing import Any

from psycopg import sql

from immich_pipeline.sharing.model import Job, Ready, Scope
from immich_pipeline.sharing.work import Layout, Work

ASSET = sql.Identifier("asset")
_STILL = sql.Identifier("still")

_OWN = (
    "{asset}.\"ownerId\" = %(source_owner)s::uuid AND {asset}.visibility <> 'locked'"  # locked is meant for nobody else
)
_PRESENT = '{asset}."deletedAt" IS NULL AND {asset}.status = \'active\' AND NOT {asset}."isOffline"'
_NOT_A_COPY = "NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = {asset}.id)"
_NOT_COPIED = (
    "NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy "
    "WHERE copy.source_id = {asset}.id AND copy.target_owner = %(target_owner)s::uuid)"
)
_SEEN = (
    "{asset}.visibility IN ('timeline', 'archive') AND starts_with({asset}.\"originalPath\", %(source_prefix)s || '/')"
)
# Looked up one by one: of EXISTS PostgreSQL would read both tables whole, for a handful of new assets too.
_READY: dict[Ready, str] = {
    "metadata": '(SELECT job."metadataExtractedAt" FROM asset_job_status AS job WHERE job."assetId" = {asset}.id) IS NOT NULL',
    "faces": '(SELECT job."facesRecognizedAt" FROM asset_job_status AS job WHERE job."assetId" = {asset}.id) IS NOT NULL',
    "clip": '(SELECT search."assetId" FROM smart_search AS search WHERE search."assetId" = {asset}.id) IS NOT NULL',
}

# What is not copied yet is found first: most of a library is, and need not be looked at closely.
_UNCOPIED = """
WITH uncopied AS MATERIALIZED (
  SELECT asset.id, asset."ownerId", asset."originalPath", asset.visibility, asset."isFavorite", asset."localDateTime", asset."createdAt"
  FROM asset WHERE {conditions}
)
"""


def in_scope(job: Job, layout: Layout, asset: sql.Identifier = ASSET) -> sql.Composed:
    """The condition that an asset is what the job shares, whether it is there at the moment or not. A copy never is.

    The hidden half of a live photo is when its still is, wherever it lies, and that is in no trash: Immich trashes the still alone.
    """
    still = _all(_seen(job, layout), _of("{asset}.status = 'active'", _STILL))
    return _all(_of(_OWN, asset), _of(_NOT_A_COPY, asset), _shared(_seen(job, layout, asset), still, asset))


def candidates(work: Work) -> sql.Composed:
    """`SELECT id`: the assets that can be copied now: in scope, there, ready, not copied yet."""
    ready = [_READY[part] for part in work.job.policy.wait_for]
    still = _all(_seen(work.job, work.layout), _of(_PRESENT, _STILL))
    whole = _all(_seen(work.job, work.layout, ASSET), *(_of(part, ASSET) for part in ready))
    # of a hidden video Immich makes no faces and no embedding
    half = _all(_half(still, ASSET), _of(_READY["metadata"], ASSET))
    return sql.SQL("{uncopied} SELECT id FROM uncopied AS asset WHERE {whole} OR {half}").format(
        uncopied=_uncopied(), whole=whole, half=half
    )


def backlog(work: Work) -> tuple[int, datetime | None]:
    """How many assets in scope Immich has not finished with, and since when the first of them waits."""
    unready = [sql.SQL("NOT {}").format(_of(_READY[part], ASSET)) for part in dict.fromkeys(work.job.policy.wait_for)]
    query = sql.SQL(
        '{uncopied} SELECT count(*), min("createdAt") FROM uncopied AS asset WHERE {seen} AND ({unready})'
    ).format(
        uncopied=_uncopied(),
        seen=_seen(work.job, work.layout, ASSET),
        unready=sql.SQL(" OR ").join(unready) if unready else sql.SQL("FALSE"),
    )
    row = work.connection.execute(query, parameters(work)).fetchone()
    return (row[0], row[1]) if row else (0, None)


def parameters(work: Work) -> dict[str, Any]:
    """What the conditions name."""
    scope = work.job.scope
    return {
        **work.values,
        "scope_paths": list(scope.paths),
        "scope_albums": list(scope.albums),
        "scope_tags": list(scope.tags),
        "scope_people": list(scope.people),
        "scope_since": scope.since,
        "scope_until": scope.until,
    }


def _uncopied() -> sql.Composed:
    conditions = [_of(part, ASSET) for part in (_OWN, _PRESENT, _NOT_COPIED, _NOT_A_COPY)]
    return sql.SQL(_UNCOPIED).format(conditions=_all(*conditions))


def _shared(itself: sql.Composable, still: sql.Composable, asset: sql.Identifier) -> sql.Composed:
    return sql.SQL("({} OR {})").format(itself, _half(still, asset))


def _half(still: sql.Composable, asset: sql.Identifier) -> sql.Composed:
    """The condition that an asset is the hidden half of a still that meets one."""
    return sql.SQL(
        "({asset}.visibility = 'hidden' AND EXISTS (SELECT FROM asset AS still WHERE still.\"livePhotoVideoId\" = {asset}.id AND {own} "
        "AND {still}))"
    ).format(asset=asset, own=_of(_OWN, _STILL), still=still)


def _seen(job: Job, layout: Layout, asset: sql.Identifier = _STILL) -> sql.Composed:
    """The condition that an asset that is no half is what the job shares."""
    return _all(*(_of(part, asset) for part in (_SEEN, *_parts(job.scope, layout))))


def _parts(scope: Scope, layout: Layout) -> list[str]:
    """The conditions of the parts of a scope that are given."""
    person = "personGroupId" if layout.person_groups else "personId"
    in_folder = """starts_with({asset}."originalPath", folder || '/')"""
    parts: list[tuple[object, str]] = [
        (scope.paths, f"EXISTS (SELECT FROM unnest(%(scope_paths)s::text[]) AS folder WHERE {in_folder})"),
        (
            scope.albums,
            'EXISTS (SELECT FROM album_asset AS member JOIN album ON album.id = member."albumId" '
            'WHERE member."assetId" = {asset}.id AND album."deletedAt" IS NULL AND album.id = ANY (%(scope_albums)s::uuid[]))',
        ),
        (
            scope.tags,
            'EXISTS (SELECT FROM tag_asset AS tagged JOIN tag_closure ON id_descendant = tagged."tagId" '
            'WHERE tagged."assetId" = {asset}.id AND id_ancestor = ANY (%(scope_tags)s::uuid[]))',
        ),
        (
            scope.people,
            'EXISTS (SELECT FROM asset_face AS face WHERE face."assetId" = {asset}.id AND face."deletedAt" IS NULL '
            f'AND face."isVisible" AND face."{person}" = ANY (%(scope_people)s::uuid[]))',
        ),
        (scope.favourites, '{asset}."isFavorite"'),
        (scope.since, "({asset}.\"localDateTime\" AT TIME ZONE 'UTC')::date >= %(scope_since)s::date"),
        (scope.until, "({asset}.\"localDateTime\" AT TIME ZONE 'UTC')::date <= %(scope_until)s::date"),
    ]
    return [condition for given, condition in parts if given]


def _of(condition: str, asset: sql.Identifier) -> sql.Composed:
    return sql.SQL(condition).format(asset=asset)


def _all(*conditions: sql.Composable) -> sql.Composed:
    return sql.SQL("({})").format(sql.SQL(" AND ").join(conditions))

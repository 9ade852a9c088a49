"""Originals that were moved or renamed at the source: the copy's path and the checksum of it.

A checksum of a path is unique in a library. Two originals that change names are no problem; a place that another asset of the target has
and keeps is: it is written down, and tried again in each cycle.
"""

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.changes import is_quiet, note_unfollowed
from immich_pipeline.sharing.paths import PathOutside, path_checksum, remapped
from immich_pipeline.sharing.work import Counts, Seen, Work

_MOVED = """
SELECT pair.target_id::text, source."originalPath" FROM changed AS pair
JOIN asset AS source ON source.id = pair.source_id JOIN asset AS own ON own.id = pair.target_id
WHERE NOT pair.fresh AND starts_with(source."originalPath", %(source_prefix)s || '/')
  AND own."originalPath" <> %(target_prefix)s || substr(source."originalPath", length(%(source_prefix)s) + 1)
"""
_MOVING = "unnest(%(ids)s::uuid[], %(paths)s::text[], %(checksums)s::bytea[]) AS moving (id, path, checksum)"
_TAKEN = """
SELECT moving.id::text, holder.id::text FROM {moving} JOIN asset AS holder ON holder."ownerId" = %(target_owner)s
  AND holder."libraryId" = %(target_library)s AND holder.checksum = moving.checksum AND holder.id <> moving.id
"""


def follow_places(work: Work) -> Counts:
    """Give copies the paths that their originals have now."""
    if is_quiet(work):
        return {}
    moving = _moving(work)
    blocked = _blocked(work, moving) if moving else {}
    note_unfollowed(work, "path_taken", {copy: f"{moving[copy]} is the place of {blocked[copy]}" for copy in blocked})
    moving = {copy: path for copy, path in moving.items() if copy not in blocked}
    if not moving:
        return {}
    values = _values(moving)
    using = sql.SQL(_MOVING)
    is_moving = sql.SQL("row.id = moving.id")
    # out of each other's way first: the checksums are unique at every moment
    swapped = sql.SQL("EXISTS (SELECT FROM {} WHERE moving.checksum = row.checksum AND moving.id <> row.id)").format(
        using
    )
    aside = sql.SQL("checksum = decode(replace(row.id::text, '-', ''), 'hex')")
    journal.update(work, "asset", aside, is_moving + sql.SQL(" AND ") + swapped, using=using, values=values)
    changed = journal.update(
        work,
        "asset",
        sql.SQL('"originalPath" = moving.path, checksum = moving.checksum'),
        is_moving,
        using=using,
        values=values,
    )
    return {"asset": changed}


def follow_places_outlook(work: Work) -> Seen:
    """Which copies would get another path."""
    moving = _moving(work)
    free = [copy for copy in moving if copy not in _blocked(work, moving)] if moving else []
    return Seen({"asset": len(free)}, tuple(free)) if free else Seen()


def _moving(work: Work) -> dict[str, str]:
    """Copies and the paths that they are to have. What has no place any more is out of scope, and cleanup's."""
    found: dict[str, str] = {}
    for copy, path in work.connection.execute(_MOVED, work.values):
        try:
            found[copy] = remapped(path, work.job.source_prefix, work.job.target_prefix)
        except PathOutside:
            continue
    return found


def _blocked(work: Work, moving: dict[str, str]) -> dict[str, str]:
    """Of these, the copies whose place is held by an asset that stays there, and what follows from that: copy to holder."""
    rows = work.connection.execute(
        sql.SQL(_TAKEN).format(moving=sql.SQL(_MOVING)), {**work.values, **_values(moving)}
    ).fetchall()
    holders: dict[str, str] = dict(rows)
    blocked: dict[str, str] = {}
    while True:
        further = {
            copy: holder
            for copy, holder in holders.items()
            if copy not in blocked and (holder not in moving or holder in blocked)
        }
        if not further:
            return blocked
        blocked |= further


def _values(moving: dict[str, str]) -> dict[str, list[str] | list[bytes]]:
    return {
        "ids": list(moving),
        "paths": list(moving.values()),
        "checksums": [path_checksum(path) for path in moving.values()],
    }

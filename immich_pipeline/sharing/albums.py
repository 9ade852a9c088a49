"""The job's album: every copy is put into it once. What a person takes out stays out."""

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.work import Counts, Layout, Seen, Work

ENTRY = "immich_pipeline_sharing.album_entry"
_OWNER = 'album."ownerId" = %(target_owner)s'
_OWNER_BY_ROLE = (
    'EXISTS (SELECT FROM album_user WHERE "albumId" = album.id AND "userId" = %(target_owner)s AND role = \'owner\')'
)
_ALBUM = 'SELECT FROM album WHERE album.id = %(album)s AND album."deletedAt" IS NULL AND {owner}'
# Videos of live photos are no entries of their own. What somebody put in themselves is not ours.
_NEW = """
SELECT copy.target_id FROM immich_pipeline_sharing.copy JOIN asset ON asset.id = copy.target_id
WHERE copy.job = %(job)s AND copy.state = 'live' AND asset."deletedAt" IS NULL AND asset.visibility <> 'hidden' AND {among}
  AND NOT EXISTS (
    SELECT FROM immich_pipeline_sharing.album_entry AS entry WHERE entry.album_id = %(album)s AND entry.asset_id = copy.target_id)
  AND NOT EXISTS (SELECT FROM album_asset WHERE "albumId" = %(album)s AND "assetId" = copy.target_id)
  AND EXISTS ({album})
"""
_FORMER = "row.job = %(job)s AND row.album_id IS DISTINCT FROM %(album)s::uuid"


def fill_album(work: Work) -> Counts:
    """Put copies into the job's album; those that it put into an album that it had before leave that one."""
    left = journal.delete(
        work,
        "album_asset",
        sql.SQL('row."albumId" = entry.album_id AND row."assetId" = entry.asset_id'),
        using=sql.SQL("({}) AS entry").format(_former()),
    )
    journal.delete(work, ENTRY, sql.SQL(_FORMER))
    if work.job.album is None:
        return {"album_asset": left} if left else {}
    row = work.connection.execute(
        sql.SQL(
            """
            WITH made AS (
              INSERT INTO album_asset ("albumId", "assetId") SELECT %(album)s::uuid, new.target_id FROM ({new}) AS new
              ON CONFLICT DO NOTHING RETURNING "assetId"
            ), noted AS (
              INSERT INTO immich_pipeline_sharing.album_entry (album_id, asset_id, job, run)
              SELECT %(album)s::uuid, "assetId", %(job)s, %(run)s::bigint FROM made
            )
            SELECT count(*) FROM made
            """
        ).format(new=_new(work)),
        work.values,
    ).fetchone()
    return {"album_asset": left + (int(row[0]) if row else 0)}


def fill_album_outlook(work: Work) -> Seen:
    """Which copies would be put into the album, or leave a former one."""
    query = sql.SQL("SELECT asset_id FROM ({}) AS former").format(_former())
    if work.job.album is not None:
        query += sql.SQL(" UNION ALL ") + _new(work)
    found = [str(asset) for (asset,) in work.connection.execute(query, work.values)]
    return Seen({"album_asset": len(found)}, tuple(found)) if found else Seen()


def has_album(work: Work) -> bool:
    """Whether the job's album is there and the target's: a person may have deleted it, which ends nothing."""
    if work.job.album is None:
        return True
    query = sql.SQL("SELECT EXISTS ({})").format(_album(work.layout))
    return work.connection.execute(query, work.values).fetchone() == (True,)


def _former() -> sql.Composed:
    return sql.SQL("SELECT row.album_id, row.asset_id FROM immich_pipeline_sharing.album_entry AS row WHERE {}").format(
        sql.SQL(_FORMER)
    )


def _new(work: Work) -> sql.Composed:
    among = work.among(sql.SQL("copy.source_id"), sql.SQL("copy.target_id"))
    return sql.SQL(_NEW).format(among=among, album=_album(work.layout))


def _album(layout: Layout) -> sql.Composed:
    has_owner = "ownerId" in layout.columns["album"]
    return sql.SQL(_ALBUM).format(owner=sql.SQL(_OWNER if has_owner else _OWNER_BY_ROLE))

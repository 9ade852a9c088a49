"""Live photos: the copy of the still shows the copy of its video."""

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.work import Counts, Seen, Work

# Copies of stills that are looked at, or whose video is, with the video that they are to have: the copy of the source's. One that the
# target linked itself, to an asset of its own, stays.
_WANTED = """
SELECT still.target_id AS id, video.target_id AS video FROM (
  SELECT source_id FROM changed
  UNION SELECT asset.id FROM changed JOIN asset ON asset."livePhotoVideoId" = changed.source_id
) AS touched
JOIN immich_pipeline_sharing.copy AS still ON still.source_id = touched.source_id AND still.job = %(job)s AND still.state = 'live'
JOIN asset AS source ON source.id = still.source_id JOIN asset AS own ON own.id = still.target_id
LEFT JOIN immich_pipeline_sharing.copy AS video ON video.source_id = source."livePhotoVideoId"
  AND video.target_owner = still.target_owner AND video.state = 'live' AND EXISTS (SELECT FROM asset WHERE asset.id = video.target_id)
WHERE own."livePhotoVideoId" IS DISTINCT FROM video.target_id
  AND (own."livePhotoVideoId" IS NULL
    OR EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = own."livePhotoVideoId"))
"""
# A video is hidden while it is the half of a live photo, as Immich has it; taken apart, it is what it is at the source.
_VISIBLE = """
SELECT own.id, source.visibility FROM changed AS pair
JOIN asset AS source ON source.id = pair.source_id JOIN asset AS own ON own.id = pair.target_id
WHERE source.visibility <> own.visibility AND (
  source.visibility = 'hidden' AND own.visibility IN ('timeline', 'archive')
    AND EXISTS (SELECT FROM asset WHERE "livePhotoVideoId" = own.id)
  OR own.visibility = 'hidden' AND source.visibility <> 'hidden'
    AND NOT EXISTS (SELECT FROM asset WHERE "livePhotoVideoId" = own.id))
"""


def link_live(work: Work) -> Counts:
    """Link copies of stills with copies of their videos, and take apart what was taken apart."""
    linked = journal.update(
        work,
        "asset",
        sql.SQL('"livePhotoVideoId" = wanted.video'),
        sql.SQL("row.id = wanted.id"),
        using=sql.SQL("({}) AS wanted").format(sql.SQL(_WANTED)),
    )
    shown = journal.update(
        work,
        "asset",
        sql.SQL("visibility = wanted.visibility"),
        sql.SQL("row.id = wanted.id"),
        using=sql.SQL("({}) AS wanted").format(sql.SQL(_VISIBLE)),
    )
    return {"asset": linked + shown}


def link_live_outlook(work: Work) -> Seen:
    """Which copies would be linked with another video, or shown otherwise."""
    query = sql.SQL("SELECT id::text FROM ({}) AS wanted UNION ALL SELECT id::text FROM ({}) AS wanted").format(
        sql.SQL(_WANTED), sql.SQL(_VISIBLE)
    )
    found = [copy for (copy,) in work.connection.execute(query, work.values)]
    return Seen({"asset": len(found)}, tuple(dict.fromkeys(found)))

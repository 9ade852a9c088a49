"""The source's tags on its copies, as tags of the target's.

Immich replaces an asset's tags by those of its EXIF at the next extraction: so they are written there too, and locked.
"""

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.work import Counts, Seen, Work

TAG = "immich_pipeline_sharing.tag"
TAGGING = "immich_pipeline_sharing.tagging"

# Which copy is to have which tag, among those that are looked at.
_WANTED = """
SELECT DISTINCT pair.target_id AS asset, tag.value FROM changed AS pair
JOIN tag_asset ON tag_asset."assetId" = pair.source_id JOIN tag ON tag.id = tag_asset."tagId" AND tag."userId" = %(source_owner)s
"""
# Tags that the target lacks: those, and all above them. The parts of a value are its parents' names.
_LACKING = """
SELECT DISTINCT array_to_string(parts[:depth], '/') AS value, nullif(array_to_string(parts[:depth - 1], '/'), '') AS above
FROM (SELECT DISTINCT string_to_array(value, '/') AS parts FROM ({wanted}) AS wanted) AS split,
  LATERAL generate_series(1, cardinality(parts)) AS depth
WHERE NOT EXISTS (
  SELECT FROM tag AS own WHERE own."userId" = %(target_owner)s AND own.value = array_to_string(parts[:depth], '/'))
"""
_MAKE = """
WITH lacking AS MATERIALIZED (SELECT gen_random_uuid() AS id, lacking.* FROM ({lacking}) AS lacking),
made AS (
  INSERT INTO tag (id, "userId", value, "parentId", color)
  SELECT lacking.id, %(target_owner)s::uuid, lacking.value, coalesce(parent.id, own.id), source.color
  FROM lacking LEFT JOIN lacking AS parent ON parent.value = lacking.above
    LEFT JOIN tag AS own ON own."userId" = %(target_owner)s AND own.value = lacking.above
    LEFT JOIN tag AS source ON source."userId" = %(source_owner)s AND source.value = lacking.value
  RETURNING id
)
INSERT INTO immich_pipeline_sharing.tag (target_id, target_owner, run) SELECT id, %(target_owner)s, %(run)s FROM made
"""
# Each of our tags with itself and with all above it.
_CLOSE = """
INSERT INTO tag_closure (id_ancestor, id_descendant)
SELECT above.id, tag.id FROM immich_pipeline_sharing.tag AS known JOIN tag ON tag.id = known.target_id
JOIN tag AS above ON above."userId" = tag."userId" AND (above.id = tag.id OR starts_with(tag.value, above.value || '/'))
WHERE known.run = %(run)s AND known.target_owner = %(target_owner)s ON CONFLICT DO NOTHING
"""
# Copies that are to get a tag. Which the target's owner took away is not given again.
_NEW = """
SELECT own.id AS tag, wanted.asset FROM ({wanted}) AS wanted
JOIN tag AS own ON own."userId" = %(target_owner)s AND own.value = wanted.value
WHERE NOT EXISTS (SELECT FROM tag_asset WHERE tag_asset."assetId" = wanted.asset AND tag_asset."tagId" = own.id)
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.tagging AS given WHERE given.asset_id = wanted.asset AND given.tag_id = own.id)
"""
_GIVE = """
WITH made AS (
  INSERT INTO tag_asset ("assetId", "tagId") SELECT new.asset, new.tag FROM ({new}) AS new
  ON CONFLICT DO NOTHING RETURNING "assetId", "tagId"
), noted AS (
  INSERT INTO immich_pipeline_sharing.tagging (tag_id, asset_id, run) SELECT "tagId", "assetId", %(run)s::bigint FROM made
)
SELECT count(*) FROM made
"""
# Tags that we gave and that the source's asset no longer has.
_TAKEN = """
SELECT given.tag_id, given.asset_id FROM changed AS pair
JOIN immich_pipeline_sharing.tagging AS given ON given.asset_id = pair.target_id LEFT JOIN tag AS own ON own.id = given.tag_id
WHERE NOT EXISTS (SELECT FROM ({wanted}) AS wanted WHERE wanted.asset = given.asset_id AND wanted.value = own.value)
"""
# What EXIF says: as at the source, and whatever else the copy is tagged with.
_IN_EXIF = """
SELECT pair.target_id AS id, coalesce(source.tags, '{{}}') || ARRAY(
  SELECT tag.value FROM tag_asset JOIN tag ON tag.id = tag_asset."tagId"
  WHERE tag_asset."assetId" = pair.target_id AND tag.value <> ALL (coalesce(source.tags, '{{}}')) ORDER BY tag.value) AS tags
FROM changed AS pair LEFT JOIN asset_exif AS source ON source."assetId" = pair.source_id
WHERE EXISTS (SELECT FROM immich_pipeline_sharing.tagging AS given WHERE given.asset_id = pair.target_id)
  OR EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = pair.target_id AND 'tags' = ANY (copy.locked))
"""
_NOT_IN_EXIF = """
row."assetId" = wanted.id
AND (coalesce(row.tags, '{}') IS DISTINCT FROM wanted.tags OR 'tags' <> ALL (coalesce(row."lockedProperties", '{}')))
"""
_UNUSED = """
row.id IN (SELECT target_id FROM immich_pipeline_sharing.tag WHERE target_owner = %(target_owner)s)
AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.tagging AS given WHERE given.tag_id = row.id)
AND NOT EXISTS (SELECT FROM tag_asset WHERE "tagId" = row.id) AND NOT EXISTS (SELECT FROM tag AS below WHERE below."parentId" = row.id)
"""


def copy_tags(work: Work) -> Counts:
    """Give copies the source's tags, and take away those that it lost."""
    if work.job.policy.tags != "copy":
        return {}
    wanted = sql.SQL(_WANTED)
    taken = _take_away(work, wanted)
    made = _run(work, sql.SQL(_MAKE).format(lacking=sql.SQL(_LACKING).format(wanted=wanted)))
    closed = _run(work, sql.SQL(_CLOSE)) if made else 0
    given = _count(work, sql.SQL(_GIVE).format(new=sql.SQL(_NEW).format(wanted=wanted)))
    written = _write_exif(work)
    removed = _remove_unused(work) if taken else 0
    return {"tag_asset": taken + given, "tag": made + removed, "tag_closure": closed, "asset_exif": written}


def copy_tags_outlook(work: Work) -> Seen:
    """Which copies would get or lose a tag."""
    if work.job.policy.tags != "copy":
        return Seen()
    query = sql.SQL(
        """
        SELECT wanted.asset FROM ({wanted}) AS wanted LEFT JOIN tag AS own ON own."userId" = %(target_owner)s AND own.value = wanted.value
        WHERE own.id IS NULL
        UNION ALL SELECT new.asset FROM ({new}) AS new UNION ALL SELECT taken.asset_id FROM ({taken}) AS taken
        """
    ).format(
        wanted=sql.SQL(_WANTED),
        new=sql.SQL(_NEW).format(wanted=sql.SQL(_WANTED)),
        taken=sql.SQL(_TAKEN).format(wanted=sql.SQL(_WANTED)),
    )
    found = [str(asset) for (asset,) in work.connection.execute(query, work.values)]
    return Seen({"tag_asset": len(found)}, tuple(dict.fromkeys(found))) if found else Seen()


def _take_away(work: Work, wanted: sql.SQL) -> int:
    taken = work.connection.execute(sql.SQL(_TAKEN).format(wanted=wanted), work.values).fetchall()
    if not taken:
        return 0
    tags, assets = (list(column) for column in zip(*taken, strict=True))
    using, values = (
        sql.SQL("unnest(%(tags)s::uuid[], %(assets)s::uuid[]) AS taken (tag, asset)"),
        {"tags": tags, "assets": assets},
    )
    deleted = journal.delete(
        work,
        "tag_asset",
        sql.SQL('row."tagId" = taken.tag AND row."assetId" = taken.asset'),
        using=using,
        values=values,
    )
    journal.delete(
        work, TAGGING, sql.SQL("row.tag_id = taken.tag AND row.asset_id = taken.asset"), using=using, values=values
    )
    return deleted


def _write_exif(work: Work) -> int:
    written = journal.update(
        work,
        "asset_exif",
        sql.SQL(
            """tags = wanted.tags, "lockedProperties" = CASE WHEN 'tags' = ANY (row."lockedProperties") THEN row."lockedProperties"
                 ELSE array_append(coalesce(row."lockedProperties", '{}'), 'tags') END"""
        ),
        sql.SQL(_NOT_IN_EXIF),
        using=sql.SQL("({}) AS wanted").format(sql.SQL(_IN_EXIF).format()),
    )
    # ours, so that it does not count as the target's own
    journal.update(
        work,
        "immich_pipeline_sharing.copy",
        sql.SQL("locked = array_append(coalesce(row.locked, source.\"lockedProperties\"::text[], '{}'), 'tags')"),
        sql.SQL(
            """row.target_id = pair.target_id AND source."assetId" = pair.source_id
               AND 'tags' <> ALL (coalesce(row.locked, source."lockedProperties"::text[], '{}'))
               AND EXISTS (SELECT FROM immich_pipeline_sharing.tagging AS given WHERE given.asset_id = row.target_id)"""
        ),
        using=sql.SQL("changed AS pair, asset_exif AS source"),
    )
    return written


def _remove_unused(work: Work) -> int:
    """Remove tags that we made and that nothing has any more, from the lowest up."""
    removed = 0
    while True:
        found = [
            tag
            for (tag,) in work.connection.execute(
                sql.SQL("SELECT row.id FROM tag AS row WHERE {}").format(sql.SQL(_UNUSED)), work.values
            )
        ]
        if not found:
            return removed
        values = {"tags": found}
        journal.delete(
            work,
            "tag_closure",
            sql.SQL("row.id_descendant = ANY (%(tags)s) OR row.id_ancestor = ANY (%(tags)s)"),
            values=values,
        )
        removed += journal.delete(work, "tag", sql.SQL("row.id = ANY (%(tags)s)"), values=values)
        journal.delete(work, TAG, sql.SQL("row.target_id = ANY (%(tags)s)"), values=values)


def _run(work: Work, statement: sql.Composable) -> int:
    return work.connection.execute(sql.Composed([statement]), work.values).rowcount


def _count(work: Work, statement: sql.Composed) -> int:
    row = work.connection.execute(statement, work.values).fetchone()
    return int(row[0]) if row else 0

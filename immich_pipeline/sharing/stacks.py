"""Stacks of the source as stacks of its copies.

A stack is made when every asset of the source's that is in it was shared and two copies are there. What the target's owner did with it
stays: a copy taken out is not put in again, a stack dissolved is not made again, copies in a stack of the target's own stay in that.
"""

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.work import Counts, Seen, Work

COPY = "immich_pipeline_sharing.copy"
TRACKING = "immich_pipeline_sharing.stack"
_OWN_COLUMNS = {"id", "ownerId", "primaryAssetId", "createdAt", "updatedAt", "updateId"}

# Stacks of the source's that are looked at: those of copies that changed; all, when an asset that is not shared did (it may have left one).
_SOURCES = """
SELECT stack.id FROM stack WHERE stack."ownerId" = %(source_owner)s AND (
  stack.id IN (SELECT asset."stackId" FROM changed JOIN asset ON asset.id = changed.source_id)
  OR EXISTS (
    SELECT FROM touched JOIN asset ON asset.id = touched.id
    WHERE asset."ownerId" = %(source_owner)s
      AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE asset.id IN (copy.source_id, copy.target_id))))
"""
# Copies that are to be in a stack, with the source's stack, ours if there is one, and the one that shows it.
_MEMBERS = """
SELECT source_stack, target_stack, source_primary, asset,
  first_value(asset) OVER (PARTITION BY source_stack ORDER BY is_primary DESC, taken, source_id) AS first
FROM (
  SELECT member.*, bool_and(shared) OVER stack AS whole, count(*) FILTER (WHERE usable) OVER stack AS present
  FROM (
    SELECT stack.id AS source_stack, known.target_id AS target_stack, stack."primaryAssetId" AS source_primary,
      source.id AS source_id, source.id = stack."primaryAssetId" AS is_primary, source."localDateTime" AS taken,
      copy.target_id AS asset, copy.target_id IS NOT NULL AS shared,
      copy.state IN ('live', 'declined') AND own.id IS NOT NULL AND (known.target_id IS NULL OR ours.id IS NOT NULL) AND (
        own."stackId" = known.target_id
        OR own."deletedAt" IS NULL AND own."stackId" IS NULL AND (known.target_id IS NULL OR copy.stack IS DISTINCT FROM known.target_id)
        OR own."deletedAt" IS NULL AND own."stackId" = copy.stack AND EXISTS (
          SELECT FROM immich_pipeline_sharing.stack AS other WHERE other.target_id = own."stackId")) AS usable
    FROM ({sources}) AS looked_at JOIN stack ON stack.id = looked_at.id
      JOIN asset AS source ON source."stackId" = stack.id AND source.status = 'active'
      LEFT JOIN immich_pipeline_sharing.copy ON copy.source_id = source.id AND copy.target_owner = %(target_owner)s
        AND copy.state <> 'removing'
      LEFT JOIN asset AS own ON own.id = copy.target_id
      LEFT JOIN immich_pipeline_sharing.stack AS known ON known.source_id = stack.id AND known.target_owner = %(target_owner)s
      LEFT JOIN stack AS ours ON ours.id = known.target_id
  ) AS member WINDOW stack AS (PARTITION BY source_stack)
) AS counted WHERE whole AND usable AND present > 1
"""
# Stacks of ours that are looked at.
_OURS = """
SELECT known.target_id FROM immich_pipeline_sharing.stack AS known JOIN stack ON stack.id = known.target_id
WHERE known.target_owner = %(target_owner)s AND (
  known.source_id IN ({sources})
  OR known.target_id IN (SELECT copy.stack FROM changed JOIN immich_pipeline_sharing.copy ON copy.target_id = changed.target_id)
  OR NOT EXISTS (SELECT FROM stack AS source WHERE source.id = known.source_id))
"""
# Those of them that are dissolved. With assets of the target's own in it, a stack is the target's from then on.
_DISSOLVED = """
SELECT ours.target_id FROM ({ours}) AS ours WHERE NOT EXISTS (SELECT FROM ({members}) AS member WHERE member.target_stack = ours.target_id)
"""
_HAS_GUESTS = """
EXISTS (SELECT FROM asset AS guest WHERE guest."stackId" = row.{stack}
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = guest.id))
"""


_NOTHING = "SELECT NOT EXISTS (SELECT FROM stack_member UNION ALL SELECT FROM stack_dissolved)"


def copy_stacks(work: Work) -> Counts:
    """Make, change and dissolve stacks of copies."""
    for name, query in (("member", _members()), ("dissolved", _dissolved())):
        work.connection.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(sql.Identifier(f"stack_{name}")))
        work.connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}").format(sql.Identifier(f"stack_{name}"), query),
            work.values,
        )
    if work.connection.execute(_NOTHING).fetchone() == (True,):
        return {}
    work.connection.execute("ANALYZE stack_member")
    left, dissolved = _let_go(work), _dissolve(work)
    led = _lead(work)
    made = _make(work)
    joined = _join(work)
    return {"asset": left + joined, "stack": dissolved + led + made}


def copy_stacks_outlook(work: Work) -> Seen:
    """Which copies would join or leave a stack, or lead it."""
    query = sql.SQL(
        """
        SELECT member.asset, member.target_stack IS NULL FROM ({members}) AS member JOIN asset AS own ON own.id = member.asset
          JOIN immich_pipeline_sharing.stack AS known ON known.target_id = member.target_stack
        WHERE own."stackId" IS DISTINCT FROM member.target_stack
          OR known.source_primary <> member.source_primary AND member.asset = member.first
        UNION SELECT member.asset, TRUE FROM ({members}) AS member WHERE member.target_stack IS NULL
        UNION SELECT own.id, FALSE FROM ({dissolved}) AS dissolved JOIN asset AS own ON own."stackId" = dissolved.target_id
        """
    ).format(members=_members(), dissolved=_dissolved())
    found = [str(asset) for asset, _ in work.connection.execute(query, work.values)]
    return Seen({"asset": len(found)}, tuple(found)) if found else Seen()


def _members() -> sql.Composed:
    return sql.SQL(_MEMBERS).format(sources=sql.SQL(_SOURCES))


def _dissolved() -> sql.Composed:
    ours = sql.SQL(_OURS).format(sources=sql.SQL(_SOURCES))
    return sql.SQL(_DISSOLVED).format(ours=ours, members=_members())


def _let_go(work: Work) -> int:
    """Copies that are in a stack of ours and do not belong there any more."""
    is_ours = sql.SQL(
        """row."stackId" = copy.stack AND copy.target_id = row.id AND NOT EXISTS (
             SELECT FROM stack_member WHERE stack_member.asset = row.id AND stack_member.target_stack = row."stackId") AND (
             row."stackId" IN (SELECT target_stack FROM stack_member) OR row."stackId" IN (SELECT target_id FROM stack_dissolved))
           AND NOT (row."stackId" IN (SELECT target_id FROM stack_dissolved) AND {guests})"""
    ).format(guests=_guests("stackId"))
    left = journal.update(
        work, "asset", sql.SQL('"stackId" = NULL'), is_ours, using=sql.SQL("immich_pipeline_sharing.copy")
    )
    journal.update(
        work,
        COPY,
        sql.SQL("stack = NULL"),
        sql.SQL(
            """row.stack IN (SELECT target_id FROM stack_dissolved) OR row.stack IN (SELECT target_stack FROM stack_member)
               AND row.target_id NOT IN (SELECT asset FROM stack_member)
               AND NOT EXISTS (SELECT FROM asset AS source JOIN stack_member ON stack_member.source_stack = source."stackId"
                               WHERE source.id = row.source_id)"""
        ),
    )
    return left


def _dissolve(work: Work) -> int:
    """Stacks that the source no longer has, or no longer shares as a whole."""
    dissolved = sql.SQL("row.{} IN (SELECT target_id FROM stack_dissolved)")
    deleted = journal.delete(
        work,
        "stack",
        dissolved.format(sql.Identifier("id")) + sql.SQL(" AND NOT ") + _guests("id"),
    )
    journal.delete(work, TRACKING, dissolved.format(sql.Identifier("target_id")))
    return deleted


def _lead(work: Work) -> int:
    """The one that shows a stack: another one at the source, or the one that did is no longer in it."""
    wanted = sql.SQL(
        "(SELECT DISTINCT target_stack, source_primary, first FROM stack_member WHERE target_stack IS NOT NULL) AS wanted"
    )
    led = journal.update(
        work,
        "stack",
        sql.SQL('"primaryAssetId" = wanted.first'),
        sql.SQL(
            """row.id = wanted.target_stack AND known.target_id = row.id AND row."primaryAssetId" <> wanted.first AND (
                 known.source_primary <> wanted.source_primary
                 OR NOT EXISTS (SELECT FROM asset WHERE asset.id = row."primaryAssetId" AND asset."stackId" = row.id))"""
        ),
        using=wanted + sql.SQL(", immich_pipeline_sharing.stack AS known"),
    )
    journal.update(
        work,
        TRACKING,
        sql.SQL("source_primary = wanted.source_primary"),
        sql.SQL("row.target_id = wanted.target_stack AND row.source_primary <> wanted.source_primary"),
        using=wanted,
    )
    return led


def _make(work: Work) -> int:
    """Stacks that are new; the mapping knows them."""
    work.connection.execute(
        """
        UPDATE stack_member SET target_stack = new.id
        FROM (SELECT source_stack, gen_random_uuid() AS id FROM stack_member WHERE target_stack IS NULL GROUP BY source_stack) AS new
        WHERE new.source_stack = stack_member.source_stack
        """
    )
    copied = [column for column in work.layout.columns["stack"] if column not in _OWN_COLUMNS]
    new = sql.SQL(
        """(SELECT DISTINCT source_stack, target_stack, source_primary, first FROM stack_member
            WHERE NOT EXISTS (SELECT FROM stack WHERE stack.id = stack_member.target_stack)) AS new"""
    )
    made = work.connection.execute(
        sql.SQL("INSERT INTO stack ({}) SELECT {} FROM {} JOIN stack AS source ON source.id = new.source_stack").format(
            sql.SQL(", ").join(map(sql.Identifier, ["id", "ownerId", "primaryAssetId", *copied])),
            sql.SQL(", ").join(
                [
                    sql.SQL("new.target_stack, %(target_owner)s, new.first"),
                    *(sql.Identifier("source", column) for column in copied),
                ]
            ),
            new,
        ),
        work.values,
    ).rowcount
    work.connection.execute(
        """
        INSERT INTO immich_pipeline_sharing.stack (target_id, source_id, source_primary, target_owner, job, run)
        SELECT DISTINCT target_stack, source_stack, source_primary, %(target_owner)s::uuid, %(job)s, %(run)s::bigint FROM stack_member
        WHERE NOT EXISTS (SELECT FROM immich_pipeline_sharing.stack AS known WHERE known.target_id = stack_member.target_stack)
        """,
        work.values,
    )
    return made


def _join(work: Work) -> int:
    """Copies that belong to a stack and are not in it."""
    joined = journal.update(
        work,
        "asset",
        sql.SQL('"stackId" = stack_member.target_stack'),
        sql.SQL('row.id = stack_member.asset AND row."stackId" IS DISTINCT FROM stack_member.target_stack'),
        using=sql.SQL("stack_member"),
    )
    journal.update(
        work,
        COPY,
        sql.SQL("stack = stack_member.target_stack"),
        sql.SQL("row.target_id = stack_member.asset AND row.stack IS DISTINCT FROM stack_member.target_stack"),
        using=sql.SQL("stack_member"),
    )
    return joined


def _guests(stack: str) -> sql.Composed:
    return sql.SQL(_HAS_GUESTS).format(stack=sql.Identifier(stack))

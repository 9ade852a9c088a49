"""What is not copied, and why; forgotten when the reason is gone."""

from collections.abc import Mapping

from psycopg import sql

from immich_pipeline.sharing.reports import LeftOut
from immich_pipeline.sharing.work import Work

# Only rows that say something new are written: a cycle that changes nothing writes nothing.
_RECORD = """
INSERT INTO immich_pipeline_sharing.skip (source_id, target_owner, job, reason, blocking_asset, detail)
SELECT source_id, %(target_owner)s, %(job)s, reason, blocking_asset, detail FROM left_out
ON CONFLICT (source_id, target_owner) DO UPDATE
SET job = excluded.job, reason = excluded.reason, blocking_asset = excluded.blocking_asset, detail = excluded.detail, tries = 1,
  noted_at = clock_timestamp(), retry_at = NULL
WHERE (skip.reason, skip.blocking_asset, skip.detail) IS DISTINCT FROM (excluded.reason, excluded.blocking_asset, excluded.detail)
"""
_FORGET = """
DELETE FROM immich_pipeline_sharing.skip
WHERE job = %(job)s AND target_owner = %(target_owner)s
  AND NOT EXISTS (SELECT FROM left_out WHERE left_out.source_id = skip.source_id) AND (
  NOT EXISTS (SELECT FROM asset WHERE asset.id = skip.source_id)
  OR skip.reason <> 'failed' AND (skip.blocking_asset IS NULL OR NOT EXISTS (SELECT FROM asset WHERE asset.id = skip.blocking_asset))
  OR %(full)s AND skip.reason <> 'failed')
"""

# The first time it may be an accident of the moment: it is tried again at the next cycle, then after 1, 4 and 16 hours, then daily.
_FAILED = """
INSERT INTO immich_pipeline_sharing.skip (source_id, target_owner, job, reason, detail, retry_at)
SELECT source_id, %(target_owner)s, %(job)s, 'failed', detail, now()
FROM unnest(%(ids)s::uuid[], %(details)s::text[]) AS failed (source_id, detail)
ON CONFLICT (source_id, target_owner) DO UPDATE
SET job = excluded.job, reason = 'failed', blocking_asset = NULL, detail = excluded.detail, noted_at = clock_timestamp(),
  tries = CASE skip.reason WHEN 'failed' THEN skip.tries ELSE 0 END + 1,
  retry_at = now() + CASE skip.reason WHEN 'failed' THEN least(interval '1 hour' * 4 ^ least(skip.tries - 1, 10), interval '1 day')
    ELSE interval '0' END
"""
_ALL = """
SELECT source_id, reason, blocking_asset, detail FROM left_out
UNION ALL SELECT source_id, reason, blocking_asset, detail FROM immich_pipeline_sharing.skip
WHERE job = %(job)s AND target_owner = %(target_owner)s AND EXISTS (SELECT FROM asset WHERE asset.id = skip.source_id)
  AND CASE WHEN skip.blocking_asset IS NULL THEN skip.retry_at > now()
      ELSE EXISTS (SELECT FROM asset WHERE asset.id = skip.blocking_asset) END
  AND NOT EXISTS (SELECT FROM left_out WHERE left_out.source_id = skip.source_id)
"""
_BY_REASON = "SELECT reason, count(*) FROM ({all}) AS skipped GROUP BY reason ORDER BY reason"
_FIRST = """
SELECT skipped.reason, asset."originalPath", skipped.blocking_asset::text, skipped.detail
FROM ({all}) AS skipped JOIN asset ON asset.id = skipped.source_id ORDER BY asset."originalPath", asset.id LIMIT %(most)s
"""


def record(work: Work) -> None:
    """Write down what `left_out` holds, and forget what no longer stands in the way."""
    values = {**work.values, "full": work.full}
    work.connection.execute(_FORGET, values)
    work.connection.execute(_RECORD, values)


def record_failures(work: Work, failed: Mapping[str, str]) -> None:
    """Write down source assets that could not be copied, each with what was said; they are tried again later and later."""
    values = {**work.values, "ids": list(failed), "details": list(failed.values())}
    work.connection.execute(_FAILED, values)


def by_reason(work: Work) -> dict[str, int]:
    """How many of the job's assets are left out for which reason, those that `left_out` holds included."""
    return dict(work.connection.execute(_of_all(_BY_REASON), work.values).fetchall())


def first(work: Work, most: int) -> tuple[LeftOut, ...]:
    """The first of the job's assets that are left out, by their paths."""
    return tuple(LeftOut(*row) for row in work.connection.execute(_of_all(_FIRST), {**work.values, "most": most}))


def _of_all(query: str) -> sql.Composed:
    return sql.SQL(query).format(all=sql.SQL(_ALL))

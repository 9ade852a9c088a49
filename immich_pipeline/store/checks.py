"""Questions that asset checks put to the database."""

import polars as pl

from immich_pipeline.store.batches import open_batches
from immich_pipeline.store.frames import Frames

UNREADABLE_FOLDER = "folder could not be read"


def scanned_and_stored(frames: Frames) -> tuple[int, int]:
    """Files that the last scan saw (those in unreadable folders, kept as last seen, included), and assets that are not gone."""
    scanned = frames.scalar("SELECT coalesce(sum(scanned_files), 0)::bigint FROM library.source WHERE active")
    stored = "SELECT count(*) FROM library.asset JOIN library.source USING (source_id) WHERE active AND gone_at IS NULL"
    return int(scanned), int(frames.scalar(stored))


def unreadable_folders(frames: Frames) -> list[str]:
    """Folders of the active sources that the last scan could not enter."""
    query = "SELECT path FROM library.skipped JOIN library.source USING (source_id) WHERE active AND reason LIKE $1 ORDER BY 1"
    return frames.read(query, f"%{UNREADABLE_FOLDER}%")["path"].to_list()


def open_batches_and_unassigned(frames: Frames) -> tuple[list[str], int]:
    """Open batches, and the number of live assets that no batch was ever made for and whose content is not known otherwise."""
    unassigned = frames.scalar(
        "SELECT count(*) FROM library.live_asset a WHERE NOT EXISTS (SELECT 1 FROM content.file_work w WHERE w.asset_id = a.asset_id) "
        "AND NOT EXISTS (SELECT 1 FROM content.file_hash h WHERE h.asset_id = a.asset_id)"
    )
    return open_batches(frames), int(unassigned)


def files_without_row(frames: Frames, batch_key: str, table: str) -> int:
    """Files of a batch that are still as they were planned and have no row in `content.<table>` (a name from our code)."""
    query = (
        "SELECT count(*) FROM content.file_work w "
        "JOIN library.live_asset a ON a.asset_id = w.asset_id AND a.size = w.size AND a.mtime_ns = w.mtime_ns "
        f"WHERE w.batch_key = $1 AND NOT EXISTS (SELECT 1 FROM content.{table} c WHERE c.asset_id = w.asset_id)"
    )
    return int(frames.scalar(query, batch_key))


def failed_files(frames: Frames, batch_key: str) -> tuple[int, int]:
    """Files of a batch, and how many of them could not be hashed."""
    query = (
        "SELECT count(*) AS files, count(*) FILTER (WHERE h.sha256 IS NULL AND h.error IS NOT NULL) AS failed "
        "FROM content.file_work w LEFT JOIN content.file_hash h USING (asset_id) WHERE w.batch_key = $1"
    )
    files, failed = frames.read(query, batch_key).row(0)
    return int(files), int(failed)


def strangers(frames: Frames, schema: str, table: str) -> int:
    """Members of groups that are no live asset of the library (schema and table are names from our code)."""
    query = f"SELECT count(*) FROM {schema}.{table} m WHERE NOT EXISTS (SELECT 1 FROM library.live_asset a WHERE a.asset_id = m.asset_id)"
    return int(frames.scalar(query))


def in_two_groups(frames: Frames, schema: str, table: str, group: str) -> int:
    """Assets that are members of more than one group (schema, table and the group's column are names from our code)."""
    query = (
        f"SELECT count(*) FROM (SELECT asset_id FROM {schema}.{table} GROUP BY 1 HAVING count(DISTINCT {group}) > 1) x"
    )
    return int(frames.scalar(query))


def mixed_owners(frames: Frames, schema: str, table: str, group: str) -> int:
    """Groups with members of more than one owner (schema, table and the group's column are names from our code)."""
    query = (
        f"SELECT count(*) FROM (SELECT m.{group} FROM {schema}.{table} m JOIN library.asset a USING (asset_id) "
        "GROUP BY 1 HAVING count(DISTINCT a.owner) > 1) x"
    )
    return int(frames.scalar(query))


_KEEPERS_NOT_THERE = """
    WITH last AS (
        SELECT DISTINCT ON (j.plan_id, j.action_id) j.plan_id, j.action_id, j.event
        FROM actions.journal j JOIN actions.plan p USING (plan_id) WHERE p.kind = 'duplicates'
        ORDER BY j.plan_id, j.action_id, j.entry DESC)
    SELECT DISTINCT a.payload ->> 'keeper' AS asset_id, coalesce(k.path, '') AS path
    FROM last JOIN actions.plan_action a USING (plan_id, action_id)
    LEFT JOIN library.asset k ON k.asset_id = (a.payload ->> 'keeper')::uuid
    WHERE last.event = 'done' AND NOT EXISTS (SELECT 1 FROM library.live_asset l WHERE l.asset_id = k.asset_id)
    ORDER BY 1"""


def keepers_not_there(frames: Frames) -> pl.DataFrame:
    """Kept ones of resolved duplicates that are not live any more: asset_id, path."""
    return frames.read(_KEEPERS_NOT_THERE)

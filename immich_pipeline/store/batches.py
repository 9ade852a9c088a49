"""Ingest batches: which file's current content is worked on in which batch, and what of a batch is still to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames

SMALLEST, LARGEST, BATCHES_WANTED = 500, 20_000, 200
MOST_ATTEMPTS = 3
AGAIN_AND_AGAIN = 1_000
"""Attempts that no file reaches: for when passing failures are to be tried again whatever happened before."""
SENSORS_WAIT = "sensors wait"
"""Held while a pass works on the batches one after the other: sensors wait."""
TRANSIENT = (
    "missing",
    "unreadable",
    "io_error",
    "changed_while_reading",
    "not_on_server",
    "not_permitted",
    "not_mounted",
    "outside_mapped_folders",
    "not_as_recorded",
    "checksum_mismatch",
)
"""Failures that may be over the next time; others stay until the file changes."""


@dataclass(frozen=True)
class ContentVersions:
    """The algorithm version of each content table; a row of another version is to be made again."""

    file_hash: str
    photo_metadata: str
    perceptual_hash: str


@dataclass(frozen=True)
class Plan:
    """What planning found and assigned."""

    pending: int
    assigned: int
    new_batches: tuple[str, ...]
    open_batches: tuple[str, ...]


def batch_size(pending: int) -> int:
    """Files per batch: about 200 batches, but neither tiny (a run costs two seconds) nor huge (a retry repeats one)."""
    return min(max(-(-pending // BATCHES_WANTED), SMALLEST), LARGEST)


def _undone(table: str, version: str, again: str) -> str:
    return (
        f"NOT EXISTS (SELECT 1 FROM content.{table} c WHERE c.asset_id = a.asset_id AND c.size = a.size "
        f"AND c.mtime_ns = a.mtime_ns AND c.code_version = {version}{again})"
    )


NOT_MOUNTED_THEN, NOT_DOWNLOADED_THEN = "not_mounted_then", "not_downloaded_then"
"""Stand, among what is cured, for files of a server whose bytes were not read for want of a mount, or of leave to download them."""

_NEVER_READ = (
    "c.sha256 IS NULL AND c.sha1 IS NULL AND c.error_kind IS NULL AND c.attempts < $5 "
    f"AND ('{NOT_DOWNLOADED_THEN}' = ANY($6) OR ('{NOT_MOUNTED_THEN}' = ANY($6) AND EXISTS "
    "(SELECT 1 FROM library.mounted_file m WHERE m.asset_id = c.asset_id)))"
)

# $1..$3 code versions, $4 transient kinds, $5 attempts, $6 kinds that a newly installed decoder cures
_PENDING = " OR ".join(
    (
        _undone(
            "file_hash",
            "$1",
            " AND NOT (c.error_kind IS NOT NULL AND c.error_kind = ANY($4) AND c.attempts < $5)"
            f" AND NOT ({_NEVER_READ})",
        ),
        _undone("photo_metadata", "$2", ""),
        _undone(
            "perceptual_hash",
            "$3",
            " AND NOT (c.error_kind IS NOT NULL AND (c.error_kind = ANY($6) OR (c.error_kind = ANY($4) AND EXISTS ("
            "SELECT 1 FROM content.file_hash h WHERE h.asset_id = c.asset_id AND h.attempts < $5))))",
        ),
    )
)

_UNASSIGNED = f"""
    SELECT a.asset_id, a.size, a.mtime_ns, row_number() OVER (ORDER BY a.source_id, a.real_path) - 1 AS place
    FROM library.live_asset a
    WHERE ({_PENDING})
      AND NOT EXISTS (
        SELECT 1 FROM content.file_work w JOIN pipeline.ingest_batch b USING (batch_key)
        WHERE w.asset_id = a.asset_id AND w.size = a.size AND w.mtime_ns = a.mtime_ns AND b.completed_at IS NULL)"""


def plan_batches(
    frames: Frames,
    versions: ContentVersions,
    *,
    cured: Sequence[str],
    now: datetime,
    most_attempts: int = MOST_ATTEMPTS,
) -> Plan:
    """Assign every file whose current content has no current result to a new batch. Files already in an open batch stay there.

    Keys sort by time: `20261121T070833-0007`. Planning the same state again assigns nothing. `cured` names the error kinds that
    need no longer be (a decoder was installed); passing failures are tried again up to `most_attempts` times.
    """
    parameters = (*vars(versions).values(), list(TRANSIENT), most_attempts, list(cured))
    frames.execute(
        "CREATE TEMP TABLE unassigned (asset_id uuid, size bigint, mtime_ns bigint, place bigint) ON COMMIT DROP"
    )
    frames.execute(f"INSERT INTO unassigned {_UNASSIGNED}", *parameters)
    count = int(frames.scalar("SELECT count(*) FROM unassigned"))
    keys: list[str] = []
    if count:
        size = batch_size(count)
        keys = _free_keys(frames, now, -(-count // size))
        batches = pl.DataFrame({"batch_key": keys, "number": list(range(len(keys)))})
        with frames.staged(batches) as stage:
            frames.execute(
                "INSERT INTO pipeline.ingest_batch (batch_key, files) "
                f"SELECT s.batch_key, count(*) FROM unassigned u JOIN {stage} s ON s.number = u.place / $1 GROUP BY s.batch_key",
                size,
            )
            frames.execute(
                "INSERT INTO content.file_work (asset_id, batch_key, size, mtime_ns) "
                f"SELECT u.asset_id, s.batch_key, u.size, u.mtime_ns FROM unassigned u JOIN {stage} s ON s.number = u.place / $1 "
                "ON CONFLICT (asset_id) DO UPDATE SET batch_key = EXCLUDED.batch_key, size = EXCLUDED.size, mtime_ns = EXCLUDED.mtime_ns",
                size,
            )
    open_keys = open_batches(frames)
    return Plan(pending=count, assigned=count, new_batches=tuple(keys), open_batches=tuple(open_keys))


def any_work(frames: Frames, versions: ContentVersions, *, cured: Sequence[str]) -> bool:
    """Whether a batch is open, or a file's current content has no current result (passing failures are to be tried again)."""
    if open_batches(frames):
        return True
    parameters = (*vars(versions).values(), list(TRANSIENT), AGAIN_AND_AGAIN, list(cured))
    return bool(frames.scalar(f"SELECT EXISTS (SELECT 1 FROM library.live_asset a WHERE {_PENDING})", *parameters))


def _free_keys(frames: Frames, now: datetime, count: int) -> list[str]:
    stamp = now.strftime("%Y%m%dT%H%M%S")
    taken = frames.scalar("SELECT count(*) FROM pipeline.ingest_batch WHERE batch_key LIKE $1", f"{stamp}-%")
    return [f"{stamp}-{number:04d}" for number in range(taken, taken + count)]


def open_batches(frames: Frames) -> list[str]:
    """Keys of the batches that are not completed, oldest first."""
    return frames.read("SELECT batch_key FROM pipeline.ingest_batch WHERE completed_at IS NULL ORDER BY batch_key")[
        "batch_key"
    ].to_list()


def batch_tasks(
    frames: Frames,
    batch_key: str,
    versions: ContentVersions,
    *,
    cured: Sequence[str],
    most_attempts: int = MOST_ATTEMPTS,
) -> pl.DataFrame:
    """The files of a batch that still have something to do.

    Columns: asset_id String, source_kind String, root Binary, real_path Binary (both null where the original is not mounted here),
    extension String, size Int64, mtime_ns Int64, attempts Int64 (before this one).
    """
    return frames.read(
        f"""
        SELECT a.asset_id::text AS asset_id, f.source_kind, f.root, f.real_path, a.extension, a.size, a.mtime_ns,
               coalesce(h.attempts, 0)::bigint AS attempts
        FROM content.file_work w
        JOIN library.live_asset a ON a.asset_id = w.asset_id AND a.size = w.size AND a.mtime_ns = w.mtime_ns
        JOIN library.asset_file f ON f.asset_id = a.asset_id
        LEFT JOIN content.file_hash h ON h.asset_id = a.asset_id AND h.size = a.size AND h.mtime_ns = a.mtime_ns
        WHERE w.batch_key = $7 AND ({_PENDING})
        ORDER BY a.source_id, a.real_path""",
        *vars(versions).values(),
        list(TRANSIENT),
        most_attempts,
        list(cured),
        batch_key,
    )


def forget_attempts(frames: Frames) -> None:
    """Let open batches that failed too often be tried again."""
    frames.execute("UPDATE pipeline.ingest_batch SET attempts = 0 WHERE completed_at IS NULL AND attempts > 0")


def begin_batch(database: Database, batch_key: str) -> None:
    """Count an attempt at a batch."""
    with database.connect() as connection:
        connection.execute(
            "UPDATE pipeline.ingest_batch SET attempts = attempts + 1 WHERE batch_key = %s", (batch_key,)
        )


def complete_batch(database: Database, batch_key: str) -> None:
    """Say that a batch's run came to its end; what failed of it for a passing reason is planned anew."""
    with database.connect() as connection:
        connection.execute(
            "UPDATE pipeline.ingest_batch SET completed_at = coalesce(completed_at, now()) WHERE batch_key = %s",
            (batch_key,),
        )


def unfinished_batches(database: Database) -> list[tuple[str, int]]:
    """Open batches and how often each was begun, oldest first."""
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT batch_key, attempts FROM pipeline.ingest_batch WHERE completed_at IS NULL ORDER BY batch_key"
        ).fetchall()
    return [(str(key), int(attempts)) for key, attempts in rows]


def fold_batches(frames: Frames, older_than: datetime) -> None:
    """Mark completed batches planned before a moment as part of one archive per month: `archive-2026-08`.

    Keeps the number of live partitions small however long the pipeline runs. Row state does not depend on the keys.
    """
    frames.execute(
        "UPDATE pipeline.ingest_batch SET archived_into = 'archive-' || to_char(planned_at, 'YYYY-MM') "
        "WHERE completed_at IS NOT NULL AND archived_into IS NULL AND planned_at < $1",
        older_than,
    )


def archived_batches(frames: Frames) -> dict[str, str]:
    """Batch key to archive key, of every batch that was folded."""
    return dict(
        frames.read(
            "SELECT batch_key, archived_into FROM pipeline.ingest_batch WHERE archived_into IS NOT NULL"
        ).iter_rows()
    )

"""What an Immich server says of its assets: staged batch by batch, compared with what is known, written where it differs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from immich_pipeline.immich.schema import ALBUM_SCHEMA, EXTRA_SCHEMA, RECORD_SCHEMA
from immich_pipeline.store.batches import TRANSIENT
from immich_pipeline.store.frames import Changes, Frames, Stage, Table
from immich_pipeline.store.state import bump, fingerprint, is_current, mark_computed

RECORD = Table("library", "immich_record", ("asset_id",))
EXTRA = Table("library", "immich_extra", ("asset_id",))
ALBUM = Table("library", "immich_album", ("asset_id", "album_id"))

NO_DEVICE = -1
"""`device` of an asset whose file belongs to a server: what it says of the file is no version of a file here."""
FROM_PREVIEW = "preview of the server"
"""`computed_from` of perceptual hashes that were made of the server's preview: an edit there changes them."""

STAGE_SCHEMA: dict[str, pl.DataType] = {
    **RECORD_SCHEMA,
    "owner": pl.String(),
    "real_path": pl.Binary(),
    "path": pl.String(),
    "folder": pl.String(),
    "name": pl.String(),
    "extension": pl.String(),
    "kind": pl.String(),
    "format": pl.String(),
    "mtime_ns": pl.Int64(),
    "mounted_root": pl.Binary(),
    "mounted_path": pl.Binary(),
}
"""A record, the pipeline's own columns made of it, and where its original is mounted here (null where it is not)."""

_TOLD = [name for name in RECORD_SCHEMA if name not in ("asset_id", "updated_at")]
_ID_COLUMNS = {"owner_id", "library_id", "live_video_id", "stack_id", "stack_primary_id", "duplicate_id"}


@dataclass(frozen=True)
class ServerNews:
    """What a reading found: how many assets became what, and a few of each."""

    counts: dict[str, int]
    samples: pl.DataFrame
    changes: Changes

    @property
    def total(self) -> int:
        """Assets that are not as they were."""
        return sum(self.counts.values())


def _staged(name: str) -> str:
    return f"s.{name}::uuid" if name in _ID_COLUMNS else f"s.{name}"


_SAME = (
    f"({', '.join(f'r.{name}' for name in _TOLD)}) IS NOT DISTINCT FROM ({', '.join(_staged(name) for name in _TOLD)})"
)

_NEWS = """
    CREATE TEMP TABLE server_news ON COMMIT DROP AS
    SELECT s.asset_id::uuid AS asset_id, s.path, r.original_path AS before, CASE
        WHEN a.asset_id IS NULL OR r.asset_id IS NULL THEN 'added'
        WHEN a.gone_at IS NOT NULL THEN 'back'
        WHEN s.is_offline AND NOT a.is_offline THEN 'offline'
        WHEN a.is_offline AND NOT s.is_offline THEN 'online'
        WHEN s.is_trashed AND NOT a.is_trashed THEN 'trashed'
        WHEN a.is_trashed AND NOT s.is_trashed THEN 'restored'
        WHEN r.original_path <> s.original_path THEN 'moved'
        ELSE 'changed' END AS what
    FROM {stage} s LEFT JOIN library.asset a ON a.asset_id = s.asset_id::uuid
    LEFT JOIN library.immich_record r ON r.asset_id = s.asset_id::uuid
    WHERE a.asset_id IS NULL OR r.asset_id IS NULL OR a.gone_at IS NOT NULL OR NOT ({same})"""

_ASSETS = """
    INSERT INTO library.asset AS a (asset_id, source_id, owner, real_path, path, folder, name, extension, kind, format, size, mtime_ns,
                                    inode, device, visibility, is_trashed, is_offline)
    SELECT s.asset_id::uuid, $1::uuid, s.owner, s.real_path, s.path, s.folder, s.name, s.extension, s.kind, s.format,
           coalesce(s.size, 0), s.mtime_ns, 0, {no_device}, s.visibility, s.is_trashed, s.is_offline
    FROM {stage} s
    ON CONFLICT (asset_id) DO UPDATE SET
        source_id = EXCLUDED.source_id, owner = EXCLUDED.owner, real_path = EXCLUDED.real_path, path = EXCLUDED.path,
        folder = EXCLUDED.folder, name = EXCLUDED.name, extension = EXCLUDED.extension, kind = EXCLUDED.kind, format = EXCLUDED.format,
        size = EXCLUDED.size, mtime_ns = EXCLUDED.mtime_ns, visibility = EXCLUDED.visibility, is_trashed = EXCLUDED.is_trashed,
        is_offline = EXCLUDED.is_offline, gone_at = NULL,
        first_seen_at = CASE WHEN a.gone_at IS NULL THEN a.first_seen_at ELSE now() END
    WHERE a.gone_at IS NOT NULL OR
        (a.source_id, a.owner, a.real_path, a.path, a.folder, a.name, a.extension, a.kind, a.format, a.size, a.mtime_ns, a.visibility,
         a.is_trashed, a.is_offline) IS DISTINCT FROM
        (EXCLUDED.source_id, EXCLUDED.owner, EXCLUDED.real_path, EXCLUDED.path, EXCLUDED.folder, EXCLUDED.name, EXCLUDED.extension,
         EXCLUDED.kind, EXCLUDED.format, EXCLUDED.size, EXCLUDED.mtime_ns, EXCLUDED.visibility, EXCLUDED.is_trashed, EXCLUDED.is_offline)"""

# The server's picture of an asset is another one, or there is one now: what was made of the old one, or failed for want of one, is past.
_NEW_PICTURE = f"""
    DELETE FROM content.perceptual_hash p USING {{stage}} s, library.immich_record r
    WHERE p.asset_id = s.asset_id::uuid AND r.asset_id = p.asset_id AND (p.computed_from = '{FROM_PREVIEW}' OR p.error_kind IS NOT NULL)
      AND (r.is_edited, r.thumbhash) IS DISTINCT FROM (s.is_edited, s.thumbhash)"""
_FRESH_ATTEMPTS = """
    UPDATE content.file_hash h SET attempts = 0 FROM {stage} s, library.immich_record r
    WHERE h.asset_id = s.asset_id::uuid AND r.asset_id = h.asset_id AND h.attempts > 0 AND r.thumbhash IS DISTINCT FROM s.thumbhash"""

# Metadata that is the server's word follows the server's word.
_TOLD_OF_PHOTO = (
    "make", "model", "lens", "taken_at", "time_zone", "local_date_time", "latitude", "longitude", "orientation",
)  # fmt: skip
_NEW_METADATA = f"""
    DELETE FROM content.photo_metadata m USING {{stage}} s, library.immich_record r
    WHERE m.asset_id = s.asset_id::uuid AND r.asset_id = m.asset_id
      AND (m.time_source = 'server'
        OR NOT EXISTS (SELECT 1 FROM content.file_hash h WHERE h.asset_id = m.asset_id AND h.sha256 IS NOT NULL))
      AND ({", ".join(f"r.{name}" for name in _TOLD_OF_PHOTO)}) IS DISTINCT FROM ({", ".join(f"s.{name}" for name in _TOLD_OF_PHOTO)})"""

_MOUNTED = """
    INSERT INTO library.mounted_file AS m (asset_id, root, real_path)
    SELECT s.asset_id::uuid, s.mounted_root, s.mounted_path FROM {stage} s WHERE s.mounted_root IS NOT NULL
    ON CONFLICT (asset_id) DO UPDATE SET root = EXCLUDED.root, real_path = EXCLUDED.real_path
    WHERE (m.root, m.real_path) IS DISTINCT FROM (EXCLUDED.root, EXCLUDED.real_path)"""

_UNMOUNTED = """
    DELETE FROM library.mounted_file m USING {stage} s WHERE m.asset_id = s.asset_id::uuid AND s.mounted_root IS NULL"""

_LOST = """
    FROM library.immich_record r WHERE a.asset_id = r.asset_id AND a.source_id = $1::uuid AND a.gone_at IS NULL
      AND r.owner_id::text = ANY($2)"""

# The same content under a new id: an upload with the same SHA-1, or a file of an external library that the server took for a new one.
_RETURNED = """
    UPDATE server_news n SET what = 'moved', before = o.original_path
    FROM library.immich_record r, library.immich_record o, library.asset oa
    WHERE n.what = 'added' AND r.asset_id = n.asset_id AND o.asset_id <> r.asset_id AND o.owner_id = r.owner_id
      AND oa.asset_id = o.asset_id AND (oa.gone_at IS NOT NULL OR oa.is_offline) AND oa.source_id = $1::uuid
      AND o.asset_id IN (SELECT asset_id FROM server_news WHERE what IN ('gone', 'offline'))
      AND ((r.checksum_algorithm = 'sha1' AND o.checksum_algorithm = 'sha1' AND r.checksum = o.checksum)
        OR (r.checksum_algorithm <> 'sha1' AND o.original_name = r.original_name AND o.size = r.size
            AND o.file_modified_at = r.file_modified_at AND o.library_id IS NOT DISTINCT FROM r.library_id))"""


@contextmanager
def staging(frames: Frames) -> Iterator[Stage]:
    """A stage for records of one reading (`STAGE_SCHEMA`)."""
    with frames.stage(STAGE_SCHEMA) as stage:
        yield stage


def apply_reading(
    frames: Frames, stage: Stage, source_id: str, owner_ids: Sequence[str], *, full: bool, deleted: Sequence[str]
) -> ServerNews:
    """Bring the rows of a source to what was read, in the transaction that `frames` is.

    Args:
        frames: the transaction.
        stage: what was read; each asset once.
        source_id: the server.
        owner_ids: whose assets were read; nobody else's are touched.
        full: everything of theirs was read, so that what is not in the stage is gone.
        deleted: ids that the server says were deleted for good.
    """
    frames.execute(_NEWS.format(stage=stage.name, same=_SAME))
    for statement in (_NEW_PICTURE, _FRESH_ATTEMPTS, _NEW_METADATA):
        frames.execute(statement.format(stage=stage.name))
    changes = Changes(updated=frames.change(_ASSETS.format(stage=stage.name, no_device=NO_DEVICE), source_id))
    changes += frames.merge_stage(RECORD, list(RECORD_SCHEMA), stage)
    changes += Changes(updated=frames.change(_MOUNTED.format(stage=stage.name)))
    changes += Changes(deleted=frames.change(_UNMOUNTED.format(stage=stage.name)))
    changes += Changes(deleted=_mark_gone(frames, stage, source_id, owner_ids, full=full, deleted=deleted))
    frames.execute(_RETURNED, source_id)
    news = frames.read("SELECT what, count(*) AS assets FROM server_news GROUP BY 1 ORDER BY 1")
    samples = frames.read(
        "SELECT what, path, before FROM (SELECT *, row_number() OVER (PARTITION BY what ORDER BY path) AS place FROM server_news) n "
        "WHERE place <= 10 ORDER BY what, path"
    )
    frames.execute("DROP TABLE server_news")
    if changes.total:
        bump(frames, "library")
    return ServerNews(dict(news.iter_rows()), samples, changes)


def _mark_gone(
    frames: Frames, stage: Stage, source_id: str, owner_ids: Sequence[str], *, full: bool, deleted: Sequence[str]
) -> int:
    condition, parameters = f"{_LOST} AND a.asset_id::text = ANY($3)", [source_id, list(owner_ids), list(deleted)]
    if full:
        condition = f"{_LOST} AND NOT EXISTS (SELECT 1 FROM {stage.name} s WHERE s.asset_id::uuid = a.asset_id)"
        parameters = parameters[:2]
    frames.execute(
        "WITH gone AS (UPDATE library.asset a SET gone_at = now() "
        f"{condition} RETURNING a.asset_id, a.path) INSERT INTO server_news SELECT asset_id, path, path, 'gone' FROM gone",
        *parameters,
    )
    return int(frames.scalar("SELECT count(*) FROM server_news WHERE what = 'gone'"))


def forget_other_owners(frames: Frames, source_id: str, owner_ids: Sequence[str]) -> int:
    """Mark the assets of owners as gone who are no longer looked after; returns how many."""
    gone = frames.change(
        "UPDATE library.asset a SET gone_at = now() FROM library.immich_record r WHERE a.asset_id = r.asset_id "
        "AND a.source_id = $1::uuid AND a.gone_at IS NULL AND NOT (r.owner_id::text = ANY($2))",
        source_id,
        list(owner_ids),
    )
    if gone:
        bump(frames, "library")
    return gone


def write_albums(frames: Frames, owner_ids: Sequence[str], albums: pl.DataFrame) -> Changes:
    """Make the album memberships of these owners' assets those of `albums` (`ALBUM_SCHEMA`)."""
    return _replace_of_owners(frames, ALBUM, owner_ids, albums.select(ALBUM_SCHEMA.keys()))


def write_extras(frames: Frames, owner_ids: Sequence[str], extras: pl.DataFrame) -> Changes:
    """Make what only the database knows of these owners' assets that of `extras` (`EXTRA_SCHEMA`)."""
    return _replace_of_owners(frames, EXTRA, owner_ids, extras.select(EXTRA_SCHEMA.keys()))


def merge_extras(frames: Frames, stage: Stage, extras: pl.DataFrame) -> Changes:
    """Bring what only the database knows of the staged assets to `extras`; no row there means that it knows nothing any more."""
    rows = _stored(frames, extras.select(EXTRA_SCHEMA.keys()))
    with frames.staged(rows) as known:
        cleared = frames.change(
            f"DELETE FROM library.immich_extra e USING {stage.name} s WHERE e.asset_id = s.asset_id::uuid "
            f"AND NOT EXISTS (SELECT 1 FROM {known} k WHERE k.asset_id::uuid = e.asset_id)"
        )
    changes = Changes(deleted=cleared) + frames.merge(EXTRA, rows)
    if changes.total:
        bump(frames, "library")
    return changes


def write_primaries(frames: Frames, owner_ids: Sequence[str], stacks: pl.DataFrame) -> Changes:
    """Bring the primaries of these owners' stacks to `stacks` (stack_id, primary_asset_id)."""
    with frames.staged(stacks) as stage:
        changed = frames.change(
            "UPDATE library.immich_record r SET stack_primary_id = s.primary_asset_id::uuid "
            f"FROM {stage} s WHERE r.stack_id = s.stack_id::uuid AND r.owner_id::text = ANY($1) "
            "AND r.stack_primary_id IS DISTINCT FROM s.primary_asset_id::uuid",
            list(owner_ids),
        )
    if changed:
        bump(frames, "library")
    return Changes(updated=changed)


def _replace_of_owners(frames: Frames, table: Table, owner_ids: Sequence[str], rows: pl.DataFrame) -> Changes:
    rows = _stored(frames, rows)
    keys = " AND ".join(f"s.{name}::uuid = t.{name}" for name in table.key)
    target = table.identifier.as_string(None)
    with frames.staged(rows) as stage:
        gone = frames.change(
            f"DELETE FROM {target} t USING library.immich_record r WHERE r.asset_id = t.asset_id AND r.owner_id::text = ANY($1) "
            f"AND NOT EXISTS (SELECT 1 FROM {stage} s WHERE {keys})",
            list(owner_ids),
        )
    changes = Changes(deleted=gone) + frames.merge(table, rows)
    if changes.total:
        bump(frames, "library")
    return changes


def _stored(frames: Frames, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose asset is stored: albums may hold assets that are left out."""
    with frames.staged(rows.select("asset_id").unique()) as stage:
        known = frames.read(
            f"SELECT s.asset_id FROM {stage} s JOIN library.immich_record r ON r.asset_id = s.asset_id::uuid"
        )
    return rows.join(known, on="asset_id", how="semi")


def note_trash(frames: Frames, source_id: str, days: int) -> bool:
    """Remember how many days a server keeps what is put into its trash (0: it is switched off); returns whether that is news."""
    changed = frames.change(
        "UPDATE library.source SET trash_days = $2::integer WHERE source_id = $1::uuid AND trash_days IS DISTINCT FROM $2::integer",
        source_id,
        days,
    )
    if changed:
        bump(frames, "details")
    return changed > 0


def stored_assets(frames: Frames, source_id: str, owner_ids: Sequence[str]) -> int:
    """How many assets of these owners are stored and not gone."""
    query = (
        "SELECT count(*) FROM library.asset a JOIN library.immich_record r USING (asset_id) "
        "WHERE a.source_id = $1::uuid AND a.gone_at IS NULL AND r.owner_id::text = ANY($2)"
    )
    return int(frames.scalar(query, source_id, list(owner_ids)))


def stored_assets_of_source(frames: Frames, source_id: str) -> int:
    """How many assets of a server are stored and not gone."""
    return int(
        frames.scalar("SELECT count(*) FROM library.asset WHERE source_id = $1::uuid AND gone_at IS NULL", source_id)
    )


def newer_than_stored(frames: Frames, records: pl.DataFrame) -> int:
    """How many of these records (asset_id, updated_at) are not stored as they are now."""
    with frames.staged(records.select("asset_id", "updated_at")) as stage:
        return int(
            frames.scalar(
                f"SELECT count(*) FROM {stage} s LEFT JOIN library.immich_record r ON r.asset_id = s.asset_id::uuid "
                "LEFT JOIN library.asset a ON a.asset_id = r.asset_id AND a.gone_at IS NULL "
                "WHERE a.asset_id IS NULL OR r.updated_at IS DISTINCT FROM s.updated_at"
            )
        )


def records_of(frames: Frames, asset_ids: Sequence[str]) -> pl.DataFrame:
    """What the server says of some assets (`RECORD_SCHEMA`), with `auto_stack_id` and `live_photo_cid`."""
    columns = [
        f"r.{name}::text AS {name}" if name in _ID_COLUMNS | {"asset_id"} else f"r.{name}" for name in RECORD_SCHEMA
    ]
    frame = frames.read(
        f"SELECT {', '.join(columns)}, e.auto_stack_id, e.live_photo_cid FROM library.immich_record r "
        "LEFT JOIN library.immich_extra e USING (asset_id) WHERE r.asset_id::text = ANY($1)",
        list(asset_ids),
    )
    return frame.with_columns([pl.col(name).cast(dtype) for name, dtype in RECORD_SCHEMA.items()])


def told_of_captures(frames: Frames) -> pl.DataFrame:
    """What servers say that tells which files are one capture: a row per asset of a server, with `is_record` true."""
    return frames.read(
        "SELECT r.asset_id::text AS asset_id, true AS is_record, r.duration_ms, r.live_video_id::text AS live_video_id, "
        "e.auto_stack_id, e.live_photo_cid FROM library.immich_record r LEFT JOIN library.immich_extra e USING (asset_id)"
    )


def trashed_assets(frames: Frames) -> pl.DataFrame:
    """What servers say of assets in their trash, in the columns that grouping reads; times only where the server knows them."""
    return frames.read(
        "SELECT a.asset_id::text AS asset_id, a.source_id::text AS source_id, a.owner, a.folder, a.name, a.extension, a.kind, a.size, "
        "CASE WHEN r.time_zone IS NOT NULL THEN r.taken_at END AS taken_at, "
        "CASE WHEN r.taken_at IS NOT NULL THEN r.local_date_time END AS taken_at_local, NULL::text AS subsec, r.make, r.model, "
        "e.auto_stack_id AS burst_id, e.live_photo_cid AS content_id, a.visibility, true AS is_trashed, true AS is_record "
        "FROM library.asset a JOIN library.source s USING (source_id) JOIN library.immich_record r USING (asset_id) "
        "LEFT JOIN library.immich_extra e USING (asset_id) "
        "WHERE s.active AND a.gone_at IS NULL AND a.is_trashed AND NOT a.is_offline AND a.visibility <> 'locked'"
    )


_PAIRS = """
    CREATE TEMP TABLE same_file ON COMMIT DROP AS
    SELECT f.asset_id AS file_id, (min(i.asset_id::text))::uuid AS immich_id
    FROM library.asset f
    JOIN library.source s ON s.source_id = f.source_id AND s.active AND s.kind = 'folder'
    JOIN library.mounted_file m ON m.root || '\\x2f'::bytea || m.real_path = rtrim(s.root, '\\x2f'::bytea) || '\\x2f'::bytea || f.real_path
    JOIN library.asset i ON i.asset_id = m.asset_id AND i.gone_at IS NULL AND NOT i.is_offline
    JOIN library.source si ON si.source_id = i.source_id AND si.active
    JOIN library.immich_record r ON r.asset_id = i.asset_id AND r.size = f.size
    LEFT JOIN content.file_hash h ON h.asset_id = f.asset_id AND h.size = f.size AND h.mtime_ns = f.mtime_ns
    WHERE f.gone_at IS NULL AND (r.checksum_algorithm <> 'sha1' OR h.sha1 IS NULL OR h.sha1 = r.checksum)
    GROUP BY f.asset_id
    UNION ALL
    SELECT b.asset_id, (min(a.asset_id::text))::uuid
    FROM library.immich_record rb
    JOIN library.asset b ON b.asset_id = rb.asset_id AND b.gone_at IS NULL
    JOIN library.source s ON s.source_id = b.source_id AND s.active
    JOIN library.immich_record ra ON ra.original_path = rb.original_path AND ra.owner_id = rb.owner_id AND ra.asset_id < rb.asset_id
    JOIN library.asset a ON a.asset_id = ra.asset_id AND a.gone_at IS NULL AND NOT a.is_offline AND NOT a.is_trashed
        AND a.source_id = b.source_id
    GROUP BY b.asset_id"""

# Content that was read of the folder's file counts for the server's asset: nothing is read twice.
_CARRY = """
    INSERT INTO content.{table} (asset_id, size, mtime_ns, {columns})
    SELECT p.immich_id, i.size, i.mtime_ns, {values} FROM same_file p
    JOIN library.asset f ON f.asset_id = p.file_id
    JOIN library.asset i ON i.asset_id = p.immich_id AND i.source_id <> f.source_id
    JOIN content.{table} c ON c.asset_id = f.asset_id AND c.size = f.size AND c.mtime_ns = f.mtime_ns
    WHERE {condition} ON CONFLICT (asset_id) DO NOTHING"""

_CARRIED = {
    "file_hash": (
        "code_version, sha256, sha1, format, format_mismatch, error_kind, error, attempts",
        "c.sha1 IS NOT NULL",
    ),
    "photo_metadata": (
        "code_version, taken_at, taken_at_local, utc_offset_minutes, subsec, time_source, make, model, serial, lens, latitude, "
        "longitude, altitude, orientation, burst_id, content_id, exposure_bias, software, error",
        "true",
    ),
    "perceptual_hash": (
        "code_version, phash, phash256, set_bits, usable, width, height, computed_from, error_kind, error",
        f"coalesce(c.error_kind, '') NOT IN ({', '.join(repr(kind) for kind in TRANSIENT)})",
    ),
}
"""Columns to carry over, and which rows: what failed for a passing reason is tried again instead."""


def link_same_files(frames: Frames) -> int:
    """Make the assets of one file one asset; returns how many stand for another.

    A folder's file is the server's asset when the server's path is mounted at the file's path, both tell the same size, and the file's
    SHA-1, where the server has one and the file was read, is the same. Two assets of one owner on one path of the server (libraries that
    overlap) are one file as well: to take one of them for a copy of the other would lose it.
    """
    inputs = fingerprint(frames, ("library",), {})
    if is_current(frames, "same_files", inputs):
        return _stand_ins(frames)
    frames.execute(_PAIRS)
    changed = frames.change(
        "UPDATE library.asset f SET same_as = NULL WHERE f.same_as IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM same_file p WHERE p.file_id = f.asset_id)"
    )
    changed += frames.change(
        "UPDATE library.asset f SET same_as = p.immich_id FROM same_file p "
        "WHERE p.file_id = f.asset_id AND f.same_as IS DISTINCT FROM p.immich_id"
    )
    if changed:
        for table, (columns, condition) in _CARRIED.items():
            values = ", ".join(f"c.{name}" for name in columns.split(", "))
            frames.execute(_CARRY.format(table=table, columns=columns, values=values, condition=condition))
        bump(frames, "library")
        bump(frames, "content")
    frames.execute("DROP TABLE same_file")
    mark_computed(frames, "same_files", fingerprint(frames, ("library",), {}))
    return _stand_ins(frames)


def _stand_ins(frames: Frames) -> int:
    return int(
        frames.scalar(
            "SELECT count(*) FROM library.asset a JOIN library.source s USING (source_id) "
            "WHERE s.active AND a.gone_at IS NULL AND a.same_as IS NOT NULL"
        )
    )

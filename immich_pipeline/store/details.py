"""What the server told of single assets (tags, people, links), as it was last read: library.immich_detail."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import polars as pl

from immich_pipeline.store.frames import Frames
from immich_pipeline.store.state import bump

TOPIC = "details"
"""The topic that is bumped when what is stored changed; results that use it depend on it (see `store.state.fingerprint`)."""

DETAIL_SCHEMA: dict[str, pl.DataType] = {"asset_id": pl.String(), "detail": pl.String()}
"""The state of an asset (`immich.details.state_of`) as JSON."""

READ_SCHEMA: dict[str, pl.DataType] = {**DETAIL_SCHEMA, "updated_at": pl.Datetime("us", "UTC")}
"""What was read: with the time of the asset's last change, as the server said it."""

DETAIL_FACTS_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "tags": pl.List(pl.String()),
    "people": pl.Int32(),
    "faces": pl.Int32(),
    "albums": pl.Int32(),
    "links": pl.Int32(),
    "description": pl.String(),
    "rating": pl.Int32(),
    "is_favorite": pl.Boolean(),
    "visibility": pl.String(),
    "live_video_id": pl.String(),
}
"""One row per stored asset. `people`: named persons on it; `faces`: all faces, whoever they are; `albums`, `links`: how many it is in.
`description` and `rating` are null where there is none."""

# Joining an album does not change the asset itself; other such changes are found by age alone.
_OUTDATED = """
    SELECT r.asset_id::text AS asset_id, r.owner_id::text AS owner_id, coalesce(
        d.updated_at < r.updated_at OR d.read_at < clock_timestamp() - make_interval(secs => $2)
        OR (SELECT count(*) FROM library.immich_album a WHERE a.asset_id = r.asset_id) <> jsonb_array_length(d.detail -> 'albums')
        OR EXISTS (SELECT 1 FROM library.immich_album a
                   WHERE a.asset_id = r.asset_id AND NOT d.detail -> 'albums' ? a.album_id::text), true) AS outdated
    FROM library.immich_record r JOIN library.asset l USING (asset_id) LEFT JOIN library.immich_detail d USING (asset_id)
    WHERE r.asset_id = ANY($1::uuid[]) AND l.gone_at IS NULL ORDER BY 1"""

_WRITE = """
    INSERT INTO library.immich_detail AS d (asset_id, updated_at, detail)
    SELECT a.asset_id, s.updated_at, s.detail::jsonb FROM {stage} s JOIN library.asset a ON a.asset_id = s.asset_id::uuid
    ON CONFLICT (asset_id) DO UPDATE SET updated_at = EXCLUDED.updated_at, read_at = EXCLUDED.read_at, detail = EXCLUDED.detail"""
_NEW = """
    SELECT count(*) FROM {stage} s LEFT JOIN library.immich_detail d ON d.asset_id = s.asset_id::uuid
    WHERE d.detail IS DISTINCT FROM s.detail::jsonb"""

_FACTS = """
    SELECT d.asset_id::text AS asset_id,
        array(SELECT jsonb_array_elements_text(d.detail -> 'tags')) AS tags,
        (SELECT count(*) FROM jsonb_array_elements(d.detail -> 'people') p WHERE p ->> 'name' <> '')::integer AS people,
        ((SELECT coalesce(sum(jsonb_array_length(p -> 'faces')), 0) FROM jsonb_array_elements(d.detail -> 'people') p)
            + (d.detail ->> 'unassigned_faces')::integer)::integer AS faces,
        jsonb_array_length(d.detail -> 'albums') AS albums, jsonb_array_length(d.detail -> 'links') AS links,
        nullif(d.detail ->> 'description', '') AS description, (d.detail ->> 'rating')::integer AS rating,
        (d.detail ->> 'favourite')::boolean AS is_favorite, d.detail ->> 'visibility' AS visibility,
        d.detail ->> 'live_video' AS live_video_id
    FROM library.immich_detail d ORDER BY 1"""


def details(frames: Frames, asset_ids: Collection[str]) -> pl.DataFrame:
    """What is stored of these assets: `DETAIL_SCHEMA`, by asset; nothing for those that were never read."""
    rows = frames.read(
        "SELECT asset_id::text AS asset_id, detail::text AS detail FROM library.immich_detail "
        "WHERE asset_id = ANY($1::uuid[]) ORDER BY 1",
        list(asset_ids),
    )
    return rows.cast(DETAIL_SCHEMA)  # type: ignore[arg-type]


def detail_facts(frames: Frames) -> pl.DataFrame:
    """What is stored, in numbers that the choice of the kept one goes by: `DETAIL_FACTS_SCHEMA`, by asset."""
    return frames.read(_FACTS).cast(DETAIL_FACTS_SCHEMA)  # type: ignore[arg-type]


def outdated(frames: Frames, asset_ids: Collection[str], max_age: timedelta) -> pl.DataFrame:
    """Which of these assets of a server have to be read (again): asset_id, owner_id, outdated. Others are left out.

    Args:
        frames: the transaction.
        asset_ids: which assets.
        max_age: how old what was read may be; changes of faces and links show in nothing else.
    """
    return frames.read(_OUTDATED, list(asset_ids), max_age.total_seconds())


def write_details(frames: Frames, rows: pl.DataFrame, missing: Sequence[str]) -> int:
    """Store what was read, and forget the assets that the server does not know.

    Args:
        frames: the transaction.
        rows: `READ_SCHEMA`.
        missing: assets that are not there.

    Returns:
        How many assets are not as they were stored.
    """
    changed = frames.change("DELETE FROM library.immich_detail WHERE asset_id = ANY($1::uuid[])", list(missing))
    if rows.height:
        with frames.staged(rows.select(READ_SCHEMA.keys())) as stage:
            changed += int(frames.scalar(_NEW.format(stage=stage)))
            frames.execute(_WRITE.format(stage=stage))
    if changed:
        bump(frames, TOPIC)
    return changed


def forget_details(frames: Frames, asset_ids: Collection[str]) -> int:
    """Forget what was read of these assets, so that they are read anew when they are needed next; returns how many."""
    gone = frames.change("DELETE FROM library.immich_detail WHERE asset_id = ANY($1::uuid[])", list(asset_ids))
    if gone:
        bump(frames, TOPIC)
    return gone

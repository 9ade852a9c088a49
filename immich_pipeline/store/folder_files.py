"""Files of folders that are to be moved: which sidecars are theirs alone, and what is decided about them by now."""

from collections.abc import Collection

import polars as pl

from immich_pipeline.store.frames import Frames

SIDECAR_SCHEMA: dict[str, pl.DataType] = {
    "set_id": pl.String(),
    "asset_id": pl.String(),
    "real_path": pl.Binary(),
    "size": pl.Int64(),
    "mtime_ns": pl.Int64(),
}

# A sidecar with the whole name of its file is that file's. One that shares no more than the name before the extension may serve every
# file of that name in its folder: it goes only if all of them go with the set.
_SIDECARS = """
    WITH moved AS (
        SELECT m.set_id, a.asset_id, a.source_id, a.folder, lower(regexp_replace(a.name, '[.][^.]*$', '')) AS stem
        FROM {stage} m JOIN library.live_asset a ON a.asset_id = m.asset_id::uuid JOIN library.source s USING (source_id)
        WHERE s.kind = 'folder'),
    shared AS (
        SELECT DISTINCT m.set_id, m.asset_id
        FROM moved m JOIN library.asset o ON (o.source_id, o.folder) = (m.source_id, m.folder)
             AND lower(regexp_replace(o.name, '[.][^.]*$', '')) = m.stem
        WHERE o.gone_at IS NULL AND NOT EXISTS (SELECT 1 FROM moved n WHERE (n.set_id, n.asset_id) = (m.set_id, o.asset_id)))
    SELECT m.set_id, m.asset_id::text AS asset_id, c.real_path, c.size, c.mtime_ns
    FROM moved m JOIN library.sidecar c ON (c.asset_id, c.source_id) = (m.asset_id, m.source_id)
    WHERE c.rule IN ('full_name', 'takeout', 'takeout_cut')
       OR NOT EXISTS (SELECT 1 FROM shared o WHERE (o.set_id, o.asset_id) = (m.set_id, m.asset_id))
    ORDER BY m.set_id, m.asset_id, c.real_path"""


# Where a server's folder is not mounted here by a path that is known, the end of the path, the name and the size have to tell.
_ON_A_SERVER = """
    SELECT DISTINCT f.asset_id::text
    FROM library.asset f JOIN library.immich_record r ON r.original_name = f.name AND r.size = f.size
    JOIN library.asset i ON i.asset_id = r.asset_id AND i.gone_at IS NULL JOIN library.source s ON s.source_id = i.source_id AND s.active
    WHERE f.asset_id::text = ANY($1) AND right(r.original_path, length(f.path) + 1) = '/' || f.path
      AND NOT EXISTS (SELECT 1 FROM library.mounted_file m WHERE m.asset_id = i.asset_id)"""


def maybe_on_a_server(frames: Frames, asset_ids: Collection[str]) -> set[str]:
    """Which of these files of folders may be the very files that a server shows: moved away, they would be missing there."""
    return set(frames.read(_ON_A_SERVER, list(asset_ids))["asset_id"])


def own_sidecars(frames: Frames, moved: pl.DataFrame) -> pl.DataFrame:
    """The sidecars that go with files which are moved.

    Args:
        frames: the pipeline's database.
        moved: `set_id` and `asset_id` of the files that are moved together.

    Returns:
        `SIDECAR_SCHEMA`, sorted; files of a server have none here.
    """
    if moved.is_empty():
        return pl.DataFrame(schema=SIDECAR_SCHEMA)
    with frames.staged(moved.select(pl.col("set_id", "asset_id").cast(pl.String))) as stage:
        return frames.read(_SIDECARS.format(stage=stage))


def sidecar_marks(frames: Frames, asset_ids: Collection[str]) -> set[tuple[str, str, int]]:
    """Asset, extension and size of each sidecar of these files of folders, whoever else it serves."""
    query = "SELECT asset_id::text, lower(extension), size FROM library.sidecar WHERE asset_id::text = ANY($1)"
    return set(frames.read(query, list(asset_ids)).iter_rows())


def is_looked_after(frames: Frames, root: bytes, owner: str) -> bool:
    """Whether a folder is one of this owner's folders of photos."""
    query = "SELECT count(*) FROM library.source WHERE kind = 'folder' AND active AND root = $1 AND owner = $2"
    return bool(frames.scalar(query, root, owner))


def roles_of(frames: Frames, asset_ids: Collection[str]) -> set[tuple[str, str]]:
    """Asset and role (keeper, kept, loser, follows) of these in all decisions there are now."""
    rows = frames.read(
        "SELECT DISTINCT asset_id::text AS asset_id, role FROM duplicates.decision_member WHERE asset_id::text = ANY($1)",
        list(asset_ids),
    )
    return set(rows.iter_rows())

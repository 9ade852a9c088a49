"""What contents are called now: by the SHA-256 of their bytes, or by the SHA-1 that a server told while nobody read them.

What a person said is remembered by content, and a content may get another name: an upload is read whole later, or the file that told the
SHA-256 of an upload goes. ``dedup.facts.with_content`` says which name holds for a file now.
"""

import polars as pl

from immich_pipeline.store.frames import Frames

NAME_SCHEMA: dict[str, pl.DataType] = {"content": pl.Binary(), "name": pl.Binary(), "is_first": pl.Boolean()}
"""``content``: as it was called. ``name``: what files of these bytes are called now. ``is_first``: the one to go by."""

# A content is looked up under both kinds of name, and under those that any file, even one that is gone, tells to be the same.
_NAMES = """
    WITH called AS (
        SELECT content, content AS name, 0 AS step FROM {stage}
        UNION SELECT s.content, h.sha256, 1 FROM {stage} s JOIN content.file_hash h ON h.sha1 = s.content WHERE h.sha256 IS NOT NULL
        UNION SELECT s.content, h.sha1, 1 FROM {stage} s JOIN content.file_hash h ON h.sha256 = s.content WHERE h.sha1 IS NOT NULL),
    file AS (
        SELECT c.content, c.step, h.* FROM called c JOIN content.file_hash h ON h.sha256 = c.name
        UNION ALL SELECT c.content, c.step, h.* FROM called c JOIN content.file_hash h ON h.sha1 = c.name),
    present AS (
        SELECT f.content, f.step, f.sha256, f.sha1
        FROM file f JOIN library.live_asset a ON a.asset_id = f.asset_id AND a.size = f.size AND a.mtime_ns = f.mtime_ns),
    told AS (
        SELECT DISTINCT ON (p.sha1) p.sha1, h.sha256 FROM (SELECT DISTINCT sha1 FROM present WHERE sha256 IS NULL) p
        JOIN content.file_hash h ON h.sha1 = p.sha1 AND h.sha256 IS NOT NULL
        JOIN library.live_asset a ON a.asset_id = h.asset_id AND a.size = h.size AND a.mtime_ns = h.mtime_ns
        ORDER BY p.sha1, h.sha256)
    SELECT content, coalesce(p.sha256, t.sha256, p.sha1) AS name, min(step) AS step
    FROM present p LEFT JOIN told t USING (sha1) GROUP BY 1, 2"""


def names_now(frames: Frames, contents: pl.Series) -> pl.DataFrame:
    """Every name that these contents have now.

    Args:
        frames: the transaction to read in.
        contents: Binary, by whatever names; repetitions and nulls do not count.

    Returns:
        ``NAME_SCHEMA``, sorted by content, the first name before others. A content that no file has any more keeps its name.
    """
    wanted = pl.DataFrame({"content": contents.drop_nulls().unique()}, schema={"content": pl.Binary})
    if wanted.is_empty():
        return pl.DataFrame(schema=NAME_SCHEMA)
    with frames.staged(wanted) as stage:
        found = frames.read(_NAMES.format(stage=stage))
    typed = found.select(pl.col("content", "name").cast(pl.Binary), pl.col("step").cast(pl.Int32))
    absent = wanted.join(typed, on="content", how="anti").select("content", name="content", step=pl.lit(0, pl.Int32))
    ordered = pl.concat([typed, absent]).sort("content", "step", "name")
    return ordered.select("content", "name", is_first=pl.col("content").is_first_distinct())

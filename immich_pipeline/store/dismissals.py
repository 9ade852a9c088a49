"""Pairs that a person said are no duplicates: known by content, so that it holds whatever the assets are called later.

A content may be known by two names: the SHA-1 that a server told, and the SHA-256 once the bytes were read. What was said of one name
holds for the other, as long as any file was ever seen that has both.
"""

from collections.abc import Iterable

import polars as pl

from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.state import bump

PAIR_SCHEMA: dict[str, pl.DataType] = {"left_content": pl.Binary(), "right_content": pl.Binary()}
"""Two contents; ``left_content < right_content``."""

# Each pair under every name that its two contents have.
_BY_EVERY_NAME = """
    WITH pair AS (SELECT left_content, right_content FROM {pairs}),
    content AS (SELECT left_content AS content FROM pair UNION SELECT right_content FROM pair),
    named AS (
        SELECT content, content AS name FROM content
        UNION SELECT c.content, h.sha256 FROM content c JOIN content.file_hash h ON h.sha1 = c.content WHERE h.sha256 IS NOT NULL
        UNION SELECT c.content, h.sha1 FROM content c JOIN content.file_hash h ON h.sha256 = c.content WHERE h.sha1 IS NOT NULL)
    SELECT DISTINCT least(l.name, r.name) AS left_content, greatest(l.name, r.name) AS right_content
    FROM pair p JOIN named l ON l.content = p.left_content JOIN named r ON r.content = p.right_content WHERE l.name <> r.name
    ORDER BY 1, 2"""

_DISMISS = """
    INSERT INTO duplicates.dismissed AS d (left_content, right_content, made_by)
    SELECT s.left_content, s.right_content, $1 FROM {stage} s
    ON CONFLICT (left_content, right_content) DO UPDATE
    SET active = true, made_by = EXCLUDED.made_by, made_at = clock_timestamp() WHERE NOT d.active"""

_TAKE_BACK = """
    UPDATE duplicates.dismissed d SET active = false FROM {stage} s
    WHERE d.active AND d.left_content = s.left_content AND d.right_content = s.right_content"""


def dismiss(database: Database, pairs_of_contents: Iterable[tuple[bytes, bytes]], made_by: str) -> int:
    """As :func:`dismiss_pairs`, in a transaction of its own."""
    with database.frames() as frames:
        return dismiss_pairs(frames, pairs_of_contents, made_by)


def dismiss_pairs(frames: Frames, pairs_of_contents: Iterable[tuple[bytes, bytes]], made_by: str) -> int:
    """Remember that these are no duplicates of each other, or let it hold again where it was taken back.

    Args:
        frames: the transaction to write in.
        pairs_of_contents: two contents each, in any order. A content paired with itself is left out: files of equal bytes are copies
            whatever is said of them.
        made_by: who said so.

    Returns:
        How many pairs hold that did not before.
    """
    pairs = _in_order(pairs_of_contents)
    if pairs.is_empty():
        return 0
    with frames.staged(pairs) as stage:
        changed = frames.change(_DISMISS.format(stage=stage), made_by)
    if changed:
        bump(frames, "choices")
    return changed


def take_back(database: Database, pairs_of_contents: Iterable[tuple[bytes, bytes]]) -> int:
    """As :func:`take_back_pairs`, in a transaction of its own."""
    with database.frames() as frames:
        return take_back_pairs(frames, pairs_of_contents)


def take_back_pairs(frames: Frames, pairs_of_contents: Iterable[tuple[bytes, bytes]]) -> int:
    """Let pairs be duplicates again, by whatever names their contents were dismissed; returns how many were dismissed until now."""
    pairs = _in_order(pairs_of_contents)
    if pairs.is_empty():
        return 0
    with frames.staged(pairs) as stage:
        by_every_name = frames.read(_BY_EVERY_NAME.format(pairs=stage))
    with frames.staged(by_every_name) as stage:
        changed = frames.change(_TAKE_BACK.format(stage=stage))
    if changed:
        bump(frames, "choices")
    return changed


def dismissed(frames: Frames) -> pl.DataFrame:
    """Every pair that holds (`PAIR_SCHEMA`), under every name that its contents have, in ascending order."""
    found = frames.read(_BY_EVERY_NAME.format(pairs="duplicates.dismissed WHERE active"))
    return found.select([pl.col(column).cast(dtype) for column, dtype in PAIR_SCHEMA.items()])


def _in_order(pairs: Iterable[tuple[bytes, bytes]]) -> pl.DataFrame:
    distinct = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    return pl.DataFrame(distinct, schema=PAIR_SCHEMA, orient="row")

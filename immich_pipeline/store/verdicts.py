"""What a person said of sets of duplicates: accepted or rejected, known by the contents in the set.

A content may get another name after something was said of it (see ``store.content_names``). What was said holds for the contents, so it is
told, compared and replaced under the names that they have now.
"""

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple
from uuid import UUID

import polars as pl

from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.errors import UserError
from immich_pipeline.store.content_names import names_now
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.state import bump

__all__ = [
    "VERDICT_SCHEMA",
    "Verdict",
    "Word",
    "contents_key",
    "record_verdict",
    "record_verdicts",
    "take_back_verdict",
    "take_back_verdicts",
    "verdicts",
]

Verdict = Literal["accepted", "rejected"]

VERDICT_SCHEMA: dict[str, pl.DataType] = {
    "contents_key": pl.String(),
    "verdict": pl.String(),
    "keeper_content": pl.Binary(),
    "keeper_asset": pl.String(),
    "contents": pl.List(pl.Binary()),
}
"""``contents_key``: of the set, see :func:`contents_key`. ``verdict``: "accepted" or "rejected". ``keeper_content``: the content that
the person wants kept, null where they named none. ``keeper_asset``: which of the files of that content, null where they named none.
``contents``: of the set, ascending; a content that files are called by two names for is there by both."""


class Word(NamedTuple):
    """What a person said of the set of exactly these contents.

    Attributes:
        contents: Of every file of the set.
        verdict: accepted: do as decided; rejected: leave the set as it is.
        keeper_content: The content to keep, None: the one that the rules choose.
        keeper_asset: Which of the files with that content to keep, as long as it is one of the set.
    """

    contents: frozenset[bytes]
    verdict: Verdict
    keeper_content: bytes | None = None
    keeper_asset: str | None = None


_WORD_SCHEMA: dict[str, pl.DataType] = {
    "contents": pl.List(pl.Binary()),
    "verdict": pl.String(),
    "keeper_content": pl.Binary(),
    "keeper_asset": pl.String(),
}

_SAID = ["contents_key", "verdict", "keeper_content", "keeper_asset"]

_HELD = """
    SELECT contents_key AS stored_key, contents, verdict, keeper_content, keeper_asset::text AS keeper_asset, made_at
    FROM duplicates.verdict WHERE active ORDER BY contents_key"""

_RECORD = """
    INSERT INTO duplicates.verdict AS v (contents_key, contents, verdict, keeper_content, keeper_asset, made_by)
    SELECT s.contents_key, s.contents, s.verdict, s.keeper_content, s.keeper_asset::uuid, $1 FROM {stage} s
    ON CONFLICT (contents_key) DO UPDATE
    SET contents = EXCLUDED.contents, verdict = EXCLUDED.verdict, keeper_content = EXCLUDED.keeper_content,
        keeper_asset = EXCLUDED.keeper_asset, made_by = EXCLUDED.made_by, made_at = clock_timestamp(), active = true"""

_TAKE_BACK = (
    "UPDATE duplicates.verdict v SET active = false FROM {stage} s WHERE v.active AND v.contents_key = s.stored_key"
)


def record_verdict(
    database: Database,
    contents: Iterable[bytes],
    verdict: Verdict,
    keeper_content: bytes | None,
    made_by: str,
    *,
    keeper_asset: str | None = None,
) -> bool:
    """Remember one word, in a transaction of its own; see :class:`Word` and :func:`record_verdicts`.

    Returns:
        Whether something else held before.
    """
    word = Word(frozenset(contents), verdict, keeper_content, keeper_asset)
    with database.frames() as frames:
        return bool(record_verdicts(frames, [word], made_by))


def record_verdicts(frames: Frames, words: Iterable[Word], made_by: str) -> set[str]:
    """Remember what was said of many sets; the last word on a set holds.

    A new "rejected" takes back what was accepted before of other sets, where two of its files would be in one of them.

    Args:
        frames: the transaction to write in.
        words: in the order in which they were said, by whatever names of the contents.
        made_by: who said so.

    Returns:
        The keys of the sets, by the names that their contents have now, of which something else held before.

    Raises:
        UserError: there are no contents, or the one to keep is none of them.
    """
    listed = [_checked(word) for word in words]
    if not listed:
        return set()
    said = _named(frames, pl.DataFrame(listed, schema=_WORD_SCHEMA, orient="row"))
    said = said.unique("contents_key", keep="last", maintain_order=True)
    stored = _stored(frames)
    news = said.join(_held(stored), on=_SAID, how="anti", nulls_equal=True)
    if news.is_empty():
        return set()
    _take_back(frames, pl.concat([_renamed(stored, news), _contradicted(stored, said, news)]))
    with frames.staged(news.select(*_SAID, contents="of_set")) as stage:
        frames.change(_RECORD.format(stage=stage), made_by)
    bump(frames, "choices")
    return set(news["contents_key"])


def take_back_verdict(database: Database, contents: Iterable[bytes]) -> bool:
    """Let the rules decide again about the set that holds exactly these contents; returns whether a verdict held until now."""
    with database.frames() as frames:
        return bool(take_back_verdicts(frames, [frozenset(contents)]))


def take_back_verdicts(frames: Frames, sets: Collection[Collection[bytes]]) -> int:
    """Let the rules decide again about the sets that hold exactly these contents, by whatever names; returns of how many a verdict held."""
    if not sets:
        return 0
    rows = [(sorted(set(contents)), "accepted", None, None) for contents in sets]
    keys = _named(frames, pl.DataFrame(rows, schema=_WORD_SCHEMA, orient="row")).select("contents_key")
    held = _stored(frames).join(keys, on="contents_key", how="semi")
    if _take_back(frames, held.select("stored_key")):
        bump(frames, "choices")
    return held["contents_key"].n_unique()


def verdicts(frames: Frames) -> pl.DataFrame:
    """Every verdict that holds (`VERDICT_SCHEMA`), sorted by key, under the names that the contents have now.

    Where sets that were spoken of one by one turn out to be the same, "rejected" stands before "accepted", then the last word.
    """
    return _held(_stored(frames)).select([pl.col(column).cast(dtype) for column, dtype in VERDICT_SCHEMA.items()])


def _checked(word: Word) -> tuple[list[bytes], str, bytes | None, str | None]:
    if not word.contents:
        raise UserError("a verdict is about the files of a set, and there are none")
    if word.keeper_content not in word.contents and (word.keeper_content, word.keeper_asset) != (None, None):
        raise UserError("the file to keep is not one of the set")
    asset = word.keeper_asset and str(UUID(word.keeper_asset))
    return sorted(word.contents), word.verdict, word.keeper_content, asset


def _stored(frames: Frames) -> pl.DataFrame:
    """What was said and not taken back: ``VERDICT_SCHEMA`` by the names of now, ``stored_key`` and ``made_at``."""
    return _named(frames, frames.read(_HELD))


def _held(stored: pl.DataFrame) -> pl.DataFrame:
    """One row per set."""
    ordered = stored.sort(
        "contents_key", pl.col("verdict") != "rejected", pl.col("made_at"), descending=[False, False, True]
    )
    return ordered.unique("contents_key", keep="first", maintain_order=True)


def _named(frames: Frames, words: pl.DataFrame) -> pl.DataFrame:
    """``contents`` and ``keeper_content`` by the names of now; ``of_set``, one name for each content, and ``contents_key``, theirs."""
    names = names_now(frames, words["contents"].explode())
    listed = (
        words.select("contents")
        .with_row_index("row")
        .explode("contents")
        .join(names, left_on="contents", right_on="content")
    )
    by_word = listed.group_by("row").agg(
        contents=pl.col("name").unique().sort(), of_set=pl.col("name").filter("is_first").unique().sort()
    )
    by_word = by_word.sort("row").select(pl.col("contents", "of_set").cast(pl.List(pl.Binary)))
    keys = pl.Series(
        "contents_key", [contents_key(contents) for contents in by_word["of_set"].to_list()], dtype=pl.String
    )
    first = names.filter("is_first").select("name", keeper_content="content")
    kept = words.select("keeper_content").join(first, on="keeper_content", how="left", maintain_order="left")["name"]
    return words.with_columns(*by_word.get_columns(), keys, kept.alias("keeper_content"))


def _renamed(stored: pl.DataFrame, news: pl.DataFrame) -> pl.DataFrame:
    """Keys under which something was said of the same sets when their contents had other names."""
    same = stored.join(news.select("contents_key"), on="contents_key", how="semi")
    return same.filter(pl.col("stored_key") != pl.col("contents_key")).select("stored_key")


def _contradicted(stored: pl.DataFrame, said: pl.DataFrame, news: pl.DataFrame) -> pl.DataFrame:
    """Keys of what was accepted of other sets, and would give up what is to be kept by a new word."""
    rejected = news.filter(pl.col("verdict") == "rejected").select(
        "contents", word="contents_key", enough=pl.col("contents").list.len().clip(upper_bound=2)
    )
    accepted = stored.filter(pl.col("verdict") == "accepted").join(said, on="contents_key", how="anti")
    shared = rejected.explode("contents").join(
        accepted.select("stored_key", "contents").explode("contents"), on="contents"
    )
    counted = shared.group_by("stored_key", "word").agg(pl.col("enough").first(), shared=pl.len())
    return counted.filter(pl.col("shared") >= pl.col("enough")).select("stored_key").unique()


def _take_back(frames: Frames, keys: pl.DataFrame) -> int:
    if keys.is_empty():
        return 0
    with frames.staged(keys.unique()) as stage:
        return frames.change(_TAKE_BACK.format(stage=stage))

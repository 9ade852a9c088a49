"""What a person said in a report's review file, or in the JSON plan itself, taken over into the database."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup import document, review_file
from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.dedup.document_schema import SCHEMA
from immich_pipeline.dedup.facts import with_content
from immich_pipeline.dedup.one_word import Held, one_word
from immich_pipeline.dedup.review_file import Choice, Review, Settled, read_review, settle
from immich_pipeline.dedup.wording import readable_bytes, visible
from immich_pipeline.errors import UserError
from immich_pipeline.sources.report import read_plan
from immich_pipeline.store import derived
from immich_pipeline.store.content_names import names_now
from immich_pipeline.store.database import Database
from immich_pipeline.store.dismissals import dismiss_pairs, dismissed, take_back_pairs
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.verdicts import Word, record_verdicts, take_back_verdicts, verdicts

Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Imported:
    """What came of a file.

    Attributes:
        accepted: Sets newly accepted as proposed, or with another one kept.
        rejected: Sets newly said to be left as they are.
        dismissed: Sets newly said to hold no copies of each other.
        unchanged: Choices that held already.
        stale: Choices about files that are not there any more, or not together: each with its place. They were left out.
        problems: Choices that could not be understood: each with its place. They were left out.
    """

    accepted: int = 0
    rejected: int = 0
    dismissed: int = 0
    unchanged: int = 0
    stale: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Apart:
    """The pairs of contents that are dismissed."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs = set(pairs)
        self._partners: dict[bytes, list[bytes]] = {}
        for left, right in self.pairs:
            self._partners.setdefault(left, []).append(right)

    def within(self, contents: frozenset[bytes]) -> list[Pair]:
        """Those of which both are among these contents."""
        return [(left, right) for left in contents for right in self._partners.get(left, ()) if right in contents]


def import_review(database: Database, settings: Settings, path: Path, made_by: str) -> Imported:
    """Take over what a person said; importing the same file again changes nothing.

    Args:
        database: The pipeline's database.
        settings: The configuration.
        path: A review file as the report's page writes it, or a `duplicates.json` with what a person wrote into it.
        made_by: Who said so.

    Raises:
        UserError: The file cannot be read or is neither; all problems are named, and nothing was taken from it.
    """
    review = _read(path)
    with database.frames() as frames:
        settled = settle(_by_names_of_now(frames, review), present_sets(frames))
        held = _held(frames)
        apart = Apart(dismissed(frames).iter_rows())
        settled = one_word(settled, held)
        return _take_over(frames, settled, held, apart, made_by)


def present_sets(frames: Frames) -> pl.DataFrame:
    """Every file of every set there is now: set_id, unit_id, asset_id, content (null where unknown), keeper_id."""
    plan = read_plan(frames)
    contents = with_content(derived.file_hashes(frames).select("asset_id", "sha256", "sha1")).select(
        "asset_id", "content"
    )
    listed = plan.sets.select("set_id", "unit_id", "asset_id").join(contents, on="asset_id", how="left")
    return listed.join(plan.decisions.select("set_id", "keeper_id"), on="set_id", how="left", maintain_order="left")


def _by_names_of_now(frames: Frames, review: Review) -> Review:
    """The choices with the names that contents have now: the file may be older than what became known of them."""
    contents = [content for choice in review.choices for content in choice.contents]
    names = names_now(frames, pl.Series(contents, dtype=pl.Binary)).filter("is_first")
    renamed = dict(names.filter(pl.col("content") != pl.col("name")).select("content", "name").iter_rows())
    keepers = {content.hex(): name.hex() for content, name in renamed.items()}
    choices = (
        choice._replace(
            contents=frozenset(renamed.get(content, content) for content in choice.contents),
            keeper=choice.keeper and keepers.get(choice.keeper, choice.keeper),
        )
        for choice in review.choices
    )
    return replace(review, choices=tuple(choices)) if renamed else review


def _held(frames: Frames) -> Held:
    said = verdicts(frames).select("contents_key", "verdict", "keeper_content", "keeper_asset")
    return {key: (verdict, content, asset) for key, verdict, content, asset in said.iter_rows()}


def _take_over(frames: Frames, settled: Settled, held: Held, apart: Apart, made_by: str) -> Imported:
    """Remember all of it; what is accepted or rejected are copies, so no pair of them stays dismissed."""
    said_apart = {pair for dismissal in settled.dismissals for pair in dismissal.pairs}
    again = {verdict.contents: set(apart.within(verdict.contents)) - said_apart for verdict in settled.verdicts}
    take_back_pairs(frames, [pair for pairs in again.values() for pair in pairs])
    words = (Word(said.contents, said.verdict, said.keeper_content, said.keeper_asset) for said in settled.verdicts)
    keys = record_verdicts(frames, words, made_by)
    news = [said for said in settled.verdicts if again[said.contents] or contents_key(said.contents) in keys]
    # Of what is dismissed nothing that was said before holds any longer.
    take_back_verdicts(frames, [said.contents for said in settled.dismissals])
    new_pairs = [said for said in settled.dismissals if not apart.pairs.issuperset(said.pairs)]
    dismiss_pairs(frames, [pair for said in new_pairs for pair in said.pairs], made_by)
    stale = [choice for choice in settled.stale if not _holds(choice, held, apart)]
    said = len(settled.verdicts) + len(settled.dismissals) + len(settled.stale)
    return Imported(
        accepted=sum(verdict.verdict == "accepted" for verdict in news),
        rejected=sum(verdict.verdict == "rejected" for verdict in news),
        dismissed=len(new_pairs),
        unchanged=said - len(stale) - len(news) - len(new_pairs),
        stale=tuple(
            f"{choice.place}: the files of {visible(choice.set_id)} are gone, changed or no set any more"
            for choice in stale
        ),
        problems=tuple(settled.problems),
    )


def _holds(choice: Choice, held: Held, apart: Apart) -> bool:
    """Whether a choice about a set that is no more was taken over before: then it is no news that the set is gone."""
    if choice.choice == "dismiss":
        return choice.contents == {content for pair in apart.within(choice.contents) for content in pair}
    before = held.get(contents_key(choice.contents))
    return before is not None and before[0] == {"accept": "accepted", "reject": "rejected"}[str(choice.choice)]


def _read(path: Path) -> Review:
    most = max(document.MOST_BYTES, review_file.MOST_BYTES)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise UserError(f"{path} has more than {readable_bytes(most)}: it is no review file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: it is no review file") from error
    return document.read_document(text) if _is_document(text) else read_review(text)


def _is_document(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False  # the reader of review files says what is wrong with it
    return isinstance(found, dict) and found.get("schema") == SCHEMA

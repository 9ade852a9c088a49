"""What a person said of duplicates, as a file: read, checked as a whole, and held against the sets that there are now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Annotated, Literal, NamedTuple

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from immich_pipeline.dedup.document_schema import Hex, Said
from immich_pipeline.dedup.wording import readable_bytes, visible
from immich_pipeline.errors import UserError

REVIEW_SCHEMA = "immich-pipeline/review"
REVIEW_VERSION = 1
MOST_BYTES = 64 << 20
"""A review file of more bytes than this is not read: a hundred thousand choices are a third of it."""
_PROBLEMS_TOLD = 50
_WORD = 200


class ReviewProblemsError(UserError):
    """A file that says what cannot be understood; all of it is named at once, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        told = "\n".join(f"  {problem}" for problem in problems[:_PROBLEMS_TOLD])
        rest = len(problems) - _PROBLEMS_TOLD
        super().__init__(f"nothing was taken from the file:\n{told}" + (f"\n  and {rest} more" if rest > 0 else ""))


class Choice(NamedTuple):
    """What was said of one set.

    Attributes:
        place: Where in the file, for messages.
        set_id: The set as the report called it.
        contents: What it held: what was said holds for these contents, whatever the set is called later.
        choice: None where nothing was said.
        keeper: Asset id, or content in hex, of the one to keep; None leaves it to the policy.
    """

    place: str
    set_id: str
    contents: frozenset[bytes]
    choice: Said | None
    keeper: str | None


@dataclass(frozen=True)
class Review:
    """A file as it was read: the policy and the fingerprint of the plan that was looked at, and the choices."""

    policy: str
    fingerprint: str
    choices: tuple[Choice, ...]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Plan(_Part):
    policy: str
    fingerprint: str


class _Chosen(_Part):
    set: Annotated[str, Field(min_length=1, max_length=_WORD)]
    contents: Annotated[list[Hex], Field(min_length=1)]
    choice: Said
    keeper: Annotated[str, Field(min_length=1, max_length=_WORD)] | None = None


class _File(_Part):
    schema_: Literal["immich-pipeline/review"] = Field(alias="schema")
    version: Literal[1]
    plan: _Plan
    choices: list[_Chosen]


def read_review(text: str) -> Review:
    """Read a review file, as the report's page writes it.

    Raises:
        ReviewProblemsError: It is no review file; every problem is named with its place.
    """
    check_size(text, MOST_BYTES)
    try:
        found = _File.model_validate_json(text)
    except ValidationError as error:
        raise ReviewProblemsError(in_words(error)) from error
    twice = told_twice([chosen.set for chosen in found.choices])
    if twice:
        raise ReviewProblemsError(
            [f"choices[{place}].set: choices[{first}] is about this set too" for place, first in twice]
        )
    choices = (
        Choice(f"choices[{place}]", c.set, frozenset(map(bytes.fromhex, c.contents)), c.choice, c.keeper)
        for place, c in enumerate(found.choices)
    )
    return Review(found.plan.policy, found.plan.fingerprint, tuple(choices))


def told_twice(ids: Sequence[str]) -> list[tuple[int, int]]:
    """The places of ids that were there before, each with the place of the first."""
    first: dict[str, int] = {}
    return [(place, first[id_]) for place, id_ in enumerate(ids) if first.setdefault(id_, place) != place]


def check_size(text: str, most: int) -> None:
    """Refuse what is too long to be what it should be.

    Raises:
        ReviewProblemsError: It is longer than ``most`` characters.
    """
    if len(text) > most:
        raise ReviewProblemsError([f"it has more than {readable_bytes(most)}"])


def in_words(error: ValidationError) -> list[str]:
    """Each problem as ``sets[3].keeper: what is wrong``."""
    return [
        f"{_place(problem['loc'])}{visible(problem['msg'])}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _place(location: Iterable[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{visible(part[:_WORD])}" for part in location)
    return f"{text.lstrip('.')}: " if text else ""


class Verdict(NamedTuple):
    """A verdict to remember: that the set of these contents is accepted, or rejected.

    Attributes:
        place: Where in the file, for messages.
        set_id: The set as the report called it.
        contents: Of all its files.
        verdict: What was said.
        keeper_content: The content to keep, None: the policy may choose.
        keeper_asset: Which of the files with that content, None: any.
        is_swapped: Whether another one is kept now.
    """

    place: str
    set_id: str
    contents: frozenset[bytes]
    verdict: Literal["accepted", "rejected"]
    keeper_content: bytes | None
    keeper_asset: str | None = None
    is_swapped: bool = False


class Dismissal(NamedTuple):
    """Pairs of contents that are not copies of each other, each pair in ascending order."""

    place: str
    set_id: str
    contents: frozenset[bytes]
    pairs: tuple[tuple[bytes, bytes], ...]


class Settled(NamedTuple):
    """What the choices come to, with the sets as they are now."""

    verdicts: list[Verdict]
    dismissals: list[Dismissal]
    stale: list[Choice]
    problems: list[str]


class _Set:
    """A set as it is now."""

    def __init__(self, rows: Iterable[tuple[str, str, bytes | None]], keeper_id: str) -> None:
        self.units: dict[str, set[bytes]] = {}
        self.asset: dict[str, tuple[str, bytes | None]] = {}
        for unit, asset_id, content in rows:
            self.units.setdefault(unit, set()).update([content] if content else [])
            self.asset[asset_id] = unit, content
        self.keeper_id = keeper_id
        self._kept_unit = self.asset[keeper_id][0] if keeper_id in self.asset else ""
        self.unknown = sorted(asset_id for asset_id, (_, content) in self.asset.items() if content is None)
        self.contents = frozenset(content for unit in self.units.values() for content in unit)

    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """All pairs of contents of two units; none where two units share one, since pairs cannot tell these apart."""
        units = list(combinations(self.units.values(), 2))
        if any(left & right for left, right in units):
            return ()
        return tuple(sorted({(min(pair), max(pair)) for left, right in units for pair in product(left, right)}))

    def keeper(self, keeper: str) -> tuple[bytes, str | None, bool]:
        """The one to keep: its content, its asset where it was named by that, and whether it is another than the one kept now.

        Of a capture the content that no other one has, so that it is known by it even when its files get other ids.

        Raises:
            ValueError: The set has no such file.
        """
        if keeper in self.asset:
            unit, own = self.asset[keeper]
            others = {content for name, contents in self.units.items() if name != unit for content in contents}
            alone = sorted(self.units[unit] - others or self.units[unit], key=lambda content: (content != own, content))
            return alone[0], keeper, unit != self._kept_unit
        content = _from_hex(keeper)
        if content not in self.contents:
            raise ValueError(f"{visible(keeper)} is no file of this set")
        return content, None, content not in self.units.get(self._kept_unit, ())


def settle(review: Review, present: pl.DataFrame) -> Settled:
    """Hold the choices against the sets that there are now.

    Args:
        review: What was said.
        present: ``set_id``, ``unit_id``, ``asset_id``, ``content`` (Binary, may be null) and ``keeper_id`` of every file of every set.

    Returns:
        The verdicts and dismissals to remember. A choice whose contents are not those of a set any more is stale; one that
        cannot be understood is a problem, named with its place.
    """
    sets = _present(present)
    by_contents: dict[frozenset[bytes], list[_Set]] = {}
    for one in sets.values():
        by_contents.setdefault(one.contents, []).append(one)
    settled = Settled([], [], [], [])
    for choice in review.choices:
        known = sets.get(choice.set_id)
        if known is None or known.contents != choice.contents:
            # Sets of two owners may have the same contents: the one with the file that was named is meant.
            alike = by_contents.get(choice.contents, [])
            known = next((one for one in alike if choice.keeper in one.asset), alike[0] if alike else None)
        if known is not None:
            _settle_one(choice, known, settled)
        elif choice.choice is not None:
            settled.stale.append(choice)
    return settled


def _settle_one(choice: Choice, known: _Set, settled: Settled) -> None:
    said = (choice.place, choice.set_id, choice.contents)
    pairs = known.pairs() if choice.choice == "dismiss" else ()
    if pairs:
        settled.dismissals.append(Dismissal(*said, pairs))
    elif choice.choice in {"reject", "dismiss"}:
        # Of equal bytes nobody can say that they are different pictures; that all are kept is what is left of it.
        settled.verdicts.append(Verdict(*said, "rejected", None))
    elif choice.choice is None:
        if choice.keeper != known.keeper_id and known.keeper_id:
            settled.problems.append(
                f'{choice.place}.keeper: another one is kept now; to have it so, set review to "accept"'
            )
    elif known.unknown:
        settled.problems.append(f"{choice.place}: the content of {', '.join(known.unknown)} is not known yet")
    elif choice.keeper is None:
        settled.verdicts.append(Verdict(*said, "accepted", None))
    else:
        try:
            settled.verdicts.append(Verdict(*said, "accepted", *known.keeper(choice.keeper)))
        except ValueError as error:
            settled.problems.append(f"{choice.place}.keeper: {error}")


def _present(present: pl.DataFrame) -> dict[str, _Set]:
    rows = present.group_by("set_id", maintain_order=True).agg(
        files=pl.struct("unit_id", "asset_id", "content"), keeper_id=pl.col("keeper_id").first()
    )
    return {
        set_id: _Set([(file["unit_id"], file["asset_id"], file["content"]) for file in files], keeper_id)
        for set_id, files, keeper_id in rows.iter_rows()
    }


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None

"""What holds when a file says several things of the same contents, as sets of two owners may have."""

import pytest

from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.dedup.one_word import Held, one_word
from immich_pipeline.dedup.review_file import Dismissal, Settled, Verdict
from immich_pipeline_tests.dedup.decided import content_of

A, B, C = map(content_of, "abc")
BOTH = frozenset({A, B})
KEY = contents_key(BOTH)
PAIR = (min(A, B), max(A, B))

YES = Verdict("choices[0]", "s", BOTH, "accepted", A, "anna-a")
YES_TOO = Verdict("choices[1]", "t", BOTH, "accepted", A, "bob-a")
SWAPPED = YES_TOO._replace(keeper_asset="bob-b", is_swapped=True)
OTHER = YES_TOO._replace(keeper_content=B)
ANY = YES_TOO._replace(keeper_content=None, keeper_asset=None)
NO = Verdict("choices[2]", "u", BOTH, "rejected", None)
APART = Dismissal("choices[3]", "v", BOTH, (PAIR,))


def words(*said: Verdict | Dismissal, held: Held | None = None) -> Settled:
    verdicts = [one for one in said if isinstance(one, Verdict)]
    dismissals = [one for one in said if isinstance(one, Dismissal)]
    return one_word(Settled(verdicts, dismissals, [], ["before"]), held or {})


def test_words_about_different_contents_all_hold() -> None:
    said = [YES, NO._replace(contents=frozenset({A})), APART._replace(contents=frozenset({B, C}))]
    assert words(*said) == Settled(said[:2], said[2:], [], ["before"])  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [[YES, YES], [YES, YES_TOO], [SWAPPED, YES], [YES, ANY], [NO, NO], [APART, APART]])
def test_who_says_the_same_agrees(said: list[Verdict | Dismissal]) -> None:
    found = words(*said)
    assert found.problems == ["before"]
    assert len(found.verdicts) + len(found.dismissals) == 2
    assert len({verdict[3:] for verdict in found.verdicts}) <= 1, "one of them is remembered"


def test_the_swapped_one_is_remembered_before_the_proposed_one_and_what_held_before_both() -> None:
    assert {verdict.keeper_asset for verdict in words(YES, SWAPPED).verdicts} == {"bob-b"}
    assert {verdict.keeper_asset for verdict in words(YES, YES_TOO).verdicts} == {"anna-a"}
    held = {KEY: ("accepted", A, "bob-a")}
    assert {verdict.keeper_asset for verdict in words(YES, YES_TOO, held=held).verdicts} == {"bob-a"}
    assert words(YES._replace(is_swapped=True), SWAPPED, held={KEY: ("accepted", A, "bob-b")}).verdicts == [SWAPPED]


@pytest.mark.parametrize(
    ("said", "holds", "place"),
    [
        ([YES, NO], NO, 0), ([NO, YES], NO, 0), ([YES, APART], APART, 0), ([APART, NO], APART, 2), ([YES, OTHER], YES, 1),
        ([YES._replace(is_swapped=True), SWAPPED], YES._replace(is_swapped=True), 1),
    ],
)  # fmt: skip
def test_the_most_careful_word_holds_and_the_others_are_told(
    said: list[Verdict | Dismissal], holds: Verdict | Dismissal, place: int
) -> None:
    found = words(*said)
    assert [*found.verdicts, *found.dismissals] == [holds]
    told = f"choices[{place}]: {holds.place} says something else of the same contents, and that holds"
    assert found.problems == ["before", told]

import json
from typing import Any

import polars as pl
import pytest

from immich_pipeline.dedup import review_file as subject
from immich_pipeline.dedup.review_file import Choice, Review, ReviewProblemsError, Settled, Verdict, read_review, settle
from immich_pipeline_tests.dedup.decided import content_of

A, B, C = map(content_of, "abc")


def review(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    plan = {"policy": "p", "fingerprint": "f"}
    return {"schema": "immich-pipeline/review", "version": 1, "plan": plan, "choices": list(choices)} | more


def chosen(set_id: str, choice: str, *contents: bytes, **more: Any) -> dict[str, Any]:
    return {"set": set_id, "contents": [content.hex() for content in contents], "choice": choice} | more


def read(*choices: dict[str, Any], **more: Any) -> Review:
    return read_review(json.dumps(review(*choices, **more)))


def present(*rows: tuple[str, str, str, bytes | None], keeper: str = "a") -> pl.DataFrame:
    schema = {"set_id": pl.String, "unit_id": pl.String, "asset_id": pl.String, "content": pl.Binary}
    return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(keeper_id=pl.lit(keeper))


TWO = present(("s", "a", "a", A), ("s", "b", "b", B))


def test_a_review_is_read() -> None:
    found = read(
        chosen("s", "accept", A, B, keeper="b"), chosen("t", "dismiss", A, C), chosen("u", "reject", C, keeper=None)
    )
    assert (found.policy, found.fingerprint) == ("p", "f")
    assert found.choices[0] == Choice("choices[0]", "s", frozenset({A, B}), "accept", "b")
    assert [choice.choice for choice in found.choices] == ["accept", "dismiss", "reject"]


def test_all_that_is_wrong_is_named_with_its_place() -> None:
    wrong = chosen("s", "maybe", A) | {"contents": ["AB", 3], "keepr": "x"}
    with pytest.raises(ReviewProblemsError) as raised:
        read(wrong, chosen("", "accept"), version=2, extra="\u202e")
    places = [problem.partition(": ")[0] for problem in raised.value.problems]
    assert places == [
        "version", "choices[0].contents[0]", "choices[0].contents[1]", "choices[0].choice", "choices[0].keepr", "choices[1].set",
        "choices[1].contents", "extra",
    ]  # fmt: skip


def test_a_set_is_chosen_once() -> None:
    with pytest.raises(ReviewProblemsError, match=r"choices\[1\].set: choices\[0\] is about this set too"):
        read(chosen("s", "accept", A), chosen("s", "reject", A))


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", "[" * 50_000, '{"schema": "x"}', "\ufeff{}"])
def test_what_is_no_review_is_refused(text: str) -> None:
    with pytest.raises(ReviewProblemsError, match="nothing was taken from the file"):
        read_review(text)


def test_problems_without_end_are_counted() -> None:
    with pytest.raises(ReviewProblemsError, match="and 70 more"):
        read(*(chosen(str(n), "no", A) for n in range(120)))


def test_a_file_of_any_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_BYTES", 10)
    with pytest.raises(ReviewProblemsError, match="more than 10 bytes"):
        read()


def settled(frame: pl.DataFrame, *choices: dict[str, Any]) -> Settled:
    return settle(read(*choices), frame)


@pytest.mark.parametrize(
    ("keeper", "kept"),
    [
        (None, (None, None, False)), ("a", (A, "a", False)), ("b", (B, "b", True)), (A.hex(), (A, None, False)),
        (B.hex(), (B, None, True)),
    ],
)  # fmt: skip
def test_accepted_as_proposed_or_with_another_keeper(
    keeper: str | None, kept: tuple[bytes | None, str | None, bool]
) -> None:
    found = settled(TWO, chosen("s", "accept", A, B, keeper=keeper))
    assert found.verdicts == [Verdict("choices[0]", "s", frozenset({A, B}), "accepted", *kept)]
    assert (found.dismissals, found.stale, found.problems) == ([], [], [])


def test_rejected_and_dismissed() -> None:
    assert settled(TWO, chosen("s", "reject", A, B)).verdicts == [
        Verdict("choices[0]", "s", frozenset({A, B}), "rejected", None)
    ]
    (dismissal,) = settled(TWO, chosen("s", "dismiss", A, B)).dismissals
    assert dismissal.pairs == ((min(A, B), max(A, B)),)


def test_only_contents_of_different_units_are_set_apart() -> None:
    frame = present(("s", "a", "a", A), ("s", "a", "raw", C), ("s", "b", "b", B), ("s", "b", "video", None))
    (dismissal,) = settled(frame, chosen("s", "dismiss", A, B, C)).dismissals
    assert set(dismissal.pairs) == {(min(A, B), max(A, B)), (min(B, C), max(B, C))}


@pytest.mark.parametrize(
    "rows",
    [
        [("s", "a", "a", A), ("s", "b", "b", A)],
        [("s", "a", "a", A), ("s", "a", "a raw", B), ("s", "b", "b", A), ("s", "b", "b raw", B)],
        [("s", "a", "a", A), ("s", "b", "b", A), ("s", "c", "c", B)],
    ],
)
def test_equal_bytes_cannot_be_set_apart_but_kept(rows: list[tuple[str, str, str, bytes]]) -> None:
    found = settled(present(*rows), chosen("s", "dismiss", *{content for *_, content in rows}))
    assert (found.dismissals, [verdict.verdict for verdict in found.verdicts]) == ([], ["rejected"])


def kept(frame: pl.DataFrame, keeper: str, *contents: bytes) -> tuple[Any, ...]:
    (verdict,) = settled(frame, chosen("s", "accept", *contents, keeper=keeper)).verdicts
    return verdict.keeper_content, verdict.keeper_asset, verdict.is_swapped


def test_which_of_equal_copies_stays_is_told_by_its_id() -> None:
    frame = present(("s", "a", "a", A), ("s", "b", "b", A))
    assert kept(frame, "a", A) == (A, "a", False)
    assert kept(frame, "b", A) == (A, "b", True)
    assert kept(frame, A.hex(), A) == (A, None, False), "as good as any"


def test_a_capture_is_known_by_the_file_that_only_it_has() -> None:
    frame = present(("s", "a", "a", A), ("s", "b", "b", A), ("s", "b", "raw", C))
    assert kept(frame, "b", A, C) == (C, "b", True)
    assert kept(frame, "raw", A, C) == (C, "raw", True)
    assert kept(frame, "a", A, C) == (A, "a", False)


def test_a_set_with_files_of_unknown_content_cannot_be_accepted_yet() -> None:
    frame = present(("s", "a", "a", A), ("s", "b", "b", None))
    found = settled(frame, chosen("s", "accept", A, keeper="a"))
    assert (found.verdicts, found.problems) == ([], ["choices[0]: the content of b is not known yet"])
    assert len(settled(frame, chosen("s", "reject", A)).verdicts) == 1


def test_of_sets_of_the_same_contents_the_one_with_the_keeper_is_meant() -> None:
    frame = pl.concat(
        [present(("s", "a", "a", A), ("s", "b", "b", A)), present(("t", "c", "c", A), ("t", "d", "d", A), keeper="c")]
    )
    for set_id in ("s", "t", "another name"):
        verdicts = settled(frame, chosen(set_id, "accept", A, keeper="b")).verdicts
        assert [verdict.keeper_asset for verdict in verdicts] == ["b"] * (set_id != "t")


@pytest.mark.parametrize("keeper", ["nobody", C.hex()])
def test_a_keeper_that_is_no_file_of_the_set_is_a_problem(keeper: str) -> None:
    found = settled(TWO, chosen("s", "accept", A, B, keeper=keeper), chosen("t", "reject", A, B))
    assert found.problems == [f"choices[0].keeper: {keeper} is no file of this set"]
    assert len(found.verdicts) == 1, "the rest is taken over"


def test_a_set_is_known_by_its_contents_whatever_it_is_called() -> None:
    assert len(settled(TWO, chosen("another name", "accept", A, B)).verdicts) == 1


@pytest.mark.parametrize("contents", [(A,), (A, C), (A, B, C)])
def test_other_contents_are_stale(contents: tuple[bytes, ...]) -> None:
    found = settled(TWO, chosen("s", "accept", *contents))
    assert [choice.set_id for choice in found.stale] == ["s"]
    assert found.verdicts == []


def test_a_changed_keeper_with_nothing_said_is_asked_about() -> None:
    choice = read(chosen("s", "accept", A, B, keeper="b")).choices[0]._replace(choice=None)
    gone = choice._replace(set_id="t", contents=frozenset([C]))
    same = choice._replace(keeper="a")
    found = settle(Review("p", "f", (choice, gone, same)), TWO)
    assert found.problems == ['choices[0].keeper: another one is kept now; to have it so, set review to "accept"']
    assert (found.verdicts, found.dismissals, found.stale) == ([], [], [])

import uuid
from collections.abc import Iterable

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database
from immich_pipeline.store.verdicts import (
    VERDICT_SCHEMA,
    Word,
    contents_key,
    record_verdict,
    record_verdicts,
    take_back_verdict,
    take_back_verdicts,
    verdicts,
)
from immich_pipeline_tests.store.hashed import gone, hashed

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
SHA1_A, SHA1_B = b"\x09" * 20, b"\x00" * 20
THIS, THAT = (str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in ("this", "that"))


def said(database: Database) -> list[tuple[object, ...]]:
    """Key, verdict, the one to keep: its content and its asset."""
    with database.frames() as frames:
        found = verdicts(frames)
    assert dict(found.schema) == VERDICT_SCHEMA
    assert found["contents_key"].is_sorted()
    assert not found["contents_key"].is_duplicated().any()
    return found.drop("contents").rows()


def names(database: Database) -> set[frozenset[bytes]]:
    with database.frames() as frames:
        return {frozenset(contents) for contents in verdicts(frames)["contents"].to_list()}


def revision(database: Database) -> int:
    with database.frames() as frames:
        return frames.scalar("SELECT number FROM pipeline.revision WHERE topic = 'choices'") or 0


def rows(*words: tuple[Iterable[bytes], str]) -> list[tuple[object, ...]]:
    return sorted((contents_key(contents), verdict, None, None) for contents, verdict in words)


def record(database: Database, *words: Word) -> set[str]:
    with database.frames() as frames:
        return record_verdicts(frames, words, "anna")


def accepted(*contents: bytes) -> Word:
    return Word(frozenset(contents), "accepted")


def rejected(*contents: bytes) -> Word:
    return Word(frozenset(contents), "rejected")


def test_the_last_word_on_a_set_holds(database: Database) -> None:
    assert said(database) == []
    assert record_verdict(database, [B, A, B], "accepted", None, "anna")
    assert said(database) == rows(([A, B], "accepted"))
    assert record_verdict(database, [A, B], "accepted", B, "bob")
    assert said(database) == [(contents_key([A, B]), "accepted", B, None)]
    assert record_verdict(database, [A, B], "rejected", None, "anna")
    assert record_verdict(database, [A, B, C], "accepted", None, "anna")
    assert said(database) == rows(([A, B], "rejected"), ([A, B, C], "accepted"))
    assert names(database) == {frozenset({A, B}), frozenset({A, B, C})}


def test_only_what_changes_something_is_a_change(database: Database) -> None:
    record_verdict(database, [A, B], "accepted", A, "anna", keeper_asset=THIS)
    before = revision(database)
    assert before
    assert not record_verdict(database, [B, A], "accepted", A, "bob", keeper_asset=THIS)
    assert not take_back_verdict(database, [A, C])
    assert record(database) == set()
    with database.frames() as frames:
        assert take_back_verdicts(frames, []) == 0
    assert revision(database) == before
    with database.frames() as frames:
        assert frames.scalar("SELECT made_by FROM duplicates.verdict") == "anna"


def test_which_of_equal_copies_stays_is_remembered_by_its_id(database: Database) -> None:
    assert record_verdict(database, [A], "accepted", A, "anna", keeper_asset=THIS)
    assert said(database) == [(contents_key([A]), "accepted", A, THIS)]
    assert record_verdict(database, [A], "accepted", A, "anna", keeper_asset=THAT)
    assert not record_verdict(database, [A], "accepted", A, "anna", keeper_asset=THAT.upper())
    assert said(database) == [(contents_key([A]), "accepted", A, THAT)]
    assert record_verdict(database, [A], "accepted", A, "anna")
    assert said(database) == [(contents_key([A]), "accepted", A, None)]


def test_what_is_taken_back_holds_no_longer_and_may_be_said_again(database: Database) -> None:
    record_verdict(database, [A, B], "rejected", None, "anna")
    before = revision(database)
    assert take_back_verdict(database, [B, A, A])
    assert said(database) == []
    assert not take_back_verdict(database, [A, B])
    assert revision(database) == before + 1
    assert record_verdict(database, [A, B], "rejected", None, "anna")
    assert said(database) == rows(([A, B], "rejected"))


def test_a_verdict_is_about_a_set_and_one_of_its_files(database: Database) -> None:
    with pytest.raises(UserError, match="there are none"):
        record_verdict(database, [], "accepted", None, "anna")
    with pytest.raises(UserError, match="not one of the set"):
        record_verdict(database, [A, B], "accepted", C, "anna")
    with pytest.raises(UserError, match="not one of the set"):
        record_verdict(database, [A, B], "accepted", None, "anna", keeper_asset=THIS)
    assert said(database) == []


def test_many_words_are_one_change(database: Database) -> None:
    words = [accepted(A, B), Word(frozenset([B, C]), "accepted", C, THIS), rejected(C)]
    keys = {contents_key(word.contents) for word in words}
    assert record(database, *words) == keys
    assert revision(database) == 1
    assert record(database, *words) == set()
    assert record(database, *words[:2], accepted(C)) == {contents_key([C])}
    assert revision(database) == 2
    with database.frames() as frames:
        assert take_back_verdicts(frames, [[A, B], [C], [A]]) == 2
    assert said(database) == [(contents_key([B, C]), "accepted", C, THIS)]


def test_of_several_words_about_one_set_the_last_holds(database: Database) -> None:
    assert record(database, rejected(A, B), accepted(B, A)) == {contents_key([A, B])}
    assert said(database) == rows(([A, B], "accepted"))


# --- a content gets another name


def test_a_verdict_holds_under_the_names_that_contents_have_now(database: Database) -> None:
    hashed(database, ("a.jpg", None, SHA1_A), ("b.jpg", B, SHA1_B))
    record_verdict(database, [SHA1_A, B], "accepted", SHA1_A, "anna", keeper_asset=THIS)
    hashed(database, ("a.jpg", A, SHA1_A))
    assert said(database) == [(contents_key([A, B]), "accepted", A, THIS)]
    assert names(database) == {frozenset({A, B})}
    assert not record_verdict(database, [A, B], "accepted", A, "anna", keeper_asset=THIS), "it holds already"
    assert not record_verdict(database, [SHA1_A, SHA1_B], "accepted", SHA1_A, "anna", keeper_asset=THIS), (
        "by whatever names"
    )
    hashed(database, ("upload.jpg", None, SHA1_A))
    gone(database, "a.jpg")
    assert said(database) == [(contents_key([SHA1_A, B]), "accepted", SHA1_A, THIS)]


def test_what_was_said_under_another_name_is_replaced_and_taken_back(database: Database) -> None:
    record_verdict(database, [SHA1_A, B], "rejected", None, "anna")
    hashed(database, ("a.jpg", A, SHA1_A))
    assert record_verdict(database, [A, B], "accepted", A, "anna")
    assert said(database) == [(contents_key([A, B]), "accepted", A, None)]
    record_verdict(database, [SHA1_B, A], "rejected", None, "anna")
    hashed(database, ("b.jpg", B, SHA1_B))
    assert take_back_verdict(database, [A, B])
    assert said(database) == []


def test_of_words_that_turn_out_to_be_about_the_same_the_no_holds(database: Database) -> None:
    record_verdict(database, [SHA1_A, B], "rejected", None, "anna")
    record_verdict(database, [A, SHA1_B], "accepted", None, "anna")
    hashed(database, ("a.jpg", A, SHA1_A), ("b.jpg", B, SHA1_B))
    assert said(database) == rows(([A, B], "rejected"))
    assert record_verdict(database, [A, B], "accepted", None, "anna")
    assert said(database) == rows(([A, B], "accepted"))


def test_two_names_of_one_content_are_one(database: Database) -> None:
    record_verdict(database, [SHA1_A, A, B], "rejected", None, "anna")
    hashed(database, ("a.jpg", A, SHA1_A))
    assert said(database) == rows(([A, B], "rejected"))


def test_files_of_one_content_may_have_two_names(database: Database) -> None:
    hashed(database, ("gone.jpg", A, SHA1_A), ("file.jpg", A, None), ("upload.jpg", None, SHA1_A))
    record_verdict(database, [A, B], "rejected", None, "anna")
    gone(database, "gone.jpg")
    assert said(database) == rows(([A, B], "rejected"))
    assert names(database) == {frozenset({A, SHA1_A, B})}
    assert record_verdict(database, [A, B], "accepted", A, "anna")
    assert said(database) == [(contents_key([A, B]), "accepted", A, None)]


# --- a yes that a later no contradicts


def test_a_no_takes_back_each_yes_that_would_give_up_one_of_its_files(database: Database) -> None:
    hashed(database, ("a.jpg", A, SHA1_A))
    record(database, accepted(A, B, C), accepted(A, C), accepted(B, C), rejected(B, C, SHA1_B))
    assert record(database, rejected(SHA1_A, B)) == {contents_key([A, B])}
    assert said(database) == rows(
        ([A, C], "accepted"), ([B, C], "accepted"), ([B, C, SHA1_B], "rejected"), ([A, B], "rejected")
    )
    record(database, rejected(C))
    assert {verdict for _, verdict, *_ in said(database)} == {"rejected"}, "all copies of C are kept"


def test_a_no_that_holds_already_takes_nothing_back(database: Database) -> None:
    words = (rejected(A, B), accepted(A, B, C))
    record(database, *words)
    assert record(database, *words[:1]) == set()
    assert said(database) == rows(*(word[:2] for word in words))


def test_words_of_one_person_at_one_time_stand_beside_each_other(database: Database) -> None:
    words = (accepted(A, B, C), rejected(A, B))
    assert len(record(database, *words)) == 2
    assert record(database, *words) == set()
    assert said(database) == rows(*(word[:2] for word in words))

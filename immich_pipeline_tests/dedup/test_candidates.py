import polars as pl

from immich_pipeline.dedup import CANDIDATE_SCHEMA, exact_pairs, near_candidates
from immich_pipeline_tests.dedup.pictures import facts_of, picture

SAME = {"sha256": b"s" * 32}


def test_equal_bytes_are_a_star_round_the_smallest_id() -> None:
    facts = facts_of(*(picture(name, **SAME) for name in "dbca"), picture("e"))
    found = exact_pairs(facts)
    assert dict(found.schema) == CANDIDATE_SCHEMA
    assert found.rows() == [("me", "a", other, "exact", 0) for other in "bcd"]


def test_equal_bytes_of_two_owners_unread_and_empty_files_are_no_pairs() -> None:
    facts = facts_of(
        picture("a", **SAME),
        picture("b", **SAME, owner="you"),
        picture("c", sha256=None),
        picture("d", sha256=None),
        picture("e", sha256=b"0" * 32, size=0),
        picture("f", sha256=b"0" * 32, size=0),
    )
    assert exact_pairs(facts).is_empty()


def test_near_pictures_of_one_owner() -> None:
    facts = facts_of(
        picture("a"), picture("b", bits=8), picture("c", bits=9), picture("d", owner="you"), picture("e", owner="you")
    )
    found = near_candidates(facts)
    assert dict(found.schema) == CANDIDATE_SCHEMA
    assert found.rows() == [
        ("me", "a", "b", "near", 8),
        ("me", "b", "c", "near", 1),
        ("you", "d", "e", "near", 0),
    ]
    assert near_candidates(facts, radius=9).height == 4
    assert near_candidates(facts, new_ids=["c", "d"])["right_id"].to_list() == ["c", "e"]


def test_flat_and_unhashed_pictures_are_left_out_and_copies_counted_once() -> None:
    facts = facts_of(
        picture("a"),
        picture("b", usable=False),
        picture("c", usable=None),
        picture("d", phash=None),
        picture("e", **SAME),
        picture("f", **SAME),
    )
    assert near_candidates(facts).select("left_id", "right_id").rows() == [("a", "e")]


def test_pictures_without_a_content_hash_stand_for_themselves() -> None:
    facts = facts_of(picture("a", sha256=None), picture("b", sha256=None))
    assert near_candidates(facts).height == 1


def test_no_pictures_have_no_candidates() -> None:
    assert near_candidates(facts_of()).equals(pl.DataFrame(schema=CANDIDATE_SCHEMA))
    assert exact_pairs(facts_of()).equals(pl.DataFrame(schema=CANDIDATE_SCHEMA))

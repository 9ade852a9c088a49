from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup import CANDIDATE_SCHEMA, candidates, exact_pairs, near_candidates
from immich_pipeline.dedup.candidates import TWINS
from immich_pipeline.dedup.classes import default_classes
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


def library(n: int, phash256: list[bytes | None], **known: Any) -> pl.DataFrame:
    """Many pictures of one 64-bit hash, named in order."""
    rows = [picture(f"{number:05}", **known) for number in range(n)]
    return facts_of(*rows).with_columns(phash256=pl.Series(phash256, dtype=pl.Binary))


def test_different_pictures_that_share_a_hash_are_no_candidates() -> None:
    """5,000 nights would be 12 M pairs; their finer hashes tell them apart."""
    generator = np.random.default_rng(4)
    fine: list[bytes | None] = [generator.bytes(32) for _ in range(4_999)]
    found = near_candidates(library(5_000, [*fine, fine[0]]))
    assert found.rows() == [("me", "00000", "04999", "near", 0)]


@pytest.mark.parametrize("fine", [None, bytes(32)])
def test_pictures_that_agree_in_both_hashes_are_paired_with_the_first_of_them(fine: bytes | None) -> None:
    n = 5_000
    facts = library(n, [fine] * n)
    found = near_candidates(facts)
    assert found.height == TWINS * (TWINS - 1) // 2 + TWINS * (n - TWINS)
    last = found.filter(pl.col("right_id") == "04999")
    assert last["left_id"].to_list() == [f"{number:05}" for number in range(TWINS)]
    assert found["left_id"].max() == f"{TWINS - 1:05}"
    few = near_candidates(facts.head(TWINS + 30), new_ids=["00000", "00040"])
    assert few.height == TWINS + 30 - 1 + TWINS - 1


def test_a_near_pair_needs_a_near_finer_hash_where_both_have_one() -> None:
    limit = default_classes().limits.near_distance256
    facts = facts_of(
        picture("a"), picture("b", bits256=limit), picture("c", bits256=limit * 2 + 1), picture("d", phash256=None)
    )
    pairs = near_candidates(facts).select("left_id", "right_id").rows()
    assert pairs == [("a", "b"), ("a", "d"), ("b", "d"), ("c", "d")]


def test_the_limit_leaves_room_above_every_class() -> None:
    limits = default_classes().limits
    assert limits.near_distance256 > limits.edited_distance256 > limits.reencoded_distance256


few_bits = st.integers(0, 3)
small_pictures = st.lists(st.tuples(few_bits, st.none() | few_bits, st.sampled_from(["me", "you"])), max_size=40)


@settings(deadline=None, max_examples=30)
@given(small_pictures, st.randoms(use_true_random=False), st.integers(1, 4), st.data())
def test_neither_the_order_nor_what_is_new_changes_a_candidate(
    pictures: list[tuple[int, int | None, str]], random: Random, twins: int, data: st.DataObject
) -> None:
    rows = [
        picture(f"{number:03}", bits=bits, owner=owner)
        | {"phash256": None if fine is None else (2 ** (20 * fine) - 1).to_bytes(32, "big")}
        for number, (bits, fine, owner) in enumerate(pictures)
    ]
    new = data.draw(st.sets(st.sampled_from([row["asset_id"] for row in rows]))) if rows else set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "TWINS", twins)
        found = near_candidates(facts_of(*rows), 2)
        random.shuffle(rows)
        assert near_candidates(facts_of(*rows), 2).equals(found)
        of_new = found.filter(pl.col("left_id").is_in(list(new)) | pl.col("right_id").is_in(list(new)))
        assert near_candidates(facts_of(*rows), 2, new_ids=new).equals(of_new)
    assert found.height <= len(rows) ** 2
    assert found.select("left_id", "right_id").is_unique().all()

from typing import Any

import polars as pl
import pytest

from immich_pipeline.dedup.opinions import (
    ALL_PAIRS_UP_TO,
    OPINION_SCHEMA,
    RECORDS_SCHEMA,
    immich_candidates,
    opinions,
)
from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA
from immich_pipeline_tests.dedup.drawn_groups import groups_named
from immich_pipeline_tests.dedup.pictures import facts_of, picture


def records_of(*rows: tuple[str, str | None], owner: str = "me") -> pl.DataFrame:
    return pl.DataFrame([(asset, owner, told) for asset, told in rows], schema=RECORDS_SCHEMA, orient="row")


def embeddings_of(**vectors: list[float]) -> pl.DataFrame:
    numbers = pl.Series(list(vectors.values()), dtype=pl.List(pl.Float32))
    return pl.DataFrame({"asset_id": list(vectors), "embedding": numbers})


def pairs_of(candidates: pl.DataFrame) -> list[tuple[str, str]]:
    return candidates.select("left_id", "right_id").rows()


def test_every_two_of_a_small_group_of_immichs() -> None:
    rows = [picture("a"), picture("b", bits=3), picture("c", bits=5), picture("d")]
    records = records_of(("a", "x"), ("b", "x"), ("c", "x"), ("d", None))
    found = immich_candidates(records, facts_of(*rows))
    assert dict(found.schema) == CANDIDATE_SCHEMA
    assert found.rows() == [
        ("me", "a", "b", "immich", 3), ("me", "a", "c", "immich", 5), ("me", "b", "c", "immich", 2),
    ]  # fmt: skip
    assert immich_candidates(records.reverse(), facts_of(*reversed(rows))).equals(found)


def test_a_large_group_of_immichs_is_compared_round_one() -> None:
    names = [f"{number:02}" for number in range(ALL_PAIRS_UP_TO + 1)]
    records = records_of(*((name, "x") for name in names))
    found = immich_candidates(records, facts_of(*(picture(name) for name in names)))
    assert pairs_of(found) == [("00", name) for name in names[1:]]


def test_pictures_without_a_usable_hash_are_at_no_known_distance() -> None:
    rows = [picture("a"), picture("b", usable=False), picture("c", phash=None), picture("d", usable=None)]
    found = immich_candidates(records_of(*((name, "x") for name in "abcd")), facts_of(*rows))
    assert found.height == 6
    assert found["distance"].null_count() == 6


def test_copies_count_once_and_known_pairs_are_left_out() -> None:
    rows = [picture("a", sha256=b"s" * 32), picture("b", sha256=b"s" * 32), picture("c"), picture("d")]
    records, facts = records_of(*((name, "x") for name in "abcd")), facts_of(*rows)
    assert pairs_of(immich_candidates(records, facts)) == [("a", "c"), ("a", "d"), ("c", "d")]
    known = pl.DataFrame({"left_id": ["a"], "right_id": ["c"]})
    assert pairs_of(immich_candidates(records, facts, known)) == [("a", "d"), ("c", "d")]


def test_owners_are_never_mixed_and_what_is_gone_is_left_out() -> None:
    rows = [picture("a"), picture("b", owner="you"), picture("c", sha256=None), picture("e", owner="you")]
    records = records_of(*((name, "x") for name in "abcdef"))
    found = immich_candidates(records, facts_of(*rows))
    assert found.select("owner", "left_id", "right_id").rows() == [("me", "a", "c"), ("you", "b", "e")]


def agreed(records: pl.DataFrame) -> dict[str, Any]:
    _, members = groups_named(("g", "exact", "a b c"))
    found = opinions(members, records, None)
    assert dict(found.schema) == OPINION_SCHEMA
    assert found["clip_distance"].null_count() == 3
    return dict(found.select("asset_id", "immich_agrees").iter_rows())


def test_whether_immich_has_a_member_in_one_group_with_the_representative() -> None:
    assert agreed(records_of(("a", "x"), ("b", "x"), ("c", "y"))) == {"a": None, "b": True, "c": False}
    assert agreed(records_of(("a", "x"), ("b", None))) == {"a": None, "b": False, "c": None}, (
        "c is no asset of a server"
    )
    assert agreed(records_of(("b", "x"), ("c", "x"))) == {"a": None, "b": None, "c": None}
    assert agreed(records_of(("a", None), ("b", None), ("z", "x"))) == {"a": None, "b": False, "c": None}


def test_a_server_that_did_not_look_says_nothing() -> None:
    told = pl.concat([records_of(("a", None), ("b", None)), records_of(("z", "x"), owner="you")])
    assert agreed(told) == {"a": None, "b": None, "c": None}


def test_how_alike_the_model_finds_them() -> None:
    _, members = groups_named(("g", "exact", "b a c d e f h"), ("x", "exact", "y z"))
    vectors = embeddings_of(
        a=[2.0, 0.0],
        b=[1.0, 0.0],
        c=[0.0, 3.0],
        d=[-1.0, 0.0],
        e=[1.0, 0.0, 0.0],
        h=[0.0, 0.0],
        y=[1.0, 1.0],
        z=[1.0, 1.0],
    )
    found = opinions(members, records_of(), vectors)
    distances = dict(found.select("asset_id", "clip_distance").iter_rows())
    assert distances.pop("z") == pytest.approx(0, abs=1e-6)
    assert distances == {"a": 0.0, "b": None, "c": 1.0, "d": 2.0, "e": None, "f": None, "h": None, "y": None}


def test_many_embeddings_are_compared_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immich_pipeline.dedup.opinions.SLICE", 2)
    _, members = groups_named(("g", "exact", "a b c d e f"))
    vectors = embeddings_of(**{name: [1.0, float(number)] for number, name in enumerate("abcdef")})
    distances = opinions(members, records_of(), vectors)["clip_distance"].to_list()
    assert distances[1:] == pytest.approx([1 - 1 / (1 + n * n) ** 0.5 for n in range(1, 6)], abs=1e-6)


def test_no_members_no_opinions() -> None:
    _, members = groups_named()
    assert opinions(members, records_of(("a", "x")), embeddings_of(a=[1.0])).equals(pl.DataFrame(schema=OPINION_SCHEMA))

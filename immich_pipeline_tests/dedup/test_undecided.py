import polars as pl

from immich_pipeline.dedup.document import duplicate_document
from immich_pipeline.dedup.schema import DECISION_FACTS_SCHEMA, DECISION_MEMBER_SCHEMA, DECISION_SCHEMA, SET_SCHEMA
from immich_pipeline.dedup.undecided import sets_of_groups, undecided
from immich_pipeline_tests.dedup.pictures import facts_of, groups_of, picture


def test_groups_without_decisions_are_for_a_person_to_look_at() -> None:
    rows = [
        picture("a", sha256=b"s" * 32),
        picture("b", sha256=b"s" * 32),
        picture("c", bits=30, size=5),
        picture("d", bits=30, size=9),
    ]
    found = groups_of(*rows)
    decisions, members = undecided(found.groups, found.members)
    sets = sets_of_groups(found.groups, found.members)
    assert dict(decisions.schema) == DECISION_SCHEMA
    assert dict(members.schema) == DECISION_MEMBER_SCHEMA
    assert dict(sets.schema) == SET_SCHEMA
    assert decisions["verdict"].to_list() == ["review", "review"]
    assert set(decisions["keeper_id"]) == set(found.members.filter("is_representative")["asset_id"])
    facts = facts_of(*rows)
    wide = facts.select(
        [
            pl.col(name).cast(dtype) if name in facts.columns else pl.lit(None, dtype).alias(name)
            for name, dtype in DECISION_FACTS_SCHEMA.items()
        ]
    )
    document = duplicate_document(decisions, members, sets, wide, library="x", fingerprint="")
    assert document["totals"] == {
        "sets": 2, "files": 4, "bytes": 2014, "reclaimable_bytes": 1005, "needs_review": 2, "immich_would_lose": 0,
    }  # fmt: skip

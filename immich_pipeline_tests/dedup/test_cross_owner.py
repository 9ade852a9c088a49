import polars as pl

from immich_pipeline.dedup.cross_owner import CROSS_OWNER_SCHEMA, cross_owner_copies
from immich_pipeline_tests.dedup.pictures import facts_of, picture

SAME, OTHER = {"sha256": b"s" * 32}, {"sha256": b"o" * 32}


def test_one_pair_for_two_owners_however_many_copies_each_has() -> None:
    rows = [
        picture("m", **SAME, owner="bob"), picture("c", **SAME, owner="bob"), picture("b", **SAME, owner="anna"),
        picture("d", **SAME, owner="anna"), picture("e", **OTHER, owner="anna"), picture("f", **OTHER, owner="anna"),
    ]  # fmt: skip
    found = cross_owner_copies(facts_of(*rows))
    assert dict(found.schema) == CROSS_OWNER_SCHEMA
    assert found.rows() == [("b", "c", "anna", "bob")]
    assert cross_owner_copies(facts_of(*reversed(rows))).equals(found)


def test_every_two_of_three_owners() -> None:
    rows = [picture(name, **SAME, owner=name.upper()) for name in "zyx"]
    assert cross_owner_copies(facts_of(*rows)).rows() == [
        ("x", "y", "X", "Y"), ("x", "z", "X", "Z"), ("y", "z", "Y", "Z"),
    ]  # fmt: skip


def test_empty_and_unread_files_are_left_out() -> None:
    empty = [picture("a", **SAME, size=0), picture("b", **SAME, size=0, owner="you")]
    unread = [picture("c", sha256=None), picture("d", sha256=None, owner="you")]
    assert cross_owner_copies(facts_of(*empty, *unread)).equals(pl.DataFrame(schema=CROSS_OWNER_SCHEMA))

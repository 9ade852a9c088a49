import polars as pl

from immich_pipeline.dedup.contents import contents_key, set_keys


def test_the_key_depends_on_the_contents_alone() -> None:
    assert contents_key([b"b", b"a", b"a"]) == contents_key([b"a", b"b"])
    assert len(contents_key([b"a"])) == 64
    different = [[], [b"a"], [b"b"], [b"ab"], [b"a", b"b"], [b"a", b"ba"], [b"ab", b"a"]]
    assert len({contents_key(contents) for contents in different}) == len(different)


def test_each_set_has_the_key_of_its_known_contents() -> None:
    sets = pl.DataFrame({"set_id": ["t", "s", "s", "s", "u"], "asset_id": ["d", "c", "b", "a", "e"]})
    facts = pl.DataFrame({"asset_id": ["a", "b", "c", "d"], "content": [b"1", None, b"2", b"3"]})
    assert set_keys(sets, facts).rows() == [("s", contents_key([b"1", b"2"])), ("t", contents_key([b"3"]))]

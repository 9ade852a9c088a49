import polars as pl
import pytest

from immich_pipeline.dedup.fine_hashes import FineHashes


def bits(*places: int) -> bytes:
    return sum(1 << place for place in places).to_bytes(32, "big")


def test_pairs_beyond_the_limit_are_dropped_and_unknown_ones_stay() -> None:
    fine = FineHashes(pl.Series([bits(), bits(0, 70, 255), bits(*range(256)), None], dtype=pl.Binary))
    pairs = pl.DataFrame({"left": [0, 0, 0, 1, 2], "right": [1, 2, 3, 2, 2], "distance": [1, 2, 3, 4, 5]})
    assert fine.within(pairs, 3)["distance"].to_list() == [1, 3, 5]
    assert fine.within(pairs, 2)["distance"].to_list() == [3, 5]
    assert fine.within(pairs, 253)["distance"].to_list() == [1, 3, 4, 5]
    assert fine.within(pairs, 256).equals(pairs)
    assert fine.within(pairs.clear(), 3).is_empty()


def test_hashes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        FineHashes(pl.Series([b"short"]))


def test_no_hashes_have_no_pairs() -> None:
    fine = FineHashes(pl.Series([], dtype=pl.Binary))
    nothing = pl.DataFrame(schema={"left": pl.UInt32, "right": pl.UInt32})
    assert fine.within(nothing, 3).is_empty()

import polars as pl
import pytest

from immich_pipeline.dedup import FACTS_SCHEMA, asset_facts
from immich_pipeline.dedup.facts import as_facts, with_content
from immich_pipeline_tests.dedup.pictures import facts_of, picture


def test_what_is_known_is_joined_and_the_rest_is_null() -> None:
    whole = facts_of(picture("b"), picture("a"))
    assets = whole.select(
        "asset_id", "source_id", "owner", "path", "name", "extension", "kind", "size", "mtime_ns", "inode"
    )
    hashes = whole.select("asset_id", "sha256", error=pl.lit("x")).head(1)
    camera = ["taken_at", "taken_at_local", "subsec", "make", "model", "serial", "lens", "latitude", "longitude"]
    metadata = whole.select("asset_id", *camera, "exposure_bias", error=pl.lit("y"))
    perceptual = whole.select("asset_id", "phash", "phash256", "usable", "width", "height", error=pl.lit("z"))
    facts = asset_facts(assets, hashes, metadata, perceptual)
    assert dict(facts.schema) == FACTS_SCHEMA
    assert facts["asset_id"].to_list() == ["a", "b"]
    assert facts["sha256"].to_list() == [None, b"b".ljust(32, b"-")]


def test_facts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="needs the columns phash"):
        as_facts(facts_of().drop("phash"))
    with pytest.raises(ValueError, match="occurs twice"):
        as_facts(facts_of(picture("a"), picture("a")))


def test_a_server_s_sha1_stands_for_bytes_that_were_not_read() -> None:
    rows = [
        (b"A" * 32, b"a" * 20),  # read here: both
        (None, b"a" * 20),  # the same content, told by the server
        (None, b"b" * 20),  # another one, only told
        (b"C" * 32, None),
        (None, None),
    ]
    hashes = pl.DataFrame(rows, schema={"sha256": pl.Binary, "sha1": pl.Binary}, orient="row")
    assert with_content(hashes)["content"].to_list() == [b"A" * 32, b"A" * 32, b"b" * 20, b"C" * 32, None]

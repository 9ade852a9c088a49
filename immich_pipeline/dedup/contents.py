"""The contents of a set as one key: what a person said of a set holds for its contents, whatever the assets are called."""

import hashlib
from collections.abc import Iterable

import polars as pl


def contents_key(contents: Iterable[bytes]) -> str:
    """The key of these contents: SHA-256 (hex) over the distinct contents in ascending order.

    Args:
        contents: The content (SHA-256 or another digest) of each file; order and repetitions do not count.
    """
    digest = hashlib.sha256()
    for content in sorted(set(contents)):
        # The length keeps contents apart that differ only in where one ends.
        digest.update(len(content).to_bytes(4, "big"))
        digest.update(content)
    return digest.hexdigest()


def set_keys(sets: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The key of each set: of the known contents of all its files.

    Args:
        sets: ``SET_SCHEMA``; ``set_id`` and ``asset_id`` are enough.
        facts: ``asset_id`` and ``content``.

    Returns:
        ``set_id`` and ``contents_key``, sorted by ``set_id``. A set of which no content is known has no row.
    """
    known = sets.join(facts.select("asset_id", "content"), on="asset_id").drop_nulls("content")
    contents = known.group_by("set_id").agg("content").sort("set_id")
    keys = [contents_key(of_set) for of_set in contents["content"].to_list()]
    return contents.select("set_id", contents_key=pl.Series(keys, dtype=pl.String))

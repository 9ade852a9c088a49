"""One wide frame of everything duplicate detection goes by."""

import polars as pl

from immich_pipeline.dedup.schema import FACTS_SCHEMA


def asset_facts(
    assets: pl.DataFrame,
    file_hashes: pl.DataFrame,
    photo_metadata: pl.DataFrame,
    perceptual_hashes: pl.DataFrame,
) -> pl.DataFrame:
    """Join what is known of each asset; what is not known yet is null.

    Args:
        assets: One row per asset of the library.
        file_hashes: ``asset_id``, ``sha256``, ``sha1`` and more; at most one row per asset, like the next two.
        photo_metadata: ``asset_id``, times, camera, position.
        perceptual_hashes: ``asset_id``, ``phash``, ``phash256``, ``usable``, ``width``, ``height``.

    Returns:
        The columns of ``FACTS_SCHEMA``, one row per row of ``assets``, sorted by ``asset_id``.
    """
    facts = assets
    for part in (with_content(file_hashes), photo_metadata, perceptual_hashes):
        wanted = [column for column in part.columns if column in FACTS_SCHEMA and column not in facts.columns]
        facts = facts.join(part.select("asset_id", *wanted), on="asset_id", how="left")
    return as_facts(facts)


def with_content(file_hashes: pl.DataFrame) -> pl.DataFrame:
    """Add ``content``, which is equal where the bytes are: the SHA-256, or that of a file with the same SHA-1, or the SHA-1 itself.

    A server tells the SHA-1 of an upload; its bytes need not be read again to know that another file has the same.

    Args:
        file_hashes: ``sha256`` and, where there is one, ``sha1`` (Binary, null where unknown).
    """
    if "sha1" not in file_hashes.columns:
        return file_hashes.with_columns(content="sha256")
    both = file_hashes.filter(pl.col("sha256").is_not_null(), pl.col("sha1").is_not_null())
    read = both.group_by("sha1").agg(other=pl.col("sha256").min())
    joined = file_hashes.join(read, on="sha1", how="left", maintain_order="left")
    return joined.with_columns(content=pl.coalesce("sha256", "other", "sha1")).drop("other")


def as_facts(facts: pl.DataFrame) -> pl.DataFrame:
    """``facts`` with exactly the columns and types of ``FACTS_SCHEMA``, sorted by ``asset_id``.

    Raises:
        ValueError: A column is missing, or an asset id occurs twice.
    """
    missing = [column for column in FACTS_SCHEMA if column not in facts.columns]
    if missing:
        raise ValueError(f"finding duplicates needs the columns {', '.join(missing)}")
    if facts["asset_id"].is_duplicated().any():
        raise ValueError("an asset id occurs twice: every asset is one row")
    return facts.select([pl.col(column).cast(dtype) for column, dtype in FACTS_SCHEMA.items()]).sort("asset_id")

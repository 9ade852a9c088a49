"""Numbers a person looks for first."""

import polars as pl

from immich_pipeline.dedup.classes import ClassTable, default_classes

SUMMARY_SCHEMA: dict[str, pl.DataType] = {
    "class": pl.String(),
    "title": pl.String(),
    "pairs": pl.Int64(),
    "groups": pl.Int64(),
    "members": pl.Int64(),
    "bytes": pl.Int64(),
    "reclaimable_bytes": pl.Int64(),
}


def summary_by_class(groups: pl.DataFrame, verified: pl.DataFrame, classes: ClassTable | None = None) -> pl.DataFrame:
    """Pairs, groups and bytes of each class.

    Args:
        groups: ``GROUP_SCHEMA``.
        verified: ``VERIFIED_SCHEMA``.
        classes: The class table; the package's own by default.

    Returns:
        ``SUMMARY_SCHEMA``: one row per class, strongest first, zeros where there is nothing. Copies of a file count as
            pairs
        with the first of them, so k copies are k - 1 pairs.
    """
    table = classes or default_classes()
    rows = pl.DataFrame({"class": [c.name for c in table.classes], "title": [c.title for c in table.classes]})
    pairs = verified.group_by("class").agg(pairs=pl.len())
    counted = groups.group_by("class").agg(
        pl.col("members", "bytes", "reclaimable_bytes").cast(pl.Int64).sum(), groups=pl.len()
    )
    joined = rows.join(pairs, on="class", how="left", maintain_order="left").join(
        counted, on="class", how="left", maintain_order="left"
    )
    return joined.select([pl.col(column).cast(dtype) for column, dtype in SUMMARY_SCHEMA.items()]).fill_null(0)

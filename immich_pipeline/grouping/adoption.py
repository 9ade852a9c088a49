"""Names that may be versions: they are, if the file that they would be versions of is there."""

import polars as pl

from immich_pipeline.grouping.cameras import camera_known
from immich_pipeline.grouping.times import MICROSECONDS

_TAKEN_OVER = ["base", "name_rule", "name_key"]


def with_adopted(prepared: pl.DataFrame) -> pl.DataFrame:
    """Give files with a weak mark the key of the unmarked file, if one of the same instant and camera is there.

    Args:
        prepared: Coded and timed assets with what ``with_names`` adds.

    Returns:
        ``prepared`` in the same order, with ``base``, ``name_rule``, ``name_key`` and ``version`` of such files replaced,
        and without ``weak_base`` and ``weak_version``.
    """
    marked = _timed(prepared.filter(pl.col("weak_base").is_not_null()), ["row", "weak_base", "weak_version"])
    shared = ["scope", "place", "make", "model", "second"]
    originals = prepared.filter(pl.col("stem").is_in(marked["weak_base"].implode()))
    found = marked.join(
        _timed(originals, ["stem", *_TAKEN_OVER]), left_on=[*shared, "weak_base"], right_on=[*shared, "stem"]
    )
    agree = [(pl.col(column) == pl.col(f"{column}_right")).fill_null(value=True) for column in ("fraction", "serial")]
    found = found.filter(agree).sort("row", *_TAKEN_OVER).unique("row", keep="first", maintain_order=True)
    adopted = found.select("row", "weak_version", *(pl.col(column).alias(f"own_{column}") for column in _TAKEN_OVER))
    prepared = prepared.drop("weak_base", "weak_version")
    joined = prepared.join(adopted, on="row", how="left", maintain_order="left")
    is_adopted = pl.col("weak_version").is_not_null()
    return joined.with_columns(
        pl.when(is_adopted).then("weak_version").otherwise("version").alias("version"),
        *(pl.when(is_adopted).then(f"own_{column}").otherwise(column).alias(column) for column in _TAKEN_OVER),
    ).select(prepared.columns)


def _timed(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Pictures of known time and camera, with these columns and what two of them must agree in."""
    moment = pl.coalesce("local_us", "instant_us")
    known = rows.filter(pl.col("kind") != "video", moment.is_not_null(), camera_known())
    return known.select(
        "scope", "place", "make", "model", "serial", *columns,
        second=moment // MICROSECONDS,
        fraction=pl.when("subsec_known").then(moment % MICROSECONDS),
    )  # fmt: skip

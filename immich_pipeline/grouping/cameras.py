"""Which camera took a picture, where that is known."""

import polars as pl

CAMERA = ("make", "model", "serial")


def fill_cameras(rows: pl.DataFrame, within: list[str]) -> pl.DataFrame:
    """Give rows of unknown camera the one camera of their set; where there are several, they keep none.

    Args:
        rows: ``make``, ``model``, ``serial`` (UInt32 codes, null where unknown) and the columns of ``within``.
        within: Columns that tell the sets apart.

    Returns:
        ``rows`` with the three filled, and ``camera_known`` (Boolean: make and model needed no filling).
    """
    filled = rows.with_columns(camera_known=camera_known())
    for number, column in enumerate(CAMERA):
        filled = filled.with_columns(_only_value(column, [*within, *CAMERA[:number]]))
    return filled


def camera_known() -> pl.Expr:
    """Make and model are known; the body's serial number often is not, and only ever tells two bodies apart."""
    return pl.col("make").is_not_null() & pl.col("model").is_not_null()


def _only_value(column: str, within: list[str]) -> pl.Expr:
    low, high = pl.col(column).min().over(within), pl.col(column).max().over(within)
    return pl.when(low == high).then(low).otherwise(column).alias(column)

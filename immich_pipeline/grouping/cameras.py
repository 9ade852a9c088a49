"""Which camera took a picture, where that is known."""

import polars as pl


def with_cameras(assets: pl.DataFrame) -> pl.DataFrame:
    """Add ``camera_make`` and ``camera_model`` (String, lower case, null where unknown or blank)."""

    def known(column: str) -> pl.Expr:
        text = pl.col(column).str.strip_chars().str.to_lowercase()
        return pl.when(text != "").then(text)

    return assets.with_columns(camera_make=known("make"), camera_model=known("model"))


def fill_cameras(rows: pl.DataFrame, within: list[str]) -> pl.DataFrame:
    """Give rows of unknown camera the one camera of their set; where there are several, they keep none.

    Args:
        rows: ``camera_make``, ``camera_model`` and the columns of ``within``.
        within: Columns that tell the sets apart.

    Returns:
        ``rows`` with ``camera_make`` and ``camera_model`` filled, and ``camera_known`` (Boolean: it needed no filling).
    """
    known = pl.all_horizontal(pl.col("camera_make", "camera_model").is_not_null())
    return (
        rows.with_columns(camera_known=known)
        .with_columns(_only_value("camera_make", within))
        .with_columns(_only_value("camera_model", [*within, "camera_make"]))
    )


def _only_value(column: str, within: list[str]) -> pl.Expr:
    low, high = pl.col(column).min().over(within), pl.col(column).max().over(within)
    return pl.when(low == high).then(low).otherwise(column).alias(column)

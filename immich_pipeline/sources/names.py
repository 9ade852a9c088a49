"""Paths as a person reads them, made from the bytes that the file system has."""

import polars as pl

# Unicode classes that would break a line or a terminal: control characters, line and paragraph separators.
_UNSHOWABLE = r"[\p{Cc}\p{Zl}\p{Zp}]"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def display_text(paths: pl.Series) -> pl.Series:
    """Text for people from real paths.

    Args:
        paths: Binary, no nulls.

    Returns:
        String: NFC; what is no UTF-8, and control characters, become U+FFFD. Not unique where `paths` are: never a key.
    """
    try:
        text = paths.cast(pl.String)
    except pl.exceptions.ComputeError:  # some path is no UTF-8; only then is each decoded by itself
        text = pl.Series(paths.name, [path.decode("utf-8", "replace") for path in paths], dtype=pl.String)
    return text.str.normalize("NFC").str.replace_all(_UNSHOWABLE, _REPLACEMENT)


def with_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `path`, `folder`, `name` and `extension` (all String) to a frame that has `real_path` (Binary)."""
    path, name = pl.col("path"), pl.col("name")
    return (
        frame.with_columns(display_text(frame["real_path"]).alias("path"))
        .with_columns(
            path.str.extract(r"^(.*)/").fill_null("").alias("folder"), path.str.extract(r"([^/]*)$").alias("name")
        )
        .with_columns(name.str.extract(r".\.([^.]+)$").fill_null("").str.to_lowercase().alias("extension"))
    )

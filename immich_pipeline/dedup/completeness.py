"""What is known of a picture, and what that is worth."""

from collections.abc import Mapping

import polars as pl

from immich_pipeline.dedup.set_files import said
from immich_pipeline.policies import CompletenessWeights

WORDS: Mapping[str, str] = {
    "gps": "GPS",
    "time_zone": "time zone",
    "camera": "camera",
    "capture_time": "date",
    "lens": "lens",
    "place": "place",
    "albums": "albums",
    "tags": "tags",
    "description": "description",
    "faces": "faces",
    "live_video": "live video",
}
"""What each weight is about, as told to a person. The order is that of the weights."""


def knows(what: str) -> str:
    """The name of the column that tells whether something is known."""
    return f"knows_{what}"


def knowledge_columns() -> dict[str, pl.Expr]:
    """Per file, for each of the weights, whether it is known (Boolean, never null).

    For the frame of :func:`immich_pipeline.dedup.set_files.set_files`.
    """
    found = {
        "gps": pl.col("latitude").is_finite() & pl.col("longitude").is_finite(),
        "time_zone": said("time_zone") | pl.col("utc_offset_minutes").is_not_null(),
        "camera": said("make") | said("model"),
        "capture_time": pl.col("true_date"),
        "lens": said("lens"),
        "place": said("place"),
        "albums": pl.col("albums") > 0,
        "tags": pl.col("tags").list.len() > 0,
        "description": said("description"),
        "faces": pl.col("people") > 0,
        "live_video": pl.col("has_live_video"),
    }
    return {knows(what): known.fill_null(value=False) for what, known in found.items()}


def points(weights: CompletenessWeights) -> pl.Expr:
    """What is known, weighed and added up (Int64), over the columns of :func:`knowledge_columns`."""
    worth = weights.model_dump()
    return pl.sum_horizontal([pl.col(knows(what)).cast(pl.Int64) * worth[what] for what in WORDS])


def known_text(weights: CompletenessWeights) -> pl.Expr:
    """What counted, in words: "GPS, camera: 45 points"."""
    worth = weights.model_dump()
    named = [pl.when(knows(what)).then(pl.lit(word)) for what, word in WORDS.items() if worth[what]]
    listed = pl.concat_str(named, separator=", ", ignore_nulls=True) if named else pl.lit("")
    said_so = pl.when(listed == "").then(pl.lit("nothing")).otherwise(listed)
    return pl.concat_str(said_so, pl.lit(": "), points(weights).cast(pl.String), pl.lit(" points"))

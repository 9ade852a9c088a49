"""Rows of Immich's database as frames: the same values that its API tells."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline.progress import logger

_TYPES = ("image", "video", "audio", "other")
_CHECKSUM_BYTES = 20
_EARLIEST, _LATEST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)
_TEXT_DURATION = r"^(\d{1,6}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?$"
_NO_TEXT_DURATION = "0:00:00.00000"
_NEVER_NULL = (
    "asset_id", "owner_id", "type", "original_path", "original_name", "checksum", "checksum_algorithm", "file_created_at",
    "file_modified_at", "local_date_time", "updated_at", "visibility", "is_favorite", "is_trashed", "is_offline", "is_edited",
)  # fmt: skip


def as_records(raw: pl.DataFrame, *, text_durations: bool) -> pl.DataFrame:
    """Turn an answer to `queries.records` into RECORD_SCHEMA.

    Args:
        raw: as the driver gives it.
        text_durations: durations are `HH:MM:SS.mmm`, not milliseconds. One that cannot be read is null, and a warning is logged.

    Raises:
        ImmichError: a value is null, or of a kind that is not known; the message names the asset.
    """
    moments = [name for name, kind in RECORD_SCHEMA.items() if isinstance(kind, pl.Datetime)]
    duration = _milliseconds(pl.col("duration_ms")) if text_durations else pl.col("duration_ms")
    values = raw.with_columns(
        pl.col("type").str.to_lowercase(),
        duration.alias("duration_ms"),
        pl.col(moments).dt.truncate("1ms"),  # towards the past, as the API cuts them
        pl.when(pl.col("description") != "").then(pl.col("description")),
        # not a number and infinity are null in JSON
        *(pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in ("latitude", "longitude")),
    )
    if text_durations:
        _warn_of_durations(raw, values)
    still = (pl.col("type") == "image") & (pl.col("duration_ms") == 0)
    records = conform(
        values.with_columns(
            pl.col("local_date_time").dt.replace_time_zone(None),
            pl.when(~still.fill_null(value=False)).then(pl.col("duration_ms")),
        ),
        RECORD_SCHEMA,
    )
    _check(records, moments)
    return records


def conform(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The frame with the schema's columns, order and types.

    Raises:
        polars.exceptions.PolarsError: a column is missing, or a value does not fit its type.
    """
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _milliseconds(text: pl.Expr) -> pl.Expr:
    def part(number: int) -> pl.Expr:
        return text.str.extract(_TEXT_DURATION, number)

    seconds = (part(1).cast(pl.Int64) * 60 + part(2).cast(pl.Int64)) * 60 + part(3).cast(pl.Int64)
    fraction = part(4).fill_null("").str.pad_end(3, "0").str.slice(0, 3).cast(pl.Int64)
    return pl.when(text != _NO_TEXT_DURATION).then(seconds * 1000 + fraction)


def _warn_of_durations(raw: pl.DataFrame, values: pl.DataFrame) -> None:
    written = raw["duration_ms"]
    unread = raw.filter(values["duration_ms"].is_null() & written.is_not_null() & (written != _NO_TEXT_DURATION))
    if unread.height:
        logger.warning(
            "Immich's database: the duration of %d assets cannot be read, e.g. %.40r of asset %s",
            unread.height,
            unread["duration_ms"][0],
            unread["asset_id"][0],
        )


def _check(records: pl.DataFrame, moments: list[str]) -> None:
    problems = {f"{name} is null": pl.col(name).is_null() for name in _NEVER_NULL}
    problems["type is not known"] = ~pl.col("type").is_in(_TYPES)
    problems["checksum is not 20 bytes"] = pl.col("checksum").bin.size() != _CHECKSUM_BYTES
    for name in moments:
        moment = pl.col(name).dt.replace_time_zone(None)
        problems[f"{name} is not within the years 1 to 9999"] = ~moment.is_between(_EARLIEST, _LATEST)
    found = records.select(pl.col("asset_id").filter(wrong).first().alias(what) for what, wrong in problems.items())
    for what, asset_id in found.row(0, named=True).items():
        if asset_id is not None:
            raise ImmichError(f"Immich's database says something unexpected of asset {asset_id}: {what}")

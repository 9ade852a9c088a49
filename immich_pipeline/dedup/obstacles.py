"""Why a file cannot be given up: known before anything is proposed."""

import polars as pl

from immich_pipeline.dedup.protection import NEVER
from immich_pipeline.policies import DuplicateSettings

_EXTERNAL = (
    "it lies in an external library: putting it into the trash would delete the file on disk when the trash is emptied; "
    "allow it in duplicates.delete_from"
)
_NO_TRASH = (
    "the server's trash is switched off, or keeps nothing for a day: what is put into it would be deleted for good"
)
_UNREADABLE = "its original cannot be read here, so no verified copy of it can be made"
_EXTRA = "the kept one has no file that could stand for it"
_UNKNOWN = "nothing is known of it any more"
_LOCKED = "it lies in the locked folder"
_FOLDER = "it is a file of a folder: only on a server can it be stacked, archived or tagged"


def obstacle(settings: DuplicateSettings) -> pl.Expr:
    """Why a file cannot be given up (String), null where it can; of the kept unit's files, always null.

    For the frame of :func:`immich_pipeline.dedup.decide.decide`: ``becomes`` is what is to become of the losers.
    """
    external = pl.col("library_id").is_not_null() & ~pl.col("library_id").is_in(list(settings.delete_from))
    no_copy = pl.lit(settings.backup.required) & pl.col("on_server") & (pl.col("readable") == pl.lit(value=False))
    deleting = (
        pl.when(pl.col(NEVER).is_not_null())
        .then(pl.concat_str(pl.lit("it is never given up: "), NEVER))
        .when((pl.col("on_server") & (pl.col("trash_days") == 0)).fill_null(value=False))
        .then(pl.lit(_NO_TRASH))
        .when(external)
        .then(pl.lit(_EXTERNAL))
        .when("uncovered")
        .then(pl.lit(_EXTRA))
        .when(no_copy.fill_null(value=False))
        .then(pl.lit(_UNREADABLE))
    )
    return (
        pl.when("kept")
        .then(None)
        .when(~pl.col("is_known"))
        .then(pl.lit(_UNKNOWN))
        .when((pl.col("visibility") == "locked").fill_null(value=False))
        .then(pl.lit(_LOCKED))
        .when(pl.col("becomes") == "trash")
        .then(deleting)
        .when(~pl.col("on_server"))
        .then(pl.lit(_FOLDER))
    )

"""What Immich itself would keep of a set, and what would be lost then.

Modelled is Immich's page of duplicates with what it suggests accepted: it keeps the largest file, of equal ones that with most EXIF fields,
and resolves the group. Albums, tags, favourite, rating and description go over to the kept one, a position only if the others agree on one
and it has none; the rest goes to the trash with what only it knew. Immich compares single assets: of a RAW+JPEG pair imported twice, only
those are looked at that are copies of the file that we would keep.
"""

from collections.abc import Mapping

import polars as pl

from immich_pipeline.dedup.completeness import WORDS, knows
from immich_pipeline.policies import DuplicateSettings

LOST_WORDS: Mapping[str, str] = {
    "gps": "GPS",
    "capture_time": "date",
    "time_zone": "time zone",
    "camera": "camera",
    "lens": "lens",
    "faces": "faces",
    "live_video": "live video",
    "original": "original",
    "edits": "edits",
    "pixels": "pixels",
}
"""What may be lost, in words a person knows, in the order in which it is told."""

_COUNTED = ("make", "model", "lens", "latitude", "longitude", "time_zone", "description", "place")


_READ = (
    "set", "key", "asset_id", "is_keeper", "size", "pixels", "people", "is_edited", "edited_reason", "rating", "width", "height",
    "taken_at", "taken_at_local", *_COUNTED,
)  # fmt: skip


def immich_choice(files: pl.DataFrame, settings: DuplicateSettings) -> pl.DataFrame:
    """Immich's choice for each set; for files of a folder, what it would choose if they were on a server.

    Args:
        files: The frame of :func:`immich_pipeline.dedup.decide.decide`.
        settings: How close two pixel counts are equal.

    Returns:
        ``set``, ``immich_keeps`` (asset id; of equals the first by id) and ``immich_loses`` (List of String, see
        ``LOST_WORDS``).
    """
    shown = _compared(files.filter(~pl.col("component")).select(*_READ, *map(knows, WORDS)))
    order = shown.with_columns(fields=_fields()).sort(
        "set", pl.col("size").neg(), pl.col("fields").neg(), "asset_id", nulls_last=True
    )
    ranked = order.with_columns(first=pl.col("set").is_first_distinct())
    losing = ranked.group_by("set", maintain_order=True).agg(
        immich_keeps=pl.col("asset_id").filter("first").first(), **_losses(settings)
    )
    named = [pl.when(what).then(pl.lit(word)) for what, word in LOST_WORDS.items()]
    return losing.select("set", "immich_keeps", immich_loses=pl.concat_list(named).list.drop_nulls())


def _compared(files: pl.DataFrame) -> pl.DataFrame:
    """The kept file and its counterparts."""
    keeper = files.filter("is_keeper").select("set", "key")
    return files.join(keeper, on=["set", "key"], how="semi")


def _fields() -> pl.Expr:
    """How many EXIF fields are set, as far as they are known here."""
    texts = {"make", "model", "lens", "time_zone", "description", "place"}
    dated = pl.col("taken_at").is_not_null() | pl.col("taken_at_local").is_not_null()
    known = [(pl.col(c) != "") if c in texts else pl.col(c).is_not_null() for c in _COUNTED]
    known += [dated, pl.col("width").is_not_null(), pl.col("height").is_not_null(), pl.col("rating").is_not_null()]
    return pl.sum_horizontal([field.fill_null(value=False).cast(pl.Int64) for field in known])


def _losses(settings: DuplicateSettings) -> dict[str, pl.Expr]:
    def of_choice(column: pl.Expr) -> pl.Expr:
        return column.filter("first").first()

    def of_others(column: pl.Expr) -> pl.Expr:
        return column.filter(~pl.col("first"))

    def only_others(column: pl.Expr) -> pl.Expr:
        return of_others(column).any() & ~of_choice(column)

    plain = ("capture_time", "time_zone", "camera", "lens", "live_video")
    losses = {what: only_others(pl.col(knows(what))) for what in plain}
    position = pl.when(knows("gps")).then(pl.struct("latitude", "longitude"))
    places = of_others(position).drop_nulls().n_unique()
    people, pixels = pl.col("people").fill_null(0), pl.col("pixels").fill_null(0)
    most = of_others(pixels).max().fill_null(0)
    return {
        **losses,
        "gps": ~of_choice(pl.col(knows("gps"))) & (places > 1),
        "faces": of_others(people).max().fill_null(0) > of_choice(people),
        "original": only_others(pl.col("edited_reason").is_null()),
        "edits": only_others(pl.col("is_edited").fill_null(value=False)),
        "pixels": of_choice(pixels) < most * (1 - settings.pixel_tolerance),
    }

"""Members of one star that cannot be the same picture, although each resembles the representative."""

import polars as pl

from immich_pipeline.dedup.classes import Limits
from immich_pipeline.dedup.stars import NEAREST
from immich_pipeline.dedup.vetoes import (
    VETO_COLUMNS,
    different_camera,
    different_exposure,
    different_moment,
    veto_facts,
)


class StarConflicts:
    """Finds such members: of two frames of one burst, both alike a copy without metadata, only one can be its original.

    Args:
        units: ``asset_id`` and ``unit`` (UInt32) of the assets that occur in pairs.
        facts: ``FACTS_SCHEMA``.
        captures: ``asset_id`` and ``group_id`` of capture groups.
        limits: What counts as a different moment, or as another exposure.
        dismissed: ``unit`` and ``other`` of pairs that a person said are no duplicates, each in one direction or both.
    """

    def __init__(
        self,
        units: pl.DataFrame,
        facts: pl.DataFrame,
        captures: pl.DataFrame,
        limits: Limits,
        dismissed: pl.DataFrame,
    ) -> None:
        of_asset = units.select("asset_id", "unit").sort("asset_id")
        self._captures = of_asset.join(captures, on="asset_id").select("unit", capture="group_id").unique()
        # Files with equal bytes have equal metadata: the first of a unit speaks for it.
        self._shots = of_asset.unique("unit", keep="first", maintain_order=True).join(veto_facts(facts), on="asset_id")
        self._limits = limits
        self._dismissed = dismissed

    def __call__(self, joined: pl.DataFrame) -> pl.DataFrame:
        """Column ``unit``: members to take out of their stars.

        Args:
            joined: Rows of ``stars.EDGE_SCHEMA``: ``unit`` in the star of ``other``.
        """
        ordered = joined.sort("other", *NEAREST, "unit", nulls_last=True)
        members = ordered.select("unit", star="other", place=pl.int_range(1, pl.len() + 1).over("other"))
        centres = joined.select(unit="other", star="other").unique().with_columns(place=pl.lit(0, pl.Int64))
        placed = pl.concat([centres, members.select(centres.columns)]).sort("star", "place")
        return pl.concat([self._same_capture(placed), self._other_shot(placed), self._told_apart(placed)]).unique()

    def _same_capture(self, placed: pl.DataFrame) -> pl.DataFrame:
        """Members whose capture has a nearer member in the star."""
        of_capture = placed.join(self._captures, on="unit", maintain_order="left")
        return of_capture.filter(pl.int_range(pl.len()).over("star", "capture") > 0).select("unit")

    def _told_apart(self, placed: pl.DataFrame) -> pl.DataFrame:
        """The farther member of each dismissed pair in the star."""
        met = (
            placed.join(self._dismissed, on="unit")
            .join(placed, left_on=["star", "other"], right_on=["star", "unit"], suffix="_other")
            .select("unit", "other", nearer=pl.col("place") < pl.col("place_other"))
        )
        return met.select(unit=pl.when("nearer").then("other").otherwise("unit"))

    def _other_shot(self, placed: pl.DataFrame) -> pl.DataFrame:
        """Members that contradict the nearest one of known camera, of known time, or of known exposure."""
        shots = placed.join(self._shots, on="unit", how="left", maintain_order="left")
        by_camera = self._against(shots, pl.col("camera").is_not_null())
        by_time = self._against(shots, pl.col("camera").is_not_null() & pl.col("wall").is_not_null())
        by_exposure = self._against(shots, pl.col("exposure_bias").is_not_null())
        return pl.concat([by_camera, by_time, by_exposure])

    def _against(self, shots: pl.DataFrame, known: pl.Expr) -> pl.DataFrame:
        anchors = shots.filter(known).unique("star", keep="first", maintain_order=True)
        compared = shots.join(anchors.select("star", *VETO_COLUMNS), on="star", suffix="_right")
        contradicts = different_camera() | different_moment(self._limits) | different_exposure(self._limits)
        return compared.filter(contradicts).select("unit")

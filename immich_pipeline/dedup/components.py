"""Pictures in the order in which they are looked at: those that hang together by pairs, one after the other."""

import numpy as np
import numpy.typing as npt
import polars as pl

PICTURE_SCHEMA: dict[str, pl.DataType] = {
    "content": pl.Binary(),
    "asset_id": pl.String(),
    "whole": pl.Boolean(),
    "component": pl.Int64(),
}
"""A picture that occurs in pairs: what a look at it stays true of, an asset that has it, whether it is to be decoded in full for any
pair, and the component it is in."""


def pictures_of(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pictures that occur in pairs, each once, component by component.

    Args:
        pairs: ``PAIR_SCHEMA`` of :mod:`immich_pipeline.dedup.looks`.

    Returns:
        ``PICTURE_SCHEMA``, sorted by component and content; whatever the order of the pairs.
    """
    left = pairs.select("whole", content="left_content", asset_id="left_id")
    right = pairs.select("whole", content="right_content", asset_id="right_id")
    pictures = (
        pl.concat([left, right])
        .group_by("content")
        .agg(pl.col("asset_id").min(), pl.col("whole").any())
        .sort("content")
        .with_row_index("place")
    )
    places = pairs.select("left_content", "right_content")
    for side in ("left", "right"):
        of_side = pictures.select("content", pl.col("place").alias(side))
        places = places.join(of_side, left_on=f"{side}_content", right_on="content", how="left", maintain_order="left")
    labels = component_labels(pictures.height, places["left"].to_numpy(), places["right"].to_numpy())
    pictures = pictures.with_columns(component=pl.Series(labels, dtype=pl.Int64))
    return pictures.sort("component", "content").select(PICTURE_SCHEMA.keys())


def component_labels(count: int, left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """The smallest member of each one's connected component.

    Every round hangs the label of each side below the smaller of the two, and shortens the way to it (the idea of FastSV:
    Zhang, Azad, Hu, "FastSV: a distributed-memory connected component algorithm with fast convergence", 2020).

    Args:
        count: How many there are, numbered from 0.
        left: One side of each pair.
        right: The other.
    """
    labels = np.arange(count, dtype=np.int64)
    while True:
        before = labels.copy()
        lowest = np.minimum(labels[left], labels[right])
        for side in (left, right):
            np.minimum.at(labels, before[side], lowest)
            np.minimum.at(labels, side, lowest)
        labels = labels[labels]
        if np.array_equal(labels, before):
            return labels

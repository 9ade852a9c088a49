"""The second look: which pairs the hashes cannot settle, and two pictures beside each other."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from immich_pipeline.dedup.classes import ClassTable
from immich_pipeline.dedup.schema import LOOK_SCHEMA
from immich_pipeline.dedup.units import in_order
from immich_pipeline.dedup.verify import unsettled
from immich_pipeline.media.looks import COLOUR_SIDE, GRAY_SIDE, PictureLook

PAIR_SCHEMA: dict[str, pl.DataType] = {
    "left_id": pl.String(),
    "right_id": pl.String(),
    "left_content": LOOK_SCHEMA["left_content"],
    "right_content": LOOK_SCHEMA["right_content"],
    "whole": pl.Boolean(),
}
"""A pair to look at: two assets, in the order of what a look stays true of. ``whole``: their pixels may be the same, so the originals
are worth decoding in full."""

_RADIUS, _COARSE_RADIUS = 4, 3
_SMALLEST_GRID = 32
_REGIONS = 16
_GRAY, _COLOURED, _COLOUR_LOST = 3, 12, 6.0  # colourfulness: what saving again leaves of none, and what is seen
_LUMINANCE = np.array([299, 587, 114])  # thousandths, ITU-R BT.601


class Compared(NamedTuple):
    """Two pictures beside each other.

    Attributes:
        correlation: of the detail (-1 to 1; 1 for two pictures without any, 0 if one alone has none).
        colour: mean absolute difference of the colours (0 to 255).
        spot: how far the brightness differs in the spot where it differs most (0 to 255).
        tint: how far the colours, apart from brightness, differ in the region where they differ most (0 to 452); 6 at least of a picture
            in grays and one that is not.
    """

    correlation: float
    colour: float
    spot: float
    tint: float


def pairs_to_look_at(
    candidates: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None = None,
    classes: ClassTable | None = None,
    known: pl.DataFrame | None = None,
    *,
    dismissed: pl.DataFrame | None = None,
    people: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The pairs that hashes and metadata leave to be looked at: they are ``reencoded``, or better, if their pictures agree.

    Args:
        candidates: As for :func:`verify`, like all but the next but one.
        facts: ``FACTS_SCHEMA``.
        captures: Capture groups; none by default.
        classes: The class table; the package's own by default.
        known: ``LOOK_SCHEMA``: what was seen before is not looked at again.
        dismissed: Pairs of contents that a person told apart.
        people: Who is on each picture.

    Returns:
        ``PAIR_SCHEMA``, one row per two contents, sorted by left_content, right_content.

    Raises:
        ValueError: As :func:`verify`.
    """
    parts = unsettled(candidates, facts, captures, classes, dismissed=dismissed, people=people)
    pairs = pl.concat([pl.DataFrame(schema=PAIR_SCHEMA), *(_as_pairs(part) for part in parts)])
    pairs = pairs.sort("left_content", "right_content", "left_id", "right_id")
    pairs = pairs.unique(["left_content", "right_content"], keep="first", maintain_order=True)
    if known is None:
        return pairs
    return pairs.join(known, on=["left_content", "right_content"], how="anti", maintain_order="left")


def _as_pairs(part: pl.DataFrame) -> pl.DataFrame:
    swapped = pl.col("key") > pl.col("key_right")
    return part.select(
        pl.when(swapped).then("right_id").otherwise("left_id").alias("left_id"),
        pl.when(swapped).then("left_id").otherwise("right_id").alias("right_id"),
        *in_order("key", "key_right"),
        whole=pl.col("may_be_same"),
    )


def compare_looks(left: PictureLook, right: PictureLook) -> Compared:
    """How far the fine detail and the colours of two pictures agree, on the whole and where they agree least.

    The detail is what a picture has beyond its surroundings: each gray value less the mean of the square round it (9 x 9
    of 256 x 256). A copy whose short side has fewer than 256 pixels has no such detail any more, so beside it both
    are looked at in half the resolution (7 x 7 of 128 x 128). Measured on 31 photos: copies of 1600 to 160 pixels and
    JPEG of quality 30 to 95 correlate by 0.8 or more.

    Saving again changes a picture evenly; who edits it changes it in one place, or its colours. See :func:`spot_difference` and
    :func:`tint_difference`.

    Args:
        left: One picture; without a problem.
        right: The other.

    Returns:
        Equal looks give exactly (1.0, 0.0, 0.0, 0.0); the order does not matter.

    Raises:
        ValueError: one of the two has a problem instead of a picture.
    """
    coarse = min(_short_side(left), _short_side(right)) < GRAY_SIDE
    return Compared(
        correlation(detail(left, coarse=coarse), detail(right, coarse=coarse)),
        colour_difference(left, right),
        spot_difference(left, right),
        tint_difference(left, right),
    )


def _short_side(look: PictureLook) -> int:
    return min(look.width or GRAY_SIDE, look.height or GRAY_SIDE)


def detail(look: PictureLook, *, coarse: bool) -> npt.NDArray[np.float64]:
    """The fine detail of a picture, flat; whole numbers, so that the order of additions does not matter.

    Args:
        look: The picture.
        coarse: In half the resolution.

    Raises:
        ValueError: it has a problem instead of a picture.
    """
    gray = _grays(look, GRAY_SIDE // 2 if coarse else GRAY_SIDE)
    radius = _COARSE_RADIUS if coarse else _RADIUS
    return (gray * (2 * radius + 1) ** 2 - _box_sums(gray, radius)).ravel().astype(np.float64)


def correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Normalised correlation of two details, -1 to 1."""
    of_left, of_right = _product(left, left), _product(right, right)
    if not of_left or not of_right:
        return float(of_left == of_right)
    return float(np.clip(_product(left, right) / np.sqrt(of_left * of_right), -1, 1))


def _product(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """Scalar product. `@` would wait for threads of its own at each of many small ones."""
    return float(np.einsum("i,i->", left, right))


def colour_difference(left: PictureLook, right: PictureLook) -> float:
    """Mean absolute difference of the colours of two pictures, 0 to 255.

    Raises:
        ValueError: one of the two has a problem instead of a picture.
    """
    return float(np.abs(_colours(left, COLOUR_SIDE) - _colours(right, COLOUR_SIDE)).mean())


def spot_difference(left: PictureLook, right: PictureLook) -> float:
    """How far the brightness of two pictures differs in the spot where it differs most, 0 to 255.

    A spot is 3 x 3 values of a grid that has at most half as many as the smaller picture has pixels (256 x 256, for small pictures
    down to 32 x 32): what saving again and making smaller do to the finest detail is evened out there. Measured on 37 pictures of 900
    pixels: JPEGs of quality 50 and more, whatever their size, differ by 7 at most, of quality 30 by 12; date stamps, logos, captions,
    healed spots and crops of 1 % by 7 or more.

    Raises:
        ValueError: one of the two has a problem instead of a picture.
    """
    grid = GRAY_SIDE
    while grid > _SMALLEST_GRID and min(_short_side(left), _short_side(right)) < 2 * grid:
        grid //= 2
    difference = (_grays(left, grid) - _grays(right, grid)).astype(np.int64)
    rows = _threes(difference * difference)
    return float(np.sqrt(_threes(rows.T).max() / 9) / (GRAY_SIDE // grid) ** 2)


def tint_difference(left: PictureLook, right: PictureLook) -> float:
    """How far the colours of two pictures, apart from brightness, differ in the region where they differ most, 0 to 452.

    A region is one of 16 x 16. A picture in grays has lost what colour there was, be it that of a thin line, which a region hardly
    shows: the difference then counts as 6, too much to act on without a person, and too little to call it edited, since coarse saving
    does that too.

    Raises:
        ValueError: one of the two has a problem instead of a picture.
    """
    difference = _colours(left, _REGIONS) - _colours(right, _REGIONS)
    beyond = 1000 * difference - (difference @ _LUMINANCE)[..., np.newaxis]
    tint = float(np.abs(beyond).max() / (1000 * (COLOUR_SIDE // _REGIONS) ** 2))
    paler, richer = sorted((left.colourfulness, right.colourfulness))
    return max(tint, _COLOUR_LOST) if paler <= _GRAY and richer >= _COLOURED else tint


def _threes(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each three neighbours in a column added up."""
    return values[:-2] + values[1:-1] + values[2:]


def _grays(look: PictureLook, side: int) -> npt.NDArray[np.int32]:
    """The gray values of a picture, added up to as many squares as are wanted."""
    return _added(look.gray, (GRAY_SIDE, GRAY_SIDE, 1), side)[..., 0]


def _colours(look: PictureLook, side: int) -> npt.NDArray[np.int32]:
    """Its colours likewise."""
    return _added(look.rgb, (COLOUR_SIDE, COLOUR_SIDE, 3), side)


def _added(values: bytes, shape: tuple[int, int, int], side: int) -> npt.NDArray[np.int32]:
    if len(values) != shape[0] * shape[1] * shape[2]:
        raise ValueError("this picture could not be looked at")
    step = shape[0] // side
    every = np.frombuffer(values, dtype=np.uint8).reshape(side, step, side, step, shape[2])
    sums: npt.NDArray[np.int32] = every.sum(axis=(1, 3), dtype=np.int32)
    return sums


def _box_sums(values: npt.NDArray[np.int32], radius: int) -> npt.NDArray[np.int32]:
    """The sum over the square round each value; beyond the edge the picture is mirrored. All sums together fit into 31 bits."""
    width = 2 * radius + 1
    mirrored = np.pad(values, radius, mode="reflect")
    sums = np.pad(mirrored.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32), ((1, 0), (1, 0)))
    boxes: npt.NDArray[np.int32] = (
        sums[width:, width:] - sums[:-width, width:] - sums[width:, :-width] + sums[:-width, :-width]
    )
    return boxes

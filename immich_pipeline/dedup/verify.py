"""What a candidate pair is: a copy, a re-encoded or edited picture, a neighbour, or merely similar.

In stages: what hashes and metadata settle is settled first; only what they leave is worth a look at the pictures.
"""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from immich_pipeline.dedup.classes import ClassTable, Limits, default_classes
from immich_pipeline.dedup.facts import as_facts
from immich_pipeline.dedup.schema import LOOK_SCHEMA, VERIFIED_SCHEMA
from immich_pipeline.dedup.units import in_order, picture_key, unit_captures, unit_column
from immich_pipeline.dedup.vetoes import (
    different_camera,
    different_exposure,
    different_moment,
    different_people,
    seconds_apart,
    veto_facts,
)

SLICE = 250_000
"""Pairs judged in one go: what both sides are known by takes far more memory than the verdict."""

NO_CAPTURES = pl.DataFrame(schema={"asset_id": pl.String, "group_id": pl.String})
NO_LOOKS = pl.DataFrame(schema=LOOK_SCHEMA)
NOBODY = pl.DataFrame(schema={"asset_id": pl.String, "people": pl.List(pl.String)})

_CONTENTS = ["left_content", "right_content"]


class _Rule(NamedTuple):
    """The first rule that applies decides; where nothing is known it does not apply."""

    applies: pl.Expr
    name: str
    reason: str


def verify(
    candidates: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None = None,
    classes: ClassTable | None = None,
    *,
    looks: pl.DataFrame | None = None,
    dismissed: pl.DataFrame | None = None,
    people: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Give every candidate its class, a confidence and the reason.

    - ``exact``: equal bytes.
    - ``same_pixels``: as ``reencoded``, and the decoded originals are equal pixel by pixel.
    - ``reencoded``: 64-bit distance <= 8, 256-bit distance <= 12, the same shape, no word against it in the metadata,
      and the pictures were looked at: their fine detail correlates by 0.7 or more, their colours differ by 6 at most, and
      nowhere do they differ by more than saving again explains. How sure that is depends on how closely they agree: see
      ``doubtful_confidence`` and the limits before it in ``classes.toml``.
    - ``edited``: 256-bit distance <= 24 otherwise; also what the hashes take for ``reencoded`` and nobody could look at;
      also a RAW file and a rendered picture however close, since one is made from the other and does not replace it.
    - ``burst_neighbour``: one camera took them at different moments, time zones reconciled, at most a minute apart; or
      they were exposed by different amounts on purpose.
    - ``similar``: everything else, pictures of two cameras or of different people included, and videos: these are
      compared byte for byte only, never by their first picture.

    Members of one capture group (RAW and JPEG, frames of a burst …) are never duplicates of each other: such pairs are
    left out, also when a copy of one file and a copy of the other meet. Equal bytes stay a pair whatever the names say.

    Args:
        candidates: ``CANDIDATE_SCHEMA``; all kinds together, as near ones stand for their copies.
        facts: ``FACTS_SCHEMA``, see :func:`asset_facts`.
        captures: What ``group_captures`` returns; none by default.
        classes: Limits and confidences; the package's own by default.
        looks: ``LOOK_SCHEMA``: what was seen of the pictures; without it nothing but equal bytes is better than ``edited``.
        dismissed: ``left_content`` and ``right_content`` (Binary): contents that a person told apart, in either order;
            their pairs are left out, whichever files hold them.
        people: ``asset_id`` and ``people`` (List of String): the ids of the named persons on each picture.

    Returns:
        ``VERIFIED_SCHEMA``, sorted by owner, left_id, right_id, kind.

    Raises:
        ValueError: ``facts`` lack a column or hold an asset twice.
    """
    table = classes or default_classes()
    exact = candidates.filter(pl.col("kind") == "exact").with_columns(
        pl.lit("exact").alias("class"),
        distance256=0,
        correlation=None,
        colour=None,
        spot=None,
        tint=None,
        closely=True,
        reason=pl.lit("The files are equal, byte for byte."),
    )
    seen = NO_LOOKS if looks is None else looks
    parts = _sided(candidates, facts, captures, dismissed, people)
    judged = [_typed(exact, table), *(_typed(_judged(part, seen, table.limits), table) for part in parts)]
    return pl.concat(judged).sort("owner", "left_id", "right_id", "kind")


def unsettled(
    candidates: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None = None,
    classes: ClassTable | None = None,
    *,
    dismissed: pl.DataFrame | None = None,
    people: pl.DataFrame | None = None,
) -> Iterator[pl.DataFrame]:
    """The pairs that hashes and metadata leave open, for the same arguments as :func:`verify`.

    Yields:
        ``left_id``, ``right_id``, ``key`` and ``key_right`` (what a look stays true of, see ``picture_key``) and
        ``may_be_same``: whether the decoded pictures could be equal.
    """
    limits = (classes or default_classes()).limits
    for part in _sided(candidates, facts, captures, dismissed, people):
        left = part.filter(_first(_before_looking(limits)).is_null())
        yield left.select("left_id", "right_id", "key", "key_right", may_be_same=_may_be_same(limits))


def distance256() -> pl.Expr:
    """Hamming distance (Int16) of the Binary(32) columns ``phash256`` and ``phash256_right``, null where one is null."""

    def words(column: str) -> pl.Expr:
        return pl.col(column).bin.reinterpret(dtype=pl.Array(pl.UInt64, 4), endianness="little")

    left, right = words("phash256"), words("phash256_right")
    bits = [(left.arr.get(word) ^ right.arr.get(word)).bitwise_count_ones() for word in range(4)]
    return pl.sum_horizontal(bits, ignore_nulls=False).cast(pl.Int16)


def distance64() -> pl.Expr:
    """Hamming distance (Int16) of the Int64 columns ``phash`` and ``phash_right``, null where one is null."""
    return (pl.col("phash") ^ pl.col("phash_right")).bitwise_count_ones().cast(pl.Int16)


def _typed(pairs: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    confidence = pl.col("class").replace_strict(table.confidence(), return_dtype=pl.Float64)
    doubtful = (pl.col("class") == "reencoded") & ~pl.col("closely")
    confidence = pl.when(doubtful).then(table.limits.doubtful_confidence).otherwise(confidence)
    return pairs.with_columns(confidence=confidence).select(
        [pl.col(column).cast(dtype) for column, dtype in VERIFIED_SCHEMA.items()]
    )


def _sided(
    candidates: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None,
    dismissed: pl.DataFrame | None,
    people: pl.DataFrame | None,
) -> Iterator[pl.DataFrame]:
    """The pairs that are not exact, some at a time, with what both sides are known by."""
    facts = as_facts(facts)
    near = candidates.filter(pl.col("kind") != "exact")
    near = _without_captures(near, candidates, NO_CAPTURES if captures is None else captures)
    near = _of_contents(near, facts, dismissed)
    sides = _sides(facts, NOBODY if people is None else people)
    for part in near.iter_slices(SLICE):
        pairs = part.join(sides, left_on="left_id", right_on="asset_id", how="left").join(
            sides, left_on="right_id", right_on="asset_id", how="left", suffix="_right"
        )
        yield pairs.with_columns(distance256=distance256(), distance=pl.coalesce("distance", distance64()))


def _without_captures(near: pl.DataFrame, candidates: pl.DataFrame, captures: pl.DataFrame) -> pl.DataFrame:
    of_unit = unit_captures(candidates, captures)
    units = unit_column(candidates, near.select("left_id", "right_id"), "left_id").rename({"unit": "left_unit"})
    units = unit_column(candidates, units, "right_id").rename({"unit": "right_unit"})
    together = units.join(of_unit, left_on="left_unit", right_on="unit").join(
        of_unit, left_on=["right_unit", "capture"], right_on=["unit", "capture"], how="semi"
    )
    return near.join(together, on=["left_id", "right_id"], how="anti")


def _of_contents(near: pl.DataFrame, facts: pl.DataFrame, dismissed: pl.DataFrame | None) -> pl.DataFrame:
    """Without pairs of equal bytes, which are exact ones, and without those that a person told apart."""
    contents = facts.select("asset_id", "content")
    pairs = near.join(contents, left_on="left_id", right_on="asset_id", how="left").join(
        contents, left_on="right_id", right_on="asset_id", how="left", suffix="_right"
    )
    pairs = pairs.filter(pl.col("content").ne_missing(pl.col("content_right")) | pl.col("content").is_null())
    pairs = pairs.with_columns(in_order("content", "content_right")).drop("content", "content_right")
    if dismissed is not None:
        told_apart = dismissed.select(in_order(*_CONTENTS))
        pairs = pairs.join(told_apart, on=_CONTENTS, how="anti")
    return pairs.drop(_CONTENTS)


def _sides(facts: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """What the verdict goes by, per asset. The hashes of a picture without detail say nothing and are left out."""
    usable = pl.col("usable").fill_null(value=False)
    pictures = facts.select(
        "asset_id",
        "width",
        "height",
        picture="kind",
        phash=pl.when(usable).then("phash"),
        phash256=pl.when(usable).then("phash256"),
        key=pl.when(usable).then(picture_key()),
    )
    return pictures.join(veto_facts(facts), on="asset_id").join(people, on="asset_id", how="left")


def _judged(pairs: pl.DataFrame, seen: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    looked = pairs.with_columns(in_order("key", "key_right")).join(seen, on=_CONTENTS, how="left")
    rules = [*_before_looking(limits), *_after_looking(limits)]
    judged = looked.with_columns(rule=_first(rules))
    reasons = pl.col("rule").replace_strict(list(range(len(rules))), [rule.reason for rule in rules])
    return judged.with_columns(
        pl.col("rule").replace_strict(list(range(len(rules))), [rule.name for rule in rules]).alias("class"),
        closely=_closely(limits),
        reason=reasons.str.replace("{problem}", pl.col("problem").fill_null(""), literal=True),
    )


def _first(rules: list[_Rule]) -> pl.Expr:
    """The place of the first rule that applies; null where none does."""
    applies = [pl.when(rule.applies.fill_null(value=False)).then(pl.lit(place)) for place, rule in enumerate(rules)]
    return pl.coalesce(*applies)


def _before_looking(limits: Limits) -> list[_Rule]:
    """What hashes and metadata settle; where none applies, the pictures must be looked at."""
    moments = different_moment(limits)
    close = (pl.col("distance") <= limits.reencoded_distance) & (pl.col("distance256") <= limits.reencoded_distance256)
    video = (pl.col("picture") == "video") | (pl.col("picture_right") == "video")
    return [
        _Rule(video, "similar", "Videos are compared byte for byte only: a first picture says too little."),
        _Rule(different_camera(), "similar", "They look alike, but two cameras took them."),
        _Rule(
            moments & (seconds_apart(limits) <= limits.burst_seconds),
            "burst_neighbour",
            "They look alike, but the same camera took them at different moments of a burst.",
        ),
        _Rule(moments, "similar", "They look alike, but the same camera took them at quite different times."),
        _Rule(
            different_exposure(limits),
            "burst_neighbour",
            "They look alike, but were exposed differently on purpose, as the frames of a bracket are.",
        ),
        _Rule(different_people(), "similar", "They look alike, but each shows somebody who is not on the other."),
        _Rule(
            pl.col("distance").is_null() | pl.col("distance256").is_null(),
            "similar",
            "A hash of one is missing or means nothing, so nothing more can be said.",
        ),
        _Rule(
            close & (pl.col("picture") != pl.col("picture_right")),
            "edited",
            "The same picture, once as a RAW file and once rendered from it.",
        ),
        _Rule(close & ~_same_shape(limits), "edited", "The same picture in another shape: cropped or stretched."),
        _Rule(
            ~close & (pl.col("distance256") <= limits.edited_distance256),
            "edited",
            "Nearly the same picture; parts of it or its tones differ.",
        ),
        _Rule(
            ~close & (pl.col("kind") == "immich"),
            "similar",
            "Immich takes them for duplicates, but they do not look alike when small.",
        ),
        _Rule(~close, "similar", "They look alike when small, but not when looked at more closely."),
    ]


def _after_looking(limits: Limits) -> list[_Rule]:
    """What the pictures themselves say where their hashes agree."""
    return [
        _Rule(
            pl.col("problem").is_not_null(),
            "edited",
            "Their hashes agree, but the pictures could not be compared ({problem}): a person has to look.",
        ),
        _Rule(
            pl.any_horizontal(pl.col("correlation", "colour", "spot", "tint").is_null()),
            "edited",
            "Their hashes agree, but the pictures have not been compared yet: a person has to look.",
        ),
        _Rule(
            pl.col("same_pixels"), "same_pixels", "Every pixel is the same; the files differ in what is written beside."
        ),
        _Rule(
            pl.col("correlation") < limits.reencoded_correlation,
            "edited",
            "The same picture when small, but its fine detail differs: retouched, cropped by a little, or the next one.",
        ),
        _Rule(
            (pl.col("colour") > limits.reencoded_colour) | (pl.col("tint") > limits.reencoded_tint),
            "edited",
            "The same picture in other colours or brightness.",
        ),
        _Rule(
            pl.col("spot") > limits.reencoded_spot,
            "edited",
            "The same picture, but in one place it differs: stamped, retouched, cropped by a little, or something moved.",
        ),
        _Rule(pl.lit(value=True), "reencoded", "The same picture in the same shape; only quality or size differ."),
    ]


def _same_shape(limits: Limits) -> pl.Expr:
    """The proportions of the upright pictures agree; false where a size is not known."""
    across = pl.col("width") * pl.col("height_right").cast(pl.Float64)
    along = pl.col("height") * pl.col("width_right").cast(pl.Float64)
    return ((across - along).abs() <= limits.aspect_tolerance * pl.max_horizontal(across, along)).fill_null(value=False)


def _closely(limits: Limits) -> pl.Expr:
    """Whether pictures agree as closely as they must for anything to be done without a person, and are large enough to tell."""
    sides = [pl.col(side) for side in ("width", "height", "width_right", "height_right")]
    large = pl.min_horizontal(sides) >= limits.unattended_side
    alike = (pl.col("spot") <= limits.unattended_spot) & (pl.col("tint") <= limits.unattended_tint)
    return (large & alike).fill_null(value=False)


def _may_be_same(limits: Limits) -> pl.Expr:
    """Whether the pixels could be equal: pictures of one size, and not RAW files, whose pixels are not what a viewer shows."""
    same_size = (pl.col("width") == pl.col("width_right")) & (pl.col("height") == pl.col("height_right"))
    images = (pl.col("picture") == "image") & (pl.col("picture_right") == "image")
    return (same_size & images & (pl.col("distance256") <= limits.same_pixels_distance256)).fill_null(value=False)

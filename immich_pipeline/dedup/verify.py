"""What a candidate pair is: a copy, a re-encoded or edited picture, a neighbour, or merely similar."""

import polars as pl

from immich_pipeline.dedup.classes import ClassTable, Limits, default_classes
from immich_pipeline.dedup.facts import as_facts
from immich_pipeline.dedup.schema import VERIFIED_SCHEMA
from immich_pipeline.dedup.units import unit_captures, unit_column
from immich_pipeline.dedup.vetoes import different_camera, different_moment, seconds_apart, veto_facts

SLICE = 250_000
"""Pairs judged in one go: what both sides are known by takes far more memory than the verdict."""

NO_CAPTURES = pl.DataFrame(schema={"asset_id": pl.String, "group_id": pl.String})


def verify(
    candidates: pl.DataFrame,
    facts: pl.DataFrame,
    captures: pl.DataFrame | None = None,
    classes: ClassTable | None = None,
) -> pl.DataFrame:
    """Give every candidate its class, a confidence and the reason.

    - ``exact``: equal bytes.
    - ``reencoded``: 64-bit distance <= 8, 256-bit distance <= 12, the same shape, no word against it in the metadata.
    - ``edited``: 256-bit distance <= 24 otherwise; also a RAW file and a rendered picture however close, since one is
      made from the other and does not replace it.
    - ``burst_neighbour``: one camera took them at different moments, time zones reconciled, at most a minute apart.
    - ``similar``: everything else, pictures of two cameras included.

    Members of one capture group (RAW and JPEG, frames of a burst …) are never duplicates of each other: such near
    pairs are left out, also when a copy of one file and a copy of the other meet. Equal bytes stay a pair whatever the
    names say.

    Args:
        candidates: ``CANDIDATE_SCHEMA``; exact and near pairs together, as the near ones stand for their copies.
        facts: ``FACTS_SCHEMA``, see :func:`asset_facts`.
        captures: What ``group_captures`` returns; none by default.
        classes: Limits and confidences; the package's own by default.

    Returns:
        ``VERIFIED_SCHEMA``, sorted by owner, left_id, right_id.

    Raises:
        ValueError: ``facts`` lack a column or hold an asset twice.
    """
    table = classes or default_classes()
    facts = as_facts(facts)
    exact = candidates.filter(pl.col("kind") == "exact").with_columns(
        pl.lit("exact").alias("class"), distance256=0, reason=pl.lit("The files are equal, byte for byte.")
    )
    near = candidates.filter(pl.col("kind") == "near")
    near = _without_captures(near, candidates, NO_CAPTURES if captures is None else captures)
    sides = _sides(facts)
    judged = [_typed(exact, table), *(_typed(_judged(part, sides, table), table) for part in near.iter_slices(SLICE))]
    return pl.concat(judged).sort("owner", "left_id", "right_id")


def distance256() -> pl.Expr:
    """Hamming distance (Int16) of the Binary(32) columns ``phash256`` and ``phash256_right``, null where one is null."""

    def words(column: str) -> pl.Expr:
        return pl.col(column).bin.reinterpret(dtype=pl.Array(pl.UInt64, 4), endianness="little")

    left, right = words("phash256"), words("phash256_right")
    bits = [(left.arr.get(word) ^ right.arr.get(word)).bitwise_count_ones() for word in range(4)]
    return pl.sum_horizontal(bits, ignore_nulls=False).cast(pl.Int16)


def _typed(pairs: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    confidence = pl.col("class").replace_strict(table.confidence(), return_dtype=pl.Float64)
    return pairs.with_columns(confidence=confidence).select(
        [pl.col(column).cast(dtype) for column, dtype in VERIFIED_SCHEMA.items()]
    )


def _without_captures(near: pl.DataFrame, candidates: pl.DataFrame, captures: pl.DataFrame) -> pl.DataFrame:
    of_unit = unit_captures(candidates, captures)
    units = unit_column(candidates, near.select("left_id", "right_id"), "left_id").rename({"unit": "left_unit"})
    units = unit_column(candidates, units, "right_id").rename({"unit": "right_unit"})
    together = units.join(of_unit, left_on="left_unit", right_on="unit").join(
        of_unit, left_on=["right_unit", "capture"], right_on=["unit", "capture"], how="semi"
    )
    return near.join(together, on=["left_id", "right_id"], how="anti")


def _sides(facts: pl.DataFrame) -> pl.DataFrame:
    """What the verdict goes by, per asset."""
    pictures = facts.select("asset_id", "phash256", "width", "height", picture="kind")
    return pictures.join(veto_facts(facts), on="asset_id")


def _judged(near: pl.DataFrame, sides: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    pairs = near.join(sides, left_on="left_id", right_on="asset_id", how="left").join(
        sides, left_on="right_id", right_on="asset_id", how="left", suffix="_right"
    )
    return pairs.with_columns(distance256=distance256()).with_columns(_verdict(table.limits))


def _verdict(limits: Limits) -> list[pl.Expr]:
    """The class and the reason; the first line that applies decides."""
    moments = different_moment(limits)
    close = (pl.col("distance") <= limits.reencoded_distance) & (pl.col("distance256") <= limits.reencoded_distance256)
    rules: list[tuple[pl.Expr, str, str]] = [
        (different_camera(), "similar", "They look alike, but two cameras took them."),
        (
            moments & (seconds_apart(limits) <= limits.burst_seconds),
            "burst_neighbour",
            "They look alike, but the same camera took them at different moments of a burst.",
        ),
        (moments, "similar", "They look alike, but the same camera took them at quite different times."),
        (pl.col("distance256").is_null(), "similar", "The finer hash of one is missing, so nothing more can be said."),
        (
            close & (pl.col("picture") != pl.col("picture_right")),
            "edited",
            "The same picture, once as a RAW file and once rendered from it.",
        ),
        (close & _same_shape(limits), "reencoded", "The same picture in the same shape; only quality or size differ."),
        (close, "edited", "The same picture in another shape: cropped or stretched."),
        (
            pl.col("distance256") <= limits.edited_distance256,
            "edited",
            "Nearly the same picture; parts of it or its tones differ.",
        ),
    ]
    verdict = pl.lit(None, dtype=pl.String)
    reason = pl.lit(None, dtype=pl.String)
    otherwise = ("similar", "They look alike when small, but not when looked at more closely.")
    for condition, name, why in reversed([*rules, (pl.lit(value=True), *otherwise)]):
        applies = condition.fill_null(value=False)
        verdict = pl.when(applies).then(pl.lit(name)).otherwise(verdict)
        reason = pl.when(applies).then(pl.lit(why)).otherwise(reason)
    return [verdict.alias("class"), reason.alias("reason")]


def _same_shape(limits: Limits) -> pl.Expr:
    """The proportions of the upright pictures agree; false where a size is not known."""
    across = pl.col("width") * pl.col("height_right").cast(pl.Float64)
    along = pl.col("height") * pl.col("width_right").cast(pl.Float64)
    return ((across - along).abs() <= limits.aspect_tolerance * pl.max_horizontal(across, along)).fill_null(value=False)

"""Which unit of each set is kept: one step after the other, each leaving the best of those left."""

from typing import NamedTuple

import polars as pl

from immich_pipeline.dedup.decision_rules import COVERS
from immich_pipeline.dedup.steps import StepRule, score_column, text_column


class Choice(NamedTuple):
    """What was chosen.

    Attributes:
        winners: One row per set: ``set``, ``unit`` (the kept one), ``decided_by``, ``steps`` (JSON).
        out: One row per unit that lost: ``set``, ``unit``, ``lost_at`` (the step).
    """

    winners: pl.DataFrame
    out: pl.DataFrame


def choose(units: pl.DataFrame, rules: list[StepRule]) -> Choice:
    """Choose the kept unit of each set.

    Each step keeps those that are as good as the best of those left, and only they are compared further. So a step with a
    tolerance needs no order of its own, and the order of the rows never counts.

    Args:
        units: What :func:`immich_pipeline.dedup.steps.units_of` returns for the same steps.
        rules: The steps; the last leaves one.
    """
    alive = units.with_columns(units_left=pl.len().over("set"))
    won = [alive.filter(pl.col("units_left") == 1).select("set", "unit", decided_by=pl.lit(rules[-1].name))]
    lost: list[pl.DataFrame] = []
    told: list[pl.DataFrame] = []
    for number, rule in enumerate(rules):
        alive = alive.filter(pl.col("units_left") > 1)
        if told and alive.is_empty():
            break
        score = pl.col(score_column(rule.name))
        best = score.max().over("set")
        passes = score >= best * (1 - rule.tolerance) if rule.tolerance else score == best
        alive = alive.with_columns(passes=passes).with_columns(units_left=pl.col("passes").sum().over("set"))
        told.append(_told(alive, rule, number))
        lost.append(alive.filter(~pl.col("passes")).select("set", "unit", lost_at=pl.lit(rule.name)))
        alive = alive.filter("passes")
        won.append(alive.filter(pl.col("units_left") == 1).select("set", "unit", decided_by=pl.lit(rule.name)))
    winners = pl.concat(won).join(_steps(told), on="set", how="left").with_columns(pl.col("steps").fill_null("[]"))
    return Choice(winners.sort("set"), pl.concat(lost).sort("set", "unit"))


def _told(compared: pl.DataFrame, rule: StepRule, number: int) -> pl.DataFrame:
    """One row per set: what this step compared, as a JSON object."""
    if rule.name == COVERS:
        # Where every unit has every file, as almost always, there is nothing to tell.
        compared = compared.filter(pl.col(score_column(COVERS)).min().over("set") == 0)
    rows = compared.select("set", "passes", "units_left", id=_json("unit_id"), text=_json(text_column(rule.name)))
    sets = rows.group_by("set", maintain_order=True).agg(
        compared=pl.concat_str("id", pl.lit(":"), "text").str.join(","),
        left=pl.col("id").filter("passes").str.join(","),
        decided=pl.col("units_left").first() == 1,
    )
    return sets.select(
        "set",
        number=pl.lit(number),
        told=pl.concat_str(
            pl.lit(f'{{"step":"{rule.name}","compared":{{'),
            "compared",
            pl.lit('},"left":['),
            "left",
            pl.lit('],"decided":'),
            pl.when("decided").then(pl.lit("true}")).otherwise(pl.lit("false}")),
        ),
    )


def _steps(told: list[pl.DataFrame]) -> pl.DataFrame:
    listed = (
        pl.concat(told).sort("set", "number").group_by("set", maintain_order=True).agg(pl.col("told").str.join(","))
    )
    return listed.select("set", steps=pl.concat_str(pl.lit("["), "told", pl.lit("]")))


def _json(column: str) -> pl.Expr:
    """A text as JSON, quoted and escaped."""
    whole = pl.struct(pl.col(column).alias("t")).struct.json_encode()
    return whole.str.strip_prefix('{"t":').str.strip_suffix("}")

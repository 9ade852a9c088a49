"""Duplicate groups about which nothing was decided yet, told as sets: so that a report can be made of them all the same."""

import polars as pl

from immich_pipeline.dedup.decide import Decisions
from immich_pipeline.dedup.schema import DECISION_MEMBER_SCHEMA, DECISION_SCHEMA, SET_SCHEMA


def sets_of_groups(groups: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Each group as a set of its files (``SET_SCHEMA``).

    Args:
        groups: ``GROUP_SCHEMA``.
        members: ``MEMBER_SCHEMA``.
    """
    joined = members.select("group_id", "asset_id").join(groups, on="group_id").with_columns(role=None)
    return _as(joined.with_columns(set_id="group_id", unit_id="asset_id"), SET_SCHEMA).sort(
        "set_id", "unit_id", "asset_id"
    )


def undecided(groups: pl.DataFrame, members: pl.DataFrame) -> Decisions:
    """Each group for a person to look at; the representative stands for the kept one.

    Args:
        groups: ``GROUP_SCHEMA``.
        members: ``MEMBER_SCHEMA``.
    """
    keepers = members.filter("is_representative").select("group_id", keeper_id="asset_id")
    nothing = pl.lit([], pl.List(pl.String))
    decisions = groups.join(keepers, on="group_id").with_columns(
        set_id="group_id",
        keeper_unit="keeper_id",
        verdict=pl.lit("review"),
        decided_by=pl.lit("representative"),
        conflicts=nothing,
        becomes=pl.lit("nothing"),
        files="members",
        immich_keeps=None,
        immich_loses=nothing,
        steps=pl.lit("[]"),
        policy_hash=pl.lit(""),
    )
    role = pl.when("is_representative").then(pl.lit("keeper")).otherwise(pl.lit("loser"))
    listed = members.join(keepers, on="group_id").with_columns(
        set_id="group_id", unit_id="asset_id", role=role, score=pl.lit(0), obstacle=None
    )
    return Decisions(
        _as(decisions, DECISION_SCHEMA).sort("set_id"),
        _as(listed, DECISION_MEMBER_SCHEMA).sort("set_id", "role", "asset_id"),
    )


def _as(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return frame.select([pl.col(name).cast(dtype) for name, dtype in schema.items()])

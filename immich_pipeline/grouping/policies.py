"""What is to be done with groups: policies per kind, folder and owner, as data."""

from collections.abc import Sequence

import polars as pl

from immich_pipeline.grouping.constraints import decisions
from immich_pipeline.grouping.prepare import prepare
from immich_pipeline.grouping.primary import with_primary
from immich_pipeline.grouping.rules import GroupingRules, default_rules
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA, COMPONENT_ROLE
from immich_pipeline.policies import CapturePolicy

POLICY_SCHEMA = {**CAPTURE_SCHEMA, "policy": pl.String()}
"""``CAPTURE_SCHEMA`` and the action that holds for the group."""

_SIDES = {"cover_raw": "raw", "cover_jpeg": "jpeg"}


def with_policies(
    members: pl.DataFrame,
    assets: pl.DataFrame,
    policies: Sequence[CapturePolicy],
    rules: GroupingRules | None = None,
    constraints: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Say what is to be done with each group, and put the side in front that its policy wants.

    The first policy that fits decides; ``keep_both`` where none does. A primary that a person chose stays.

    Args:
        members: What ``group_captures`` returned for ``assets``, ``rules`` and ``constraints``.
        assets: ``INPUT_SCHEMA``.
        policies: In the order in which they are tried.
        rules: The package's own by default.
        constraints: ``CONSTRAINT_SCHEMA``.

    Returns:
        ``POLICY_SCHEMA``: the same members with ``is_primary`` as the policy wants it.
    """
    rules = rules or default_rules()
    prepared = prepare(assets, rules)
    chosen = decisions(constraints, prepared).chosen
    wanted = _actions(members, assets, policies)
    numbered = (
        members.drop("is_primary")
        .join(wanted, on="group_id", how="left", maintain_order="left")
        .join(prepared.select("row", "asset_id"), on="asset_id", maintain_order="left")
    )
    numbered = numbered.with_columns(
        group=pl.col("group_id").rank("dense"),
        cover_side=pl.col("policy").replace_strict(_SIDES, default=None, return_dtype=pl.String),
    )
    ordered = with_primary(numbered, prepared, rules, chosen)
    ordered = ordered.sort("group_id", pl.col("is_primary").not_(), "asset_id")
    return ordered.select([pl.col(column).cast(dtype) for column, dtype in POLICY_SCHEMA.items()])


def stack_members(members: pl.DataFrame) -> pl.DataFrame:
    """The members that a stack of the group would have: no live videos, no single files, no group that stays unstacked.

    Args:
        members: What ``group_captures`` or :func:`with_policies` returned.
    """
    stills = members.filter(pl.col("role") != COMPONENT_ROLE)
    if "policy" in members.columns:
        stills = stills.filter(pl.col("policy") != "no_stack")
    return stills.filter(pl.len().over("group_id") > 1)


def _actions(members: pl.DataFrame, assets: pl.DataFrame, policies: Sequence[CapturePolicy]) -> pl.DataFrame:
    """``group_id`` and ``policy``."""
    groups = members.filter("is_primary").join(assets.select("asset_id", "owner", "folder"), on="asset_id", how="left")
    fitting = [pl.when(_fits(policy)).then(pl.lit(policy.action)) for policy in policies]
    return groups.select("group_id", policy=pl.coalesce([*fitting, pl.lit("keep_both")]))


def _fits(policy: CapturePolicy) -> pl.Expr:
    fits = pl.lit(value=True)
    if policy.kind is not None:
        fits &= pl.col("kind") == policy.kind
    if policy.owner is not None:
        fits &= pl.col("owner") == policy.owner
    if policy.folder is not None:
        folder = policy.folder.strip("/")
        within = pl.col("folder").fill_null("").str.strip_chars("/") + "/"
        fits &= within.str.starts_with(f"{folder}/" if folder else "")
    return fits

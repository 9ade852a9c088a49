"""Checks that hold for every table of groups."""

import dagster as dg

from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.store import checks


def group_checks(asset: str, schema: str, table: str, group: str = "group_id") -> list[dg.AssetChecksDefinition]:
    """Every member exists, no asset is in two groups, no group mixes owners; blocking, since decisions are made from groups."""

    @dg.asset_check(asset=asset, blocking=True)
    def every_group_member_exists(pipeline: PipelineResource) -> dg.AssetCheckResult:
        """Every member is a live asset of the library. If not, the library changed meanwhile: materialise this asset again."""
        with pipeline.database().frames() as frames:
            strangers = checks.strangers(frames, schema, table)
        return dg.AssetCheckResult(passed=strangers == 0, metadata={"members_that_are_gone": strangers})

    @dg.asset_check(asset=asset, blocking=True)
    def no_asset_in_two_groups(pipeline: PipelineResource) -> dg.AssetCheckResult:
        """An asset is a member of one group at most. If not, report a bug with the group ids."""
        with pipeline.database().frames() as frames:
            doubled = checks.in_two_groups(frames, schema, table, group)
        return dg.AssetCheckResult(passed=doubled == 0, metadata={"assets_in_two_groups": doubled})

    @dg.asset_check(asset=asset, blocking=True)
    def one_owner_per_group(pipeline: PipelineResource) -> dg.AssetCheckResult:
        """No group holds files of two owners. If one does, report a bug with the group ids."""
        with pipeline.database().frames() as frames:
            mixed = checks.mixed_owners(frames, schema, table, group)
        return dg.AssetCheckResult(passed=mixed == 0, metadata={"groups_of_two_owners": mixed})

    return [every_group_member_exists, no_asset_in_two_groups, one_owner_per_group]

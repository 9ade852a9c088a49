"""Duplicate groups and captures of made-up libraries, without pictures: for the tests of what is decided together."""

import polars as pl

from immich_pipeline.dedup.classes import default_classes
from immich_pipeline.dedup.schema import GROUP_SCHEMA, MEMBER_SCHEMA

CAPTURE_COLUMNS = {"group_id": pl.String, "asset_id": pl.String, "role": pl.String, "kind": pl.String}


def groups_named(
    *groups: tuple[str, str, str], diameters: dict[str, int] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(GROUP_SCHEMA, MEMBER_SCHEMA) of groups given as name, class, and the members' ids with spaces between them."""
    confidence = default_classes().confidence()
    rows, members = [], []
    for name, strength, ids in groups:
        assets = ids.split()
        rows.append(
            {
                "group_id": name, "owner": "me", "class": strength, "confidence": confidence[strength], "members": len(assets),
                "bytes": len(assets), "reclaimable_bytes": len(assets) - 1, "diameter": (diameters or {}).get(name, 0),
            }
        )  # fmt: skip
        members += [
            {
                "group_id": name, "asset_id": asset, "is_representative": asset == assets[0], "class": strength,
                "distance": 0, "distance256": 0, "reason": "",
            }
            for asset in assets
        ]  # fmt: skip
    return pl.DataFrame(rows, schema=GROUP_SCHEMA), pl.DataFrame(members, schema=MEMBER_SCHEMA)


def captures_named(*captures: tuple[str, str, str]) -> pl.DataFrame:
    """Captures given as name, kind, and members as `id` or `id:role` with spaces between them."""
    rows = []
    for name, kind, members in captures:
        for member in members.split():
            asset, _, role = member.partition(":")
            rows.append((name, asset, role or "frame", kind))
    return pl.DataFrame(rows, schema=CAPTURE_COLUMNS, orient="row")

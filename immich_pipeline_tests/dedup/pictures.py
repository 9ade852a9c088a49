"""Facts about small made-up libraries, for the tests of duplicate detection."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from immich_pipeline.dedup import FACTS_SCHEMA, DuplicateGroups, duplicate_groups, exact_pairs, near_candidates, verify
from immich_pipeline.dedup.looks import pairs_to_look_at
from immich_pipeline.dedup.schema import LOOK_SCHEMA

NOON = datetime(2023, 6, 1, 12, 0, 0)
BASE = 0x0F0F_0F0F_0F0F_0F0F


def picture(asset_id: str, **known: Any) -> dict[str, Any]:
    """One picture of its own bytes. ``bits`` and ``bits256`` are how many bits its hashes are from the common base."""
    bits, bits256 = known.pop("bits", 0), known.pop("bits256", 0)
    row = dict.fromkeys(FACTS_SCHEMA) | {
        "asset_id": asset_id, "source_id": "photos", "owner": "me", "path": f"{asset_id}.jpg", "name": f"{asset_id}.jpg",
        "extension": "jpg", "kind": "image", "size": 1000, "mtime_ns": 0, "inode": 0, "sha256": asset_id.encode().ljust(32, b"-"),
        "phash": BASE ^ ((1 << bits) - 1), "phash256": ((1 << bits256) - 1).to_bytes(32, "big"), "usable": True,
        "width": 4000, "height": 3000,
    }  # fmt: skip
    whole = row | known
    return whole if whole["content"] is not None else whole | {"content": whole["sha256"]}


def taken(when: datetime = NOON, offset_hours: float | None = None, **known: Any) -> dict[str, Any]:
    """Metadata of a camera's file: its clock, and the instant where the offset is known."""
    instant = None
    if offset_hours is not None:
        instant = datetime.fromtimestamp(when.replace(tzinfo=UTC).timestamp() - offset_hours * 3600, UTC)
    return {"taken_at_local": when, "taken_at": instant, "make": "Canon", "model": "R5", **known}


def facts_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FACTS_SCHEMA)


def captures_of(*groups: tuple[str, ...]) -> pl.DataFrame:
    rows = [(asset_id, f"capture {number}") for number, group in enumerate(groups) for asset_id in group]
    return pl.DataFrame(rows, schema={"asset_id": pl.String, "group_id": pl.String}, orient="row")


def verified_of(*rows: dict[str, Any], captures: pl.DataFrame | None = None, radius: int = 8) -> pl.DataFrame:
    """The judged pairs, all pictures looked at and found alike."""
    facts = facts_of(*rows)
    candidates = pl.concat([exact_pairs(facts), near_candidates(facts, radius)])
    return verify(candidates, facts, captures, looks=alike(candidates, facts))


def alike(candidates: pl.DataFrame, facts: pl.DataFrame, **seen: Any) -> pl.DataFrame:
    """What a look at the pictures of these pairs sees: no difference, unless said otherwise."""
    pairs = pairs_to_look_at(candidates, facts).select("left_content", "right_content")
    values = {"correlation": 1.0, "colour": 0.0, "spot": 0.0, "tint": 0.0, "same_pixels": False, "problem": None} | seen
    looks = pairs.with_columns(**{name: pl.lit(value) for name, value in values.items()})
    return looks.select([pl.col(name).cast(dtype) for name, dtype in LOOK_SCHEMA.items()])


def groups_of(*rows: dict[str, Any], captures: pl.DataFrame | None = None, radius: int = 8) -> DuplicateGroups:
    verified = verified_of(*rows, captures=captures, radius=radius)
    return duplicate_groups(verified, facts_of(*rows), captures)


def named(found: DuplicateGroups) -> list[tuple[str, list[str]]]:
    """(class, [representative, members…]) of each group, sorted by representative."""
    groups = found.members.group_by("group_id", maintain_order=True).agg("asset_id")
    classes = dict(found.groups.select("group_id", "class").rows())
    rows = [(classes[group_id], [ids[0], *sorted(ids[1:])]) for group_id, ids in groups.rows()]
    return sorted(rows, key=lambda row: row[1][0])

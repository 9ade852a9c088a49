"""Small libraries for the tests of grouping."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from immich_pipeline.grouping import INPUT_SCHEMA, group_captures
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import OPTIONAL_INPUT_SCHEMA

NOON = datetime(2023, 6, 1, 12, 0, 0)
RAW_EXTENSIONS = frozenset({"3fr", "arw", "cr2", "cr3", "crw", "dng", "iiq", "nef", "orf", "pef", "raf", "raw", "rw2"})
VIDEO_EXTENSIONS = frozenset({"mp4", "mov", "mp"})


def asset(path: str, **known: Any) -> dict[str, Any]:
    """One asset, by default taken at noon with one camera; ``seconds`` moves the clock, None makes the time unknown."""
    folder, _, name = path.rpartition("/")
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    kind = "raw" if extension in RAW_EXTENSIONS else "video" if extension in VIDEO_EXTENSIONS else "image"
    seconds = known.pop("seconds", 0)
    shift = known.pop("zone_shift", None)
    local = None if seconds is None else NOON + timedelta(seconds=seconds)
    instant = None if local is None or shift is None else (local + timedelta(seconds=shift)).replace(tzinfo=UTC)
    row = dict.fromkeys({**INPUT_SCHEMA, **OPTIONAL_INPUT_SCHEMA})
    return row | {
        "asset_id": path, "source_id": "photos", "owner": "me", "folder": folder, "name": name, "extension": extension,
        "kind": kind, "size": 1000, "taken_at": instant, "taken_at_local": local, "make": "Canon", "model": "R5",
        **known,
    }  # fmt: skip


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={**INPUT_SCHEMA, **OPTIONAL_INPUT_SCHEMA})


def grouped(*rows: dict[str, Any], rules: GroupingRules | None = None) -> list[tuple[str, list[str], str]]:
    """(kind, sorted members, primary) of each group, sorted."""
    members = group_captures(frame(list(rows)), rules)
    groups = members.group_by("group_id", "kind").agg(
        pl.col("asset_id").sort(), primary=pl.col("asset_id").filter("is_primary").first()
    )
    return sorted(groups.select("kind", "asset_id", "primary").rows())

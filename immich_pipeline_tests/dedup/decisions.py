"""Small made-up sets, for the tests of decisions."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.dedup.decide import Decisions, decide
from immich_pipeline.dedup.schema import DECISION_FACTS_SCHEMA, SET_SCHEMA
from immich_pipeline.policies import DuplicateSettings

NOON = datetime(2023, 6, 1, 12, 0, 0)
DEFAULT = DuplicateSettings()
CAMERA = {"make": "Canon", "model": "R5"}
GPS = {"latitude": 52.5, "longitude": 13.4}
LATER = {"file_created_at": datetime(2024, 1, 1, tzinfo=UTC)}

Row = dict[str, Any]


def dated(when: datetime = NOON, offset_hours: int | None = None, source: str | None = "exif_original") -> Row:
    """A time as a camera writes it, with its zone where an offset is given."""
    known: Row = {"taken_at_local": when, "time_source": source}
    if offset_hours is not None:
        known |= {"taken_at": (when - timedelta(hours=offset_hours)).replace(tzinfo=UTC)}
        known |= {"utc_offset_minutes": offset_hours * 60}
    return known


def asset(asset_id: str, **known: Any) -> Row:
    """One JPEG on a server of its own bytes, of which nothing is known but what is given.

    ``unit``, ``group``, ``role``, ``class``, ``set`` go into the set; ``group`` is "g" if nothing else is said.
    """
    row = dict.fromkeys(DECISION_FACTS_SCHEMA) | {
        "asset_id": asset_id, "source_id": "server", "owner": "me", "path": f"{asset_id}.jpg", "name": f"{asset_id}.jpg",
        "extension": "jpg", "kind": "image", "size": 1000, "mtime_ns": 0, "inode": 0, "content": asset_id.encode().ljust(32, b"-"),
        "usable": True, "width": 4000, "height": 3000, "server_asset": True, "visibility": "timeline", "is_edited": False,
        "is_favorite": False, "albums": 0, "tags": [], "people": 0, "faces": 0, "readable": True, "format": "jpeg",
        "unit": asset_id, "group": "g", "role": None, "class": "same_pixels", "set": "s", "confidence": 0.99,
    }  # fmt: skip
    whole = row | known
    if whole["kind"] == "raw":
        whole |= {"extension": "cr2", "format": "cr2", "name": f"{asset_id}.cr2"} | known
    return whole


def in_folder(asset_id: str, **known: Any) -> Row:
    """A file of a folder."""
    return asset(
        asset_id, **{"server_asset": False, "source_id": "photos", "albums": None, "is_favorite": None, **known}
    )


def sets_of(rows: Sequence[Row]) -> pl.DataFrame:
    listed = [
        {
            "set_id": row["set"], "owner": row["owner"], "unit_id": row["unit"], "asset_id": row["asset_id"], "group_id": row["group"],
            "class": row["class"], "confidence": row["confidence"], "diameter": 2, "role": row["role"],
        }
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(listed, schema=SET_SCHEMA)


def facts_of(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        [{name: row[name] for name in DECISION_FACTS_SCHEMA} for row in rows], schema=DECISION_FACTS_SCHEMA
    )


def decided(*rows: Row, settings: DuplicateSettings = DEFAULT, **more: Any) -> Decisions:
    """The decision about these files."""
    return decide(sets_of(rows), facts_of(rows), settings, **more)


def decision(*rows: Row, settings: DuplicateSettings = DEFAULT, **more: Any) -> Row:
    """The one decision about these files as a mapping, its steps read."""
    row = decided(*rows, settings=settings, **more).decisions.row(0, named=True)
    return row | {"steps": json.loads(row["steps"])}


def keeper(*rows: Row, settings: DuplicateSettings = DEFAULT, **more: Any) -> tuple[str, str]:
    """The kept unit and the step that decided."""
    found = decision(*rows, settings=settings, **more)
    return found["keeper_unit"], found["decided_by"]


def members(*rows: Row, settings: DuplicateSettings = DEFAULT, **more: Any) -> dict[str, str]:
    """The role of each file."""
    return dict(decided(*rows, settings=settings, **more).members.select("asset_id", "role").rows())


def obstacles(*rows: Row, settings: DuplicateSettings = DEFAULT, **more: Any) -> dict[str, str]:
    """The obstacles of the files that have one."""
    found = decided(*rows, settings=settings, **more).members.drop_nulls("obstacle")
    return dict(found.select("asset_id", "obstacle").rows())


def word(verdict: str, *contents: bytes, kept: bytes | None = None, asset_id: str | None = None) -> pl.DataFrame:
    """What a person said of the set of these contents."""
    return pl.DataFrame(
        [(contents_key(contents), verdict, kept, asset_id, sorted(set(contents)))],
        schema={
            "contents_key": pl.String, "verdict": pl.String, "keeper_content": pl.Binary, "keeper_asset": pl.String,
            "contents": pl.List(pl.Binary),
        },
        orient="row",
    )  # fmt: skip

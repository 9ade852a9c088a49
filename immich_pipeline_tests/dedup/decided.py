"""Small made-up decisions, and many of them, for tests of what is told to a person."""

import json
from datetime import datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any, NamedTuple

import polars as pl
from PIL import Image

from immich_pipeline.dedup.document import duplicate_document
from immich_pipeline.dedup.schema import DECISION_FACTS_SCHEMA, DECISION_MEMBER_SCHEMA, DECISION_SCHEMA, SET_SCHEMA

NOON = datetime(2023, 6, 1, 12, 0, 0)


class Plan(NamedTuple):
    decisions: pl.DataFrame
    members: pl.DataFrame
    sets: pl.DataFrame
    facts: pl.DataFrame

    def document(self, **more: Any) -> dict[str, Any]:
        return duplicate_document(*self, **({"library": "/photos", "fingerprint": "f" * 64} | more))


def content_of(asset_id: str) -> bytes:
    return sha256(asset_id.encode()).digest()


def file(asset_id: str, **known: Any) -> dict[str, Any]:
    """What is known of one file; ``unit`` and ``role`` are its place in the set."""
    name = known.get("name", f"{asset_id}.jpg")
    row = dict.fromkeys(DECISION_FACTS_SCHEMA) | {
        "asset_id": asset_id, "source_id": "photos", "owner": "me", "path": f"2023/{name}", "name": name, "extension": "jpg",
        "kind": "image", "size": 1000, "content": content_of(asset_id), "width": 4000, "height": 3000, "format": "jpeg",
        "taken_at_local": NOON, "server_asset": False, "readable": True, "unit": asset_id, "role": None, "score": 0, "obstacle": None,
        "capture_role": None,
    }  # fmt: skip
    return row | known


def a_set(set_id: str, *files: dict[str, Any], **known: Any) -> dict[str, Any]:
    """A decision about files, the first of which is the keeper."""
    keeper = files[0]
    steps = [
        {"step": "protected", "compared": {f["unit"]: "no" for f in files}, "left": [f["unit"] for f in files], "decided": False},
        {"step": "pixels", "compared": {f["unit"]: f"{f['width']} x {f['height']}" for f in files}, "left": [keeper["unit"]],
         "decided": True},
    ]  # fmt: skip
    row = {
        "set_id": set_id, "owner": "me", "class": "reencoded", "confidence": 0.99, "verdict": "certain", "keeper_unit": keeper["unit"],
        "keeper_id": keeper["asset_id"], "decided_by": "pixels", "conflicts": [], "becomes": "trash", "files": len(files),
        "reclaimable_bytes": sum(f["size"] for f in files[1:]), "immich_keeps": keeper["asset_id"], "immich_loses": [],
        "steps": json.dumps(steps), "policy_hash": "p" * 64, "diameter": 2,
    }  # fmt: skip
    return row | known | {"listed": files}


def plan_of(*sets: dict[str, Any]) -> Plan:
    of_set = {name: [one[name] for one in sets] for name in DECISION_SCHEMA}
    rows = [
        {**{name: one[name] for name in ("set_id", "owner", "class", "confidence", "diameter")}, **entry,
         "unit_id": entry["unit"], "group_id": f"group {one['set_id']}", "set_role": entry["capture_role"],
         "role": entry["role"] or ("keeper" if entry is one["listed"][0] else "kept" if entry["unit"] == one["keeper_unit"] else "loser")}
        for one in sets
        for entry in one["listed"]
    ]  # fmt: skip
    sets_rows = [row | {"role": row["set_role"]} for row in rows]
    facts = {row["asset_id"]: row for row in rows if "path" in row}
    return Plan(
        pl.DataFrame(of_set, schema=DECISION_SCHEMA),
        pl.DataFrame([{k: r[k] for k in DECISION_MEMBER_SCHEMA} for r in rows], schema=DECISION_MEMBER_SCHEMA),
        pl.DataFrame([{k: r[k] for k in SET_SCHEMA} for r in sets_rows], schema=SET_SCHEMA),
        pl.DataFrame([{k: f[k] for k in DECISION_FACTS_SCHEMA} for f in facts.values()], schema=DECISION_FACTS_SCHEMA),
    )


def a_picture(
    kind: str = "JPEG", colour: tuple[int, int, int] = (0, 120, 120), size: tuple[int, int] = (8, 6)
) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def many(n: int) -> Plan:
    """This many sets of two files, of all kinds, as a library has them."""
    verdicts = ("certain", "certain", "review", "keep")
    conflicts: tuple[list[str], ...] = ([], [], ["gps"], [])
    classes = (("exact", 1.0), ("reencoded", 0.99), ("edited", 0.6), ("same_pixels", 0.995))
    sets = []
    for i in range(n):
        name = f"IMG_{i:05}"
        known = {
            "make": "Canon",
            "model": "EOS R5",
            "taken_at_local": NOON + timedelta(minutes=i),
            "lens": "RF24-105mm F4 L IS USM",
        }
        big = file(f"{i:08}-0000-4000-8000-000000000000", name=f"{name}.JPG", size=5_000_000 + i, time_zone="Europe/Paris", latitude=48.8,
                   longitude=2.3, score=90, **known)  # fmt: skip
        small = file(f"{i:08}-0000-4000-8000-000000000001", name=f"{name} (1).jpg", size=900_000 + (i * 7919) % 800_000, width=1600,
                     height=1200, score=45, **known)  # fmt: skip
        kind, confidence = classes[i % 4]
        sets.append(a_set(f"{i:032x}", big, small, verdict=verdicts[i % 4], conflicts=conflicts[i % 4], confidence=confidence,
                          **{"class": kind}, immich_loses=["GPS", "time zone"] if i % 3 == 0 else [],
                          immich_keeps=(small if i % 3 == 0 else big)["asset_id"]))  # fmt: skip
    return plan_of(*sets)

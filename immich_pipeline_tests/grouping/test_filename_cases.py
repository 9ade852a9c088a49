"""Real file names and the grouping they should get: filename-cases.json, one test per case.

The file says `live` and `sidecar` for what is attached to a file and no group of its own. `group_captures` has every file
in one group at most: a live video is in its still's group with the role video, and sidecars are in none. So a live pair is
looked up with `live_pairs`, a sidecar with `link_sidecars`, and what the groups stack with `stack_members`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from immich_pipeline.grouping import GroupingRules, group_captures, live_pairs, stack_members
from immich_pipeline.sources.sidecars import link_sidecars
from immich_pipeline_tests.grouping.library import asset, frame

CASES = json.loads(Path(__file__).with_name("filename-cases.json").read_text(encoding="utf-8"))
SIDECARS = frozenset(GroupingRules.load().sidecar_extensions)

OPTIONS: dict[str, Mapping[str, Any]] = {
    "leica_rule": {"switched_on": ["leica"]},
    "epson_fastfoto": {"switched_on": ["epson_front", "epson_back"]},
    # The largest rendered picture is the cover anyway; cam/ and lr/ are folders like any other unless the rules say this.
    "cover": {"fold_subfolders": True},
}

Group = tuple[str, list[str], str]


def test_there_are_140_cases() -> None:
    assert len(CASES) == 140


@pytest.mark.parametrize("case", CASES, ids=[str(case["id"]) for case in CASES])
def test_real_file_names_are_grouped_as_documented(case: dict[str, Any]) -> None:
    expected = [
        (group["kind"], sorted(group["members"]), group["primary"])
        for group in case["expected"]
        if not group["kind"].startswith("duplicate")
    ]
    # Sidecars of files that are in another group are attached without being a group.
    sidecars = [group for group in _sidecar_groups(case) if ("sidecar" in {kind for kind, *_ in expected})]
    assert sorted([*_groups(case), *sidecars]) == sorted(expected)


def _groups(case: dict[str, Any]) -> list[Group]:
    rules = _rules(case)
    rows = frame([row for row in map(_row(case), case["files"]) if row["extension"] not in SIDECARS])
    members = group_captures(rows, rules)
    stacked = (
        stack_members(members)
        .group_by("group_id", "kind")
        .agg(pl.col("asset_id").sort(), primary=pl.col("asset_id").filter("is_primary").first())
    )
    pairs = live_pairs(rows, rules)
    assert (
        members.filter(pl.col("role") == "video")
        .join(pairs, left_on="asset_id", right_on="video_id", how="anti")
        .is_empty()
    )
    return [
        *stacked.select("kind", "asset_id", "primary").rows(),
        *(("live", sorted([still, video]), still) for still, video, _ in pairs.rows()),
    ]


def _rules(case: dict[str, Any]) -> GroupingRules:
    extra: dict[str, Any] = {}
    for option, value in case.get("options", {}).items():
        extra |= OPTIONS.get(option, {option: value})
    return GroupingRules.load(extra)


def _row(case: dict[str, Any]) -> Any:
    """The case's files as the scan would give them."""

    def row(file: str) -> dict[str, Any]:
        meta = case.get("meta", {}).get(file, {})
        milliseconds = meta.get("t_ms", 0)
        known = {"owner": meta.get("owner", "me"), "size": meta.get("size", 1000)}
        known |= {"burst_id": meta.get("burst_uuid"), "content_id": meta.get("cid"), "exposure_bias": meta.get("ev")}
        known |= {"make": meta.get("make", "Canon"), "model": meta.get("model", "R5")}
        known |= {"width": meta.get("w"), "height": meta.get("h"), "visibility": meta.get("visibility")}
        known |= {"duration_ms": int(meta["dur_s"] * 1000) if "dur_s" in meta else None}
        known |= {"manual_stack": stack if (stack := meta.get("stack", "")).startswith("manual:") else None}
        if milliseconds is None or meta.get("placeholder_date"):
            known |= {"seconds": None, "make": None, "model": None}
        else:
            seconds = milliseconds / 1000 if meta.get("subsec", True) else milliseconds // 1000
            known |= {"seconds": seconds, "zone_shift": meta.get("tz_shift_ms", 0) / 1000}
            known |= {"subsec": f"{milliseconds % 1000:03}" if meta.get("subsec", True) else None}
        return asset(file.removeprefix(f"{known['owner']}/"), **known) | {"asset_id": file}

    return row


def _sidecar_groups(case: dict[str, Any]) -> list[Group]:
    """A file and what is attached to it."""
    rows = [_row(case)(file) for file in case["files"]]
    columns = {"real_path": pl.Binary, "path": pl.String, "folder": pl.String, "name": pl.String, "extension": pl.String,
               "kind": pl.String, "size": pl.Int64, "mtime_ns": pl.Int64}  # fmt: skip
    files = pl.DataFrame(
        [row | {"real_path": row["asset_id"].encode(), "path": row["asset_id"], "mtime_ns": 0} for row in rows],
        schema=columns,
    )
    is_sidecar = pl.col("extension").is_in(list(SIDECARS))
    linked = link_sidecars(files.filter(is_sidecar), files.filter(~is_sidecar))
    attached = linked.drop_nulls("media_path").select(
        pl.col("media_path").cast(pl.String), pl.col("real_path").cast(pl.String)
    )
    return [
        ("sidecar", sorted([media, *paths]), media)
        for media, paths in attached.group_by("media_path").agg("real_path").rows()
    ]

"""Real file names and the grouping they should get, one test per case.

The file says `live` and `sidecar` for what is attached to a file and no group of its own. `group_captures` has every file
in one group at most: a live video is in its still's group with the role video, and sidecars are in none. So a live pair is
looked up with `live_pairs`, a sidecar with `link_sidecars`, and what the groups stack with `stack_members`.

The cases of one set of rules are grouped at once, each as a source of its own.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import polars as pl
import pytest

from immich_pipeline.grouping import GroupingRules, group_captures, live_pairs, stack_members
from immich_pipeline.sources.sidecars import link_sidecars
from immich_pipeline_tests.grouping.cases import NUMBER, cases
from immich_pipeline_tests.grouping.library import asset, frame

CASES = cases()
SIDECARS = frozenset(GroupingRules.load().sidecar_extensions)

OPTIONS: dict[str, Mapping[str, Any]] = {
    "leica_rule": {"switched_on": ["leica"]},
    "epson_fastfoto": {"switched_on": ["epson_front", "epson_back"]},
    # The largest rendered picture is the cover anyway; cam/ and lr/ are folders like any other unless the rules say this.
    "cover": {"fold_subfolders": True},
}

Group = tuple[str, list[str], str]


def test_there_are_140_cases() -> None:
    assert len(CASES) == NUMBER


@pytest.mark.parametrize("case", CASES, ids=[str(case["id"]) for case in CASES])
def test_real_file_names_are_grouped_as_documented(case: dict[str, Any]) -> None:
    expected = [
        (group["kind"], sorted(group["members"]), group["primary"])
        for group in case["expected"]
        if not group["kind"].startswith("duplicate")
    ]
    # Sidecars of files that are in another group are attached without being a group.
    sidecars = _sidecar_groups(case) if "sidecar" in {kind for kind, *_ in expected} else []
    assert sorted([*_grouped(_options(case))[str(case["id"])], *sidecars]) == sorted(expected)


def _options(case: dict[str, Any]) -> str:
    return json.dumps(case.get("options", {}), sort_keys=True)


@cache
def _grouped(options: str) -> Mapping[str, list[Group]]:
    """What comes of the cases with these options, by case."""
    rules = _rules(json.loads(options))
    rows = [_row(case, file) for case in CASES if _options(case) == options for file in case["files"]]
    assets = frame([row for row in rows if row["extension"] not in SIDECARS])
    members, pairs = group_captures(assets, rules), live_pairs(assets, rules)
    videos = members.filter(pl.col("role") == "video")
    assert videos.join(pairs, left_on="asset_id", right_on="video_id", how="anti").is_empty()
    found = defaultdict(list)
    stacked = stack_members(members).group_by("group_id", "kind")
    by_group = stacked.agg("asset_id", primary=pl.col("asset_id").filter("is_primary").first())
    live = [("live", [still, video], still) for still, video, _ in pairs.rows()]
    for kind, ids, primary in [*by_group.select("kind", "asset_id", "primary").rows(), *live]:
        case = primary.partition(" ")[0]
        assert {one.partition(" ")[0] for one in ids} == {case}
        found[case].append((kind, sorted(one.partition(" ")[2] for one in ids), primary.partition(" ")[2]))
    return found


def _rules(options: Mapping[str, Any]) -> GroupingRules:
    extra: dict[str, Any] = {}
    for option, value in options.items():
        extra |= OPTIONS.get(option, {option: value})
    return GroupingRules.load(extra)


def _row(case: dict[str, Any], file: str) -> dict[str, Any]:
    """A case's file as the scan would give it."""
    meta = case.get("meta", {}).get(file, {})
    milliseconds = meta.get("t_ms", 0)
    known = {"owner": meta.get("owner", "me"), "size": meta.get("size", 1000), "source_id": str(case["id"])}
    known |= {name: f"{case['id']} {meta[key]}" for name, key in _IDS.items() if meta.get(key)}
    known |= {"make": meta.get("make", "Canon"), "model": meta.get("model", "R5"), "exposure_bias": meta.get("ev")}
    known |= {"width": meta.get("w"), "height": meta.get("h"), "visibility": meta.get("visibility")}
    known |= {"duration_ms": int(meta["dur_s"] * 1000) if "dur_s" in meta else None}
    known |= {"manual_stack": stack if (stack := meta.get("stack", "")).startswith("manual:") else None}
    if milliseconds is None or meta.get("placeholder_date"):
        known |= {"seconds": None, "make": None, "model": None}
    else:
        seconds = milliseconds / 1000 if meta.get("subsec", True) else milliseconds // 1000
        known |= {"seconds": seconds, "zone_shift": meta.get("tz_shift_ms", 0) / 1000}
        known |= {"subsec": f"{milliseconds % 1000:03}" if meta.get("subsec", True) else None}
    return asset(file.removeprefix(f"{known['owner']}/"), **known) | {"asset_id": f"{case['id']} {file}"}


_IDS = {"burst_id": "burst_uuid", "content_id": "cid"}


def _sidecar_groups(case: dict[str, Any]) -> list[Group]:
    """A file and what is attached to it."""
    columns = {"real_path": pl.Binary, "path": pl.String, "folder": pl.String, "name": pl.String, "extension": pl.String,
               "kind": pl.String, "size": pl.Int64, "mtime_ns": pl.Int64}  # fmt: skip
    rows = [_row(case, file) | {"real_path": file.encode(), "path": file, "mtime_ns": 0} for file in case["files"]]
    files = pl.DataFrame(rows, schema=columns)
    is_sidecar = pl.col("extension").is_in(list(SIDECARS))
    linked = link_sidecars(files.filter(is_sidecar), files.filter(~is_sidecar))
    attached = linked.drop_nulls("media_path").select(
        pl.col("media_path").cast(pl.String), pl.col("real_path").cast(pl.String)
    )
    return [
        ("sidecar", sorted([media, *paths]), media)
        for media, paths in attached.group_by("media_path").agg("real_path").rows()
    ]

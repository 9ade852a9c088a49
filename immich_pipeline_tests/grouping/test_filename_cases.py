"""The real file names of ../shared/filename-cases.json that this version of the rules covers."""

import json
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.grouping.rules import default_rules
from immich_pipeline_tests.grouping.library import asset, grouped

CASES = Path(__file__).resolve().parents[2] / "../shared/filename-cases.json"
SIDECARS = frozenset({"xmp", "aae", "pp3", "json", "thm", "lrv", "lrf", "srt", "xml"})

RAW_JPEG = [
    1, 2, 3, 4, 6, 9, 10, 11, 12, 13, 15, 21, 22, 23, 28, 30, 31, 33, 34, 35, 37, 38, 39, 45, 53, 62, 122, 177, 183, 184,
    193,
]  # fmt: skip
BURST = [59, 64, 65, 66, 68, 70, 71, 72, 74, 75, 78, 79, 83]
LIVE = [165]
APART = [
    18, 26, 27, 43, 52, 55, 58, 60, 73, 77, 87, 88, 90, 113, 119, 128, 130, 144, 149, 154, 155, 156, 158, 159, 160, 161, 166,
    169, 172, 180, 181, 187, 189, 191, 194, 195, 196,
]  # fmt: skip
DUPLICATES = [139, 142, 143, 148, 150, 151, 153, 162]


def rows_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The case's media files as the scan would give them: system files and sidecars are no assets."""
    rows = []
    for file in case["files"]:
        if Path(file).name.startswith("._") or Path(file).suffix[1:].lower() in SIDECARS:
            continue
        meta = case.get("meta", {}).get(file, {})
        milliseconds = meta.get("t_ms", 0)
        known = {"owner": meta.get("owner", "me"), "size": meta.get("size", 1000)}
        known |= {"burst_id": meta.get("burst_uuid"), "content_id": meta.get("cid")}
        known |= {"make": meta.get("make", "Canon"), "model": meta.get("model", "R5")}
        if milliseconds is None or meta.get("placeholder_date"):
            known |= {"seconds": None, "make": None, "model": None}
        else:
            seconds = milliseconds / 1000 if meta.get("subsec", True) else milliseconds // 1000
            known |= {"seconds": seconds, "zone_shift": meta.get("tz_shift_ms", 0) / 1000}
        path = file.removeprefix(f"{known['owner']}/")
        rows.append(asset(path, **known) | {"asset_id": file})
    return rows


@pytest.mark.parametrize("number", [*RAW_JPEG, *BURST, *LIVE, *APART, *DUPLICATES])
def test_real_file_names_are_grouped_as_documented(number: int) -> None:
    if not CASES.exists():
        pytest.skip("needs ../shared/filename-cases.json")
    (case,) = [case for case in json.loads(CASES.read_text(encoding="utf-8")) if case["id"] == number]
    expected = [
        (group["kind"], sorted(group["members"]), group["primary"])
        for group in case["expected"]
        if not group["kind"].startswith("duplicate")
    ]
    options = {"tolerance_ms": case["options"]["tolerance_ms"]} if "tolerance_ms" in case.get("options", {}) else {}
    assert grouped(*rows_of(case), rules=default_rules().model_copy(update=options)) == sorted(expected)

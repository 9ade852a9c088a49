"""Real file names of copies, and which of them is kept: the duplicates of grouping's table of cases."""

from typing import Any

import pytest

from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decisions import NOON, Row, asset, dated, decision
from immich_pipeline_tests.grouping.cases import cases

CASES = [(case, group) for case in cases() for group in case["expected"] if group["kind"].startswith("duplicate")]
CLASSES = {"duplicate_exact": "exact", "duplicate_resized": "reencoded"}


def file_of(case: dict[str, Any], group: dict[str, Any], name: str) -> Row:
    meta = case["meta"].get(name, {})
    *_, plain = name.rpartition("/")
    extension = plain.rpartition(".")[2].lower()
    known = {
        "width": meta.get("w", 4000),
        "height": meta.get("h", 3000),
        "make": meta.get("make"),
        "model": meta.get("model"),
    }
    known |= {"content": meta["sha"].encode().ljust(32, b"-")} if "sha" in meta else {}
    known |= dated(NOON) if meta.get("t_ms") is not None else {}
    external = meta.get("library", "upload") != "upload"
    return asset(name, path=name, name=plain, extension=extension, format=None, library_id=meta["library"] if external else None,
                 **known, **{"class": CLASSES[group["kind"]]})  # fmt: skip


def test_there_are_eight_cases() -> None:
    assert len(CASES) == 8


@pytest.mark.parametrize(("case", "group"), CASES, ids=[str(case["id"]) for case, _ in CASES])
def test_the_documented_one_is_kept(case: dict[str, Any], group: dict[str, Any]) -> None:
    libraries = {meta.get("library") for meta in case["meta"].values()}
    settings = DuplicateSettings(prefer_library="external" if len(libraries) > 1 else None)
    rows = [file_of(case, group, name) for name in group["members"]]
    resized = group["kind"] == "duplicate_resized"
    for order in (rows, rows[::-1]):
        found = decision(*order, settings=settings)
        told = found["keeper_id"], found["class"], found["verdict"]
        assert told == (group["primary"], CLASSES[group["kind"]], "review" if resized else "certain")
        assert found["conflicts"] == (["unproven"] if resized else [])
        moment = dated(NOON) | {"subsec": "25"}  # as copies have it that kept their metadata
        assert decision(*(row | moment for row in order), settings=settings)["verdict"] == "certain"

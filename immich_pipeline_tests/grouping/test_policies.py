import polars as pl
import pytest
from pydantic import ValidationError

from immich_pipeline.grouping import CONSTRAINT_SCHEMA, group_captures, stack_members, with_policies
from immich_pipeline.policies import CapturePolicy
from immich_pipeline_tests.grouping.library import asset, frame

ROWS = [
    asset("2023/A.CR2"), asset("2023/A.JPG"), asset("2024/B.CR2", owner="you"), asset("2024/B.JPG", owner="you"),
    asset("2023/c_BURST1.jpg"), asset("2023/c_BURST2.jpg"), asset("d.HEIC", content_id="C"), asset("d.MOV", content_id="C"),
    asset("2023x/E.CR2"), asset("2023x/E.heic", size=9000), asset("2023x/E.jpg", size=1),
]  # fmt: skip


def decided(*policies: CapturePolicy, constraints: pl.DataFrame | None = None) -> dict[str, str]:
    """The primaries and their policies."""
    assets = frame(ROWS)
    members = group_captures(assets, constraints=constraints)
    result = with_policies(members, assets, policies, constraints=constraints)
    assert result.drop("is_primary", "policy").sort("asset_id").equals(members.drop("is_primary").sort("asset_id"))
    return dict(result.filter("is_primary").select("asset_id", "policy").rows())


def test_without_policies_everything_is_kept() -> None:
    assert set(decided().values()) == {"keep_both"}


def test_the_first_policy_that_fits_decides() -> None:
    found = decided(
        CapturePolicy(action="cover_raw", kind="raw_jpeg", folder="2023/"),
        CapturePolicy(action="no_stack", owner="you"),
        CapturePolicy(action="no_stack", kind="burst"),
        CapturePolicy(action="cover_jpeg", folder=""),
    )
    assert found == {
        "2023/A.CR2": "cover_raw",
        "2024/B.JPG": "no_stack",
        "2023/c_BURST1.jpg": "no_stack",
        "d.HEIC": "cover_jpeg",
        "2023x/E.jpg": "cover_jpeg",
    }


def test_a_persons_choice_stays() -> None:
    constraints = pl.DataFrame([("set_primary", "2023/A.JPG", None)], schema=CONSTRAINT_SCHEMA, orient="row")
    assert "2023/A.JPG" in decided(CapturePolicy(action="cover_raw"), constraints=constraints)


def test_what_is_stacked() -> None:
    assets = frame(ROWS)
    members = group_captures(assets)
    stacked = stack_members(members)
    assert "d.HEIC" not in stacked["asset_id"], "a live photo is no stack"
    assert stacked.height == 9
    without = stack_members(with_policies(members, assets, [CapturePolicy(action="no_stack", kind="burst")]))
    assert set(without["kind"]) == {"raw_jpeg"}


def test_a_policy_that_is_none() -> None:
    with pytest.raises(ValidationError):
        CapturePolicy.model_validate({"action": "delete_raw"})

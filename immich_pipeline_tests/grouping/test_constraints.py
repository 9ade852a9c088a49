import polars as pl
import pytest

from immich_pipeline.grouping import CONSTRAINT_SCHEMA, group_captures
from immich_pipeline.grouping.reports import unmet_constraints
from immich_pipeline_tests.grouping.library import asset, frame

Group = tuple[str, list[str], str]
TRIO = [asset("A.CR2"), asset("A.JPG"), asset("A.PNG")]


def said(*constraints: tuple[str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(constraints), schema=CONSTRAINT_SCHEMA, orient="row")


def decided(rows: list[dict[str, object]], *constraints: tuple[str, str, str | None]) -> list[Group]:
    members = group_captures(frame(rows), constraints=said(*constraints))
    assert group_captures(frame(rows[::-1]), constraints=said(*constraints[::-1])).equals(members)
    groups = members.group_by("group_id", "kind").agg(
        pl.col("asset_id").sort(), primary=pl.col("asset_id").filter("is_primary").first()
    )
    return sorted(groups.select("kind", "asset_id", "primary").rows())


def unmet(rows: list[dict[str, object]], *constraints: tuple[str, str, str | None]) -> list[str]:
    members = group_captures(frame(rows), constraints=said(*constraints))
    return unmet_constraints(frame(rows), members, said(*constraints))["reason"].to_list()


def test_a_chosen_primary_beats_the_rules() -> None:
    rows = [*TRIO, asset("A-edited.jpg")]
    assert decided(rows)[0][2] == "A-edited.jpg"
    assert decided(rows, ("set_primary", "A.CR2", None))[0][2] == "A.CR2"
    assert unmet(rows, ("set_primary", "A.CR2", None)) == []


def test_of_two_chosen_the_rules_decide() -> None:
    both = ("set_primary", "A.CR2", None), ("set_primary", "A.PNG", None)
    assert decided(TRIO, *both)[0][2] == "A.PNG"
    assert unmet(TRIO, *both) == ["Another file was chosen too, or this is the video of a live photo."]


def test_not_together_takes_the_later_one_out() -> None:
    assert decided(TRIO, ("not_together", "A.CR2", "A.PNG")) == [("versions", ["A.JPG", "A.PNG"], "A.JPG")]
    assert decided(TRIO, ("not_together", "A.JPG", "A.PNG")) == [("raw_jpeg", ["A.CR2", "A.JPG"], "A.JPG")]
    assert decided(TRIO, ("not_together", "A.JPG", "A.CR2")) == [("versions", ["A.JPG", "A.PNG"], "A.JPG")]
    kept = ("set_primary", "A.CR2", None)
    assert decided(TRIO, ("not_together", "A.JPG", "A.CR2"), kept) == [("raw_jpeg", ["A.CR2", "A.PNG"], "A.CR2")]
    assert decided(TRIO[:2], ("not_together", "A.JPG", "A.CR2")) == []


def test_a_still_that_leaves_takes_its_video_along() -> None:
    rows = [asset("A.DNG"), asset("A.HEIC", content_id="C"), asset("A.MOV", content_id="C")]
    assert decided(rows, ("not_together", "A.DNG", "A.HEIC")) == [("live", ["A.HEIC", "A.MOV"], "A.HEIC")]
    assert decided(rows[1:], ("not_together", "A.MOV", "A.HEIC")) == []
    assert decided(rows[1:], ("not_together", "A.HEIC", "A.MOV")) == []


def test_together_joins_files_and_whole_groups() -> None:
    stray, other = asset("B.JPG", seconds=900), asset("C.JPG", seconds=1800)
    assert decided([stray, other], ("together", "B.JPG", "C.JPG")) == [("versions", ["B.JPG", "C.JPG"], "B.JPG")]
    joined = decided([*TRIO, stray], ("together", "B.JPG", "A.CR2"))
    assert joined == [("raw_jpeg", ["A.CR2", "A.JPG", "A.PNG", "B.JPG"], "A.JPG")]
    pairs = [asset(f"{n}.{e}", seconds=100 * n) for n in (1, 2) for e in ("CR2", "JPG")]
    assert len(decided(pairs)) == 2
    assert [len(files) for _, files, _ in decided(pairs, ("together", "1.JPG", "2.CR2"))] == [4]
    chain = [asset(f"{n}.JPG", seconds=100 * n) for n in range(4)]
    links = [("together", f"{n + 1}.JPG", f"{n}.JPG") for n in range(3)]
    assert [len(files) for _, files, _ in decided(chain, *links)] == [4]
    assert unmet(chain, *links) == []


def test_together_says_why() -> None:
    rows = [asset("B.CR2", seconds=900), asset("C.JPG")]
    members = group_captures(frame(rows), constraints=said(("together", "B.CR2", "C.JPG")))
    assert set(members["rule"]) == {"raw_jpeg.user"}
    assert set(members["confidence"]) == {1.0}
    assert dict(members.select("asset_id", "role").rows()) == {"B.CR2": "raw", "C.JPG": "rendered"}


def test_kinds_of_groups_that_a_person_has_made() -> None:
    burst = [asset(f"{n}.JPG", burst_id="B", seconds=n) for n in (1, 2)]
    assert decided([*burst, asset("x.JPG")], ("together", "x.JPG", "1.JPG"))[0][0] == "burst"
    bracket = [asset(f"{n}.JPG", exposure_bias=float(n), seconds=n) for n in range(3)]
    assert decided([*bracket, asset("x.CR2")], ("together", "x.CR2", "1.JPG"))[0][0] == "bracket"
    clips = [asset("a.mp4"), asset("b.mp4")]
    assert decided(clips, ("together", "a.mp4", "b.mp4")) == [("video_variant", ["a.mp4", "b.mp4"], "a.mp4")]


def test_apart_beats_together() -> None:
    rows = [asset("B.JPG"), asset("C.JPG"), asset("D.JPG")]
    both = ("together", "B.JPG", "C.JPG"), ("not_together", "C.JPG", "B.JPG")
    assert decided(rows, *both) == []
    assert unmet(rows, *both) == ["Another decision keeps them apart, or one is the video of a live photo."]
    round_about = ("together", "B.JPG", "D.JPG"), ("together", "D.JPG", "C.JPG"), both[1]
    assert decided(rows, *round_about) == [("versions", ["B.JPG", "D.JPG"], "B.JPG")]


def test_a_live_video_stays_with_its_still() -> None:
    rows = [asset("A.HEIC", content_id="C"), asset("A.MOV", content_id="C"), asset("B.MOV")]
    assert decided(rows, ("together", "A.MOV", "B.MOV")) == [("live", ["A.HEIC", "A.MOV"], "A.HEIC")]
    assert len(unmet(rows, ("together", "A.MOV", "B.MOV"))) == 1


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"owner": "you"}, "Files of two owners"),
        ({"visibility": "hidden"}, "Files of two owners"),
        ({"is_trashed": True}, "There is no such file"),
        ({"visibility": "locked"}, "There is no such file"),
        ({"kind": "video"}, "Files of two owners"),
    ],
)
def test_what_a_person_cannot_put_together(known: dict[str, object], reason: str) -> None:
    rows = [asset("B.JPG"), asset("C.JPG", **known)]
    assert decided(rows, ("together", "B.JPG", "C.JPG")) == []
    assert [text[: len(reason)] for text in unmet(rows, ("together", "B.JPG", "C.JPG"))] == [reason]


def test_content_keys_outlive_asset_ids() -> None:
    rows = [row | {"content_key": f"sha {n}"} for n, row in enumerate(TRIO)]
    assert decided(rows, ("set_primary", "sha 2", None))[0][2] == "A.PNG"
    twins = [asset("B.JPG", content_key="k"), asset("C.JPG", content_key="k"), asset("D.JPG")]
    assert [len(files) for _, files, _ in decided(twins, ("together", "D.JPG", "k"))] == [3]
    assert decided(twins, ("together", "k", "k")) != decided(twins, ("together", "D.JPG", "D.JPG"))


def test_decisions_about_nothing() -> None:
    assert decided(TRIO, ("set_primary", "gone", None), ("together", "gone", "A.CR2")) == decided(TRIO)
    assert len(unmet(TRIO, ("set_primary", "gone", None), ("together", "gone", "A.CR2"))) == 2
    assert unmet([asset("B.JPG")], ("set_primary", "B.JPG", None)) == ["The file is in no group."]
    assert decided(TRIO, ("not_together", "gone", "A.CR2")) == decided(TRIO)


@pytest.mark.parametrize(
    ("constraints", "complaint"),
    [
        (pl.DataFrame({"kind": ["together"]}), "subject, other"),
        (said(("merge", "a", "b")), "not merge"),
        (said(("together", "a", None)), "names a subject"),
    ],
)
def test_constraints_that_are_none(constraints: pl.DataFrame, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        group_captures(frame(TRIO), constraints=constraints)

import pytest

from immich_pipeline.grouping import GroupingRules, group_captures
from immich_pipeline_tests.grouping.library import asset, frame, grouped

FULL = {"width": 4032, "height": 3024}
SMALL = {"width": 2049, "height": 1537}


def roles(*rows: dict[str, object]) -> dict[str, str]:
    members = group_captures(frame(list(rows)))
    return dict(members.select("asset_id", "role").rows())


def test_roles_tell_originals_from_edits() -> None:
    rows = [asset("A.CR2"), asset("A.JPG"), asset("A-edited.jpg"), asset("A-effects.jpg"), asset("edited/A.jpg")]
    assert roles(*rows) == {
        "A.CR2": "raw", "A.JPG": "rendered", "A-edited.jpg": "edit", "A-effects.jpg": "auto", "edited/A.jpg": "edit",
    }  # fmt: skip
    assert roles(asset("B.NEF"), asset("B-DxO_DeepPRIME.dng")) == {
        "B.NEF": "raw",
        "B-DxO_DeepPRIME.dng": "raw_converted",
    }


def test_raw_files_of_one_capture_are_versions() -> None:
    assert [kind for kind, *_ in grouped(asset("B.PEF"), asset("B.DNG"))] == ["versions"]


def test_a_picture_in_an_edit_folder_is_the_latest() -> None:
    assert grouped(asset("A.jpg", size=9), asset("export/A.jpg", size=1)) == [
        ("versions", ["A.jpg", "export/A.jpg"], "export/A.jpg")
    ]


def test_one_name_in_two_places_is_a_copy() -> None:
    assert grouped(asset("A.jpg"), asset("jpg/A.jpg")) == []
    assert grouped(asset("RAW/A.CR2"), asset("A.CR2")) == []
    assert grouped(asset("A.jpg"), asset("A.JPEG")) == [], "one format under two extensions"


def test_equal_bytes_are_copies_whatever_the_name_says() -> None:
    rows = [asset("A-edited.jpg", content_key="k"), asset("A.jpg", content_key="k")]
    assert grouped(*rows) == []
    assert [files for _, files, _ in grouped(*rows, asset("A.CR2", content_key="r"))] == [["A.CR2", "A.jpg"]]
    burst = [asset(f"{name}.jpg", burst_id="B", content_key=key) for name, key in (("1", "k"), ("2", "l"), ("3", "k"))]
    assert [files for _, files, _ in grouped(*burst)] == [["1.jpg", "2.jpg"]]
    assert grouped(*(asset(f"c.{e}", duration_ms=9, content_key="k") for e in ("mov", "mp4"))) == []


def test_of_copies_in_a_capture_the_largest_stays() -> None:
    rows = [asset("A.CR2"), asset("A.JPG", size=5), asset("a.jpg", size=6), asset("A.png")]
    assert [members for _, members, _ in grouped(*rows)] == [["A.CR2", "A.png", "a.jpg"]]


def test_two_formats_are_a_pair_only_in_one_size() -> None:
    heic, jpeg = asset("A.HEIC", **FULL, size=1), asset("A.JPG", **FULL, size=9)
    assert grouped(heic, jpeg) == [("format_pair", ["A.HEIC", "A.JPG"], "A.HEIC")]
    assert grouped(heic, jpeg | SMALL) == []
    assert grouped(heic, asset("A.JPG")) == []


def test_an_editors_own_format_is_a_version() -> None:
    assert [kind for kind, *_ in grouped(asset("A.psd"), asset("A.jpg"))] == ["versions"]
    assert grouped(asset("A.psd"), asset("A.psb")) == []


def test_weak_marks_need_the_same_instant_and_camera() -> None:
    original, version = asset("A.jpg"), asset("A-2.jpg")
    assert grouped(original, version) == [("versions", ["A-2.jpg", "A.jpg"], "A-2.jpg")]
    for other in (
        {"seconds": 1},
        {"model": None},
        {"model": "R6"},
        {"seconds": None},
        {"serial": "2"},
        {"subsec": "4"},
    ):
        assert grouped(original | {"serial": "1", "subsec": "3"}, asset("A-2.jpg", **other)) == [], other
    assert grouped(asset("A-1.jpg"), version) == [], "without the original they are two pictures"
    assert grouped(asset("A_01.jpg"), asset("A_01-1.jpg"))[0][2] == "A_01-1.jpg", (
        "the original may end like that itself"
    )


def test_numbered_versions_need_the_same_instant() -> None:
    assert [kind for kind, *_ in grouped(asset("A_v1.jpg"), asset("A_v2.jpg"))] == ["versions"]
    assert grouped(asset("A_v1.jpg"), asset("A_v2.jpg", seconds=1)) == []
    assert grouped(asset("A_v1.jpg"), asset("A_v2.jpg", make=None)) == []


def test_an_edit_of_a_frame_joins_its_burst_in_front() -> None:
    frames = [asset(f"IMG_000{n}.JPG", burst_id="B", seconds=n / 10) for n in (1, 2)]
    rows = [*frames, asset("IMG_0001-edited.jpg", seconds=0.1)]
    assert grouped(*rows) == [("burst", ["IMG_0001-edited.jpg", "IMG_0001.JPG", "IMG_0002.JPG"], "IMG_0001-edited.jpg")]
    members = group_captures(frame(rows))
    assert set(members["rule"]) == {"burst.burst_id", "versions.same_time"}


def test_formats_left_over_by_a_burst_stay_together() -> None:
    frames = [asset(f"IMG_000{n}.JPG", burst_id="B", seconds=n / 10, **FULL) for n in (1, 2)]
    others = [asset(f"IMG_0001.{e}", seconds=0.1, **FULL) for e in ("heic", "avif")]
    assert [(kind, len(files)) for kind, files, _ in grouped(*frames, *others)] == [("burst", 2), ("format_pair", 2)]
    assert [(kind, len(files)) for kind, files, _ in grouped(*frames, others[0])] == [("burst", 2)]


def test_subfolders_fold_only_where_the_rules_say_so() -> None:
    rows = [asset("day/A.CR2"), asset("day/lightroom/A.jpg"), asset("day/lightroom/deep/A.png")]
    assert grouped(*rows) == []
    rules = GroupingRules.load({"fold_subfolders": True})
    assert [members for _, members, _ in grouped(*rows, rules=rules)] == [["day/A.CR2", "day/lightroom/A.jpg"]]
    top = [asset("A.CR2"), asset("lightroom/A.jpg")]
    assert len(grouped(*top, rules=rules)) == 1


def test_optional_makers_rules() -> None:
    leica = [asset("L1001336.dng"), asset("DO01001336.jpg")]
    assert grouped(*leica) == []
    assert len(grouped(*leica, rules=GroupingRules.load({"switched_on": ["leica"]}))) == 1
    scan = [asset(f"img_1{side}.jpg") for side in ("", "_a", "_b")]
    rules = GroupingRules.load({"switched_on": ["epson_front", "epson_back"]})
    assert grouped(*scan, rules=rules) == [("scan", ["img_1.jpg", "img_1_a.jpg", "img_1_b.jpg"], "img_1_a.jpg")]
    members = group_captures(frame(scan), rules)
    assert dict(members.select("asset_id", "role").rows())["img_1_b.jpg"] == "back"


@pytest.mark.parametrize(
    ("names", "primary"),
    [
        (["A.jpg", "A_crop.jpg", "A_edited.jpg"], "A_edited.jpg"),
        (["A.jpg", "A~2.jpg", "A~10.jpg"], "A~10.jpg"),
        (["A.jpg", "A-mix.jpg"], "A.jpg"),
        (["IMG_20200207_134534.jpg", "MVIMG_20200207_134534.jpg"], "MVIMG_20200207_134534.jpg"),
        (["PXL_20260120_120000000.PORTRAIT-01.COVER.jpg", "PXL_20260120_120000000~3.jpg"],
         "PXL_20260120_120000000.PORTRAIT-01.COVER.jpg"),
    ],
)  # fmt: skip
def test_the_primary_is_the_cover_then_the_latest_edit_then_a_keyword(names: list[str], primary: str) -> None:
    assert [best for *_, best in grouped(*(asset(name) for name in names))] == [primary]

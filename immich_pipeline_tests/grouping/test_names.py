from typing import Any

import polars as pl
import pytest

from immich_pipeline.grouping.names import folded, folder_key, with_names, without_extensions
from immich_pipeline.grouping.rules import GroupingRules, default_rules


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("IMG_1.JPG", "img_1"),
        ("IMG.CR2.jpg", "img"),
        ("DSC_0001.RAW.jpg", "dsc_0001"),
        ("a.jpg.jpg", "a"),
        ("Screenshot 2019-05-21 at 10.45.52.png", "screenshot 2019-05-21 at 10.45.52"),
        ("README", "readme"),
        (".jpg", ".jpg"),
        (".jpg.png", ".jpg"),
        ("IMG.jpg.xmp", "img.jpg.xmp"),
        ("STRASSE.jpg", "strasse"),
        ("straße.jpg", "strasse"),
        ("modifie\u0301.jpg", "modifié"),
        ("xjpg", "xjpg"),
    ],
)
def test_a_stem_is_folded_and_loses_every_media_extension(name: str, stem: str) -> None:
    assert pl.select(without_extensions(folded(pl.lit(name)), default_rules())).item() == stem


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        ("", ""),
        ("RAW", ""),
        ("2023/raw", "2023"),
        ("2023/JPG/Raw", "2023"),
        ("2023/draw", "2023/draw"),
        ("raw/2023", "raw/2023"),
        ("e\u0301te/HEIC", "éte"),
    ],
)
def test_a_raw_or_jpg_folder_is_the_folder_it_lies_in(folder: str, key: str) -> None:
    assert pl.select(folder_key(pl.lit(folder), default_rules())).item() == key


@pytest.mark.parametrize(
    ("name", "rule", "key", "cover"),
    [
        ("PXL_20231207_032111247.RAW-01.COVER.jpg", "pixel", "pxl_20231207_032111247", True),
        ("PXL_20231207_032108788.RAW-02.ORIGINAL.dng", "pixel", "pxl_20231207_032108788", False),
        ("PXL_20231207_032108788.dng", "pixel", "pxl_20231207_032108788", False),
        ("PXL_20231207_032108788~2.jpg", "pixel", "pxl_20231207_032108788", False),
        ("IMG_1234.JPG", "apple", "img_1234", False),
        ("MVIMG_20231014_183246.jpg", "motion_photo", "img_20231014_183246", False),
        ("STB_0002.JPG", "canon_stitch", "st", False),
        ("church (+0.7).jpg", "exposure_suffix", "church", False),
        ("church (2).jpg", None, "church (2)", False),
        ("rose_focus_03.jpg", "focus_frames", "rose_focus", False),
        ("DSCPDC_0000_BURST20180828114700954.JPG", "sony", "20180828114700954", False),
        ("DSC_0052_BURST20230709220904977_COVER.JPG", "sony", "20230709220904977", True),
        ("00100lPORTRAIT_00100_BURST20181229213517346_COVER.jpg", "nexus", "20181229213517346", True),
        ("00001IMG_00001_BURST1723801037429.jpg", "nexus", "1723801037429", False),
        ("IMG_20231014_183246_BURST001_COVER.jpg", "generic", "img_20231014_183246", True),
        ("IMG20250208154709_BURST017.jpg", "generic", "img20250208154709", False),
        ("20231207_101605_039.jpg", "samsung", "20231207_101605", False),
        ("20231207_101605.jpg", None, "20231207_101605", False),
    ],
)
def test_the_most_specific_rule_says_what_a_name_means(name: str, rule: str | None, key: str, *, cover: bool) -> None:
    row = read_name(name)
    active = default_rules().active_name_rules()
    found = None if row["name_rule"] is None else active[row["name_rule"]].name
    assert (found, row["name_key"], row["cover"]) == (rule, key, cover)


@pytest.mark.parametrize(
    ("name", "base", "version"),
    [
        ("IMG_1~12.jpg", "img_1", 12),
        ("IMG_1_edited~2.jpg", "img_1", 2),
        ("IMG_1-bearbeitet.jpg", "img_1", 1),
        ("IMG_1-modifie\u0301.jpg", "img_1", 1),
        ("IMG_1-編集済み.jpg", "img_1", 1),
        ("IMG_1-Edit-3.tif", "img_1", 3),
        ("IMG_1-Enhanced-NR.dng", "img_1", 1),
        ("IMG_1-DxO_DeepPRIME XD.dng", "img_1", 1),
        ("IMG_1.edit.jpg", "img_1", 1),
        ("IMG_1_v4.jpg", "img_1", 4),
        ("IMG_1-effects.jpg", "img_1", -1),
        ("IMG_1-effects-edited.jpg", "img_1", 1),
        ("IMG_1_MP.jpg", "img_1", 0),
        ("IMG_1_MP-mix.jpg", "img_1", -1),
        ("-edited.jpg", "-edited", 0),
        ("IMG_1~99999999999999999999.jpg", "img_1", 1),
        ("IMG_1 (2).jpg", "img_1 (2)", 0),
        ("IMG_1 - Copy.jpg", "img_1 - copy", 0),
        ("IMG_1-HDR.dng", "img_1-hdr", 0),
        ("IMG_E1234.jpg", "img_e1234", 1),
        ("clip_1080p.mp4", "clip", 0),
        ("clip_1080p.jpg", "clip_1080p", 0),
        ("clip-edited.mp4", "clip-edited", 0),
        ("a_a.jpg", "a_a", 0),
        ("IMG_1~5~4~3~2~1.jpg", "img_1~5", 4),
    ],
)
def test_version_marks_come_off_the_end(name: str, base: str, version: int) -> None:
    row = read_name(name)
    assert (row["base"], row["version"]) == (base, version)


def test_scan_sides_are_marks_only_where_switched_on() -> None:
    rules = GroupingRules.load({"switched_on": ["epson_front", "epson_back"]})
    rows = [read_name(f"img_1{side}.jpg", rules) for side in ("_a", "_b", "")]
    assert [(row["base"], row["version"], row["is_scan"]) for row in rows] == [
        ("img_1", 1, True), ("img_1", -2, True), ("img_1", 0, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "base", "version"),
    [
        ("IMG_2567_01.jpg", "img_2567", 1),
        ("ABC-12.jpg", "abc", 12),
        ("ABC+1.jpg", "abc", 1),
        ("A" * 43 + "-edi.jpg", "a" * 43, 1),
        ("trip-ed.jpg", None, None),
        ("DSC_0001.jpg", None, None),
        ("clip-1.mp4", None, None),
    ],
)
def test_weak_marks_are_noted_only(name: str, base: str | None, version: int | None) -> None:
    row = read_name(name)
    assert (row["weak_base"], row["weak_version"], row["version"]) == (base, version, 0)


def read_name(name: str, rules: GroupingRules | None = None) -> dict[str, Any]:
    kind = "video" if name.endswith(".mp4") else "image"
    names = pl.DataFrame({"row": [0], "name": [name], "kind": [kind]}, schema_overrides={"row": pl.UInt32})
    return with_names(names, rules or default_rules()).row(0, named=True)

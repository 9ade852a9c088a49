import polars as pl
import pytest

from immich_pipeline.grouping.names import folder_key, stem_key, with_names
from immich_pipeline.grouping.rules import default_rules


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
    assert pl.select(stem_key(pl.lit(name), default_rules())).item() == stem


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
        ("PXL_20231207_032108788~2.jpg", None, "pxl_20231207_032108788~2", False),
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
    row = with_names(pl.DataFrame({"name": [name], "folder": [""]}), default_rules()).row(0, named=True)
    assert (row["name_rule"], row["name_key"], row["cover"]) == (rule, key, cover)

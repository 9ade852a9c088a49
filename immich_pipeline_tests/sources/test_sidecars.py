import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.names import with_names
from immich_pipeline.sources.protocol import SIDECAR_SCHEMA
from immich_pipeline.sources.sidecars import link_sidecars

Link = tuple[str | None, str | None]


def frame(names: list[str]) -> pl.DataFrame:
    table = FormatTable.load()
    files = with_names(pl.DataFrame({"real_path": [name.encode() for name in names]}, schema={"real_path": pl.Binary}))
    kinds = [getattr(table.by_extension(extension), "kind", None) for extension in files["extension"]]
    return files.with_columns(
        pl.Series("kind", kinds, dtype=pl.String), pl.lit(1).alias("size"), pl.lit(2).alias("mtime_ns")
    )


def linked(*names: str) -> dict[str, Link]:
    files = frame(list(names))
    sidecar = pl.col("kind") == "sidecar"
    found = link_sidecars(files.filter(sidecar), files.filter(~sidecar))
    assert dict(found.schema) == SIDECAR_SCHEMA
    return {
        row["real_path"].decode(): (row["media_path"] and row["media_path"].decode(), row["rule"])
        for row in found.iter_rows(named=True)
    }


@pytest.mark.parametrize(
    ("sidecar", "others", "media", "rule"),
    [
        ("IMG_1.jpg.xmp", ["IMG_1.jpg", "IMG_1.cr2"], "IMG_1.jpg", "full_name"),
        ("img_1.JPG.xmp", ["IMG_1.jpg", "IMG_1.cr2"], "IMG_1.jpg", "full_name_any_case"),
        ("IMG_1.jpg.xmp", ["IMG_1.JPG", "IMG_1.jpg"], "IMG_1.jpg", "full_name"),
        ("IMG_1.xmp", ["IMG_1.mov", "IMG_1.jpg", "IMG_1.cr2"], "IMG_1.cr2", "same_name"),
        ("IMG_1.XMP", ["IMG_1.mov", "img_1.jpg"], "img_1.jpg", "same_name"),
        ("IMG_1.pp3", ["IMG_1.mov"], "IMG_1.mov", "same_name"),
        ("MVI_1.THM", ["MVI_1.jpg", "MVI_1.cr2", "MVI_1.avi"], "MVI_1.avi", "same_name"),
        ("CRW_1.thm", ["CRW_1.jpg", "CRW_1.crw"], "CRW_1.crw", "same_name"),
        ("DJI_1.srt", ["DJI_1.jpg", "DJI_1.mp4"], "DJI_1.mp4", "same_name"),
        ("IMG_1.xmp", ["IMG_1.png", "IMG_1.jpg"], "IMG_1.jpg", "same_name"),
        ("e\u0301.xmp", ["é.jpg"], "é.jpg", "same_name"),
        ("IMG_1234.AAE", ["IMG_1234.HEIC", "IMG_E1234.HEIC"], "IMG_1234.HEIC", "same_name"),
        ("IMG_E1234.AAE", ["IMG_1234.HEIC", "IMG_E1234.HEIC"], "IMG_E1234.HEIC", "same_name"),
        ("IMG_O1234.AAE", ["IMG_1234.HEIC", "IMG_E1234.HEIC"], "IMG_1234.HEIC", "alias"),
        ("IMG_E1234.aae", ["img_1234.heic"], "img_1234.heic", "alias"),
        ("IMG_1.jpg.json", ["IMG_1.jpg"], "IMG_1.jpg", "full_name"),
        ("IMG_1.jpg.supplemental-metadata.json", ["IMG_1.jpg"], "IMG_1.jpg", "takeout"),
        ("IMG_1.JPG.supplemental-metadata.json", ["IMG_1.jpg"], "IMG_1.jpg", "takeout"),
        ("IMG_1.jpg.supplemental-me.json", ["IMG_1.jpg"], "IMG_1.jpg", "takeout"),
        ("IMG_1.jpg.s.json", ["IMG_1.jpg"], "IMG_1.jpg", "takeout"),
        ("IMG_1.jpg..json", ["IMG_1.jpg"], "IMG_1.jpg", "takeout"),
        ("IMG_1.jpg(1).json", ["IMG_1.jpg", "IMG_1(1).jpg"], "IMG_1(1).jpg", "takeout"),
        ("IMG_1.jpg.supplemental-metadata(2).json", ["IMG_1.jpg", "IMG_1(2).jpg"], "IMG_1(2).jpg", "takeout"),
        ("a" * 46 + ".json", ["a" * 47 + ".jpg", "b.jpg"], "a" * 47 + ".jpg", "takeout_cut"),
        ("a" * 40 + ".jpg.s.json", ["a" * 40 + ".jpg"], "a" * 40 + ".jpg", "takeout"),
        ("IMG_1.json", ["IMG_1.heic"], "IMG_1.heic", "same_name"),
    ],
)
def test_where_a_sidecar_belongs(sidecar: str, others: list[str], media: str, rule: str) -> None:
    assert linked(sidecar, *others) == {sidecar: (media, rule)}


@pytest.mark.parametrize(
    ("sidecar", "others"),
    [
        ("x/IMG_1.xmp", ["IMG_1.jpg", "y/IMG_1.jpg"]),
        ("IMG_2.xmp", ["IMG_1.jpg"]),
        ("metadata.json", ["IMG_1.jpg"]),
        ("a" * 46 + ".json", ["a" * 47 + ".jpg", "a" * 48 + ".jpg"]),
        ("IMG_1.jpg.supplemental-meddling.json", ["IMG_1.jpg"]),
        ("IMG_1.jpg.supplemental-metadata.xmp", ["IMG_1.jpg"]),
        ("IMG_1.xmp", []),
    ],
)
def test_where_no_file_fits_there_is_none(sidecar: str, others: list[str]) -> None:
    assert linked(sidecar, *others) == {sidecar: (None, None)}


def test_no_sidecars() -> None:
    assert linked("IMG_1.jpg") == {}


def test_several_sidecars_of_one_file() -> None:
    assert linked("a.cr2", "a.xmp", "a.cr2.xmp", "a.pp3") == {
        "a.xmp": ("a.cr2", "same_name"),
        "a.cr2.xmp": ("a.cr2", "full_name"),
        "a.pp3": ("a.cr2", "same_name"),
    }


def test_folders_that_only_look_alike_are_two() -> None:
    composed, decomposed = "é/IMG_1", "e\u0301/IMG_1"
    found = linked(f"{composed}.jpg", f"{decomposed}.jpg", f"{composed}.xmp", f"{decomposed}.xmp")
    assert found == {
        f"{composed}.xmp": (f"{composed}.jpg", "same_name"),
        f"{decomposed}.xmp": (f"{decomposed}.jpg", "same_name"),
    }


_parts = ["a", "A", "a.jpg", "A.JPG", "a.cr2", "img_1234", "img_e1234", "a(1)", "a.jpg.supp", "(1)"]
_endings = ["jpg", "JPG", "cr2", "mov", "xmp", "aae", "json", "thm"]
_names = st.tuples(st.sampled_from(["", "x/"]), st.sampled_from(_parts), st.sampled_from(_endings))


@given(st.lists(_names.map(lambda part: f"{part[0]}{part[1]}.{part[2]}"), unique=True, max_size=12), st.randoms())
def test_any_order_gives_one_row_per_sidecar_in_its_own_folder(names: list[str], random: object) -> None:
    found = linked(*names)
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert linked(*shuffled) == found
    assert set(found) == {name for name in names if name.rpartition(".")[2] in ("xmp", "aae", "json", "thm")}
    for sidecar, (media, _) in found.items():
        assert media is None or media.rpartition("/")[0] == sidecar.rpartition("/")[0]

import polars as pl

from immich_pipeline.grouping import group_captures
from immich_pipeline.grouping.reports import ambiguous, halves_in_trash, mixed_cameras, raw_without_rendered
from immich_pipeline_tests.grouping.library import asset, frame


def test_raw_files_alone() -> None:
    assets = frame([asset("A.CR2"), asset("A.JPG"), asset("B.CR2"), asset("C.PEF"), asset("C.DNG"), asset("D.JPG")])
    found = raw_without_rendered(assets, group_captures(assets))
    assert found["asset_id"].to_list() == ["B.CR2", "C.DNG", "C.PEF"]
    assert found.columns == ["asset_id", "owner", "folder", "name"]


def test_halves_in_the_trash() -> None:
    assets = frame(
        [
            asset("A.CR2", is_trashed=True), asset("A.JPG"), asset("A-edited.jpg"),
            asset("B.CR2"), asset("B.JPG", is_trashed=True),
            asset("C.CR2", is_trashed=True), asset("C.JPG", is_trashed=True),
            asset("D.CR2"), asset("D.JPG"), asset("D.PNG", is_trashed=True),
            asset("E.CR2", is_offline=True, is_trashed=True), asset("E.JPG"),
        ]
    )  # fmt: skip
    assert halves_in_trash(assets).rows() == [
        ("A-edited.jpg", "raw_trashed", ["A.CR2"]),
        ("A.JPG", "raw_trashed", ["A.CR2"]),
        ("B.CR2", "rendered_trashed", ["B.JPG"]),
    ]


def test_cameras_that_keep_files_apart() -> None:
    rows = [
        asset("A.JPG", model="D500"), asset("A.NEF", model="D750"), asset("B.CR2"), asset("B.JPG"),
        asset("C.JPG", make="Sony"), asset("C.CR2"), asset("D.CR2"), asset("D.JPG", make="Sony", seconds=500),
    ]  # fmt: skip
    found = mixed_cameras(frame(rows))
    assert found.select("conflict", "asset_id", "model").rows() == [
        (1, "A.JPG", "D500"), (1, "A.NEF", "D750"), (2, "C.CR2", "R5"), (2, "C.JPG", "R5"),
    ]  # fmt: skip
    assert mixed_cameras(frame(rows[::-1])).equals(found)


def test_doubtful_cases_and_why() -> None:
    assets = frame(
        [
            asset("A.CR2"), asset("A.JPG", seconds=None),
            asset("B.CR2"), asset("B.JPG"), asset("B.PNG", seconds=500), asset("B.HEIC", seconds=None),
            asset("C.CR2"), asset("C.ARW", make="Sony"), asset("C.JPG", make=None, model=None),
            asset("D.JPG"), asset("D.jpg"), asset("E.JPG"), asset("E (1).JPG"), asset("F.CR2"), asset("F.JPG"),
        ]
    )  # fmt: skip
    members = group_captures(assets)
    found = ambiguous(assets, members)
    reasons = {row["asset_id"]: row["reason"] for row in found.iter_rows(named=True)}
    expected = {
        "A.CR2": "please check.",
        "A.JPG": "please check.",
        "B.HEIC": "Several files have this name",
        "C.JPG": "Files of several cameras have this name",
        "D.JPG": "The name differs from another file's in letter case only",
        "D.jpg": "The name differs from another file's in letter case only",
        "E (1).JPG": "The name is that of a copy of another file",
    }
    assert reasons.keys() == expected.keys()
    assert all(text in reasons[name] for name, text in expected.items())
    assert found.filter(pl.col("group_id").is_not_null())["asset_id"].to_list() == ["A.CR2", "A.JPG"]

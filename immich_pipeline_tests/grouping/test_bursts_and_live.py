import polars as pl

from immich_pipeline.grouping import group_captures
from immich_pipeline_tests.grouping.library import asset, frame, grouped


def test_a_burst_id_beats_names_and_times_within_owner_and_camera() -> None:
    rows = [
        asset("a/IMG_9999.JPG", burst_id="B"),
        asset("b/IMG_0001.JPG", burst_id="B", seconds=5000),
        asset("b/IMG_0002.JPG", burst_id="B", seconds=1, make=None, model=None),
        asset("b/IMG_0003.JPG", burst_id="B", owner="you"),
        asset("b/IMG_0004.JPG", burst_id="C"),
        asset("b/IMG_0005.MOV", burst_id="B"),
    ]
    assert grouped(*rows) == [("burst", ["a/IMG_9999.JPG", "b/IMG_0001.JPG", "b/IMG_0002.JPG"], "a/IMG_9999.JPG")]
    other = asset("b/IMG_0006.JPG", burst_id="B", make="Sony", model="A7")
    assert len(grouped(*rows, other)[0][1]) == 2, "with two cameras the unknown one is nobody's"


def test_a_burst_name_needs_agreeing_times() -> None:
    rows = [asset(f"20231207_101605_00{n}.jpg", seconds=n) for n in (1, 2, 3)]
    assert [len(ids) for _, ids, _ in grouped(*rows)] == [3]
    assert [len(ids) for _, ids, _ in grouped(*rows, asset("20231207_101605_004.jpg", seconds=30))] == [3]


def test_a_named_cover_stands_for_its_burst() -> None:
    rows = [asset(f"IMG_1_BURST{n}.jpg", seconds=n / 10, size=5000) for n in (1, 2, 10)]
    cover = asset("IMG_1_BURST11_COVER.jpg", seconds=2, size=1)
    assert grouped(*rows)[0][2] == "IMG_1_BURST1.jpg", "the oldest of equals"
    assert grouped(*rows, cover)[0][2] == "IMG_1_BURST11_COVER.jpg"


def test_pairs_in_a_burst_stay_pairs_and_nothing_is_in_two_groups() -> None:
    rows = [asset(f"{n}.{e}", burst_id="B", seconds=n) for n in (1, 2) for e in ("CR3", "JPG")]
    rows += [asset("3.JPG", burst_id="B", seconds=3), asset("4.JPG", burst_id="B", seconds=4)]
    assert [(kind, ids) for kind, ids, _ in grouped(*rows)] == [
        ("burst", ["3.JPG", "4.JPG"]),
        ("raw_jpeg", ["1.CR3", "1.JPG"]),
        ("raw_jpeg", ["2.CR3", "2.JPG"]),
    ]


def test_two_finders_number_their_sets_alike_without_mixing_them() -> None:
    rows = [asset(f"IMG_{n}.JPG", burst_id="B") for n in (1, 2)] + [asset(f"X_BURST{n}.JPG") for n in (1, 2)]
    assert [len(ids) for _, ids, _ in grouped(*rows)] == [2, 2]


def test_a_still_and_its_video() -> None:
    rows = [asset("x/1.HEIC", content_id="C"), asset("y/2.MOV", content_id="C", seconds=90), asset("3.MOV")]
    assert grouped(*rows) == [("live", ["x/1.HEIC", "y/2.MOV"], "x/1.HEIC")]
    members = group_captures(frame(rows))
    assert dict(members.select("asset_id", "role").rows()) == {"x/1.HEIC": "still", "y/2.MOV": "video"}
    assert members["confidence"].to_list() == [0.99, 0.99]


def test_a_content_id_does_not_link_owners_or_sources_nor_stills_alone() -> None:
    assert grouped(asset("1.HEIC", content_id="C"), asset("1.MOV", content_id="C", owner="you")) == []
    assert grouped(asset("1.HEIC", content_id="C"), asset("1.MOV", content_id="C", source_id="phone")) == []
    assert grouped(asset("1.HEIC", content_id="C"), asset("2.HEIC", content_id="C")) == []


def test_copies_of_a_live_photo_pair_up_by_folder_and_name() -> None:
    rows = [asset(f"{folder}/1.{e}", content_id="C") for folder in "ab" for e in ("HEIC", "MOV")]
    rows.append(asset("a/1 (2).HEIC", content_id="C"))
    assert [ids for _, ids, _ in grouped(*rows)] == [["a/1.HEIC", "a/1.MOV"], ["b/1.HEIC", "b/1.MOV"]]


def test_the_video_follows_its_still_into_a_pair() -> None:
    rows = [asset("1.DNG"), asset("1.HEIC", content_id="C", size=1), asset("1.MOV", content_id="C", size=9999)]
    assert grouped(*rows) == [("raw_jpeg", ["1.DNG", "1.HEIC", "1.MOV"], "1.HEIC")]
    members = group_captures(frame(rows)).filter(pl.col("asset_id") == "1.MOV")
    assert members.select("role", "rule").row(0) == ("video", "live.content_id")


def test_the_largest_is_primary_by_pixels_where_all_are_known_else_by_bytes() -> None:
    small = {"width": 100, "height": 100, "size": 9000}
    large = {"width": 200, "height": 100, "size": 10}
    rows = [asset("1.CR2"), asset("1.JPG", **small), asset("1.PNG", **large)]
    assert grouped(*rows)[0][2] == "1.JPG"
    assert grouped(rows[0] | {"width": 9, "height": 9}, *rows[1:])[0][2] == "1.PNG"

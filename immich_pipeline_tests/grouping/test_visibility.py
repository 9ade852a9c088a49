"""What is never grouped, and with what."""

import pytest

from immich_pipeline.grouping import GroupingRules, live_pairs
from immich_pipeline_tests.grouping.library import asset, frame, grouped

PAIR = [("raw_jpeg", ["A.CR2", "A.JPG"], "A.JPG")]


@pytest.mark.parametrize(
    "known",
    [
        {"visibility": "hidden"},
        {"visibility": "locked"},
        {"is_trashed": True},
        {"is_offline": True},
        {"owner": "you"},
        {"manual_stack": "s1"},
        {"serial": "2"},
    ],
)
def test_what_never_meets(known: dict[str, object]) -> None:
    assert grouped(asset("A.CR2", serial="1"), asset("A.JPG", **{"serial": "1", **known})) == []


@pytest.mark.parametrize("visibility", ["timeline", "archive", None])
def test_shown_is_shown(visibility: str | None) -> None:
    assert grouped(asset("A.CR2", visibility="timeline"), asset("A.JPG", visibility=visibility)) == PAIR


def test_hidden_files_may_be_together_and_locked_ones_may_not() -> None:
    assert grouped(asset("A.CR2", visibility="hidden"), asset("A.JPG", visibility="hidden")) == PAIR
    assert grouped(asset("A.CR2", visibility="locked"), asset("A.JPG", visibility="locked")) == []


def test_manual_stacks_are_left_alone_unless_the_rules_say_otherwise() -> None:
    rows = [asset("A.CR2", manual_stack="s"), asset("A.JPG", manual_stack="s")]
    assert grouped(*rows) == []
    assert grouped(*rows, rules=GroupingRules.load({"replace_stacks": True})) == PAIR


def test_uploads_have_no_folder_so_that_a_name_without_a_time_says_nothing() -> None:
    raw, jpeg = asset("A.CR2", folder=None), asset("A.JPG", folder=None)
    assert grouped(raw, jpeg) == PAIR
    nobody_knows = {"taken_at_local": None}
    assert grouped(raw, jpeg | nobody_knows) == []
    assert grouped(raw | nobody_knows, jpeg | nobody_knows) == []
    clips = [asset(f"B.{extension}", folder=None, seconds=None, duration_ms=9) for extension in ("mov", "mp4")]
    assert grouped(*clips) == []
    assert len(grouped(*(clip | {"folder": ""} for clip in clips))) == 1


@pytest.mark.parametrize(
    "path", ["._A.JPG", "@eaDir/A.JPG", "__MACOSX/x/A.JPG", ".A.JPG", "A.xmp", "A.JPG.json", "A.LRV"]
)
def test_system_files_and_sidecars_are_no_photos(path: str) -> None:
    folder = path.rpartition("/")[0]
    assert grouped(asset(f"{folder}/A.CR2".lstrip("/")), asset(path)) == []


def test_rows_that_say_sidecar_or_other_are_no_photos() -> None:
    assert grouped(asset("A.CR2"), asset("A.JPG", kind="sidecar")) == []
    assert grouped(asset("A.wav", kind="other", live_video_id="A.MOV"), asset("A.MOV")) == []


def test_a_hidden_video_follows_its_still() -> None:
    still = asset("A.HEIC", live_video_id="A.MOV")
    video = asset("A.MOV", visibility="hidden")
    assert grouped(still, video) == [("live", ["A.HEIC", "A.MOV"], "A.HEIC")]
    assert live_pairs(frame([still, video])).rows() == [("A.HEIC", "A.MOV", "live.live_video_id")]
    assert grouped(still, video | {"visibility": "locked"}) == []
    by_cid = asset("A.HEIC", live_photo_cid="C"), asset("A.MOV", live_photo_cid="C", visibility="hidden")
    assert live_pairs(frame(list(by_cid)))["rule"].to_list() == ["live.content_id"]


def test_a_video_has_one_still_and_a_still_may_be_in_a_pair() -> None:
    rows = [
        asset("A.CR2"),
        asset("A.JPG", live_video_id="A.MOV"),
        asset("B.JPG", live_video_id="A.MOV"),
        asset("A.MOV"),
    ]
    assert grouped(*rows) == [("raw_jpeg", ["A.CR2", "A.JPG", "A.MOV"], "A.JPG")]


def test_short_videos_of_one_name_are_live_photos_only_in_one_moment() -> None:
    still, video = asset("A.jpg"), asset("A.mp4", duration_ms=2600)
    assert grouped(still, video) == [("live", ["A.jpg", "A.mp4"], "A.jpg")]
    for known in ({"seconds": 60}, {"seconds": None}, {"duration_ms": 40_000}, {"duration_ms": None}, {"folder": "b"}):
        assert grouped(still, video | asset("A.mp4", **{"duration_ms": 2600, **known})) == [], known
    pair = [asset("A.CR2"), still, video]
    assert live_pairs(frame(pair))["still_id"].to_list() == ["A.jpg"]
    assert grouped(still, video, asset("A.MOV", duration_ms=900)) == [], "two videos: neither is known to be its"


def test_a_motion_photos_component_is_named_as_its_still() -> None:
    rows = [asset("A.MP.jpg"), asset("A.MP"), asset("B.jpg"), asset("B.MP")]
    assert live_pairs(frame(rows)).rows() == [("A.MP.jpg", "A.MP", "live.live_component")]
    assert live_pairs(frame([rows[0], rows[1] | {"taken_at_local": None}])).height == 1
    assert live_pairs(frame([rows[0], rows[1] | asset("A.MP", seconds=15)])).height == 1
    assert live_pairs(frame([rows[0], rows[1] | asset("A.MP", seconds=16)])).is_empty()
    again = [
        asset(name, folder=None, seconds=seconds) | {"asset_id": f"{name} {seconds}"}
        for seconds in (0, 9001)
        for name in ("A.MP.jpg", "A.MP")
    ]
    assert live_pairs(frame(again)).select("still_id", "video_id").rows() == [
        ("A.MP.jpg 0", "A.MP 0"),
        ("A.MP.jpg 9001", "A.MP 9001"),
    ], "a camera whose counter has run over"


def test_videos_of_one_name_and_length_are_one_clip() -> None:
    clip = [asset("c.mov", duration_ms=12_000, size=9), asset("c_1080p.mp4", duration_ms=12_500, size=1)]
    assert grouped(*clip) == [("video_variant", ["c.mov", "c_1080p.mp4"], "c.mov")]
    assert grouped(clip[0], clip[1] | {"duration_ms": 12_501}) == []
    assert grouped(clip[0], clip[1] | {"duration_ms": None}) == []
    assert grouped(clip[0], asset("C.MOV", duration_ms=12_000)) == [], "a copy"
    live = [asset("c.HEIC", content_id="C"), clip[0] | {"content_id": "C"}, clip[1]]
    assert grouped(*live) == [("live", ["c.HEIC", "c.mov"], "c.HEIC")]


def test_an_offset_gives_the_instant_or_the_clock() -> None:
    raw = asset("A.CR2", seconds=0, zone_shift=0)
    abroad = asset("A.JPG", seconds=7 * 3600 + 1, utc_offset_minutes=7 * 60)
    assert grouped(raw, abroad) == PAIR
    assert grouped(raw | {"taken_at_local": None, "utc_offset_minutes": 0}, asset("A.JPG")) == PAIR

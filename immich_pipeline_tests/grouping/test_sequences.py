from immich_pipeline.grouping import GroupingRules, group_captures, kept_whole
from immich_pipeline_tests.grouping.library import asset, frame, grouped


def bracket(extension: str, *, start: int = 0, **known: object) -> list[dict[str, object]]:
    biases = (0.0, -2.0, 2.0)
    return [
        asset(f"IMG_{start + n:04}.{extension}", seconds=start + n, exposure_bias=bias, **known)
        for n, bias in enumerate(biases)
    ]


def test_a_bracket_is_a_run_of_different_exposures_of_one_camera() -> None:
    rows = bracket("CR3")
    assert [kind for kind, *_ in grouped(*rows)] == ["bracket"]
    assert grouped(*rows[:2]) == [], "two are no bracket"
    assert grouped(*(row | {"exposure_bias": 0.0} for row in rows)) == []
    assert grouped(*(row | {"model": None} for row in rows)) == []
    assert grouped(*rows[:2], rows[2] | {"folder": "elsewhere"}) == []
    late = asset("IMG_0009.CR3", seconds=9, exposure_bias=4.0)
    assert [len(files) for _, files, _ in grouped(*rows, late)] == [3]


def test_two_brackets_in_a_row_are_two() -> None:
    rows = bracket("CR3") + bracket("CR3", start=3)
    assert [(kind, files[0]) for kind, files, _ in grouped(*rows)] == [
        ("bracket", "IMG_0000.CR3"),
        ("bracket", "IMG_0003.CR3"),
    ]


def test_a_bracket_of_pairs_stays_pairs_and_is_kept_whole_all_the_same() -> None:
    rows = bracket("CR3") + bracket("JPG")
    assert [(kind, len(files)) for kind, files, _ in grouped(*rows)] == [("raw_jpeg", 2)] * 3
    sets = kept_whole(frame(rows))
    assert sorted(sets.group_by("set_id").len()["len"].to_list()) == [3, 3]
    assert set(sets["kind"]) == {"bracket"}
    assert kept_whole(frame(rows)).equals(kept_whole(frame(rows[::-1])))
    assert kept_whole(frame(rows[:1])).is_empty()


def test_names_and_folders_tell_of_panoramas_focus_stacks_and_brackets() -> None:
    cases = {
        "panorama": ["STA_0001.JPG", "STB_0002.JPG"],
        "focus_stack": ["rose_focus_01.jpg", "rose_focus_02.jpg"],
        "bracket": ["church (-0.7).jpg", "church (+0.7).jpg"],
    }
    for kind, names in cases.items():
        rows = [asset(name, seconds=n) for n, name in enumerate(names)]
        assert [(found, len(files)) for found, files, _ in grouped(*rows)] == [(kind, 2)], kind
        assert set(kept_whole(frame(rows))["kind"]) == {kind}
        apart = [asset(name, seconds=90 * n) for n, name in enumerate(names)]
        assert grouped(*apart) == []
    folder = [asset(f"DCIM/PANORAMA/101_0042/DJI_{n:04}.JPG", seconds=5 * n) for n in range(4)]
    assert [(kind, len(files)) for kind, files, _ in grouped(*folder)] == [("panorama", 4)]


def test_a_users_folder_rule() -> None:
    rules = GroupingRules.load(
        {"folder_rules": [{"name": "mine", "use": "focus_stack", "pattern": "^stacks$", "gap_ms": 1000}]}
    )
    rows = [asset(f"stacks/{n}.jpg", seconds=n) for n in (1, 2, 4)]
    assert grouped(*rows, rules=rules) == [("focus_stack", ["stacks/1.jpg", "stacks/2.jpg"], "stacks/1.jpg")]


def test_bursts_by_time_are_off_unless_asked_for() -> None:
    rows = [asset(f"IMG_{n}.jpg", seconds=n * 0.5, subsec=f"{n % 2 * 5}") for n in range(3)]
    assert grouped(*rows) == []
    rules = GroupingRules.load({"time_burst_ms": 500})
    assert [(kind, len(files)) for kind, files, _ in grouped(*rows, rules=rules)] == [("burst", 3)]
    assert (
        grouped(*(row | {"subsec": None, "taken_at_local": rows[0]["taken_at_local"]} for row in rows), rules=rules)
        == []
    )
    twins = [asset("IMG_1.jpg", subsec="5"), asset("scan.jpg", subsec="5")]
    assert grouped(*twins, rules=rules) == [], "one instant is no burst"


def test_a_burst_has_every_frame_once() -> None:
    frames = [asset(f"a/IMG_{n}.JPG", burst_id="B", seconds=n) for n in (1, 2)]
    copies = [asset(f"b/IMG_{n}.JPG", burst_id="B", seconds=n) for n in (1, 2)]
    marked = asset("a/IMG_1 (1).JPG", burst_id="B", seconds=1)
    assert grouped(*frames, *copies, marked) == [("burst", ["a/IMG_1.JPG", "a/IMG_2.JPG"], "a/IMG_1.JPG")]


def test_immichs_burst_id_counts_where_the_file_was_not_read() -> None:
    rows = [asset("1.JPG", auto_stack_id="X"), asset("2.JPG", burst_id="X"), asset("3.JPG", burst_id="0000-0000")]
    assert [files for _, files, _ in grouped(*rows, asset("4.JPG", burst_id="0000-0000"))] == [["1.JPG", "2.JPG"]]


def test_reasons_name_what_was_found() -> None:
    members = group_captures(frame(bracket("CR3")))
    assert set(members["reason"]) == {
        "Frames of one exposure bracket: one camera took them in a row, each with another exposure bias."
    }

import json
import os
from pathlib import Path

import numpy as np
import pytest

from immich_pipeline.demo.copies import can_write_heic, files_of, painted, view
from immich_pipeline.demo.library import MARKER, PHOTOS, SEED, VERSION, DemoSummary, make_demo_library
from immich_pipeline.demo.oddities import odd_files
from immich_pipeline.demo.plan import Group, make_plan
from immich_pipeline.demo.scenes import LEAST_DISTANCE, choose_variants
from immich_pipeline.errors import UserError
from immich_pipeline_tests.demo.measured import Measured

SMALLEST = LEAST_DISTANCE - 4
"""What is left of the distance between scenes once they are painted in full."""


def tree(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MARKER)


def test_it_is_a_library_of_about_150_photos_and_no_more_than_40_megabytes(
    demo_folder: Path, demo: DemoSummary
) -> None:
    files = tree(demo_folder)
    assert demo.files == len(files)
    photos = sum(
        demo.counts[sort]
        for sort in ("original", "raw", "exact", "reencoded", "chat", "edited", "webp", "png", "upright")
    )
    assert PHOTOS - 5 <= photos + demo.counts.get("heic", 0) <= PHOTOS + 5
    assert sum(path.stat().st_size for path in files) < 40_000_000
    assert {"sidecar", "video", "special", "broken", "mislabelled", "system"} < set(demo.counts)


def test_every_duplicate_group_is_found_and_no_other(demo: DemoSummary, measured: Measured) -> None:
    assert measured.duplicates() == {(group.kind, group.paths) for group in demo.duplicate_groups}
    assert {group.kind for group in demo.duplicate_groups} == {"exact", "reencoded", "edited"}


def test_every_capture_group_is_found_and_no_other(demo: DemoSummary, measured: Measured) -> None:
    assert measured.capture_sets() == {(group.kind, group.paths) for group in demo.capture_groups}
    assert {group.kind for group in demo.capture_groups} == {"raw_jpeg", "burst", "live", "versions"}


def test_there_are_neighbours_for_the_veto(measured: Measured) -> None:
    neighbours = measured.verified.filter(measured.verified["class"] == "burst_neighbour")
    assert neighbours.select("left_id", "right_id").rows() == [
        ("2024/2024-06 Lake/PXL_20240622_160109480.jpg", "2024/2024-06 Lake/PXL_20240622_160111780.jpg")
    ]


def test_sidecars_are_linked_as_planned(demo: DemoSummary, measured: Measured) -> None:
    links = {row["path"]: os.fsdecode(row["media_path"]) for row in measured.scan.sidecars.iter_rows(named=True)}
    assert links == demo.sidecars
    assert len(links) == demo.counts["sidecar"]


def test_broken_files_are_the_only_ones_with_something_wrong(measured: Measured) -> None:
    wrong = {
        path: file.error or file.picture_error
        for path, file in measured.files.items()
        if file.error or file.picture_error
    }
    assert sorted(wrong) == [f"Recovered/{name}" for name in ("empty.jpg", "half.jpg", "huge.png", "not found.jpg")]
    mislabelled = [path for path, file in measured.files.items() if file.format_mismatch]
    assert mislabelled == ["Recovered/not found.jpg", "Recovered/really a jpeg.heic"]
    assert not measured.metadata.filter(measured.metadata["error"].is_not_null()).height
    pictures = [path for path, file in measured.files.items() if not file.usable and path not in wrong]
    assert pictures == [
        "2023/2023-06 Birthday/IMG_2401.MOV",
        "2024/2024-06 Lake/PXL_20240622_134412300.mp4",
        "Scans/lens cap.jpg",
    ]
    assert measured.files["Scans/lens cap.jpg"].set_bits == 0


def test_system_files_are_skipped(measured: Measured) -> None:
    assert sorted(measured.scan.skipped["path"]) == [
        MARKER,
        "2022/2022-12 Winter/.DS_Store",
        "2022/2022-12 Winter/._IMG_1201.JPG",
        "Backup/@eaDir",
        "Downloads/Thumbs.db",
        "Downloads/read me.txt",
    ]


def test_different_scenes_have_hashes_far_apart(demo_folder: Path, measured: Measured) -> None:
    plan = make_plan(PHOTOS, heic=can_write_heic())
    first = {photo.scene: measured.files[photo.path] for photo in reversed(plan.photos)}
    assert all(file.set_bits == 32 and file.usable for file in first.values())
    hashes = np.array([file.phash for file in first.values()], dtype=np.int64).astype(np.uint64)
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None, :])[np.triu_indices(len(hashes), 1)]
    assert len(hashes) == plan.scenes
    assert distances.min() >= SMALLEST


def test_the_same_seed_gives_the_same_bytes(demo_folder: Path, demo: DemoSummary) -> None:
    plan = make_plan(PHOTOS, heic=can_write_heic())
    variants = choose_variants(SEED, plan.scenes)
    seen: set[str] = set()
    for photo in plan.photos:
        news = {copy.how for copy in photo.copies} - seen
        if news or (photo.raw_paths and "raw" not in seen):
            seen |= news | ({"raw"} if photo.raw_paths else set())
            for path, content in files_of(photo, view(painted(SEED, variants[photo.scene], photo), photo)):
                assert (demo_folder / path).read_bytes() == content, path
    assert {"raw", "exact", "edited", "png", "webp", "chat", "reencoded", "upright"} <= seen
    for odd in odd_files(SEED, plan):
        assert (demo_folder / odd.path).read_bytes() == odd.content


def test_files_have_the_times_of_their_photos(demo_folder: Path, demo: DemoSummary) -> None:
    plan = make_plan(PHOTOS, heic=can_write_heic())
    for photo in plan.photos:
        for path in (photo.path, *(copy.path for copy in photo.copies), *photo.raw_paths):
            assert (demo_folder / path).stat().st_mtime_ns == photo.shot.nanoseconds


def test_a_second_run_leaves_it_alone(demo_folder: Path, demo: DemoSummary) -> None:
    before = {path: path.stat().st_ctime_ns for path in tree(demo_folder)}
    again = make_demo_library(demo_folder, seed=1)
    assert not again.made
    assert (again.seed, again.version) == (SEED, VERSION)
    assert (again.counts, again.sidecars, again.files) == (demo.counts, demo.sidecars, demo.files)
    assert (again.duplicate_groups, again.capture_groups) == (demo.duplicate_groups, demo.capture_groups)
    assert {path: path.stat().st_ctime_ns for path in tree(demo_folder)} == before


def test_progress_counts_files(demo: DemoSummary, progress_said: list[int]) -> None:
    assert progress_said == sorted(progress_said)
    assert progress_said[-1] == demo.files


def test_whoever_interrupts_it_does_not_wait_and_finds_it_marked(tmp_path: Path) -> None:
    class InterruptError(Exception):
        """Stands for Ctrl-C."""

    def stop(done: int) -> None:
        raise InterruptError

    with pytest.raises(InterruptError):
        make_demo_library(tmp_path, progress=stop)
    assert json.loads((tmp_path / MARKER).read_text()) == {"complete": False}
    assert len(tree(tmp_path)) < 30


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("mine")
    with pytest.raises(UserError, match="holds something that is no demo library: name an empty or a new folder"):
        make_demo_library(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(UserError, match="is a file: name a folder for the demo library"):
        make_demo_library(tmp_path / "holiday.jpg")


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"complete": true}', '{"complete": true, "summary": {"seed": 1}}']
)
def test_a_damaged_marker_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MARKER).write_text(content)
    with pytest.raises(UserError, match="is damaged: delete the demo library's folder, or name another"):
        make_demo_library(tmp_path)


def test_a_folder_that_cannot_be_written_to() -> None:
    with pytest.raises(
        UserError,
        match=r"cannot write the demo library to /proc/demo \(no such file or directory\): name another folder",
    ):
        make_demo_library(Path("/proc/demo"))


def test_without_heic_there_are_no_heic_copies() -> None:
    plan = make_plan(PHOTOS, heic=False)
    assert not [copy for photo in plan.photos for copy in photo.copies if copy.how == "heic"]
    assert [copy.how for photo in make_plan(PHOTOS, heic=True).photos for copy in photo.copies].count("heic") == 2


@pytest.mark.parametrize("photos", [0, 120, 150, 400])
def test_the_plan_has_about_as_many_photos_as_wanted(photos: int) -> None:
    plan = make_plan(photos, heic=True)
    paths = [
        path for photo in plan.photos for path in (photo.path, *(copy.path for copy in photo.copies), *photo.raw_paths)
    ]
    assert len(set(paths)) == len(paths)
    fewest = len(make_plan(0, heic=True).photos) + 43
    assert len(paths) == max(photos, fewest) or photos == 0
    assert {photo.scene for photo in plan.photos} == set(range(plan.scenes))


def test_groups_are_of_paths_of_the_plan() -> None:
    plan = make_plan(PHOTOS, heic=True)
    known = {
        path for photo in plan.photos for path in (photo.path, *(copy.path for copy in photo.copies), *photo.raw_paths)
    }
    for group in (*plan.duplicates, *plan.captures):
        assert len(group.paths) > 1
        assert set(group.paths) <= known | {plan.live_video}
        assert group == Group(group.kind, tuple(sorted(group.paths)))

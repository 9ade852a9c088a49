"""Files of Immich's media folder get a second name, and lose it again, and nothing else happens to any file."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.immich.settings import PathMapping
from immich_pipeline.sharing import media_folder
from immich_pipeline.sharing.media_folder import Link, MediaFolder, NotLinked


@pytest.fixture
def media(tmp_path: Path) -> MediaFolder:
    folder = tmp_path / "media"
    (folder / "thumbs/alice/12").mkdir(parents=True)
    (folder / "thumbs/alice/12/a.jpeg").write_bytes(b"preview")
    (folder / "thumbs/alice/12/b.jpeg").write_bytes(b"thumbnail")
    return MediaFolder("/data", folder)


def here(media: MediaFolder, name: str) -> Path:
    return Path(media.here) / name


def tree(media: MediaFolder) -> set[str]:
    return {str(path.relative_to(media.here)) for path in Path(media.here).rglob("*")}


A = Link("/data/thumbs/alice/12/a.jpeg", "/data/thumbs/bob/9a/bc/a.jpeg")
B = Link("/data/thumbs/alice/12/b.jpeg", "/data/thumbs/bob/9a/bc/b.jpeg")


def test_a_link_is_a_second_name_of_the_same_file_and_is_made_once(media: MediaFolder) -> None:
    report = media.link_all([A, B])
    assert (report.made, report.present, report.failed) == ([A.target, B.target], 0, {})
    assert Path(media.place(A.source)).samefile(media.place(A.target))
    again = media.link_all([A, B])
    assert (again.made, again.present) == ([], 2)


def test_removing_leaves_no_file_and_no_folder_behind(media: MediaFolder) -> None:
    before = tree(media)
    media.link_all([A, B])
    assert media.remove_all([A.target, B.target, "/data/thumbs/bob/never.jpeg"]) == 2
    assert tree(media) == before


def test_one_that_cannot_be_removed_does_not_keep_the_others(media: MediaFolder) -> None:
    media.link_all([A, B])
    here(media, "thumbs/bob/9a/bc/0.jpeg").mkdir()
    with pytest.raises(OSError, match=r"0\.jpeg"):
        media.remove_all(["/data/thumbs/bob/9a/bc/0.jpeg", A.target, B.target])
    assert {name for name in tree(media) if name.startswith("thumbs/bob/9a/bc/")} == {"thumbs/bob/9a/bc/0.jpeg"}


def test_a_file_that_the_source_made_anew_is_taken_over(media: MediaFolder) -> None:
    media.link_all([A])
    here(media, "thumbs/alice/12/new").write_bytes(b"another preview")
    here(media, "thumbs/alice/12/new").replace(media.place(A.source))
    report = media.link_all([A])
    assert report.made == [A.target]
    assert here(media, "thumbs/bob/9a/bc/a.jpeg").read_bytes() == b"another preview"
    assert tree(media) >= {"thumbs/bob/9a/bc/a.jpeg"}
    assert not [name for name in tree(media) if name.endswith(".part")]


def test_one_that_cannot_be_made_is_told_and_the_others_are(media: MediaFolder) -> None:
    gone = Link("/data/thumbs/alice/12/gone.jpeg", "/data/thumbs/bob/9a/bc/gone.jpeg")
    here(media, "thumbs/alice/12/link.jpeg").symlink_to("/etc/hostname")
    link = Link("/data/thumbs/alice/12/link.jpeg", "/data/thumbs/bob/9a/bc/link.jpeg")
    outside = Link("/external/alice/a.jpg", "/data/thumbs/bob/9a/bc/x.jpeg")
    report = media.link_all([gone, A, link, outside])
    assert report.made == [A.target]
    assert set(report.failed) == {gone.target, link.target, outside.target}
    assert "No such file" in report.failed[gone.target]


@pytest.mark.parametrize(
    "path",
    ["/data", "/data/", "/database/a", "/data/../etc/passwd", "/data/thumbs/../../etc/passwd", "/data//a", "/data/./a", "/data/a\0b", "a"],
)  # fmt: skip
def test_nothing_is_done_outside_the_media_folder(media: MediaFolder, path: str) -> None:
    assert not media.covers(path)
    with pytest.raises(ValueError, match="not below"):
        media.remove_all([path])
    report = media.link_all([Link(A.source, path), Link(path, A.target)])
    assert set(report.failed) == {path, A.target}
    assert not media.exists(A.target)


def many(media: MediaFolder) -> list[Link]:
    """So many that several threads make them, in few folders, in which they meet."""
    return [Link(A.source, f"/data/thumbs/bob/{number % 3}/{number % 7}/{number}.jpeg") for number in range(1200)]


def test_many_are_made_at_once_and_each_is_told_once(media: MediaFolder) -> None:
    links = many(media)
    report = media.link_all([*links, Link("/data/thumbs/alice/12/gone.jpeg", B.target)])
    assert (sorted(report.made), report.present) == (sorted(link.target for link in links), 0)
    assert list(report.failed) == [B.target]
    assert all(Path(media.place(link.target)).samefile(media.place(A.source)) for link in links)
    assert media.link_all(links).present == 1200
    assert media.remove_all(report.made) == 1200


def no_space_for(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    link = os.link

    def full(source: str, target: str, **options: Any) -> None:
        if target.endswith(ending):
            raise OSError(errno.ENOSPC, "No space left on device")
        link(source, target, **options)

    monkeypatch.setattr(os, "link", full)


def test_of_many_none_is_left_when_one_thread_finds_no_space(
    media: MediaFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(media)
    no_space_for(monkeypatch, "/700.jpeg")
    with pytest.raises(NotLinked, match="No space"):
        media.link_all(many(media))
    assert tree(media) == before


def test_without_space_everything_is_taken_back(media: MediaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(media)
    no_space_for(monkeypatch, "b.jpeg")
    with pytest.raises(NotLinked, match="No space"):
        media.link_all([A, B])
    assert tree(media) == before


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the target's pictures lay on another file system, which cannot share bytes."""

    def refuse(source: str, target: str, **options: Any) -> None:
        if not Path(target).parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("other_disk")
@pytest.mark.parametrize("policy", ["refuse", "reflink"])
def test_b13_another_file_system_is_refused_unless_copies_are_allowed(media: MediaFolder, policy: Any) -> None:
    before = tree(media)
    with pytest.raises(NotLinked, match="other_filesystem"):
        media.link_all([A, B], policy)
    assert {name for name in tree(media) - before if (Path(media.here) / name).is_file()} == set()


@pytest.mark.usefixtures("other_disk")
def test_b13_on_another_file_system_a_copy_has_the_bytes_and_times(media: MediaFolder) -> None:
    here(media, "thumbs/bob/9a/bc").mkdir(parents=True)
    here(media, "thumbs/bob/9a/bc/a.jpeg.immich-pipeline.part").write_bytes(b"of a run that was killed")
    os.utime(media.place(A.source), ns=(1, 1_600_000_000_123_456_789))
    assert media.link_all([A, B], "copy").made == [A.target, B.target]
    source, target = Path(media.place(A.source)).stat(), Path(media.place(A.target)).stat()
    assert source.st_ino != target.st_ino
    assert source.st_mtime_ns == target.st_mtime_ns
    assert here(media, "thumbs/bob/9a/bc/a.jpeg").read_bytes() == b"preview"
    assert not [name for name in tree(media) if name.endswith(".part")]


@pytest.mark.usefixtures("other_disk")
def test_b13_where_the_file_system_can_share_bytes_it_does(media: MediaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def share(source: str, target: str) -> bool:
        Path(target).write_bytes(Path(source).read_bytes())
        return True

    monkeypatch.setattr(media_folder, "reflink", share)
    assert media.link_all([A], "reflink").made == [A.target]


def test_space_is_estimated_from_a_sample(media: MediaFolder) -> None:
    links = [A, B] * 600
    space = media.space(links)
    assert space.linkable
    assert space.needed == pytest.approx((len(b"preview") + len(b"thumbnail")) * 600, rel=0.02)
    assert space.free > 0
    assert media.space([Link("/data/gone", "/data/also")]).needed == 0


def test_folders_are_made_like_the_one_that_they_are_made_in(media: MediaFolder) -> None:
    here(media, "thumbs").chmod(0o2775)
    media.link_all([A])
    assert here(media, "thumbs/bob/9a").stat().st_mode & 0o7777 == 0o2775


def test_the_media_folder_is_found_by_the_path_mappings(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    mapped = MediaFolder.mapped("/data/", [PathMapping(immich="/data", here=tmp_path / "library")])
    assert mapped.here == os.path.realpath(tmp_path / "library")
    assert mapped.location == "/data"
    with pytest.raises(UserError, match="not mounted here"):
        MediaFolder.mapped("/data", [PathMapping(immich="/photos", here=tmp_path)])


def test_what_is_no_media_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not mounted at"):
        MediaFolder("/data", tmp_path / "nowhere")
    with pytest.raises(UserError, match="write it as Immich does"):
        MediaFolder("upload", tmp_path)

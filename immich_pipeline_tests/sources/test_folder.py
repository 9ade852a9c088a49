import os
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import polars as pl
import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources import walk as walk_module
from immich_pipeline.sources.folder import LocalFolder, check_root
from immich_pipeline.sources.ignore import IgnoreRule, IgnoreTable
from immich_pipeline.sources.protocol import (
    FILE_SCHEMA,
    FOLDER_SCHEMA,
    SIDECAR_SCHEMA,
    SKIPPED_SCHEMA,
    PhotoSource,
    Scan,
    SourceError,
)
from immich_pipeline.sources.reconcile import Reconciled, reconcile
from immich_pipeline_tests.sources.frames import after, ids_by_path, nothing_known

_linux_names = pytest.mark.skipif(sys.platform == "darwin", reason="this file system changes or refuses such names")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    root.mkdir()
    return root


def put(root: Path, *paths: str, content: str = "x") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content + path)


def scan(root: Path) -> Scan:
    return LocalFolder(root).scan()


def found(root: Path) -> list[str]:
    return scan(root).files["path"].to_list()


def skipped(root: Path) -> dict[str, str]:
    return dict(scan(root).skipped.iter_rows())


def test_a_local_folder_is_a_photo_source(root: Path) -> None:
    source: PhotoSource = LocalFolder(root)
    assert (source.kind, source.owner, source.name) == ("folder", "local", "photos")
    assert LocalFolder(Path("/")).name == "/"


def test_frames_have_their_schemas_also_when_empty(root: Path) -> None:
    for _ in range(2):
        result = scan(root)
        assert dict(result.files.schema) == FILE_SCHEMA
        assert dict(result.sidecars.schema) == SIDECAR_SCHEMA
        assert dict(result.skipped.schema) == SKIPPED_SCHEMA
        assert dict(result.folders.schema) == FOLDER_SCHEMA
        put(root, "x/a.jpg", "x/a.xmp", "x/notes.txt")


def test_a_file_is_described_as_it_is(root: Path) -> None:
    put(root, "2024/05/IMG_1.JPG")
    os.utime(root / "2024/05/IMG_1.JPG", ns=(1, 1_700_000_000_123_456_789))
    stat = (root / "2024/05/IMG_1.JPG").stat()
    source = LocalFolder(root, owner="alice")
    assert source.scan().files.row(0, named=True) == {
        "real_path": b"2024/05/IMG_1.JPG",
        "path": "2024/05/IMG_1.JPG",
        "folder": "2024/05",
        "name": "IMG_1.JPG",
        "extension": "jpg",
        "kind": "image",
        "format": "jpeg",
        "size": 18,
        "mtime_ns": 1_700_000_000_123_456_789,
        "inode": stat.st_ino,
        "device": stat.st_dev,
        "owner": "alice",
        "source_id": source.source_id,
    }


def test_kinds_come_from_the_format_table(root: Path) -> None:
    put(root, "a.cr2", "b.mp4", "c.heic", "d.xmp", "e.txt", "f")
    kinds = dict(scan(root).files.select("path", "kind").iter_rows())
    assert kinds == {"a.cr2": "raw", "b.mp4": "video", "c.heic": "image"}


def test_a_user_may_add_a_format(root: Path, tmp_path: Path) -> None:
    extra = tmp_path / "formats.toml"
    extra.write_text(
        '[[format]]\nname = "pcd"\nlabel = "Photo CD"\nkind = "image"\nmime = "image/x-pcd"\nextensions = ["pcd"]\n'
    )
    put(root, "a.pcd")
    source = LocalFolder(root, formats=FormatTable.load(extra))
    assert source.scan().files["format"].to_list() == ["pcd"]


def test_a_user_may_leave_out_names(root: Path) -> None:
    put(root, "a.jpg", "cache/b.jpg")
    source = LocalFolder(root, ignore=IgnoreTable((IgnoreRule("cache", "previews", "folder"),)))
    assert source.scan().files["path"].to_list() == ["a.jpg"]


def test_the_order_is_that_of_the_bytes(root: Path) -> None:
    put(root, "b.jpg", "a/z.jpg", "a.jpg", "Z.jpg", "é.jpg")
    assert found(root) == ["Z.jpg", "a.jpg", "a/z.jpg", "b.jpg", "é.jpg"]


def test_sidecars_are_kept_beside_their_media(root: Path) -> None:
    put(root, "a.cr2", "a.xmp", "alone.xmp")
    sidecars = scan(root).sidecars.select("path", "media_path", "rule").rows()
    assert sidecars == [("a.xmp", b"a.cr2", "same_name"), ("alone.xmp", None, None)]


def test_what_is_no_photo_is_counted_by_its_extension(root: Path) -> None:
    put(root, "a.txt", "b.txt", "c.PDF", "noextension", "d.part of a sentence", "e.waytoolong")
    assert skipped(root) == {
        "a.txt": "not a photo or video (.txt)",
        "b.txt": "not a photo or video (.txt)",
        "c.PDF": "not a photo or video (.pdf)",
        "d.part of a sentence": "not a photo or video",
        "e.waytoolong": "not a photo or video",
        "noextension": "not a photo or video",
    }


def test_system_files_and_folders_are_left_out(root: Path) -> None:
    put(root, "a.jpg", "._a.jpg", "@eaDir/a.jpg", "x/__MACOSX/b.jpg", ".git/c.jpg", ".hidden.jpg", "x/Thumbs.db")
    assert found(root) == ["a.jpg"]
    assert skipped(root) == {
        "._a.jpg": "system file: macOS resource fork",
        ".git": "system folder: hidden",
        ".hidden.jpg": "system file: hidden",
        "@eaDir": "system folder: Synology thumbnails and indexes",
        "x/Thumbs.db": "system file: Windows thumbnails",
        "x/__MACOSX": "system folder: macOS archive leftovers",
    }


def test_a_root_below_a_hidden_folder_is_still_read(root: Path) -> None:
    put(root, ".photos/a.jpg")
    assert found(root / ".photos") == ["a.jpg"]


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    put(root, "a.jpg", "x/b.jpg")
    put(tmp_path, "outside/c.jpg", "photos2/d.jpg")
    (root / "file-in.jpg").symlink_to("a.jpg")
    (root / "folder-in").symlink_to("x")
    (root / "loop").symlink_to(root)
    (root / "x" / "up").symlink_to("..")
    (root / "itself.jpg").symlink_to("itself.jpg")
    (root / "nowhere.jpg").symlink_to("missing.jpg")
    (root / "file-out.jpg").symlink_to(tmp_path / "outside" / "c.jpg")
    (root / "folder-out").symlink_to("../outside")
    (root / "neighbour").symlink_to("../photos2")
    (root / "everything").symlink_to("/")
    within = "symbolic link within the library (what it leads to is looked at in its own place)"
    out, nowhere = "symbolic link that leads out of the library", "symbolic link that leads nowhere"
    assert found(root) == ["a.jpg", "x/b.jpg"]
    assert skipped(root) == {
        "everything": out,
        "file-in.jpg": within,
        "file-out.jpg": out,
        "folder-in": within,
        "folder-out": out,
        "itself.jpg": nowhere,
        "loop": within,
        "neighbour": out,
        "nowhere.jpg": nowhere,
        "x/up": within,
    }


def test_a_link_to_the_root_is_a_root(root: Path, tmp_path: Path) -> None:
    put(root, "a.jpg")
    (root / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "link").symlink_to(root)
    assert found(tmp_path / "link") == ["a.jpg"]
    assert "within the library" in skipped(tmp_path / "link")["b.jpg"]
    assert LocalFolder(tmp_path / "link").source_id == LocalFolder(root).source_id


def test_hard_links_are_files_of_one_inode(root: Path) -> None:
    put(root, "a.jpg")
    (root / "b.jpg").hardlink_to(root / "a.jpg")
    assert scan(root).files["inode"].to_list() == [(root / "a.jpg").stat().st_ino] * 2


def test_pipes_and_sockets_are_no_photos(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root)  # a socket's path may be no longer than some hundred characters
        server.bind("socket.jpg")
        os.chdir(here)
        assert found(root) == []
        assert set(skipped(root).values()) == {"not a regular file (a pipe, a socket or a device)"}


@_linux_names
def test_names_that_are_no_text_survive(root: Path) -> None:
    for name in (b"caf\xe9.jpg", b"caf\xe8.jpg", b"line\nbreak.jpg", b"\xff\xff/\xfe.jpg"):
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    files = scan(root).files.select("real_path", "path").rows()
    assert files == [
        (b"caf\xe8.jpg", "caf\ufffd.jpg"),
        (b"caf\xe9.jpg", "caf\ufffd.jpg"),
        (b"line\nbreak.jpg", "line\ufffdbreak.jpg"),
        (b"\xff\xff/\xfe.jpg", "\ufffd\ufffd/\ufffd.jpg"),
    ]


@_linux_names
def test_names_that_only_look_alike_are_two_files(root: Path) -> None:
    put(root, "é.jpg", "e\u0301.jpg")
    result = scan(root).files
    assert result["path"].to_list() == ["é.jpg", "é.jpg"]
    assert result["real_path"].n_unique() == 2


def test_times_and_inodes_that_do_not_fit_are_bent_until_they_do() -> None:
    columns = walk_module.FileColumns()
    for inode, device, mtime_ns in ((2**64 - 1, 2**63, 2**70), (7, 8, -(2**70))):
        columns.add(b"x", os.stat_result((0o100644, inode, device, 1, 0, 0, 5, 0, 0, 0), {"st_mtime_ns": mtime_ns}))
    assert columns.inode == [-1, 7]
    assert columns.device == [-(2**63), 8]
    assert columns.mtime_ns == [2**63 - 1, -(2**63)]


def test_folders_are_listed_with_their_times(root: Path) -> None:
    put(root, "x/y/a.jpg", ".hidden/b.jpg")
    os.utime(root / "x/y", ns=(1, 5_000_000_000))
    folders = dict(scan(root).folders.iter_rows())
    assert list(folders) == [b"", b"x", b"x/y"]
    assert folders[b"x/y"] == 5_000_000_000


def test_progress_says_how_many_files_were_seen(root: Path) -> None:
    for folder in range(3):
        (root / str(folder)).mkdir()
        for number in range(700):
            (root / str(folder) / f"{number}.jpg").touch()
    said: list[int] = []
    LocalFolder(root).scan(said.append)
    assert said == [1400, 2100]


def test_a_folder_that_vanishes_meanwhile_counts_as_unreadable(root: Path) -> None:
    put(root, "x/a.jpg", "y/b.jpg")
    known = after(nothing_known(), snapshot(nothing_known(), root))

    class Vanishing(IgnoreTable):
        """Removes the folder between its being listed and its being read."""

        def reason(self, name: bytes, only: object) -> str | None:
            if name == b"x":
                (root / "x").rename(root.parent / "elsewhere")
            return None

    source = LocalFolder(root, ignore=Vanishing(()))
    result = source.scan()
    assert result.files["path"].to_list() == ["y/b.jpg"]
    assert result.unreadable_folders == (b"x",)
    assert result.skipped.rows() == [("x", "folder could not be read (no such file or directory)")]
    outcome = reconcile(known, result.files, source.source_id, result.unreadable_folders)
    assert (outcome.kept, outcome.gone) == (1, [])


def test_a_file_that_vanishes_meanwhile_is_not_there(root: Path) -> None:
    put(root, "a.jpg", "b.jpg")

    class Vanishing(IgnoreTable):
        """Removes a file between its being listed and its being looked at."""

        def reason(self, name: bytes, only: object) -> str | None:
            (root / "a.jpg").unlink(missing_ok=True)
            return None

    result = LocalFolder(root, ignore=Vanishing(())).scan()
    assert result.files["path"].to_list() == ["b.jpg"]
    assert result.unreadable_folders == ()


def test_files_come_and_go_during_a_scan(root: Path) -> None:
    put(root, *(f"{number % 20}/{number}.jpg" for number in range(400)))
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            for number in range(1, 400, 2):
                (root / f"{number % 20}/{number}.jpg").unlink(missing_ok=True)
            put(root, *(f"{number % 20}/{number}.jpg" for number in range(1, 400, 2)))

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            assert {f"{number % 20}/{number}.jpg" for number in range(0, 400, 2)} <= set(found(root))
    finally:
        stop.set()
        thread.join()


_AS_NOBODY = """
    import os, sys
    from pathlib import Path
    from immich_pipeline.sources.folder import LocalFolder, check_root
    from immich_pipeline.sources.protocol import SourceError
    root = Path(sys.argv[1])
    source = LocalFolder(root)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    result = source.scan()
    print(result.files["path"].to_list())
    print(result.unreadable_folders)
    print(result.skipped.rows())
    try:
        check_root(root / "closed")
    except SourceError as error:
        print(error)
    os.seteuid(user)
"""


def test_folders_without_permission(root: Path) -> None:
    put(root, "open/a.jpg", "closed/b.jpg", "listed/c.jpg")
    for folder in (root, *root.parents[:4]):
        folder.chmod(0o755)
    (root / "closed").chmod(0o000)
    (root / "listed").chmod(0o444)
    try:
        script = [sys.executable, "-c", textwrap.dedent(_AS_NOBODY), str(root)]
        done = subprocess.run(script, capture_output=True, text=True, check=False)
    finally:
        (root / "closed").chmod(0o755)
        (root / "listed").chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['open/a.jpg']",
        "(b'closed', b'listed/c.jpg')",
        "[('closed', 'folder could not be read (permission denied)'),"
        " ('listed/c.jpg', 'file could not be looked at (permission denied)')]",
        f"the photo folder {root}/closed may not be read by this user: give read permission, or run as its owner",
    ]


def test_a_missing_root(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist: check its spelling, or mount the disk that it is on"):
        LocalFolder(tmp_path / "nowhere").scan()
    assert issubclass(SourceError, UserError)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(SourceError, match="is a file, not a folder: name the folder that the photos are in"):
        check_root(tmp_path / "a.jpg")


def test_a_root_that_cannot_be_reached(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(
        SourceError, match=r"cannot be read \(too many levels of symbolic links\): check the disk or network mount"
    ):
        check_root(tmp_path / "loop")


def test_ids_of_sources(root: Path, tmp_path: Path) -> None:
    assert LocalFolder(root).source_id == LocalFolder(root / ".." / "photos").source_id
    assert LocalFolder(root).source_id != LocalFolder(tmp_path).source_id
    assert LocalFolder(root, name="family").source_id == LocalFolder(tmp_path, name="family").source_id
    assert LocalFolder(root, name="family").name == "family"


# ---- what people do to folders


def snapshot(known: pl.DataFrame, root: Path) -> Reconciled:
    source = LocalFolder(root)
    result = source.scan()
    return reconcile(known, result.files, source.source_id, result.unreadable_folders)


class Library:
    """A folder and what is known of it after each look."""

    def __init__(self, root: Path) -> None:
        self.root, self.known = root, nothing_known()

    def look(self) -> Reconciled:
        outcome = snapshot(self.known, self.root)
        self.known = after(self.known, outcome)
        return outcome

    @property
    def ids(self) -> dict[str, str]:
        return ids_by_path(self.known)


@pytest.fixture
def library(root: Path) -> Library:
    put(root, "a.jpg", "b.jpg", "trip/c.jpg", "trip/d.jpg")
    library = Library(root)
    library.look()
    return library


def work(outcome: Reconciled) -> list[str]:
    return outcome.rows["path"].to_list()


def test_looking_again_finds_nothing_to_do(library: Library) -> None:
    outcome = library.look()
    assert (work(outcome), outcome.gone, outcome.unchanged) == ([], [], 4)


def test_touching_editing_adding_moving_and_deleting(library: Library) -> None:
    root, before = library.root, library.ids
    os.utime(root / "a.jpg", ns=(1, 1))
    (root / "b.jpg").write_text("edited")
    put(root, "new.jpg")
    (root / "trip/c.jpg").rename(root / "c2.jpg")
    (root / "trip/d.jpg").unlink()
    outcome = library.look()
    assert outcome.changed["path"].to_list() == ["a.jpg", "b.jpg"]
    assert outcome.added["path"].to_list() == ["new.jpg"]
    assert outcome.moved["path"].to_list() == ["c2.jpg"]
    assert outcome.gone == [before["trip/d.jpg"]]
    expected = {"a.jpg": before["a.jpg"], "b.jpg": before["b.jpg"], "c2.jpg": before["trip/c.jpg"]}
    assert library.ids.items() >= expected.items()


def test_renaming_a_folder_moves_what_is_in_it(library: Library) -> None:
    before = library.ids
    (library.root / "trip").rename(library.root / "2024 trip")
    outcome = library.look()
    assert outcome.moved["folder"].to_list() == ["2024 trip"] * 2
    assert (outcome.added.height, outcome.gone) == (0, [])
    assert library.ids["2024 trip/c.jpg"] == before["trip/c.jpg"]


def test_swapping_two_files(library: Library) -> None:
    root, before = library.root, library.ids
    (root / "a.jpg").rename(root / "t")
    (root / "b.jpg").rename(root / "a.jpg")
    (root / "t").rename(root / "b.jpg")
    assert library.look().moved.height == 2
    assert (library.ids["a.jpg"], library.ids["b.jpg"]) == (before["b.jpg"], before["a.jpg"])


def test_saving_by_renaming_a_new_file_over_the_old_one(library: Library) -> None:
    root, before = library.root, library.ids
    (root / ".tmp").write_text("saved")
    (root / ".tmp").rename(root / "a.jpg")
    assert library.look().changed["path"].to_list() == ["a.jpg"]
    assert library.ids["a.jpg"] == before["a.jpg"]


def test_copying_with_times_and_deleting_the_original(library: Library) -> None:
    before = library.ids
    stat = (library.root / "a.jpg").stat()
    put(library.root, "copy/a.jpg")
    os.utime(library.root / "copy/a.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (library.root / "a.jpg").unlink()
    outcome = library.look()
    assert (outcome.added["path"].to_list(), outcome.gone) == (["copy/a.jpg"], [before["a.jpg"]])


def test_linking_and_unlinking(library: Library) -> None:
    root, before = library.root, library.ids
    (root / "hard.jpg").hardlink_to(root / "a.jpg")
    assert library.look().added["path"].to_list() == ["hard.jpg"]
    (root / "a.jpg").unlink()
    assert library.look().gone == [before["a.jpg"]]


def test_a_folder_that_goes_and_comes_back(library: Library) -> None:
    before = library.ids
    (library.root / "trip").rename(library.root.parent / "away")
    assert len(library.look().gone) == 2
    (library.root.parent / "away").rename(library.root / "trip")
    assert library.look().revived["path"].to_list() == ["trip/c.jpg", "trip/d.jpg"]
    assert library.ids == before

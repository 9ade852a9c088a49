from pathlib import Path

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.sources.ignore import IgnoreRule, IgnoreTable, Only


@pytest.mark.parametrize(
    ("name", "only", "what"),
    [
        ("._IMG_0001.JPG", "file", "macOS resource fork"),
        ("._folder", "folder", "macOS resource fork"),
        ("__MACOSX", "folder", "macOS archive leftovers"),
        (".DS_Store", "file", "macOS folder settings"),
        ("@eaDir", "folder", "Synology thumbnails and indexes"),
        ("@EADIR", "folder", "Synology thumbnails and indexes"),
        ("#recycle", "folder", "recycle bin"),
        ("@Recycle", "folder", "recycle bin"),
        ("$RECYCLE.BIN", "folder", "recycle bin"),
        (".Trash-1000", "folder", "recycle bin"),
        (".trashed-1700000000-IMG_1.jpg", "file", "recycle bin"),
        (".stversions", "folder", "Syncthing versions"),
        ("System Volume Information", "folder", "Windows volume information"),
        ("lost+found", "folder", "files recovered by a disk check"),
        ("Thumbs.db", "file", "Windows thumbnails"),
        ("ehthumbs_vista.db", "file", "Windows thumbnails"),
        ("Desktop.ini", "file", "Windows folder settings"),
        (".hidden", "folder", "hidden"),
        (".nomedia", "file", "hidden"),
    ],
)
def test_system_names_are_left_out(name: str, only: Only, what: str) -> None:
    assert IgnoreTable.load().reason(name.encode(), only) == f"system {only}: {what}"


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("IMG_0001.JPG", "file"),
        ("_IMG.jpg", "file"),
        ("2024", "folder"),
        ("Thumbs.db.jpg", "file"),
        ("lost+found", "file"),
        ("desktop.ini", "folder"),
        ("a.jpg\n", "file"),
        ("RECYCLE.BIN", "folder"),
        ("x@eaDir", "folder"),
    ],
)
def test_other_names_are_not(name: str, only: Only) -> None:
    assert IgnoreTable.load().reason(name.encode(), only) is None


def test_names_that_are_no_text() -> None:
    assert IgnoreTable.load().reason(b"\xff\xfe.jpg", "file") is None
    assert IgnoreTable.load().reason(b"._\xff", "file") == "system file: macOS resource fork"


def test_an_empty_table_leaves_nothing_out() -> None:
    assert IgnoreTable(()).reason(b"._a", "file") is None


def test_a_user_adds_names_of_his_own(tmp_path: Path) -> None:
    extra = tmp_path / "ignore.toml"
    extra.write_text('[[ignore]]\npattern = "*.lrdata"\nwhat = "Lightroom previews"\nonly = "folder"\n')
    table = IgnoreTable.load(extra)
    assert table.rules[0] == IgnoreRule("*.lrdata", "Lightroom previews", "folder")
    assert table.reason(b"Trip Previews.lrdata", "folder") == "system folder: Lightroom previews"
    assert table.reason(b"@eaDir", "folder") is not None


@pytest.mark.parametrize(
    "entry",
    [
        'pattern = "x"',
        'pattern = "x"\nwhat = ""',
        'pattern = 1\nwhat = "one"',
        'pattern = "x"\nwhat = "y"\nonly = "link"',
        'pattern = "x"\nwhat = "y"\nwhy = "z"',
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str) -> None:
    extra = tmp_path / "mine.toml"
    extra.write_text(f"[[ignore]]\n{entry}\n")
    with pytest.raises(UserError, match=r"mine\.toml, entry 1: needs 'pattern' and 'what'"):
        IgnoreTable.load(extra)


@pytest.mark.parametrize("content", [b"[[", b"\xff\xff", None])
def test_a_table_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    extra = tmp_path / "mine.toml"
    if content is not None:
        extra.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read the list of ignored names .*mine\.toml"):
        IgnoreTable.load(extra)

"""The link from the target's folder to the source's: it must hold where Immich looks, not here."""

from pathlib import Path

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.settings import PathMapping
from immich_pipeline.sharing.folder_link import folder_link


def mapped(**folders: Path) -> PathMap:
    return PathMap([PathMapping(immich=f"/{name.replace('_', '/')}", here=here) for name, here in folders.items()])


def test_b39_folders_that_lie_alike_here_get_a_relative_link_that_holds_in_both_places(tmp_path: Path) -> None:
    (tmp_path / "alice" / "2024").mkdir(parents=True)
    (tmp_path / "alice" / "2024" / "a.jpg").write_bytes(b"a")
    paths = mapped(external=tmp_path)
    link = folder_link(paths, "/external/bob/from-alice", "/external/alice/2024")
    assert (link.text, link.state) == ("../alice/2024", "to make")
    assert link.command == "ln -s '../alice/2024' '/external/bob/from-alice'"
    link.make()
    assert (tmp_path / "bob" / "from-alice" / "a.jpg").read_bytes() == b"a"
    assert folder_link(paths, "/external/bob/from-alice", "/external/alice/2024").state == "there"
    assert folder_link(paths, "/external/bob/from-alice", "/external/alice").state == "in the way"
    with pytest.raises(UserError, match="cannot make the link"):
        link.make()


def test_b40_folders_that_lie_differently_here_get_the_path_that_immich_sees(tmp_path: Path) -> None:
    (tmp_path / "media" / "library" / "alice").mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    paths = mapped(data=tmp_path / "media", external_bob=tmp_path / "photos")
    link = folder_link(paths, "/external/bob/alice", "/data/library/alice")
    assert link.text == "/data/library/alice"
    link.make()
    assert (tmp_path / "photos" / "alice").readlink() == Path("/data/library/alice")
    assert folder_link(paths, "/external/bob/alice", "/data/library/alice").state == "there"


def test_a_link_that_says_the_same_otherwise_will_do(tmp_path: Path) -> None:
    (tmp_path / "from-alice").symlink_to("../../data/library/alice/")
    assert (
        folder_link(mapped(external_bob=tmp_path), "/external/bob/from-alice", "/data/library/alice").state == "there"
    )


def test_what_is_no_link_is_in_the_way_and_what_is_not_mounted_is_left_to_a_person(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_bytes(b"")
    paths = mapped(external_bob=tmp_path)
    assert folder_link(paths, "/external/bob/a", "/data/x").state == "in the way"
    assert folder_link(paths, "/external/bob/b", "/data/x").state == "in the way"
    assert folder_link(paths, "/external/bob/b/c", "/data/x").state == "in the way"
    link = folder_link(paths, "/external/carol/a", "/data/x")
    assert link.state == "not mounted"
    with pytest.raises(ValueError, match="not mounted here"):
        link.make()

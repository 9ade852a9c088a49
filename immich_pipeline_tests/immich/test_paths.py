import os
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import LOCATED_SCHEMA, Located, PathMap
from immich_pipeline.immich.settings import PathMapping

_linux_names = pytest.mark.skipif(sys.platform == "darwin", reason="this file system refuses such names")


def mapping(*folders: tuple[str, str]) -> PathMap:
    return PathMap([PathMapping(immich=immich, here=Path(here)) for immich, here in folders])


NAS = mapping(("/data", "/mnt/immich"), ("/data/library", "/mnt/uploads"), ("/external/Zoë", "/mnt/zoë"))


@pytest.mark.parametrize(
    ("path", "root", "real_path"),
    [
        ("/data/thumbs/a.jpeg", b"/mnt/immich", b"thumbs/a.jpeg"),
        ("/data/library/a.jpg", b"/mnt/uploads", b"a.jpg"),
        ("/data/library2/a.jpg", b"/mnt/immich", b"library2/a.jpg"),
        ("/data//library/./x/../a.jpg", b"/mnt/uploads", b"a.jpg"),
        ("/data/x/../library/a.jpg", b"/mnt/uploads", b"a.jpg"),
        ("/data/library/../thumbs/a", b"/mnt/immich", b"thumbs/a"),
        ("/external/Zoë/写真 \U0001f4f7.jpg", "/mnt/zoë".encode(), "写真 \U0001f4f7.jpg".encode()),
        ("/data/line\nbreak", b"/mnt/immich", b"line\nbreak"),
        ("/data/library", b"/mnt/immich", b"library"),
        ("/data/a/", b"/mnt/immich", b"a"),
        ("/data/...", b"/mnt/immich", b"..."),
        ("/data/..a/.b", b"/mnt/immich", b"..a/.b"),
        ("/data/\\..\\..\\x", b"/mnt/immich", b"\\..\\..\\x"),
    ],
)
def test_the_longest_mapping_of_whole_components_counts(path: str, root: bytes, real_path: bytes) -> None:
    assert NAS.locate(path) == Located(root, real_path)
    assert NAS.locate_all(pl.Series([path])).row(0) == (root, real_path)


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/data", "/data/", "/data/.", "/data/x/..", "/database/a.jpg", "data/a.jpg", "upload/upload/a.jpg",
        "/data/../etc/passwd", "/data/library/../../etc/passwd", "/../data/a.jpg", "/..", "/data/../../data/a.jpg", "/etc/passwd",
        "/data/a\0b.jpg", "/external/Zoe\u0308/a.jpg", "C:\\data\\a.jpg", "~/a", "./data/a",
    ],
)  # fmt: skip
def test_whatever_is_not_below_a_mapping_is_refused(path: str) -> None:
    assert NAS.locate(path) is None
    assert NAS.locate_all(pl.Series([path])).row(0) == (None, None)


def test_bytes_that_are_no_unicode_survive_escaped() -> None:
    located = NAS.locate("/data/library/" + b"caf\xe9.jpg".decode("utf-8", "surrogateescape"))
    assert located == Located(b"/mnt/uploads", b"caf\xe9.jpg")
    assert os.fsencode(located.path) == b"/mnt/uploads/caf\xe9.jpg"


def test_half_a_surrogate_pair_is_no_files_name() -> None:
    assert NAS.locate("/data/\ud83d.jpg") is None


def test_the_root_may_be_mapped() -> None:
    everything = mapping(("/", "/mnt/all"), ("/data", "/"))
    for path, expected in {
        "/x/y": (b"/mnt/all", b"x/y"),
        "/data/a": (b"/", b"a"),
        "/data": (b"/mnt/all", b"data"),
        "/": (None, None),
    }.items():
        located = everything.locate(path)
        assert (located.root, located.real_path) == expected if located else expected == (None, None)
        assert everything.locate_all(pl.Series([path])).row(0) == expected


def test_mappings_that_cannot_be_meant() -> None:
    with pytest.raises(UserError, match="'/data' is mapped twice: leave one"):
        mapping(("/data", "/a"), ("/data/", "/b"))
    with pytest.raises(UserError, match="mapped twice"):
        mapping(("/data", "/a"), ("/x/../data", "/b"))
    with pytest.raises(UserError, match="no folder that Immich could see"):
        mapping(("/data/../..", "/a"))


def test_no_mapping_locates_nothing() -> None:
    nowhere = PathMap([])
    assert nowhere.locate("/data/a") is None
    assert nowhere.locate_all(pl.Series(["/data/a", "//x", None])).rows() == [(None, None)] * 3
    assert nowhere.roots == ()


def test_frames_keep_their_order_and_schema() -> None:
    paths = ["/data/b", None, "/data/./a", "/nowhere", "/data/library/c", "/data/b", "/data/./a"]
    found = NAS.locate_all(pl.Series(paths, dtype=pl.String))
    assert dict(found.schema) == LOCATED_SCHEMA
    assert found["real_path"].to_list() == [b"b", None, b"a", None, b"c", b"b", b"a"]
    assert dict(NAS.locate_all(pl.Series([], dtype=pl.String)).schema) == LOCATED_SCHEMA
    assert NAS.locate_all(pl.Series([None, None])).rows() == [(None, None)] * 2


# ------------------------------------------------------------------------------------------------ whatever the path

_segments = st.one_of(
    st.sampled_from(["", ".", "..", "...", "data", "library", "lib", "external", "Zoë", "mnt", "..."]),
    st.text(st.characters(exclude_characters="/"), max_size=6),
)
_paths = st.builds(
    lambda head, parts: head + "/".join(parts), st.sampled_from(["", "/"]), st.lists(_segments, max_size=8)
)


def _as_polars_takes_it(path: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in path)


@given(_paths)
@example("/data/../../../../../../etc/passwd")
@example("/data/" + "../" * 50 + "etc/passwd")
@example("/data/\ud800/../x")
@example("/data/\udc2f..")
def test_the_answer_is_always_below_its_root(path: str) -> None:
    located = NAS.locate(path)
    if located is None:
        return
    assert located.root in NAS.roots
    joined = os.path.join(located.root, located.real_path)  # noqa: PTH118 - bytes
    assert os.path.normpath(joined) == joined
    assert joined.startswith(located.root + b"/")
    assert b"\0" not in joined
    assert not {b"", b".", b".."} & set(located.real_path.split(b"/"))


@given(st.lists(_paths.filter(_as_polars_takes_it), max_size=20))
def test_many_at_once_are_what_each_is_alone(paths: list[str]) -> None:
    found = NAS.locate_all(pl.Series(paths, dtype=pl.String))
    alone = [NAS.locate(path) for path in paths]
    assert found.rows() == [(one.root, one.real_path) if one else (None, None) for one in alone]


@given(_paths.filter(lambda path: path.startswith("/")))
def test_agrees_with_the_system_about_dots(path: str) -> None:
    located = NAS.locate(path)
    if located is not None and "/../" not in path:
        normal = os.path.normpath("/" + path.lstrip("/")).encode("utf-8", "surrogateescape")
        assert normal.endswith(b"/" + located.real_path)


def test_a_million_paths() -> None:
    numbers = pl.int_range(1_000_000, eager=True).cast(pl.String)
    paths = pl.select(
        pl.when(pl.int_range(1_000_000) % 3 == 0)
        .then(pl.format("/external/Zoë/{}/写真.jpg", numbers))
        .otherwise(pl.format("/data/library/alice/2024/05/IMG_{}.jpg", numbers))
        .alias("path")
    )["path"]
    began = time.process_time()
    found = NAS.locate_all(paths)
    seconds = time.process_time() - began
    assert found.null_count().row(0) == (0, 0)
    assert found.row(999_998) == (b"/mnt/uploads", b"alice/2024/05/IMG_999998.jpg")
    assert seconds < 15


# ------------------------------------------------------------------------------------------------ symbolic links


@pytest.fixture
def linked(tmp_path: Path) -> tuple[PathMap, bytes]:
    """Two mapped folders and one that is not, with links between them."""
    for folder in ("data/library", "external", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/library/a.jpg").write_bytes(b"a")
    (tmp_path / "external/b.jpg").write_bytes(b"b")
    (tmp_path / "elsewhere/secret").write_bytes(b"c")
    for link, target in {
        "data/inside.jpg": "library/a.jpg",
        "data/across.jpg": "../external/b.jpg",
        "data/out.jpg": "../elsewhere/secret",
        "data/absolute.jpg": "/etc/passwd",
        "data/folder": "../elsewhere",
        "data/other": "../external",
        "data/twice.jpg": "folder/secret",
        "data/loop": "loop",
        "data/up": "..",
        "data/self": ".",
        "mounted": "data",
    }.items():
        (tmp_path / link).symlink_to(target)
    return mapping(("/data", f"{tmp_path}/mounted"), ("/external", f"{tmp_path}/external")), os.fsencode(
        tmp_path / "mounted"
    )


@pytest.mark.parametrize(
    ("real_path", "inside"),
    [
        (b"library/a.jpg", True),
        (b"inside.jpg", True),
        (b"across.jpg", True),
        (b"other/b.jpg", True),
        (b"self/self/library/a.jpg", True),
        (b"not/there.jpg", True),
        (b"out.jpg", False),
        (b"absolute.jpg", False),
        (b"folder/secret", False),
        (b"folder/not-there", False),
        (b"twice.jpg", False),
        (b"up/elsewhere/secret", False),
        (b"up", False),
        (b"self", False),
        (b"other", False),
        (b"../elsewhere/secret", False),
        (b"/etc/passwd", False),
    ],
)
def test_links_count_by_where_they_lead(linked: tuple[PathMap, bytes], real_path: bytes, inside: bool) -> None:
    paths, root = linked
    assert paths.contained(root, real_path) is inside


def test_the_resolved_path_has_no_links(linked: tuple[PathMap, bytes], tmp_path: Path) -> None:
    paths, root = linked
    resolved = paths.resolved(Located(root, b"other/b.jpg"))
    assert resolved is not None
    assert resolved.path == tmp_path.resolve() / "external/b.jpg"
    assert not resolved.path.is_symlink()
    assert resolved.path.read_bytes() == b"b"


def test_links_in_a_circle_end(linked: tuple[PathMap, bytes]) -> None:
    paths, root = linked
    resolved = paths.resolved(Located(root, b"loop"))
    assert resolved is None or resolved.path.is_symlink()  # opening it says what it is


@_linux_names
def test_names_that_are_no_unicode_are_found_on_disk(tmp_path: Path) -> None:
    name = b"caf\xe9 \xff.jpg"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as fh:  # noqa: PTH118, PTH123 - bytes
        fh.write(b"x")
    paths = mapping(("/data", str(tmp_path)))
    located = paths.locate("/data/" + os.fsdecode(name))
    assert located is not None
    assert paths.contained(located.root, located.real_path)
    assert located.path.read_bytes() == b"x"

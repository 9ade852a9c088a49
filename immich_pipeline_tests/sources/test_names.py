import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.sources.names import display_text, with_names


def row(real_path: bytes) -> dict[str, object]:
    return with_names(pl.DataFrame({"real_path": [real_path]}, schema={"real_path": pl.Binary})).row(0, named=True)


@pytest.mark.parametrize(
    ("real_path", "path", "folder", "name", "extension"),
    [
        (b"a.JPG", "a.JPG", "", "a.JPG", "jpg"),
        (b"x/y.z/a.tar.gz", "x/y.z/a.tar.gz", "x/y.z", "a.tar.gz", "gz"),
        (b"x.y/a", "x.y/a", "x.y", "a", ""),
        (b"x/.jpg", "x/.jpg", "x", ".jpg", ""),
        (b"a.", "a.", "", "a.", ""),
        ("e\u0301/u\u0308.jpg".encode(), "é/ü.jpg", "é", "ü.jpg", "jpg"),
        (
            "family \U0001f468\u200d\U0001f469.png".encode(),
            "family \U0001f468\u200d\U0001f469.png",
            "",
            "family \U0001f468\u200d\U0001f469.png",
            "png",
        ),
        (b"\xff\xe9t\xe9.jpg", "\ufffd\ufffdt\ufffd.jpg", "", "\ufffd\ufffdt\ufffd.jpg", "jpg"),
        (b"a\nb\x1b[31m.jpg", "a\ufffdb\ufffd[31m.jpg", "", "a\ufffdb\ufffd[31m.jpg", "jpg"),
        ("a\u2028b.jpg".encode(), "a\ufffdb.jpg", "", "a\ufffdb.jpg", "jpg"),
    ],
)
def test_names_for_people(real_path: bytes, path: str, folder: str, name: str, extension: str) -> None:
    expected = {"real_path": real_path, "path": path, "folder": folder, "name": name, "extension": extension}
    assert row(real_path) == expected


def test_one_undecodable_name_leaves_the_others_alone() -> None:
    text = display_text(pl.Series("p", [b"a.jpg", b"\xff", "é".encode()], dtype=pl.Binary))
    assert text.to_list() == ["a.jpg", "\ufffd", "é"]
    assert text.name == "p"


def test_no_paths() -> None:
    assert with_names(pl.DataFrame(schema={"real_path": pl.Binary})).columns == [
        "real_path",
        "path",
        "folder",
        "name",
        "extension",
    ]


_components = st.binary(min_size=1, max_size=12).filter(lambda part: b"/" not in part and b"\0" not in part)


@given(st.lists(_components, min_size=1, max_size=3))
def test_any_path_falls_into_its_parts(parts: list[bytes]) -> None:
    found = row(b"/".join(parts))
    assert found["path"] == "/".join([str(found["folder"]), str(found["name"])]).removeprefix("/")
    assert str(found["path"]).count("/") == len(parts) - 1
    assert not {unicodedata.category(character) for character in str(found["path"])} & {"Cc", "Zl", "Zp", "Cs"}

"""Names of copies: whatever a server sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.actions.backup_names import LONGEST, numbered, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("IMG_1.jpg", "IMG_1.jpg"),
        ("Grüße 🌻.HEIC", "Grüße 🌻.HEIC"),
        ("../../etc/passwd", "___.._etc_passwd"),
        ("..", "file"),
        ("", "file"),
        (".hidden.jpg", "_hidden.jpg"),
        (".part", "_part"),
        ("a\0b\n.jpg", "a_b_.jpg"),
        ("C:\\x?.jpg", "C__x_.jpg"),
        ("name. ", "name"),
        ("\udcff.jpg", "_.jpg"),
        ("x" * 300 + ".jpg", "x" * (LONGEST - 4) + ".jpg"),
        ("x." + "y" * 300, ("x." + "y" * 300)[:LONGEST]),
        ("🌻" * 100 + ".jpg", "🌻" * 58 + ".jpg"),
    ],
)
def test_a_name_is_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_no_name_means_anything_to_a_file_system(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= LONGEST
    assert not set(safe) & set('/\\\0<>:"|?*')
    assert safe.isprintable()
    assert not safe.startswith(".")
    assert len(f"{numbered(safe, 10**9)}.json".encode()) <= 255


def test_further_choices_are_numbered() -> None:
    assert [numbered("a.jpg", number) for number in (1, 2, 3)] == ["a.jpg", "a~2.jpg", "a~3.jpg"]

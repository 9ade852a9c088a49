import polars as pl

from immich_pipeline.defs.metadata import (
    changed,
    column_schema,
    counts_table,
    markdown_table,
    picture,
    thumbnails_table,
)
from immich_pipeline.store.frames import Changes


def text(value: object) -> str:
    return str(getattr(value, "value", value))


def test_names_from_the_library_cannot_become_markup() -> None:
    shown = text(markdown_table(pl.DataFrame({"path": ["<img src=x> | a\nb [x](javascript:1) `c`", None]})))
    assert "<img" not in shown
    assert "[x]" not in shown
    assert "`" not in shown
    assert shown.count("\n") == 3


def test_long_names_are_cut() -> None:
    assert len(text(markdown_table(pl.DataFrame({"path": ["x" * 500]})))) < 200


def test_an_empty_table_says_none() -> None:
    assert text(markdown_table(pl.DataFrame({"path": []}))) == "none"
    assert text(thumbnails_table({}, {})) == "none"


def test_counts_come_most_frequent_first() -> None:
    lines = text(counts_table({"b": 1, "a": 1, "c": 5}, "reason")).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["c", "a", "b"]


def test_pictures_are_shown_in_place() -> None:
    assert "data:image/png;base64,eA==" in text(picture(b"x", "plot"))
    shown = text(thumbnails_table({"1": b"x"}, {"1": "a|b.jpg"}))
    assert "data:image/jpeg;base64,eA==" in shown
    assert "a|b" not in shown


def test_changes_and_columns() -> None:
    assert changed(Changes(1, 2, 3)) == {"rows_inserted": 1, "rows_updated": 2, "rows_deleted": 3}
    assert column_schema({"a": pl.String()}).columns[0].name == "a"


def test_every_special_character_is_made_harmless_once() -> None:
    table = str(markdown_table(pl.DataFrame({"name": ["IMG_1 #2 & <b>"]})).value)
    assert "| IMG&#95;1 &#35;2 &#38; &#60;b&#62; |" in table

import csv
from io import StringIO

import pytest

from immich_pipeline.dedup.table_csv import COLUMNS, duplicate_csv
from immich_pipeline_tests.dedup.decided import a_set, file, plan_of


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1.jpg", "'=1+1.jpg"),
        ("+a", "'+a"),
        ("-a", "'-a"),
        ("@a", "'@a"),
        ("\ta", "'␉a"),
        ("\ra", "'␍a"),
        ('a"b,c', 'a"b,c'),
        ("a\nb", "a␊b"),
        ("\u202egpj", "\ufffdgpj"),
        ("été", "été"),
        ("'=1", "'=1"),
    ],
)
def test_no_cell_is_a_formula(name: str, cell: str) -> None:
    plan = plan_of(
        a_set("s", file("a", name=name, description=name, tags=[name, "x"], utc_offset_minutes=-60), file("b"))
    )
    first, second = rows_of(duplicate_csv(plan.document()))
    assert (first["name"], first["description"], first["tags"]) == (cell, cell, f"{cell}; x")
    assert second["name"] == "b.jpg"


def test_one_row_per_file() -> None:
    plan = plan_of(
        a_set("s", file("a"), file("b"), immich_keeps="b", immich_loses=["GPS", "albums"], conflicts=["x", "y"])
    )
    first, second = rows_of(duplicate_csv(plan.document()))
    assert tuple(first) == COLUMNS
    assert (first["set"], first["role"], first["immich_keeps"], first["immich_loses"]) == (
        "s",
        "keeper",
        "false",
        "GPS; albums",
    )
    assert (second["role"], second["immich_keeps"], second["size"], second["conflicts"]) == (
        "loser",
        "true",
        "1000",
        "x; y",
    )


def test_nothing_is_a_table_of_no_rows() -> None:
    assert duplicate_csv(plan_of().document()) == ",".join(COLUMNS) + "\r\n"

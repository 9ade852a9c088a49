from datetime import UTC, datetime

import polars as pl
import psycopg
import pytest

from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes, Table

THING = Table("library", "thing one", ("owner", "id"))


@pytest.fixture
def things(database: Database) -> Database:
    with database.connect() as connection:
        connection.execute(
            'CREATE TABLE library."thing one" (owner text, id uuid, size smallint, "when" timestamptz, data bytea, note text, '
            "PRIMARY KEY (owner, id))"
        )
    return database


def rows(*numbers: int, owner: str = "anna", note: str | None = "", size: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "owner": [owner] * len(numbers),
            "id": [f"00000000-0000-0000-0000-{number:012d}" for number in numbers],
            "size": [size] * len(numbers),
            "when": [datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)] * len(numbers),
            "data": [b"\x00\xff"] * len(numbers),
            "note": pl.Series([note] * len(numbers), dtype=pl.String),
        }
    )


def xmins(database: Database) -> list[object]:
    with database.connect() as connection:
        return connection.execute('SELECT owner, id, xmin FROM library."thing one" ORDER BY 1, 2').fetchall()


def test_merge_counts_only_what_it_changes(things: Database) -> None:
    with things.frames() as frames:
        assert frames.merge(THING, rows(1, 2)) == Changes(inserted=2)
    before = xmins(things)
    with things.frames() as frames:
        assert frames.merge(THING, rows(1, 2)) == Changes()
    assert xmins(things) == before
    with things.frames() as frames:
        assert frames.merge(THING, rows(2, 3, note=None)) == Changes(inserted=1, updated=1)


def test_values_survive_the_round_trip(things: Database) -> None:
    with things.frames() as frames:
        frames.merge(THING, rows(1, note=None))
        back = frames.read(
            'SELECT owner, id::text AS id, size::bigint AS size, "when", data, note FROM library."thing one"'
        )
    assert back.equals(rows(1, note=None))


def test_an_empty_string_is_not_null(things: Database) -> None:
    with things.frames() as frames:
        frames.merge(THING, rows(1, note=""))
        assert frames.scalar('SELECT note FROM library."thing one"') == ""


def test_replace_touches_only_what_differs(things: Database) -> None:
    with things.frames() as frames:
        frames.merge(THING, rows(1, 2, 3))
        changes = frames.replace(THING, pl.concat([rows(2), rows(3, size=9), rows(4)]))
    assert changes == Changes(inserted=1, updated=1, deleted=1)
    assert changes.total == 3


def test_replace_within_a_scope_leaves_the_rest(things: Database) -> None:
    with things.frames() as frames:
        frames.merge(THING, pl.concat([rows(1, 2), rows(1, owner="ben")]))
        assert frames.replace(THING, rows(1), scope={"owner": "anna"}) == Changes(deleted=1)
        assert frames.scalar('SELECT count(*) FROM library."thing one" WHERE owner = $1', "ben") == 1


def test_replace_with_nothing_empties_the_table(things: Database) -> None:
    with things.frames() as frames:
        frames.merge(THING, rows(1, 2))
        assert frames.replace(THING, rows()) == Changes(deleted=2)


def test_merge_of_nothing_asks_nothing(things: Database) -> None:
    with things.frames() as frames:
        assert frames.merge(THING, rows()) == Changes()


def test_merge_of_keys_alone(things: Database) -> None:
    with things.frames() as frames:
        keys = rows(1).select("owner", "id")
        assert frames.merge(THING, keys) == Changes(inserted=1)
        assert frames.merge(THING, keys) == Changes()


def test_an_error_rolls_everything_back(things: Database) -> None:
    def fail() -> None:
        with things.frames() as frames:
            frames.merge(THING, rows(1))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert xmins(things) == []


def test_a_staged_frame_can_be_joined(things: Database) -> None:
    with things.frames() as frames, frames.staged(pl.DataFrame({"n": [1, 2, 3]})) as stage:
        assert frames.scalar(f"SELECT sum(n)::bigint FROM {stage} WHERE n > $1", 1) == 5


def test_scalar_without_a_row_is_none(database: Database) -> None:
    with database.frames() as frames:
        assert frames.scalar("SELECT 1 WHERE false") is None


def test_a_statement_that_postgresql_refuses_is_an_error(database: Database) -> None:
    with pytest.raises(Exception, match="nonsense"), database.frames() as frames:
        frames.execute("SELECT nonsense")
    with database.connect() as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute("SELECT nonsense")

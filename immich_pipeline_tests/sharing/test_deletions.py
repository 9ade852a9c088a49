"""What was deleted at the source is looked for only where PostgreSQL has counted deletions, and is never overlooked."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from immich_pipeline.sharing.changes import _GONE_FACES
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.runs import cycle


@pytest.fixture
def face(house: House) -> str:
    """Of a photo that is shared, and has a second one."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    person = house.add_person("Ann")
    house.add_face(photo, person)
    found = house.add_face(photo, person)
    cycle(house)
    cycle(house)
    return found


def faces_of_copies(house: House) -> int:
    found: int = house.value(
        'SELECT count(*) FROM asset_face JOIN asset ON asset.id = "assetId" WHERE "ownerId" = %s', house.bob
    )
    return found


def searches(house: House, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of the statements of a cycle look for faces that are gone."""
    execute, asked = psycopg.Cursor.execute, list[str]()

    def noted(cursor: Any, query: Any, *given: Any, **options: Any) -> Any:
        asked.append(query.as_string(cursor) if isinstance(query, sql.Composable) else str(query))
        return execute(cursor, query, *given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", noted)
        cycle(house)
    return asked.count(_GONE_FACES)


def test_where_nothing_was_deleted_nothing_is_looked_for(
    house: House, face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert searches(house, monkeypatch) == 0
    changes.delete_face(house, face, soft=False)
    assert searches(house, monkeypatch) == 1
    assert faces_of_copies(house) == 1


def test_what_is_counted_late_is_found_at_the_next_cycle(
    house: House, face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(House, "counted", lambda self: None)
    changes.delete_face(house, face, soft=False)
    cycle(house)
    monkeypatch.undo()
    cycle(house)
    assert faces_of_copies(house) == 1


def test_a_server_that_does_not_count_has_everything_looked_for(
    house: House, face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.db.execute(sql.SQL("ALTER DATABASE {} SET track_counts = off").format(sql.Identifier(house.db.info.dbname)))
    assert searches(house, monkeypatch) == 1
    house.db.execute("SET track_counts = off")
    changes.delete_face(house, face, soft=False)
    cycle(house)
    assert faces_of_copies(house) == 1


def test_counts_that_began_anew_mean_nothing(house: House, face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house.db.execute("SELECT pg_stat_reset()")
    assert searches(house, monkeypatch) == 1
    assert searches(house, monkeypatch) == 0


def test_on_another_day_everything_is_looked_for(house: House, face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house.db.execute(
        """UPDATE immich_pipeline_sharing.watermark
        SET deletions = replace(deletions::text, current_date::text, (current_date - 1)::text)::jsonb"""
    )
    assert searches(house, monkeypatch) == 1
    assert searches(house, monkeypatch) == 0


def test_a_table_of_an_earlier_version_gets_the_column(
    house: House, face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.db.execute("ALTER TABLE immich_pipeline_sharing.watermark DROP COLUMN deletions")
    assert searches(house, monkeypatch) == 1
    assert searches(house, monkeypatch) == 0

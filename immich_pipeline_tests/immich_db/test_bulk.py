"""The generated library has what it says, in each schema, and keeps every rule of the tables."""

from collections.abc import Callable

import psycopg
import pytest

from immich_pipeline_tests.immich_db.bulk import ALBUMS, BLOCK, bulk_assets
from immich_pipeline_tests.immich_db.catalog import read_catalog
from immich_pipeline_tests.immich_db.definition import SCHEMAS

Make = Callable[[str], str]
N = 40 * BLOCK


@pytest.mark.parametrize("schema", SCHEMAS)
def test_counts(schema: str, make_immich_database: Make) -> None:
    url = make_immich_database(schema)
    owners = bulk_assets(url, N)
    with psycopg.connect(url) as connection:
        per_owner = connection.execute('SELECT "ownerId"::text, count(*) FROM asset GROUP BY 1').fetchall()
        assert sorted(per_owner) == sorted((owner, N // 2) for owner in owners)
        for query, expected in {
            "SELECT count(*) FROM asset_exif": N - N // BLOCK,
            'SELECT count(DISTINCT "stackId") FROM asset': N // BLOCK,
            "SELECT count(*) FROM stack": N // BLOCK,
            'SELECT count(*) FROM asset WHERE "libraryId" IS NOT NULL': N // 5,
            'SELECT count(*) FROM asset WHERE "deletedAt" IS NOT NULL': 2 * N // BLOCK,
            "SELECT count(*) FROM asset WHERE visibility = 'locked'": N // BLOCK,
            'SELECT count(*) FROM asset WHERE duration IS NOT NULL AND "isEdited" IS FALSE': 2 * N // BLOCK,
            "SELECT count(*) FROM album": 2 * ALBUMS,
            "SELECT count(*) FROM album_asset": 5 * N // BLOCK,
        }.items():
            assert connection.execute(query).fetchone() == (expected,), query


@pytest.mark.parametrize("schema", SCHEMAS)
def test_indexes_are_back_and_foreign_keys_hold(schema: str, make_immich_database: Make) -> None:
    empty, url = make_immich_database(schema), make_immich_database(schema)
    bulk_assets(url, N + 11, owners=3)  # the last block is cut off
    assert read_catalog(url) == read_catalog(empty)
    with psycopg.connect(url) as connection:
        for table, entry in read_catalog(url)["tables"].items():
            for name, definition in entry["constraints"].items():
                if definition.startswith("FOREIGN KEY"):  # made again, a key is checked for every row
                    connection.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
                    connection.execute(f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" {definition}')
        connection.rollback()

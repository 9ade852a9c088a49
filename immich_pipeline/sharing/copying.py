"""The rows of copies: each table's, by one statement from the ids of a batch."""

from collections.abc import Callable, Iterator

from psycopg import sql

from immich_pipeline.sharing import faces, people
from immich_pipeline.sharing.journal import table_name
from immich_pipeline.sharing.session import Connection
from immich_pipeline.sharing.tables import CopiedTable, copied_tables
from immich_pipeline.sharing.work import Counts, Work

_BATCH = """
CREATE TEMPORARY TABLE batch (
  source_id uuid PRIMARY KEY, target_id uuid NOT NULL UNIQUE, path text NOT NULL, checksum bytea NOT NULL
) ON COMMIT DROP
"""
_FILL = "INSERT INTO batch SELECT source_id, target_id, path, checksum FROM candidate WHERE NOT adopted AND {which}"

# Their paths are worked out already, and a file that has come to the source since is carried over as a later change.
_FILES = """
INSERT INTO asset_file ({columns}) SELECT {values}
FROM planned_file AS planned JOIN batch ON batch.source_id = planned.source_id JOIN asset_file AS source ON source.id = planned.file_id
WHERE planned.path IS NOT NULL
"""
_COUNT_FILES = "SELECT count(*) FROM planned_file WHERE file_id IS NOT NULL AND path IS NOT NULL"

_SETTLED = """
WITH settled AS (
  DELETE FROM immich_pipeline_sharing.file USING planned_file AS planned JOIN batch ON batch.source_id = planned.source_id
  WHERE planned.path = file.path COLLATE "C"  -- sorted many times faster
), forgotten AS (
  DELETE FROM immich_pipeline_sharing.skip USING batch
  WHERE skip.source_id = batch.source_id AND skip.target_owner = %(target_owner)s
)
INSERT INTO immich_pipeline_sharing.copy (target_id, source_id, source_owner, target_owner, job, run, state, locked)
SELECT batch.target_id, batch.source_id, %(source_owner)s, %(target_owner)s, %(job)s, %(run)s, 'live',
  coalesce(exif."lockedProperties", '{}')
FROM batch LEFT JOIN asset_exif AS exif ON exif."assetId" = batch.target_id
"""


def make_batch_table(connection: Connection) -> None:
    """Make the temporary table `batch`, empty; it goes with the transaction."""
    connection.execute(_BATCH)


def fill_batch(work: Work, which: sql.Composable = sql.SQL("TRUE")) -> int:  # noqa: B008 - a constant
    """Put the candidates that a condition is met by into `batch`; returns how many there are."""
    rows = work.connection.execute(sql.SQL(_FILL).format(which=which)).rowcount
    work.connection.execute("ANALYZE pg_temp.batch")
    return rows


def copy_batch(work: Work, check: Callable[[], None]) -> Counts:
    """Insert all rows of the copies in `batch`, in the transaction that made it; returns how many per table.

    `check` is called before the embeddings, whose indexes take most of the time: it raises what ends the transaction.
    """
    counts: dict[str, int] = {}
    for table in copied_tables(work.layout):
        if table.name == "smart_search":
            check()
        counts[table.name] = _insert(work, table)
    for step in (people.ensure_people, faces.copy_faces):
        for name, rows in step(work).items():
            counts[name] = counts.get(name, 0) + rows
    work.connection.execute(_SETTLED, work.values)
    return {name: rows for name, rows in counts.items() if rows}


def count_batch(work: Work) -> Counts:
    """How many rows `copy_batch` would insert per table for `batch`."""
    counts = {table.name: _count(work, table) for table in copied_tables(work.layout)}
    return {table: rows for table, rows in counts.items() if rows}


def _insert(work: Work, table: CopiedTable) -> int:
    if table.name == "asset_file":
        statement = sql.SQL(_FILES).format(columns=table.column_list(), values=sql.SQL(", ").join(_planned(table)))
    else:
        statement = sql.SQL("INSERT INTO {} ({}) {}").format(table_name(table.name), table.column_list(), table.rows())
    return work.connection.execute(statement, work.values).rowcount


def _planned(table: CopiedTable) -> Iterator[sql.Composable]:
    for column, value in zip(table.columns, table.values, strict=True):
        yield sql.SQL("planned.path") if column == "path" else value


def _count(work: Work, table: CopiedTable) -> int:
    count = sql.SQL("SELECT count(*) FROM ({}) AS rows").format(table.rows())
    query = sql.SQL(_COUNT_FILES) if table.name == "asset_file" else count
    row = work.connection.execute(query, work.values).fetchone()
    return row[0] if row else 0

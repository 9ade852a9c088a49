"""The rows of copies: each table's, by one statement from the ids of a batch."""

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

# A file that came to the source after those of the batch were made is carried over as a later change.
_UNMADE_FILES = """
DELETE FROM asset_file USING batch WHERE asset_file."assetId" = batch.target_id AND asset_file.type <> 'sidecar'
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.file WHERE file.path = asset_file.path)
"""
_SETTLED = """
WITH settled AS (
  DELETE FROM immich_pipeline_sharing.file USING (
    SELECT path FROM batch UNION ALL SELECT asset_file.path FROM asset_file JOIN batch ON batch.target_id = asset_file."assetId"
  ) AS named WHERE named.path = file.path
), forgotten AS (
  DELETE FROM immich_pipeline_sharing.skip USING batch
  WHERE skip.source_id = batch.source_id AND skip.target_owner = %(target_owner)s
)
UPDATE immich_pipeline_sharing.copy SET state = 'live', made_at = clock_timestamp() FROM batch WHERE batch.target_id = copy.target_id
"""


def make_batch_table(connection: Connection) -> None:
    """Make the temporary table `batch`, empty; it goes with the transaction."""
    connection.execute(_BATCH)


def fill_batch(work: Work, which: sql.Composable = sql.SQL("TRUE")) -> int:  # noqa: B008 - a constant
    """Put the candidates that a condition is met by into `batch`; returns how many there are."""
    rows = work.connection.execute(sql.SQL(_FILL).format(which=which)).rowcount
    work.connection.execute("ANALYZE pg_temp.batch")
    return rows


def copy_batch(work: Work) -> Counts:
    """Insert all rows of the copies in `batch`, in the transaction that made it; returns how many per table."""
    tables = copied_tables(work.layout)
    counts = {table.name: _insert(work, table) for table in tables}
    counts["asset_file"] -= work.connection.execute(_UNMADE_FILES).rowcount
    for step in (people.ensure_people, faces.copy_faces):
        for table, rows in step(work).items():
            counts[table] = counts.get(table, 0) + rows
    work.connection.execute(_SETTLED, work.values)
    return {table: rows for table, rows in counts.items() if rows}


def count_batch(work: Work) -> Counts:
    """How many rows `copy_batch` would insert per table for `batch`."""
    counts = {table.name: _count(work, table) for table in copied_tables(work.layout)}
    return {table: rows for table, rows in counts.items() if rows}


def _insert(work: Work, table: CopiedTable) -> int:
    statement = sql.SQL("INSERT INTO {} ({}) {}").format(table_name(table.name), table.column_list(), table.rows())
    return work.connection.execute(statement, work.values).rowcount


def _count(work: Work, table: CopiedTable) -> int:
    row = work.connection.execute(
        sql.SQL("SELECT count(*) FROM ({}) AS rows").format(table.rows()), work.values
    ).fetchone()
    return row[0] if row else 0

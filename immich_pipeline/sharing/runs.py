"""What is known of runs and copies, asked of our own tables: they may not be there yet."""

from collections.abc import Mapping

from psycopg.types.json import Jsonb

from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.reports import Operation
from immich_pipeline.sharing.session import SCHEMA, Connection
from immich_pipeline.sharing.work import Counts


def is_prepared(connection: Connection) -> bool:
    """Whether anything was ever shared from this database: our tables are made by the first run."""
    return connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{SCHEMA}.copy"]).fetchone() == (True,)


def begin_run(connection: Connection, job: str, label: str) -> int:
    """Write down that a run begins, before it does anything; returns its number."""
    query = "INSERT INTO immich_pipeline_sharing.run (job, label) VALUES (%s, %s) RETURNING id"
    row = connection.execute(query, [job, label]).fetchone()
    if row is None:
        raise LookupError("the run was not written")
    return int(row[0])


def end_run(connection: Connection, run: int, counts: Mapping[Operation, Counts]) -> None:
    """Write down what came of a run: rows per table, of each kind of operation."""
    connection.execute(
        "UPDATE immich_pipeline_sharing.run SET ended_at = clock_timestamp(), counts = %s WHERE id = %s",
        [Jsonb(counts), run],
    )


def runs_labelled(connection: Connection, label: str) -> list[int]:
    """The numbers of the runs with a label that are not undone, the oldest first."""
    if not is_prepared(connection):
        return []
    query = "SELECT id FROM immich_pipeline_sharing.run WHERE label = %s AND undone_at IS NULL ORDER BY id"
    return [run for (run,) in connection.execute(query, [label]).fetchall()]


def copies_of(connection: Connection, job: Job) -> int:
    """How many copies of a job there are in the target's library, its trash included."""
    if not is_prepared(connection):
        return 0
    query = "SELECT count(*) FROM immich_pipeline_sharing.copy WHERE job = %s AND state IN ('live', 'trashed', 'kept', 'declined')"
    row = connection.execute(query, [job.name]).fetchone()
    return int(row[0]) if row else 0

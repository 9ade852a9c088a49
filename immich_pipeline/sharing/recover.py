"""What a run that was killed, or lost its connection, has left is put right before anything else is done."""

from immich_pipeline.sharing import files
from immich_pipeline.sharing.removal import finish_removals
from immich_pipeline.sharing.work import Counts, Work

_FORGET_INTENDED = "DELETE FROM immich_pipeline_sharing.copy WHERE state = 'intended'"


def recover(work: Work) -> Counts:
    """Remove files whose rows never came, forget copies that were only meant to be, finish removals that had begun."""
    counts = files.discard(work)
    work.connection.execute(_FORGET_INTENDED)
    for table, rows in finish_removals(work).items():
        counts[table] = counts.get(table, 0) + rows
    return counts

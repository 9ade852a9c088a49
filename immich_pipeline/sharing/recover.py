"""What a run that was killed, or lost its connection, has left is put right before anything else is done."""

from immich_pipeline.sharing import files
from immich_pipeline.sharing.removal import finish_removals
from immich_pipeline.sharing.work import Counts, Work


def recover(work: Work) -> Counts:
    """Remove files whose rows never came, finish removals that had begun."""
    counts = files.discard(work)
    for table, rows in finish_removals(work).items():
        counts[table] = counts.get(table, 0) + rows
    return counts

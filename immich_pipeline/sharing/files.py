"""Files that are made before the rows that name them are committed, so that no row is ever without its file.

What is about to be made is noted and committed first. Rows and the end of the note are committed together; whatever is still noted after
a failure, or at the begin of the next run, belongs to rows that never came, and is removed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from immich_pipeline.sharing.media_folder import Link, LinkReport
from immich_pipeline.sharing.work import Counts, Work

_NOTE = """
INSERT INTO immich_pipeline_sharing.file (path, run) SELECT path, %(run)s FROM unnest(%(paths)s::text[]) AS path
"""
_SETTLE = "DELETE FROM immich_pipeline_sharing.file WHERE path = ANY (%s)"

# A row may name a noted file: one that was there already and has been made anew.
_LEFT_OVER = """
SELECT file.path FROM immich_pipeline_sharing.file
WHERE NOT EXISTS (SELECT FROM asset_file WHERE asset_file.path = file.path)
  AND NOT EXISTS (SELECT FROM person WHERE person."thumbnailPath" = file.path)
  AND NOT EXISTS (SELECT FROM asset WHERE asset."originalPath" = file.path)
"""


def make(work: Work, links: Sequence[Link]) -> LinkReport:
    """Note the files, then make them; call `settle` in the transaction of their rows, and `discard` when that fails.

    Raises:
        NotLinked: none can be made; nothing is left of them then.
    """
    if not links:
        return LinkReport()
    with work.connection.transaction():
        work.connection.execute(_NOTE, {**work.values, "paths": [link.target for link in links]})
    with discarded_on_error(work):
        return work.media.link_all(links, work.job.policy.other_filesystem)


def settle(work: Work, paths: Sequence[str]) -> None:
    """Forget files that committed rows will name."""
    if paths:
        work.connection.execute(_SETTLE, [list(paths)])


def discard(work: Work) -> Counts:
    """Remove every file that is noted and that no row names; returns how many."""
    if work.connection.execute("SELECT FROM immich_pipeline_sharing.file LIMIT 1").fetchone() is None:
        return {}
    left = [path for (path,) in work.connection.execute(_LEFT_OVER)]
    removed = work.media.remove_all(path for path in left if work.media.covers(path))
    work.connection.execute("DELETE FROM immich_pipeline_sharing.file")
    return {"files": removed} if removed else {}


@contextmanager
def discarded_on_error(work: Work) -> Iterator[None]:
    """Remove what is noted when something within fails and the connection still tells what was committed; else the next run does it."""
    try:
        yield
    except BaseException:
        try:
            if not work.connection.broken and not work.connection.closed:
                discard(work)
        except (psycopg.OperationalError, OSError):  # just lost, or a file that cannot be removed now
            pass
        raise

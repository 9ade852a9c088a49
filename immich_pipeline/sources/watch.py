"""Has anything in the library's folders changed? Looks at folders only, so that it stays cheap over a large library.

A file that is added, removed or renamed changes its folder's modification time; so does an editor that saves by renaming. What
does not (a file overwritten in place) is found by the daily full reconcile.
"""

import os
import time
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Look:
    """What a look found: the first folder that changed, if any, and where the next look should begin."""

    changed: bool
    looked_at: int
    next_start: int


def look_for_changes(folders: pl.DataFrame, *, start: int = 0, seconds: float = 10.0) -> Look:
    """Compare each folder's modification time with the one at the last scan, beginning at row `start`, for at most `seconds`.

    Args:
        folders: root Binary, real_path Binary (relative to the root), mtime_ns Int64, as the last scan saw them.
        start: row to begin with, so that looks cut short by slow storage reach every folder in turn.
        seconds: how long a look may take.
    """
    deadline = time.monotonic() + seconds
    count = folders.height
    rows = folders.select("root", "real_path", "mtime_ns").rows()
    for step in range(count):
        place = (start + step) % count
        root, real_path, mtime_ns = rows[place]
        if _mtime_ns(os.path.join(root, real_path)) != mtime_ns:  # noqa: PTH118 - bytes paths
            return Look(changed=True, looked_at=step + 1, next_start=place)
        if time.monotonic() > deadline:
            return Look(changed=False, looked_at=step + 1, next_start=(place + 1) % count)
    return Look(changed=False, looked_at=count, next_start=0)


def _mtime_ns(folder: bytes) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - bytes paths
    except OSError:
        return None  # gone, or out of reach: either is a change

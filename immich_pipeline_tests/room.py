"""Where the files of a test session's PostgreSQL lie: in memory where there is room, since each database is several hundred files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from immich_pipeline.store import server

MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder of a name that nobody can guess is made in it
ENOUGH = 4 * 2**30  # bytes free there; a session of one worker needs up to 1.5 GB, most of them PostgreSQL's journal
PREFIX = "immich-pipeline-tests-"


@contextmanager
def room_for_a_server() -> Iterator[Path]:
    """An empty folder that the server's user can reach; gone afterwards, with all that is in it."""
    base = MEMORY if _roomy(MEMORY) else Path(tempfile.gettempdir())
    _clear_away_what_killed_sessions_left(base)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=base, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # where tests run as root, the server is another user
        yield Path(folder)


def _roomy(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ENOUGH


def _clear_away_what_killed_sessions_left(base: Path) -> None:
    for left in base.glob(f"{PREFIX}*"):
        number = left.name.removeprefix(PREFIX).split("-")[0]
        if left.is_symlink() or left.stat().st_uid != os.getuid() or psutil.pid_exists(int(number)):
            continue
        server.stop(server.locate(left))
        shutil.rmtree(left, ignore_errors=True)

"""Trouble at any step of a cycle: the process dies, the connection is cut, a link fails."""

import errno
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
from pydantic import SecretStr

from immich_pipeline.sharing.cycle import run_cycle
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.role import DEFAULT_ROLE
from immich_pipeline.sharing.session import open_session
from immich_pipeline.sharing.undo import undo_job
from immich_pipeline_tests.sharing.house import MEDIA

Step = Callable[[str], None]


@contextmanager
def stepping(step: Step) -> Iterator[None]:
    """Have `step` told before and after whatever a run does to the outside: "sql", "commit", "link", "unlink"."""

    def around(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **options: Any) -> Any:
            step(what)
            result = function(*args, **options)
            step(what)
            return result

        return stepped

    with (
        patch.object(psycopg.Cursor, "execute", around("sql", psycopg.Cursor.execute)),
        patch.object(psycopg.Transaction, "__exit__", around("commit", psycopg.Transaction.__exit__)),
        patch.object(os, "link", around("link", os.link)),
        patch.object(os, "unlink", around("unlink", os.unlink)),
    ):
        yield


class Countdown:
    """Does something at the n-th step of one kind (or of any); counts them."""

    def __init__(self, at: int, act: Callable[[], None], kinds: tuple[str, ...] = ()) -> None:
        self.at, self.act, self.kinds, self.steps = at, act, kinds, 0

    def __call__(self, what: str) -> None:
        if not self.kinds or what in self.kinds:
            self.steps += 1
            if self.steps == self.at:
                self.act()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def cut(url: str) -> Callable[[], None]:
    """End every connection of the role that shares, as an administrator or a restarted server does."""

    def act() -> None:
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND usename = %s",
                [DEFAULT_ROLE],
            )

    return act


def fail_with(number: int) -> Callable[[], None]:
    """The file system refuses."""

    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


FILE_TROUBLE = {
    "link": (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EMLINK, errno.ENOENT),
    "unlink": (errno.EIO, errno.EACCES, errno.EPERM, errno.EBUSY),  # ENOENT is said only of what is not there
}


def run(url: str, media: Path, job: Job, step: Step, *, undoing: bool = False) -> None:
    """A cycle, or the undo of the job, with something that may happen at any step."""
    with open_session(SecretStr(url)) as connection, stepping(step):
        folder = MediaFolder(MEDIA, media)
        if undoing:
            undo_job(connection, job.name, folder)
        else:
            run_cycle(connection, job, folder)


def steps_of(url: str, media: Path, job: Job) -> int:
    """How many steps an undisturbed cycle takes now."""
    count = Countdown(0, die)
    run(url, media, job, count)
    return count.steps


def _until_gone(url: str) -> None:
    """The server ends what a killed process had asked for; until it notices, the lock is held."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = """SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"""
        for _ in range(600):
            if connection.execute(query).fetchone() == (0,):
                return
            time.sleep(0.05)
    raise TimeoutError("the session of a killed process does not end")


def killed(url: str, media: Path, job: Job, at: int, *, undoing: bool = False) -> bool:
    """Run in a process of its own that is killed at that step; whether it came so far."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    child = context.Process(target=run, args=(url, media, job, Countdown(at, die)), kwargs={"undoing": undoing})
    child.start()
    child.join()
    code = child.exitcode
    child.close()
    _until_gone(url)
    assert code in {0, -signal.SIGKILL}, code
    return code == -signal.SIGKILL

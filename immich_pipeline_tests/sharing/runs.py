"""Cycles and undos in a house, as the role with the fewest rights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from immich_pipeline.sharing.cycle import CycleReport, Outlook, look, run_cycle
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.session import Connection, open_session
from immich_pipeline.sharing.undo import UndoReport, undo_job, undo_run
from immich_pipeline_tests.sharing.house import MEDIA, House


def media_of(house: House) -> MediaFolder:
    return MediaFolder(MEDIA, house.media)


@contextmanager
def session(house: House) -> Iterator[Connection]:
    house.counted()
    with open_session(SecretStr(house.role_url())) as connection:
        yield connection


def cycle(house: House, job: Job | None = None, **options: Any) -> CycleReport:
    """One cycle of a job, by default of alice's external library."""
    with session(house) as connection:
        return run_cycle(connection, job or house.job(), media_of(house), **options)


def outlook(house: House, job: Job | None = None) -> Outlook:
    with session(house) as connection:
        return look(connection, job or house.job(), media_of(house))


def undone(house: House, what: int | str) -> UndoReport:
    """Undo a run, by its number, or a whole job, by its name."""
    with session(house) as connection:
        if isinstance(what, int):
            return undo_run(connection, what, media_of(house))
        return undo_job(connection, what, media_of(house))

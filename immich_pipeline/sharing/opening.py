"""Everything that a job needs, opened as the settings say: the database, the media folder, the jobs with their ids."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.share_settings import ShareJob
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job, RemovalBrake
from immich_pipeline.sharing.resolve import Known, resolve_jobs
from immich_pipeline.sharing.session import Connection, open_session


@dataclass(frozen=True)
class OpenShare:
    """What is open.

    Attributes:
        connection: to Immich's database, by the role that shares.
        media: Immich's media folder.
        jobs: those that were asked for.
    """

    connection: Connection
    media: MediaFolder
    jobs: tuple[Job, ...]

    @property
    def job(self) -> Job:
        """The one job that was asked for."""
        (job,) = self.jobs
        return job


@contextmanager
def open_share(settings: Settings, name: str | None = None) -> Iterator[OpenShare]:
    """Open what the settings say, for one job or for all.

    Raises:
        UserError: nothing is shared, there is no such job, a job does not fit what is in Immich, the media folder is not mounted or may
            not be written to, the database cannot be reached, or is lost in the middle.
    """
    wanted = jobs_called(settings, name)
    immich = reached_by(settings)
    media = MediaFolder.mapped(immich.media_location, immich.paths)
    with open_database(settings) as connection:
        jobs = resolve_jobs(Known.read(connection, immich.media_location), wanted)
        yield OpenShare(connection, media, tuple(jobs))


@contextmanager
def open_database(settings: Settings) -> Iterator[Connection]:
    """Immich's database by the role that shares, with what goes wrong there told in words.

    Raises:
        UserError: it is not named, cannot be reached, lacks a right, or is lost in the middle.
    """
    url = settings.sharing.database_url
    if url is None:
        raise UserError(
            "sharing needs Immich's database, by a role that may write: set sharing.database_url_file ('immich-pipeline share role')"
        )
    try:
        with open_session(url) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"the role that shares lacks a right in Immich's database ({first_line(error)}): run the SQL of 'immich-pipeline share role' "
            "again, as the owner of that database"
        ) from error
    except psycopg.Error as error:
        raise UserError(f"Immich's database: {first_line(error)}") from error


def jobs_called(settings: Settings, name: str | None) -> Sequence[ShareJob]:
    """The jobs of the settings, or the one of this name.

    Raises:
        UserError: there is none.
    """
    jobs = settings.sharing.jobs
    if not jobs:
        raise UserError("nothing is shared: write a job with 'immich-pipeline share setup'")
    if name is None:
        return jobs
    found = [job for job in jobs if job.name == name]
    if not found:
        raise UserError(
            f"there is no job '{name}' under sharing.jobs; there are: {', '.join(job.name for job in jobs)}"
        )
    return found


def reached_by(settings: Settings) -> ImmichSettings:
    """How the server is reached and where its folders are.

    Raises:
        UserError: the settings do not say.
    """
    if settings.immich is None:
        raise UserError(
            "sharing needs the part 'immich' of the settings: its paths say where the media folder is mounted here, writable"
        )
    return settings.immich


def removal_brake(settings: Settings, *, released: bool = False) -> RemovalBrake:
    """How many copies may leave at once, as the settings say."""
    brakes = settings.sharing.brakes
    return RemovalBrake(brakes.max_share, brakes.max_number, released)


def first_line(error: BaseException) -> str:
    """What an error says, without the details that PostgreSQL adds: they may quote rows."""
    return str(error).strip().partition("\n")[0]

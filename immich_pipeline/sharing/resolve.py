"""What the settings call users, libraries, albums, tags and people, as the ids that they have in Immich's database at the moment.

Whatever does not fit is refused, all of it at once, and each with what to do about it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from immich_pipeline.errors import UserError
from immich_pipeline.share_settings import ShareJob, is_within
from immich_pipeline.sharing import directory
from immich_pipeline.sharing.directory import KnownLibrary, KnownUser
from immich_pipeline.sharing.model import Job, Scope, SharePolicy
from immich_pipeline.sharing.session import Connection

EXCLUSION = "**/*"
"""With this exclusion pattern a scan of the target library finds nothing that it could import."""


class ShareRefused(UserError):  # noqa: N818 - what it says is the error
    """Jobs that cannot be carried out as they are written; `problems` has every reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Known:
    """What the settings are compared with.

    Attributes:
        connection: to look up albums, tags and people.
        users: all users.
        libraries: all external libraries.
        media: Immich's own media folder, as Immich sees it.
    """

    connection: Connection
    users: tuple[KnownUser, ...]
    libraries: tuple[KnownLibrary, ...]
    media: str

    @classmethod
    def read(cls, connection: Connection, media: str) -> "Known":
        """What there is now."""
        users, libraries = directory.users(connection), directory.libraries(connection)
        return cls(connection, tuple(users), tuple(libraries), media.rstrip("/"))


def resolve_jobs(known: Known, jobs: Sequence[ShareJob]) -> list[Job]:
    """The jobs with every name as an id.

    Raises:
        ShareRefused: with all that does not fit, of all jobs.
    """
    problems: list[str] = []
    resolved = [_resolve(known, job, problems) for job in jobs]
    found = [job for job in resolved if job is not None]
    problems += _double_links(found)
    if problems:
        raise ShareRefused(problems)
    return found


def overlaps(jobs: Sequence[Job]) -> list[str]:
    """What a person should know of jobs that may share the same assets with the same user; nothing is wrong with that."""
    return [
        f"the jobs '{one.name}' and '{other.name}' share from the same folder with the same user: an asset that fits both is copied "
        "once, by the one that comes to it first"
        for one, other in combinations(jobs, 2)
        if (one.source_owner, one.target_owner) == (other.source_owner, other.target_owner)
        and (is_within(one.source_prefix, other.source_prefix) or is_within(other.source_prefix, one.source_prefix))
    ]


def upload_folders(user: KnownUser, media: str) -> tuple[str, ...]:
    """Where a user's uploads may lie, as Immich sees it: with its storage template on, and without."""
    return f"{media}/library/{user.folder}", f"{media}/upload/{user.id}"


def user_called(known: Known, wanted: str) -> KnownUser:
    """The user that a word means.

    Raises:
        UserError: there is none, more than one, or the user was deleted.
    """
    ids = directory.called(wanted, known.users)
    meant = [user for user in known.users if user.id in ids]
    living = [user for user in meant if not user.deleted]
    if len(living) == 1:
        return living[0]
    if living:
        raise UserError(f"several users are called '{wanted}': write the e-mail address or the id of one")
    if meant:
        raise UserError(f"the user '{wanted}' was deleted in Immich: restore the user there, or take the job out")
    there = ", ".join(user.email for user in known.users if not user.deleted)
    raise UserError(f"Immich has no user '{wanted}': write an e-mail address, a name or an id; there are: {there}")


def folder_problem(known: Known, folder: str, source: KnownUser) -> str | None:
    """Why a folder cannot be one that a user's assets lie in; None when it can."""
    folders = [
        *(
            plain(path)
            for library in known.libraries
            if library.owner_id == source.id and not library.deleted
            for path in library.import_paths
        ),
        *upload_folders(source, known.media),
    ]
    if any(is_within(folder, one) for one in folders):
        return None
    return f"{folder} is not in a folder of {source.email}'s: their import paths and upload folders are {', '.join(folders)}"


def _resolve(known: Known, job: ShareJob, problems: list[str]) -> Job | None:
    refused = _Refusals(job.name, problems)
    source = refused.user(known, "source_user", job.source_user)
    target = refused.user(known, "target_user", job.target_user)
    if source is not None and source == target:
        refused.because(f"source_user and target_user are both {source.email}: name two users")
    library = album = scope = None
    if target is not None:
        library = refused.library(known, job, target)
        album = refused.album(known, job.album, target) if job.album is not None else None
    if source is not None:
        refused.source_prefix(known, job, source)
        scope = refused.scope(known, job, source)
    if source is None or target is None or library is None or scope is None or refused.any:
        return None
    policy = SharePolicy(
        names=job.names,
        on_source_delete=job.on_source_delete,
        on_target_delete=job.on_target_delete,
        guard_originals=job.guard_originals,
        follow=job.follow_edits,
        tags=job.tags,
        other_filesystem=job.other_filesystem,
        wait_for=job.wait_for,
    )
    return Job(
        job.name, source.id, target.id, library.id, job.source_prefix, job.target_prefix, scope, album, policy
    )  # fmt: skip


class _Refusals:
    """Looks up one job's names; what does not fit is noted, with the job's name before it."""

    def __init__(self, name: str, problems: list[str]) -> None:
        self._name, self._problems, self.any = name, problems, False

    def because(self, reason: str) -> None:
        """Note why the job is refused."""
        self._problems.append(f"job '{self._name}': {reason}")
        self.any = True

    def user(self, known: Known, setting: str, wanted: str) -> KnownUser | None:
        """The user that a setting means."""
        try:
            return user_called(known, wanted)
        except UserError as error:
            self.because(f"{setting}: {error}")
            return None

    def library(self, known: Known, job: ShareJob, target: KnownUser) -> KnownLibrary | None:
        """The target's library, which must be fit for copies."""
        theirs = [library for library in known.libraries if library.owner_id == target.id and not library.deleted]
        ids = directory.called(job.target_library, theirs)
        if len(ids) != 1:
            self.because(f"target_library: {_no_library(known, job.target_library, target, len(ids))}")
            return None
        library = next(library for library in theirs if library.id == ids[0])
        if not any(is_within(job.target_prefix, plain(path)) for path in library.import_paths):
            paths = ", ".join(library.import_paths) or "none"
            self.because(
                f"target_prefix: {job.target_prefix} is not below an import path of the library '{library.name}' ({paths}): "
                "add it to the library's import paths in Immich, or write another target_prefix"
            )
        if EXCLUSION not in library.exclusion_patterns:
            self.because(
                f"target_library: '{library.name}' has no exclusion pattern {EXCLUSION}: a scan would import everything in the folder, "
                "shared or not; add the pattern in Immich (Administration, External Libraries)"
            )
        return library

    def album(self, known: Known, wanted: str, target: KnownUser) -> str | None:
        """The id of the target's album."""
        found = directory.albums(known.connection, wanted)
        theirs = [album for album in found if album.owner_id == target.id]
        living = [album for album in theirs if not album.deleted]
        if len(living) == 1:
            return living[0].id
        if living:
            self.because(f"album: {target.email} has several albums '{wanted}': write the id of one")
        elif theirs:
            self.because(f"album: '{wanted}' was deleted: make it again, or take it out")
        elif found:
            self.because(f"album: '{wanted}' is another user's: it must be one of {target.email}'s own albums")
        else:
            self.because(f"album: {target.email} has no album '{wanted}': make it, or take it out")
        return None

    def source_prefix(self, known: Known, job: ShareJob, source: KnownUser) -> None:
        """The folder must be one that the source's assets lie in."""
        problem = folder_problem(known, job.source_prefix, source)
        if problem is not None:
            self.because(f"source_prefix: {problem}")

    def scope(self, known: Known, job: ShareJob, source: KnownUser) -> Scope:
        """What is shared, in ids."""
        share = job.share
        return Scope(
            paths=share.paths,
            albums=tuple(self._source_albums(known, share.albums, source)),
            tags=tuple(
                tag_id
                for tag in share.tags
                for tag_id in self._some(
                    directory.tags(known.connection, source.id, tag), "tags", f"tag '{tag}'", source
                )
            ),
            people=tuple(
                person_id
                for person in share.people
                for person_id in self._some(
                    directory.people(known.connection, source.id, person), "people", f"person '{person}'", source
                )
            ),
            favourites=share.favourites,
            since=share.since,
            until=share.until,
        )

    def _source_albums(self, known: Known, wanted: Sequence[str], source: KnownUser) -> Iterator[str]:
        for name in wanted:
            seen = [album for album in directory.albums(known.connection, name) if source.id in album.seen_by]
            ids = [album.id for album in seen if not album.deleted]
            yield from self._some(ids, "albums", f"album '{name}'", source)

    def _some(self, ids: list[str], part: str, what: str, source: KnownUser) -> list[str]:
        """The ids, of which there must be one; noted when there is none: an empty part would mean that everything is shared."""
        if not ids:
            self.because(f"share.{part}: {source.email} has no {what}: write it as Immich shows it, or its id")
        return ids


def _no_library(known: Known, wanted: str, target: KnownUser, found: int) -> str:
    if found:
        return f"{target.email} has several libraries '{wanted}': write the id of one"
    elsewhere = directory.called(wanted, known.libraries)
    meant = [library for library in known.libraries if library.id in elsewhere]
    if any(library.owner_id == target.id for library in meant):
        return f"'{wanted}' was deleted: make a library with 'immich-pipeline share setup'"
    if meant:
        return f"'{wanted}' is another user's: it must belong to {target.email}, whose copies it holds"
    return f"{target.email} has no library '{wanted}': make one with 'immich-pipeline share setup', or write its id"


def _double_links(jobs: Sequence[Job]) -> list[str]:
    """One folder cannot be a link to two."""
    return [
        f"the jobs '{one.name}' and '{other.name}' have the same target_prefix for two folders: give each its own"
        for one, other in combinations(jobs, 2)
        if one.target_prefix == other.target_prefix and one.source_prefix != other.source_prefix
    ]


def plain(path: str) -> str:
    """A folder without a slash at its end."""
    return path.rstrip("/") or "/"

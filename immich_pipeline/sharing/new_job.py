"""Everything that a new job needs outside of the configuration: what is there already, what is to be made, and making it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from immich_pipeline.errors import UserError
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.share_settings import ShareJob, is_within
from immich_pipeline.sharing import directory
from immich_pipeline.sharing.directory import KnownLibrary, KnownUser
from immich_pipeline.sharing.folder_link import FolderLink, folder_link
from immich_pipeline.sharing.read_only_mount import compose_volume
from immich_pipeline.sharing.resolve import EXCLUSION, Known, ShareRefused, folder_problem, plain, user_called


@dataclass(frozen=True)
class Step:
    """One thing that a job needs.

    Attributes:
        what: mount, link, library, album.
        state: there; to make; by hand.
        detail: which, and where; for what is to be done by hand, how.
    """

    what: str
    state: str
    detail: str


@dataclass(frozen=True)
class NewJob:
    """A job that is being set up.

    Attributes:
        job: as the configuration will have it, the library by the name that it has or gets.
        source: whose assets they are.
        target: who gets copies.
        link: from the target's folder to the source's; None: a mount takes its place.
        volume: the mount, as a line of Immich's compose file.
        library: the library that holds the copies; None: it is not there yet.
        album_is_there: whether the target has the album; True where none is wanted.
    """

    job: ShareJob
    source: KnownUser
    target: KnownUser
    link: FolderLink | None
    volume: str
    library: KnownLibrary | None
    album_is_there: bool

    def steps(self, admin: ImmichClient | None, of_target: ImmichClient | None) -> Iterator[Step]:
        """What the job needs, in the order in which it is made.

        Args:
            admin: with the key of an administrator, if there is one.
            of_target: with the target's key, if there is one.
        """
        yield self._access()
        facts = f"'{self.job.target_library}' of {self.target.email}, import path {self.job.target_prefix}, exclusion pattern {EXCLUSION}"
        if self.library is not None:
            yield Step("library", "there", f"'{self.library.name}' of {self.target.email} ({self.library.id})")
        elif admin is not None:
            yield Step("library", "to make", facts)
        else:
            yield Step(
                "library", "by hand", f"no administrator's key: in Immich, Administration, External Libraries: {facts}"
            )
        if self.job.album is None:
            return
        name = f"'{self.job.album}' of {self.target.email}"
        if self.album_is_there:
            yield Step("album", "there", name)
        elif of_target is not None:
            yield Step("album", "to make", name)
        else:
            yield Step("album", "by hand", f"no key of {self.target.email}: they make the album {name}")

    def _access(self) -> Step:
        """How Immich gets from the target's folder to the source's."""
        link = self.link
        if link is None:
            return Step("mount", "by hand", f"under volumes: of immich-server in its docker-compose.yml: {self.volume}")
        if link.state == "not mounted":
            return Step("link", "by hand", f"not mounted here: {link.command}")
        return Step("link", link.state, f"{link.path} -> {link.text} (here {link.here})")

    @property
    def access_by_hand(self) -> str:
        """What a person does so that Immich sees the folder."""
        if self.link is None:
            return f"add the volume {self.volume} to immich-server, and start it anew"
        return f"the link must be there in Immich's container: {self.link.command}"

    def make(self, admin: ImmichClient | None, of_target: ImmichClient | None) -> dict[str, object]:
        """Make what is not there and can be made here.

        Returns:
            The job as the configuration is to have it, with the library's id.

        Raises:
            UserError: something of it went wrong, or the library can only be made by hand; what was made stays, and is found again.
        """
        if self.link is not None and self.link.state == "to make":
            self.link.make()
        library_id = self.library.id if self.library else None
        if library_id is None:
            if admin is None:
                raise UserError("the library must be made by hand: do that, then run this again")
            made = admin.create_library(self.target.id, self.job.target_library, [self.job.target_prefix], [EXCLUSION])
            library_id = made.id
        if not self.album_is_there and of_target is not None and self.job.album is not None:
            of_target.create_album(self.job.album)
        written = json.loads(self.job.model_dump_json(exclude_defaults=True))
        return {
            **written,
            "source_user": self.source.email,
            "target_user": self.target.email,
            "target_library": library_id,
        }


def survey(known: Known, paths: PathMap, job: ShareJob, *, by_mount: bool) -> NewJob:
    """Look what a new job needs; nothing is changed.

    Args:
        known: what is in Immich's database.
        paths: where Immich's folders are mounted here.
        job: as a person wants it; its library need not be there.
        by_mount: the target's folder is a read-only mount of the source's, which a person makes; else it is a link.

    Raises:
        ShareRefused: with everything that does not fit.
    """
    problems: list[str] = []
    source, target = (_user(known, word, problems) for word in (job.source_user, job.target_user))
    if source is None or target is None:
        raise ShareRefused(problems)
    if source == target:
        problems.append(f"both users are {source.email}: name two")
    problem = folder_problem(known, job.source_prefix, source)
    problems += [problem] if problem else []
    link = None if by_mount else folder_link(paths, job.target_prefix, job.source_prefix)
    if link is not None and link.state == "in the way":
        problems.append(
            f"{link.here} is there and is no link to {job.source_prefix}: move it away, or take another folder"
        )
    library = _library(known, job, target, problems)
    album = job.album is None or any(
        one.owner_id == target.id and not one.deleted for one in directory.albums(known.connection, job.album)
    )
    if problems:
        raise ShareRefused(problems)
    volume = compose_volume(paths, known.media, job.source_prefix, job.target_prefix)
    return NewJob(job, source, target, link, volume, library, album)


def _user(known: Known, word: str, problems: list[str]) -> KnownUser | None:
    try:
        return user_called(known, word)
    except UserError as error:
        problems.append(str(error))
        return None


def _library(known: Known, job: ShareJob, target: KnownUser, problems: list[str]) -> KnownLibrary | None:
    """The library that can be used again: the target's, with the folder among its import paths, and closed to scans."""
    covering = [
        library
        for library in known.libraries
        if not library.deleted and any(is_within(job.target_prefix, plain(path)) for path in library.import_paths)
    ]
    fit = [one for one in covering if one.owner_id == target.id and EXCLUSION in one.exclusion_patterns]
    named = [one for one in fit if job.target_library in {one.id, one.name}]
    if fit:
        return (named or fit)[0]
    problems += [
        f"{job.target_prefix} lies in the library '{one.name}' of another user or without the exclusion pattern {EXCLUSION}: what is "
        "shared needs a folder, and a library, of its own"
        for one in covering
    ]
    return None

"""Immich's own media folder as it is mounted here: files of one asset become files of another, without a second copy of their bytes.

Paths are given as Immich writes them in its database. Only what lies below the media folder, by its text, is ever made or removed; links
that Immich's owner has put on the way (thumbs on another disk) are followed, as Immich follows them.
"""

import errno
import os
import random
import re
import shutil
import stat
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.settings import PathMapping
from immich_pipeline.progress import byte_size
from immich_pipeline.sharing.reflink import reflink

OtherFilesystem = Literal["reflink", "copy", "refuse"]

_PART = ".immich-pipeline.part"
_NO_LINK = frozenset({errno.EXDEV, errno.EMLINK})
"""Errors of a hard link that a copy would not have: another file system, too many names."""
_HOPELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors that the next file would meet as well."""
_SAMPLE = 500
_AT_ONCE = 4
"""Threads that make links: a name is written to a disk, or asked for from a NAS, and each waits for it."""
_SHARE = 250
"""So few links are made by one thread."""
_UNSOUND = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)|\0")


class Link(NamedTuple):
    """A file that is to have a second name; both paths as Immich writes them."""

    source: str
    target: str


class NotLinked(UserError):  # noqa: N818 - what it says is the error
    """Files cannot be made at all: another file system, no space, no right to write."""


@dataclass
class LinkReport:
    """What came of making files.

    Attributes:
        made: target paths that were not there before, or that were another file.
        present: how many were there already.
        failed: target path to the reason why it could not be made.
    """

    made: list[str] = field(default_factory=list)
    present: int = 0
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """What links would take, estimated from a sample.

    Attributes:
        linkable: hard links are possible; then no space is needed.
        needed: bytes that copies would take.
        free: bytes that are free where they would be written.
    """

    linkable: bool
    needed: int
    free: int


class MediaFolder:
    """Immich's media folder.

    Args:
        location: as Immich sees it (its `IMMICH_MEDIA_LOCATION`), absolute.
        here: the same folder on this machine.

    Raises:
        UserError: it is not there, or cannot be written to.
    """

    def __init__(self, location: str, here: Path) -> None:
        self.location = location.rstrip("/")
        self.here = os.path.realpath(here)
        if not self.location.startswith("/") or not sound(self.location[1:]):
            raise UserError(f"{location!r} is no folder that Immich could see: write it as Immich does, e.g. /data")
        if not os.path.isdir(self.here):
            raise UserError(f"Immich's media folder is not mounted at {here}: mount it there, or correct the path")
        if not os.access(self.here, os.W_OK | os.X_OK):
            raise UserError(f"no right to write in Immich's media folder at {here}: thumbnails are linked there")

    @classmethod
    def mapped(cls, location: str, mappings: Sequence[PathMapping]) -> "MediaFolder":
        """The media folder where the path mappings say that it is.

        Raises:
            UserError: no mapping covers it, or see the class.
        """
        inside = PathMap(mappings).locate(f"{location.rstrip('/')}/thumbs")
        if inside is None:
            raise UserError(
                f"Immich's media folder {location} is not mounted here: add it to immich.paths; thumbnails are linked there"
            )
        return cls(location, inside.path.parent)

    def __repr__(self) -> str:
        return f"MediaFolder({self.location!r}, {self.here!r})"

    def covers(self, path: str) -> bool:
        """Whether a path, as Immich writes it, lies below the media folder by its text."""
        return path.startswith(f"{self.location}/") and sound(path[len(self.location) + 1 :])

    def place(self, path: str) -> str:
        """Where a file is on this machine.

        Raises:
            ValueError: it is not below the media folder; nothing is ever done there.
        """
        if not self.covers(path):
            raise ValueError(f"{path!r} is not below Immich's media folder {self.location}")
        return self.here + path[len(self.location) :]

    def link_all(self, links: Iterable[Link], other_filesystem: OtherFilesystem = "refuse") -> LinkReport:
        """Give every source file a second name; a file that has the name already is replaced unless it is the same one.

        One that fails is told in the report. When this raises, whatever it had made is gone again.

        Raises:
            NotLinked: another file system and the policy does not allow copies; no space; read-only.
        """
        wanted = list(links)
        size = max(_SHARE, -(-len(wanted) // _AT_ONCE))
        shares = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        reports = [LinkReport() for _ in shares]
        stop = threading.Event()
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                done = [
                    pool.submit(self._make_share, *given, other_filesystem, stop)
                    for given in zip(shares, reports, strict=True)
                ]
                try:
                    for share in done:
                        share.result()
                finally:
                    stop.set()  # the others end before anything is taken back
        except BaseException:
            self.remove_all(path for report in reports for path in report.made)
            raise
        return LinkReport(
            made=[path for report in reports for path in report.made],
            present=sum(report.present for report in reports),
            failed={path: reason for report in reports for path, reason in report.failed.items()},
        )

    def _make_share(
        self, links: Sequence[Link], report: LinkReport, other_filesystem: OtherFilesystem, stop: threading.Event
    ) -> None:
        try:
            for link in links:
                if stop.is_set():
                    return
                self._make(link, other_filesystem, report)
        except BaseException:
            stop.set()
            raise

    def _make(self, link: Link, other_filesystem: OtherFilesystem, report: LinkReport) -> None:
        try:
            source, target = self.place(link.source), self.place(link.target)
            if self._give_name(source, target, other_filesystem):
                report.made.append(link.target)
            else:
                report.present += 1
        except ValueError as error:
            report.failed[link.target] = str(error)
        except OSError as error:
            if error.errno in _HOPELESS:
                raise NotLinked(f"cannot make {link.target}: {error.strerror}") from error
            report.failed[link.target] = f"{link.source}: {error.strerror}"

    def _give_name(self, source: str, target: str, other_filesystem: OtherFilesystem) -> bool:
        """Whether something was made."""
        found = os.lstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        try:
            self._link(source, target)
        except FileExistsError:
            if _is_same(found, os.lstat(target)):
                return False
            part = target + _PART
            with suppress(FileNotFoundError):
                os.unlink(part)  # what a killed run has left
            self._link_or_copy(source, part, other_filesystem)
            os.replace(part, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copy(source, target, other_filesystem)
        return True

    def _link_or_copy(self, source: str, target: str, other_filesystem: OtherFilesystem) -> None:
        try:
            self._link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copy(source, target, other_filesystem)

    def _link(self, source: str, target: str) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except FileNotFoundError:
            self._make_folder(target.rpartition("/")[0])
            os.link(source, target, follow_symlinks=False)

    def _copy(self, source: str, target: str, other_filesystem: OtherFilesystem) -> None:
        """A file of its own with the same bytes and times, whole or not there.

        Raises:
            NotLinked: the policy does not allow it.
        """
        if other_filesystem == "refuse":
            raise NotLinked(_no_link(source, "the policy other_filesystem allows no copies"))
        part = target + _PART
        with suppress(FileNotFoundError):
            os.unlink(part)
        try:
            _copy_bytes(source, part, other_filesystem)
            shutil.copystat(source, part)
            os.replace(part, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise

    def _make_folder(self, folder: str) -> None:
        """Make a folder and those above it, with the owner and the rights of the one that they are made in."""
        try:
            os.mkdir(folder)
        except FileExistsError:
            return
        except FileNotFoundError:
            if len(folder) <= len(self.here):
                raise
            self._make_folder(folder.rpartition("/")[0])
            self._make_folder(folder)
            return
        above = os.stat(folder.rpartition("/")[0])
        os.chmod(folder, stat.S_IMODE(above.st_mode))
        if os.geteuid() == 0:
            os.chown(folder, above.st_uid, above.st_gid)

    def remove_all(self, paths: Iterable[str]) -> int:
        """Remove files, and the folders below thumbs/ and the like that are empty then; those that are not there are passed over.

        Returns:
            How many were removed.

        Raises:
            ValueError: a path is not below the media folder.
            OSError: a file cannot be removed; the others are.
        """
        removed, folders, refused = 0, dict[str, None](), list[OSError]()
        for path in paths:
            place = self.place(path)
            try:
                os.unlink(place)
                removed += 1
            except FileNotFoundError:
                pass
            except OSError as error:
                refused.append(error)
            folders[place.rpartition("/")[0]] = None
        for folder in folders:
            self._remove_empty(folder)
        if refused:
            raise refused[0]
        return removed

    def _remove_empty(self, folder: str) -> None:
        """Remove a folder and those above while they are empty; the first level (thumbs, encoded-video) stays."""
        while folder.count("/") > self.here.count("/") + 1:
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.rpartition("/")[0]

    def has(self, link: Link) -> bool:
        """Whether a link needs nothing: the target is the same file, or the source is not there while the target is."""
        try:
            target = os.lstat(self.place(link.target))
        except (OSError, ValueError):
            return False
        try:
            return _is_same(os.lstat(self.place(link.source)), target)
        except FileNotFoundError:
            return True

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        return os.path.lexists(self.place(path))

    def space(self, links: Sequence[Link]) -> Space:
        """Whether links are possible, and what copies would take: from up to 500 files."""
        sample = random.Random(0).sample(links, min(len(links), _SAMPLE))  # noqa: S311 - no secret
        sizes, linkable, free = [], True, shutil.disk_usage(self.here).free
        for link in sample:
            with suppress(FileNotFoundError, ValueError):
                found = os.lstat(self.place(link.source))
                sizes.append(found.st_size)
                target = _nearest(self.place(link.target))
                if os.stat(target).st_dev != found.st_dev:
                    linkable, free = False, min(free, shutil.disk_usage(target).free)
        needed = round(sum(sizes) / max(len(sizes), 1) * len(links))
        return Space(linkable, needed, free)


def sound(below: str) -> bool:
    """Whether a relative path stays below its root by its text: no empty part, no `.` or `..`, nothing that no file name can hold."""
    return _UNSOUND.search(below) is None


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """The same file, or a copy that was made of it as it is."""
    if os.path.samestat(one, other):
        return True
    return (
        stat.S_ISREG(other.st_mode)
        and one.st_dev != other.st_dev
        and (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
    )


def _copy_bytes(source: str, target: str, other_filesystem: OtherFilesystem) -> None:
    if reflink(source, target):
        return
    if other_filesystem == "reflink":
        raise NotLinked(_no_link(source, "the file system cannot share their bytes either"))
    shutil.copyfile(source, target)


def _nearest(path: str) -> str:
    """The folder that a file would lie in, or the nearest one above that is there."""
    folder = path.rpartition("/")[0]
    while folder and not os.path.isdir(folder):
        folder = folder.rpartition("/")[0]
    return folder or "/"


def _no_link(source: str, reason: str) -> str:
    size = byte_size(os.lstat(source).st_size)
    return (
        f"thumbnails cannot be hard-linked ({source}, {size}, lies on another file system than its copy would), and {reason}: "
        "set policies.other_filesystem: copy, or put the users' thumbnails on one file system"
    )

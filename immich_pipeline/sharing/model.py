"""What a share job is, with every name resolved to Immich's ids."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Ready = Literal["metadata", "faces", "clip"]
_A_HANDFUL = 10
"""So many copies may leave whatever their share: of a small job everything is a large share."""


@dataclass(frozen=True)
class Scope:
    """Which of the source user's assets are shared: all that fit every part that is given; of a part with several values any one does.

    Attributes:
        paths: folders, as Immich sees them; an asset lies in or below one.
        albums: ids of albums.
        tags: ids of tags; a tag counts with all below it.
        people: ids of people (from 3.2 on: of person groups).
        favourites: only favourites.
        since: first day, by the wall clock of the picture.
        until: last day, by the wall clock of the picture.
    """

    paths: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    favourites: bool = False
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class SharePolicy:
    """How a job behaves.

    Attributes:
        names: of people. off: the target names them; fill: a person without a name gets the source's; mirror: later renames too, as long
            as the target's owner has not given a name of their own.
        on_source_delete: what becomes of a copy whose source was trashed, deleted or is no longer in scope.
        on_target_delete: refuse: what the target's owner deleted for good is never made again; again: it is.
        guard_originals: copies that the target's owner put into the trash are made safe, so that emptying it deletes no original.
        follow: whether later changes of the source are carried over.
        tags: whether copies get the source's tags.
        other_filesystem: what to do when thumbnails cannot be hard-linked: a reflink, a copy, or refuse.
        wait_for: what Immich must have done with a source asset before it is copied.
    """

    names: Literal["off", "fill", "mirror"] = "fill"
    on_source_delete: Literal["delete", "trash", "keep"] = "trash"
    on_target_delete: Literal["refuse", "again"] = "refuse"
    guard_originals: bool = True
    follow: bool = True
    tags: Literal["off", "copy"] = "off"
    other_filesystem: Literal["reflink", "copy", "refuse"] = "reflink"
    wait_for: tuple[Ready, ...] = ("metadata", "faces", "clip")


@dataclass(frozen=True)
class Job:
    """One user's assets, or a part of them, in another user's library.

    Attributes:
        name: names the job in the configuration, in tables and as a partition.
        source_owner: id of the user whose assets they are.
        target_owner: id of the user who gets the copies.
        target_library: id of the target's external library that the copies belong to.
        source_prefix: folder of the originals as Immich sees it, without a slash at the end; nothing outside is shared.
        target_prefix: the same folder as the target library sees it: a link to `source_prefix`.
        scope: which of the source's assets.
        album: id of the target's album that copies are put into.
        policy: how it behaves.
    """

    name: str
    source_owner: str
    target_owner: str
    target_library: str
    source_prefix: str
    target_prefix: str
    scope: Scope = field(default_factory=Scope)
    album: str | None = None
    policy: SharePolicy = field(default_factory=SharePolicy)


@dataclass(frozen=True)
class RemovalBrake:
    """How many copies one cycle may remove or put into the trash; above, none is touched and a person is asked.

    Attributes:
        max_share: part of the job's copies, 0 to 1.
        max_number: number of copies.
        released: a person has looked and wants all of it.
    """

    max_share: float = 0.05
    max_number: int = 1000
    released: bool = False

    def stop(self, leaving: int, copies: int) -> str | None:
        """Why that many copies of so many must not leave now; None when they may. A handful always may."""
        if self.released or leaving <= min(_A_HANDFUL, self.max_number):
            return None
        if leaving <= self.max_number and leaving <= self.max_share * copies:
            return None
        return (
            f"{leaving:,} of {copies:,} copies would leave the target's library; the brake allows {self.max_number:,} and "
            f"{self.max_share:.0%}: see whether the source is really gone (an unmounted disk, a scan that found nothing), "
            "then release the brake"
        )

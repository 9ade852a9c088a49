"""What a share job is, with every name resolved to Immich's ids."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Ready = Literal["metadata", "faces", "clip"]


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
        follow: whether later changes of the source are carried over.
        tags: whether copies get the source's tags.
        other_filesystem: what to do when thumbnails cannot be hard-linked: a reflink, a copy, or refuse.
        wait_for: what Immich must have done with a source asset before it is copied.
    """

    names: Literal["off", "fill", "mirror"] = "fill"
    on_source_delete: Literal["delete", "trash", "keep"] = "trash"
    on_target_delete: Literal["refuse", "again"] = "refuse"
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

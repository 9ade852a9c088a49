"""The steps of a cycle after assets were copied, each with what tells how much it would do."""

from collections.abc import Callable
from typing import NamedTuple

from immich_pipeline.sharing import albums, faces, following, live, people, places, portraits, stacks, tags
from immich_pipeline.sharing.work import Counts, Seen, Work


class Step(NamedTuple):
    """Something that is done in one transaction.

    Attributes:
        do: writes; rows per table.
        look: reads what `do` would write.
        by_changes: whether it looks at the copies in `changed` alone, so that nothing else makes it write.
    """

    do: Callable[[Work], Counts]
    look: Callable[[Work], Seen]
    by_changes: bool = True


RELATE: tuple[Step, ...] = (
    Step(live.link_live, live.link_live_outlook),
    Step(stacks.copy_stacks, stacks.copy_stacks_outlook),
    Step(albums.fill_album, albums.fill_album_outlook, by_changes=False),
    Step(tags.copy_tags, tags.copy_tags_outlook),
)
"""What copies are in, once they are there."""

FOLLOW: tuple[Step, ...] = (
    Step(following.follow, following.follow_outlook),
    Step(places.follow_places, places.follow_places_outlook),
    Step(faces.follow_faces, faces.follow_faces_outlook),
    Step(people.follow_names, people.follow_names_outlook, by_changes=False),
)
"""Later changes of the source."""

SHOW: tuple[Step, ...] = (Step(portraits.choose_faces, portraits.choose_faces_outlook, by_changes=False),)
"""What follows from the others."""

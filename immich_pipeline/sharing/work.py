"""What every step of a run works with."""

from collections.abc import Mapping
from dataclasses import dataclass

from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.session import Connection


@dataclass(frozen=True)
class Layout:
    """What the live database looks like, as far as the contract lets it be used.

    Attributes:
        version: the contract that holds: "2.7", "3.0" or "3.2".
        columns: of each table that is copied, its columns in the catalog's order, new ones included; generated ones are left out.
        person_groups: faces belong to a group of which every user has a person of their own (from 3.2 on), else to a person.
    """

    version: str
    columns: Mapping[str, tuple[str, ...]]
    person_groups: bool


@dataclass(frozen=True)
class Work:
    """One run over one job.

    Attributes:
        connection: holds the lock; steps are called inside a transaction that their caller opened.
        job: what is shared.
        run: id of the row in `run`.
        layout: of the live database.
        media: Immich's media folder on this machine.
    """

    connection: Connection
    job: Job
    run: int
    layout: Layout
    media: MediaFolder

"""What every step of a run works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.session import Connection

Counts = dict[str, int]
"""Table to the number of its rows that were (or would be) written."""


@dataclass(frozen=True)
class Layout:
    """What the live database looks like, as far as the contract lets it be used.

    Attributes:
        version: the contract that holds: "2.7", "3.0" or "3.2".
        columns: of every table, its columns in the catalog's order, new ones included; generated ones are left out. Our own tables are
            there as `immich_pipeline_sharing.NAME`.
        keys: of every table, the columns of its primary key.
        person_groups: faces belong to a group of which every user has a person of their own (from 3.2 on), else to a person.
        unknown_tables: tables that refer to an asset and are not known here; they are not copied.
        referring: table to its columns that refer to an asset, each with whether a row goes when the asset goes.
    """

    version: str
    columns: Mapping[str, tuple[str, ...]]
    keys: Mapping[str, tuple[str, ...]]
    person_groups: bool
    unknown_tables: tuple[str, ...] = ()
    referring: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What a step would do, without doing it.

    Attributes:
        counts: rows that it would write.
        subjects: ids of the copies that it would touch.
    """

    counts: Counts = field(default_factory=dict)
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """One run over one job.

    Attributes:
        connection: holds the lock; steps are called inside a transaction that their caller opened.
        job: what is shared.
        run: id of the row in `run`.
        layout: of the live database.
        media: Immich's media folder on this machine.
        full: everything is compared, not only what changed since the watermarks.
        only: ids of assets (sources or copies) that alone may be touched; None: all. They are in the temporary table `chosen`.
    """

    connection: Connection
    job: Job
    run: int
    layout: Layout
    media: MediaFolder
    full: bool = False
    only: frozenset[str] | None = None

    def among(self, *columns: sql.Composable) -> sql.Composable:
        """The condition that one of the columns holds the id of an asset that may be touched."""
        if self.only is None:
            return sql.SQL("TRUE")
        return sql.SQL("({})").format(
            sql.SQL(" OR ").join(sql.SQL("{} IN (SELECT id FROM chosen)").format(column) for column in columns)
        )

    @property
    def values(self) -> dict[str, Any]:
        """What statements about the job need as parameters."""
        return {
            "job": self.job.name,
            "run": self.run,
            "source_owner": self.job.source_owner,
            "target_owner": self.job.target_owner,
            "target_library": self.job.target_library,
            "source_prefix": self.job.source_prefix,
            "target_prefix": self.job.target_prefix,
            "album": self.job.album,
            "copy_tags": self.job.policy.tags == "copy",
        }

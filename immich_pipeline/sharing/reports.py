"""What a cycle did, and what the next one would do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from immich_pipeline.sharing.media_folder import Space
from immich_pipeline.sharing.work import Counts

Operation = Literal["copy", "follow", "remove"]
OPERATIONS: tuple[Operation, ...] = ("copy", "follow", "remove")


@dataclass(frozen=True)
class Failure:
    """Something that did not go through; the rest did.

    Attributes:
        phase: where: copy, people, following, ...
        source_id: of the asset that it is about; None: of the whole phase.
        reason: a sentence.
    """

    phase: str
    source_id: str | None
    reason: str


@dataclass(frozen=True)
class CycleReport:
    """What one cycle did.

    Attributes:
        run: its number, by which it can be undone.
        counts: of each operation, rows written per table of Immich's; files as "files".
        copied: how many assets were copied.
        removed: how many copies were removed for good, or put into the trash.
        failures: what did not go through.
        held_back: why the brake let nothing be removed; None when it did not hold.
    """

    run: int
    counts: Mapping[Operation, Counts]
    copied: int = 0
    removed: int = 0
    failures: tuple[Failure, ...] = ()
    held_back: str | None = None

    @property
    def written(self) -> int:
        """Rows of Immich's that were written in all; 0 in a cycle that found nothing to do."""
        return sum(sum(counts.values()) for counts in self.counts.values())


@dataclass(frozen=True)
class Backlog:
    """Assets in scope that Immich has not finished with.

    Attributes:
        count: how many.
        oldest: since when the first of them waits.
    """

    count: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True)
class Planned:
    """What one operation would do.

    Attributes:
        subjects: ids of the assets: of sources for copy, of copies for follow and remove.
        counts: rows per table of Immich's; files as "files".
        samples: some of what would be done, a line each.
    """

    subjects: tuple[str, ...] = ()
    counts: Counts = field(default_factory=dict)
    samples: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """An asset in scope that is not copied.

    Attributes:
        reason: owned_content, owned_name, same_path, outside, failed.
        path: of the source's original.
        blocking_asset: what stands in the way.
        detail: where that is, or what was said.
    """

    reason: str
    path: str
    blocking_asset: str | None
    detail: str


@dataclass(frozen=True)
class Outlook:
    """What a cycle would do; nothing was written.

    Attributes:
        planned: by operation.
        backlog: of what is not ready yet.
        skips: reason to how many assets are left out for it.
        left_out: the first of them.
        copies: how many copies the job has.
        problems: what a person should know of, a sentence each: the brake, unknown tables, space.
        space: of the files that would be made.
    """

    planned: Mapping[Operation, Planned]
    backlog: Backlog = field(default_factory=Backlog)
    skips: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    copies: int = 0
    problems: tuple[str, ...] = ()
    space: Space | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to do."""
        return not any(planned.subjects or any(planned.counts.values()) for planned in self.planned.values())

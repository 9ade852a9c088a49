"""When a plan is too large to be applied without a person's word."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class Brakes:
    """How much one plan may touch.

    Attributes:
        max_share: part of the library's assets, 0 to 1.
        max_number: number of assets.
        confirmed: a person has looked at the plan and wants all of it.
        harmless: operations that do not count, and are done whatever the brakes say of the others.
        whole: name of the number in the plan's summary that the share is a share of; None: all assets of the library.
    """

    max_share: float = 0.05
    max_number: int = 1000
    confirmed: bool = False
    harmless: frozenset[str] = frozenset()
    whole: str | None = None

    def released(self) -> Self:
        """The same, confirmed by a person."""
        return replace(self, confirmed=True)

    def stop(self, touched: int, library: int) -> str | None:
        """Why a plan must not be applied that would touch so many assets of a library of so many; None when it may."""
        if self.confirmed or touched == 0:
            return None
        if touched <= self.max_number and touched <= self.max_share * library:
            return None
        share = f"{touched / library:.1%}" if library else "an unknown share"
        return (
            f"it would change {touched:,} of the library's {library:,} assets ({share}); the brakes allow {self.max_number:,} "
            f"and {self.max_share:.1%}: look at the plan, then apply it with --yes-over-brake"
        )

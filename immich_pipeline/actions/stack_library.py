"""What there is and what there should be, as plain values: captures, stacks on the server, stacks as this program made them. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from immich_pipeline.actions.stacking import Stacked

PRESENT_SCHEMA: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "owner_id": pl.String(),
    "checksum": pl.Binary(),
    "visibility": pl.String(),
    "is_trashed": pl.Boolean(),
    "is_offline": pl.Boolean(),
    "stack_id": pl.String(),
    "stack_primary_id": pl.String(),
}
"""What the server says of each asset, as in `immich.schema.RECORD_SCHEMA`."""

OURS_SCHEMA: dict[str, pl.DataType] = {
    "stack_id": pl.String(),
    "asset_id": pl.String(),
    "is_primary": pl.Boolean(),
}
"""The stacks that this program made, as it left them, one row per asset."""

_SHOWN = ("timeline", "archive")
_BY_PERSON = ".user"
"""The end of the rule of a member that a person's word put into its group."""


@dataclass
class Group:
    """A capture whose files shall be one stack; `outcome` says why not, where something speaks against it."""

    group_id: str
    owner_id: str
    primary: str
    members: set[str]
    reason: str
    by_person: bool
    outcome: str | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether it shall be a stack."""
        return self.outcome is None

    def leave(self, outcome: str, reason: str) -> None:
        """Let it be."""
        self.outcome, self.reason = outcome, reason

    def without(self, assets: set[str]) -> None:
        """Take assets out; what is left may be too little."""
        if not assets & self.members:
            return
        self.members -= assets
        if len(self.members) < 2:  # noqa: PLR2004 - a stack has two
            self.leave("alone", "the others of this capture are in stacks of a person, or were taken out by one")
        elif self.primary not in self.members:
            self.primary = min(self.members)


@dataclass(frozen=True)
class Library:
    """What has to be thought about; what is as it should be is left out, but for `right`.

    Attributes:
        groups: captures that are not stacks as they should be, by id.
        right: those that are: `group_id`, `owner_id`, `stack_id`, `reason`, `assets`.
        stacks: stacks on the server that have to do with the groups or with us, by id: what they show.
        made: stacks that we made, as we left them, by id; on the server or no longer.
        stack_of: the stack, or None, of each asset that is shown and has to do with the above.
        owner_of, checksum_of: of the same assets.
        group_of: the id of the group that each asset of a group was in at first.
    """

    groups: dict[str, Group]
    right: pl.DataFrame
    stacks: dict[str, Stacked]
    made: dict[str, Stacked]
    stack_of: dict[str, str | None]
    owner_of: dict[str, str]
    checksum_of: dict[str, bytes]
    group_of: dict[str, str]

    def groups_of(self, assets: Iterable[str]) -> list[Group]:
        """The groups that have one of the assets, each once, in order."""
        return [
            self.groups[name] for name in sorted({self.group_of[asset] for asset in assets if asset in self.group_of})
        ]

    def stacks_of(self, group: Group) -> set[str]:
        """The stacks that have an asset of the group."""
        return {stack for asset in group.members if (stack := self.stack_of[asset]) is not None}


def read_library(groups: pl.DataFrame, present: pl.DataFrame, ours: pl.DataFrame) -> Library:
    """See `stacks.stack_actions` for the frames."""
    shown = present.filter(~pl.col("is_trashed"), ~pl.col("is_offline"), pl.col("visibility").is_in(_SHOWN))
    sizes = shown.filter(pl.col("stack_id").is_not_null()).group_by("stack_id").len("shown")
    wanted = groups.join(shown, on="asset_id").join(sizes, on="stack_id", how="left")
    wanted = wanted.filter(pl.len().over("group_id") > 1, pl.col("owner_id").n_unique().over("group_id") == 1)
    captures = _captures(wanted)
    made = _made(ours)
    left = wanted.join(captures.filter(~pl.col("is_right")), on="group_id", how="semi")
    known = pl.concat([left["stack_id"].drop_nulls(), pl.Series(list(made), dtype=pl.String)]).unique()
    assets = pl.concat([left["asset_id"], ours["asset_id"].cast(pl.String)]).unique()
    matter = shown.filter(pl.col("asset_id").is_in(assets.implode()) | pl.col("stack_id").is_in(known.implode()))
    matter = matter.sort("asset_id")
    return Library(
        groups={row["group_id"]: Group(**row | {"members": set(row["members"])}) for row in _undecided(captures)},
        right=captures.filter("is_right").select("group_id", "owner_id", "stack_id", "reason", assets=pl.col("members").list.len()),
        stacks=_stacks(matter.filter(pl.col("stack_id").is_in(known.implode()))),
        made=made,
        stack_of=dict(matter.select("asset_id", "stack_id").iter_rows()),
        owner_of=dict(matter.select("asset_id", "owner_id").iter_rows()),
        checksum_of=dict(matter.select("asset_id", "checksum").iter_rows()),
        group_of=dict(left.select("asset_id", "group_id").iter_rows()),
    )  # fmt: skip


def _captures(wanted: pl.DataFrame) -> pl.DataFrame:
    """One row per capture; `is_right` where one stack shows exactly its assets, with the right one on top."""
    first = pl.col("is_primary").not_()
    captures = wanted.sort("group_id", first, "asset_id").group_by("group_id", maintain_order=True).agg(
        pl.col("owner_id", "reason", "stack_id", "stack_primary_id", "shown").first(),
        primary=pl.col("asset_id").first(),
        members=pl.col("asset_id"),
        by_person=pl.col("rule").str.ends_with(_BY_PERSON).any(),
        one_stack=(pl.col("stack_id").n_unique() == 1) & pl.col("stack_id").is_not_null().all(),
    )  # fmt: skip
    is_right = pl.col("one_stack") & (pl.col("shown") == pl.col("members").list.len())
    return captures.with_columns(
        is_right=(is_right & (pl.col("stack_primary_id") == pl.col("primary"))).fill_null(value=False)
    )


def _undecided(captures: pl.DataFrame) -> Iterator[dict[str, Any]]:
    columns = ["group_id", "owner_id", "primary", "members", "reason", "by_person"]
    return captures.filter(~pl.col("is_right")).select(columns).iter_rows(named=True)


def _stacks(shown: pl.DataFrame) -> dict[str, Stacked]:
    rows = shown.group_by("stack_id").agg(pl.col("stack_primary_id").first(), "asset_id")
    return {stack_id: Stacked(primary, frozenset(assets)) for stack_id, primary, assets in rows.iter_rows()}


def _made(ours: pl.DataFrame) -> dict[str, Stacked]:
    primary = pl.col("asset_id").sort_by(pl.col("is_primary").not_()).first()
    rows = ours.group_by("stack_id").agg(primary.alias("primary"), "asset_id")
    return {stack_id: Stacked(primary, frozenset(assets)) for stack_id, primary, assets in rows.iter_rows()}

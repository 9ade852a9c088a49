"""The kind of change that makes captures stacks of an Immich server: its plan from the database, its executor from the settings."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.clients import open_clients
from immich_pipeline.actions.model import Kind, Plan
from immich_pipeline.actions.stack_executor import KIND, StackExecutor
from immich_pipeline.actions.stack_history import made_ids, our_stacks
from immich_pipeline.actions.stacks import REPORT_SCHEMA, StackPlan, stack_actions
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.grouping import stack_members, with_policies
from immich_pipeline.sources.captures import capture_inputs, rules_of
from immich_pipeline.store import stacks, state
from immich_pipeline.store.choices import choices
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames

_INPUTS = ("library", "content", "captures", "choices")
_CODE = "1"


@dataclass(frozen=True)
class StackOutlook:
    """A plan, and what a person should know beside it: `stacks.SUGGESTION_SCHEMA` and `stacks.REPORT_SCHEMA`."""

    plan: Plan
    suggestions: pl.DataFrame
    report: pl.DataFrame


def stack_outlook(database: Database, settings: Settings) -> StackOutlook:
    """Compare the captures with the server's stacks as they were last read; changes nothing and asks no server.

    Captures of files that no server has are in the report with the outcome `no_server`.

    Raises:
        UserError: captures were never looked for.
    """
    with database.frames() as frames:
        if not stacks.captures_are_known(frames):
            raise UserError("captures were not looked for yet: run `immich-pipeline run` first, then plan")
        journal = list(stacks.journalled(frames))
        present = stacks.present_assets(frames)
        constraints = choices(frames)
        groups = _wanted_stacks(frames, settings, constraints)
        last = max((int(row["entry"] or 0) for row in journal), default=0)
        looked_at = state.fingerprint(frames, _INPUTS, {"code": _CODE, "journal": last})
    chosen = constraints.filter(pl.col("kind") == "set_primary")["subject"]
    found = stack_actions(groups, present, our_stacks(journal), settings.stacks, chosen.to_list())
    report = pl.concat([found.report, _without_server(groups, present)])
    plan = Plan.of(
        KIND,
        mode=settings.stacks.mode,
        policy_hash=_policy_hash(settings),
        input_fingerprint=_digest(looked_at),
        actions=found.actions,
        summary=_summary(found, report),
    )
    return StackOutlook(plan, found.suggestions, report)


def plan_stacks(database: Database, settings: Settings) -> Plan:
    """The plan of `stack_outlook`."""
    return stack_outlook(database, settings).plan


def brakes_of(settings: Settings) -> Brakes:
    """How much of the library one plan may touch."""
    return Brakes(max_share=settings.stacks.brakes.max_share, max_number=settings.stacks.brakes.max_number)


@contextmanager
def open_executor(database: Database, settings: Settings) -> Iterator[StackExecutor]:
    """The executor, with a client for every key that the server accepts.

    Raises:
        UserError: no server with keys is configured, or no key is accepted.
    """
    immich = settings.immich
    if immich is None or immich.url is None or not immich.users:
        raise UserError("stacks are made on an Immich server: set immich.url and a key per user in immich.users")
    with open_clients(immich) as clients:
        yield StackExecutor(clients, StoredMemory(database))


class StoredMemory:
    """Implements `stack_executor.Memory` on the pipeline's database."""

    def __init__(self, database: Database) -> None:
        """Take over the database; each question is a transaction of its own."""
        self._database = database

    def seen(self, assets: pl.DataFrame) -> None:
        """See `Memory`."""
        with self._database.frames() as frames:
            stacks.note_stacks(frames, assets)

    def groups(self, group_ids: Collection[str]) -> set[str]:
        """See `Memory`."""
        with self._database.frames() as frames:
            return stacks.existing_groups(frames, group_ids)

    def made(self) -> set[str]:
        """See `Memory`."""
        with self._database.frames() as frames:
            return made_ids(stacks.journalled(frames))


STACKS = Kind(KIND, plan_stacks, open_executor, brakes_of)


def _wanted_stacks(frames: Frames, settings: Settings, constraints: pl.DataFrame) -> pl.DataFrame:
    """The captures whose kinds are stacked, as the policies want them."""
    members = stacks.capture_members(frames, settings.stacks.kinds)
    if settings.captures.policies and members.height:
        assets = capture_inputs(frames)
        known = members.filter(pl.col("asset_id").is_in(assets["asset_id"].implode()))
        members = with_policies(known, assets, settings.captures.policies, rules_of(settings), constraints)
    return stack_members(members)


def _without_server(groups: pl.DataFrame, present: pl.DataFrame) -> pl.DataFrame:
    """Report rows of captures that no server has a file of."""
    here = groups.join(present, on="asset_id", how="left")
    local = here.filter(pl.col("owner_id").is_null().all().over("group_id")).sort(
        "group_id", pl.col("is_primary").not_()
    )
    rows = local.group_by("group_id", maintain_order=True).agg(
        assets=pl.len().cast(pl.Int64), reason=pl.col("reason").first()
    )
    return rows.with_columns(owner_id=pl.lit(None, pl.String), outcome=pl.lit("no_server")).select(REPORT_SCHEMA.keys())


def _summary(found: StackPlan, report: pl.DataFrame) -> dict[str, int]:
    outcomes = dict(report.group_by("outcome").len().sort("outcome").iter_rows())
    return outcomes | {"suggestions": found.suggestions.height}


def _policy_hash(settings: Settings) -> str:
    return _digest(settings.stacks.model_dump_json() + settings.captures.model_dump_json())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]

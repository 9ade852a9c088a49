"""The kind of change that resolves duplicates: its plan from the decisions, its executors from the settings."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.brakes import Brakes
from immich_pipeline.actions.clients import open_clients
from immich_pipeline.actions.duplicate_actions import ANEW, set_action
from immich_pipeline.actions.duplicate_executor import KIND, DuplicateExecutor
from immich_pipeline.actions.duplicate_memory import StoredDecisions
from immich_pipeline.actions.model import Action, Executor, Kind, Plan
from immich_pipeline.actions.places import ByPlace
from immich_pipeline.actions.quarantine import QuarantineExecutor
from immich_pipeline.config import Settings
from immich_pipeline.dedup.contents import set_keys
from immich_pipeline.dedup.facts import with_content
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.errors import UserError
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.store import derived, state
from immich_pipeline.store.contents import contents_of
from immich_pipeline.store.database import Database
from immich_pipeline.store.decisions import (
    accepted_sets,
    brought_back,
    decisions_are_known,
    every_word_was_heard,
    members_to_plan,
)
from immich_pipeline.store.folder_files import maybe_on_a_server, own_sidecars, sidecar_marks
from immich_pipeline.store.frames import Frames

LEFT_OUT_SCHEMA: dict[str, pl.DataType] = {"set_id": pl.String(), "class": pl.String(), "reason": pl.String()}
"""Sets that nothing is planned for, although it is decided which file is kept."""

_INPUTS = ("library", "content", "duplicates", "decisions", "details")
_VERDICTS = ("certain", "accepted")
_CODE = "1"
_RETURNED = (
    "a file was given up before and brought back: it is given up again only when a person accepts the set in a review"
)
_SAID_SINCE = f"a person said something since it was decided: {ANEW}"
_NEXT_RUN = "left to the next plan: this one is full (duplicates.budget)"


@dataclass(frozen=True)
class DuplicateOutlook:
    """A plan, and what is left out of it and why (`LEFT_OUT_SCHEMA`)."""

    plan: Plan
    left_out: pl.DataFrame


def duplicate_outlook(database: Database, settings: Settings) -> DuplicateOutlook:
    """Plan what is certain, and what a person accepted, those with the most to save first; asks no server and changes nothing.

    Raises:
        UserError: it was never decided about duplicates.
    """
    with database.frames() as frames:
        if not decisions_are_known(frames):
            raise UserError("duplicates were not looked for yet: run `immich-pipeline run` first, then plan")
        members = _with_sidecars(frames, _with_contents(frames, members_to_plan(frames, _VERDICTS)))
        held_back = _held_back(frames, members)
        looked_at = state.fingerprint(frames, _INPUTS, {"code": _CODE, "held_back": sorted(held_back.items())})
    actions, left_out = _within_budget(members, settings.duplicates, held_back)
    plan = Plan.of(
        KIND,
        mode=settings.duplicates.mode,
        policy_hash=policy_hash(settings.duplicates),
        input_fingerprint=looked_at,
        actions=actions,
        summary=_summary(actions, left_out),
    )
    return DuplicateOutlook(plan, left_out)


def plan_duplicates(database: Database, settings: Settings) -> Plan:
    """The plan of `duplicate_outlook`."""
    return duplicate_outlook(database, settings).plan


def brakes_of(settings: Settings) -> Brakes:
    """How much of the library one plan may touch."""
    brakes = settings.duplicates.brakes
    return Brakes(max_share=brakes.max_share, max_number=brakes.max_number)


@contextmanager
def open_executor(database: Database, settings: Settings) -> Iterator[Executor]:
    """The executor for files of folders and, where a server with keys is configured, for its assets.

    Raises:
        UserError: no key is accepted.
    """
    with ExitStack() as stack:
        quarantine = QuarantineExecutor(database, settings)
        server = None
        if settings.immich is not None and settings.immich.url and settings.immich.users:
            clients = stack.enter_context(open_clients(settings.immich))
            backups = BackupStore(database, settings)
            server = DuplicateExecutor(clients, StoredDecisions(database, policy_hash(settings.duplicates)), backups)
        yield ByPlace(KIND, {"quarantine": quarantine}, server)


DUPLICATES = Kind(KIND, plan_duplicates, open_executor, brakes_of)


def _with_contents(frames: Frames, members: pl.DataFrame) -> pl.DataFrame:
    known = with_content(derived.file_hashes(frames).select("asset_id", "sha256", "sha1"))
    hexed = known.select(
        "asset_id", content=pl.col("content").bin.encode("hex"), sha256=pl.col("sha256").bin.encode("hex")
    )
    return members.join(hexed, on="asset_id", how="left", maintain_order="left")


def _with_sidecars(frames: Frames, members: pl.DataFrame) -> pl.DataFrame:
    """With what a folder's files have beside them: see `duplicate_actions.Row`."""
    moved = members.filter(pl.col("owner_id").is_null(), pl.col("role").is_in(["loser", "follows"]))
    listed: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in own_sidecars(frames, moved.select("set_id", "asset_id")).iter_rows(named=True):
        path = base64.b64encode(row["real_path"]).decode()
        entry = {"path": path, "size": row["size"], "mtime_ns": row["mtime_ns"]}
        listed.setdefault((row["set_id"], row["asset_id"]), []).append(entry)
    keys = members.select("set_id", "asset_id").iter_rows()
    in_folder = members.filter(pl.col("owner_id").is_null())["asset_id"].to_list()
    marks: dict[str, set[tuple[str, int]]] = {}
    for asset_id, extension, size in sidecar_marks(frames, in_folder) if in_folder else ():
        marks.setdefault(asset_id, set()).add((extension, size))
    return members.with_columns(
        sidecars=pl.Series([listed.get(key, []) for key in keys], dtype=pl.Object),
        beside=pl.Series([marks.get(asset_id, set()) for asset_id in members["asset_id"]], dtype=pl.Object),
        maybe_on_server=pl.col("asset_id").is_in(list(maybe_on_a_server(frames, moved["asset_id"].to_list()))),
    )


def _held_back(frames: Frames, members: pl.DataFrame) -> dict[str, str]:
    """Sets that nothing may be planned for now, each with the reason."""
    if not every_word_was_heard(frames):  # it may be about any of them
        return dict.fromkeys(members["set_id"], _SAID_SINCE)
    return dict.fromkeys(_returned(frames, members), _RETURNED)


def _returned(frames: Frames, members: pl.DataFrame) -> set[str]:
    """Sets of which a file is to be given up that was given up before, and that nobody has accepted since it came back."""
    back = brought_back(frames)
    affected = members.filter(pl.col("role") == "loser").join(back, on="asset_id")
    if affected.is_empty():
        return set()
    given_up = affected.group_by("set_id").agg(pl.col("at").max())
    sets = derived.decided_sets(frames).join(given_up, on="set_id", how="semi")
    keys = set_keys(sets, contents_of(frames, sets["asset_id"].to_list()))
    said = keys.join(accepted_sets(frames), on="contents_key").join(given_up, on="set_id")
    return set(given_up["set_id"]) - set(said.filter(pl.col("made_at") > pl.col("at"))["set_id"])


def _within_budget(
    members: pl.DataFrame, settings: DuplicateSettings, held_back: Mapping[str, str]
) -> tuple[list[Action], pl.DataFrame]:
    """The actions that one plan may hold, and the sets for which there is none."""
    actions: list[Action] = []
    left_out: list[tuple[str, str, str]] = []
    room = settings.budget.megabytes * 1_000_000 if settings.budget.megabytes else None
    for set_id, rows in groupby(members.iter_rows(named=True), key=lambda row: str(row["set_id"])):
        files = list(rows)
        made: Action | str = held_back.get(set_id, _NEXT_RUN)
        if made is _NEXT_RUN and len(actions) < settings.budget.groups:
            made = set_action(files, settings)
            if isinstance(made, Action) and room is not None and made.payload["bytes"] > room:
                made = _NEXT_RUN
        if isinstance(made, str):
            left_out.append((set_id, files[0]["class"], made))
            continue
        actions.append(made)
        room = None if room is None else room - made.payload["bytes"]
    return actions, pl.DataFrame(left_out, schema=LEFT_OUT_SCHEMA, orient="row")


def _summary(actions: list[Action], left_out: pl.DataFrame) -> dict[str, int]:
    counted: Counter[str] = Counter(action.operation for action in actions)
    summary: dict[str, Any] = dict(sorted(counted.items()))
    summary["files_given_up"] = sum(len(action.payload["losers"]) for action in actions)
    summary["bytes_freed"] = sum(action.payload["bytes"] for action in actions)
    reasons = left_out.group_by("reason").len().sort("len", "reason", descending=[True, False])
    return summary | {f"left out ({reason})": count for reason, count in reasons.iter_rows()}

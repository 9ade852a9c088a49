"""What a person decided about captures: which file stands for one, what belongs together, what does not."""

import hashlib
import json
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import polars as pl

from immich_pipeline.errors import UserError
from immich_pipeline.grouping.schema import CONSTRAINT_SCHEMA
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.state import bump

Kind = Literal["set_primary", "together", "not_together"]
FEWEST: dict[Kind, int] = {"set_primary": 1, "together": 2, "not_together": 2}
"""How many assets a choice names at least; `set_primary` names exactly one."""


def choices(frames: Frames) -> pl.DataFrame:
    """Every choice that holds (`CONSTRAINT_SCHEMA`); a choice about several assets is one row per pair."""
    rows = frames.read(
        "SELECT kind, asset_ids::text[] AS asset_ids FROM captures.constraint_choice WHERE active ORDER BY choice_id"
    )
    pairs: list[tuple[str, str, str | None]] = []
    for kind, asset_ids in rows.iter_rows():
        if kind == "set_primary":
            pairs += [(kind, asset_id, None) for asset_id in asset_ids]
        else:
            pairs += [(kind, subject, other) for subject, other in combinations(asset_ids, 2)]
    return pl.DataFrame(pairs, schema=CONSTRAINT_SCHEMA, orient="row")


def choose(database: Database, kind: Kind, asset_ids: Sequence[str], *, made_by: str) -> str:
    """Remember a choice, or make one hold again that was taken back; returns its id.

    Raises:
        UserError: an asset is not of the library, they are of several owners, or they are too few.
    """
    ids = sorted(set(asset_ids))
    most = 1 if kind == "set_primary" else None
    if len(ids) < FEWEST[kind] or (most and len(ids) > most):
        raise UserError(
            f"{kind.replace('_', ' ')} needs {'one asset' if most else 'at least two assets'}, not {len(ids)}"
        )
    with database.frames() as frames:
        owner = _owner(frames, ids)
        name = choice_id(kind, ids)
        changed = frames.change(
            "INSERT INTO captures.constraint_choice AS c (choice_id, owner, kind, asset_ids, made_by, source, active) "
            "VALUES ($1, $2, $3, $4::uuid[], $5, 'person', true) "
            "ON CONFLICT (choice_id) DO UPDATE SET active = true, made_by = EXCLUDED.made_by, made_at = clock_timestamp(), "
            "source = 'person' WHERE NOT c.active",
            name,
            owner,
            kind,
            ids,
            made_by,
        )
        if changed:
            bump(frames, "choices")
    return name


def choice_id(kind: Kind, asset_ids: Sequence[str]) -> str:
    """The id of a choice: the same assets, in whatever order, make the same choice."""
    return hashlib.sha256(json.dumps([kind, sorted(set(asset_ids))]).encode()).hexdigest()[:32]


def take_back(database: Database, name: str) -> bool:
    """Let a choice hold no longer; returns whether it did until now."""
    with database.frames() as frames:
        changed = frames.change(
            "UPDATE captures.constraint_choice SET active = false WHERE active AND choice_id = $1", name
        )
        if changed:
            bump(frames, "choices")
    return bool(changed)


def _owner(frames: Frames, ids: Sequence[str]) -> str:
    found = frames.read(
        "SELECT asset_id::text AS asset_id, owner FROM library.asset WHERE asset_id::text = ANY($1)", list(ids)
    )
    unknown = sorted(set(ids) - set(found["asset_id"]))
    if unknown:
        raise UserError(f"the library has no asset {', '.join(unknown)}")
    owners = found["owner"].unique().sort().to_list()
    if len(owners) > 1:
        raise UserError(f"these assets belong to {' and '.join(owners)}: owners are never mixed")
    return str(owners[0])

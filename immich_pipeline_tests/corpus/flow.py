"""The way of duplicates from files in a folder to decisions, step by step as the assets of the pipeline go it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.cores import Decided
from immich_pipeline.dedup.decide import decide
from immich_pipeline.dedup.groups import duplicate_groups
from immich_pipeline.dedup.sets import decision_sets
from immich_pipeline.media.measure import MeasureOptions
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.sources.captures import compute_captures
from immich_pipeline.sources.duplicates import compute_candidates, compute_decisions, compute_groups, pairs_to_see
from immich_pipeline.sources.facts import decision_facts
from immich_pipeline.sources.ingest import Work, measure_batch
from immich_pipeline.sources.look import look_at_library
from immich_pipeline.sources.looks import look_at_pairs
from immich_pipeline.sources.versions import versions
from immich_pipeline.store import derived
from immich_pipeline.store.batches import plan_batches
from immich_pipeline.store.database import Database


@dataclass(frozen=True)
class Found:
    """What the program made of a folder. Assets are named by their paths.

    Attributes:
        files: asset_id, path, error: every file, and why it could not be read where it could not.
        pairs: `VERIFIED_SCHEMA`, with left and right (paths); certain: whether one of the two would be given up without a person if there
            were no other files, and both were on a server.
        members: `MEMBER_SCHEMA`, with path and group_class.
        decisions: what was decided.
        given_up: path of each file that would be given up, keeper (path), class, verdict.
    """

    files: pl.DataFrame
    pairs: pl.DataFrame
    members: pl.DataFrame
    decisions: Decided
    given_up: pl.DataFrame


def find_duplicates(database: Database, photos: Path, home: Path) -> Found:
    """Everything there is to find among the files of a folder, with the settings that hold by default."""
    settings = Settings(photos=photos, home=home, workers=2)
    look_at_library(database, settings)
    with database.frames() as frames:
        plan = plan_batches(frames, versions(), cured=(), now=datetime.now(UTC))
    for batch in plan.open_batches:
        measure_batch(database, batch, settings, Work(versions(), MeasureOptions()))
    with database.frames() as frames:
        captures = compute_captures(frames, settings)
        tables = {derived.CAPTURE_MEMBER: captures.members, derived.KEPT_WHOLE: captures.kept_whole}
        derived.write(frames, "captures", tables)
        derived.write(frames, "candidates", {derived.CANDIDATE: compute_candidates(frames, settings)})
    with database.frames() as frames:
        unseen = pairs_to_see(frames)
    look_at_pairs(database, settings, unseen)
    with database.frames() as frames:
        made = dict(compute_groups(frames, settings))
        derived.write(frames, "duplicates", made)
        decisions = compute_decisions(frames, settings)
        files, facts = frames.read(_FILES), decision_facts(frames, settings)
    pairs = made[derived.VERIFIED_PAIR].with_row_index("number")
    pairs = pairs.with_columns(certain=pl.col("number").is_in(certain_alone(pairs, facts).implode())).drop("number")
    return _told(files, pairs, made[derived.DUPLICATE_GROUP], made[derived.DUPLICATE_MEMBER], decisions)


def certain_alone(pairs: pl.DataFrame, facts: pl.DataFrame) -> pl.Series:
    """The `number` of each pair that would be resolved without a person if its two files were all there is, on a server.

    In a large set other files often keep a pair from being resolved; here nothing does but what is known of the two.

    Args:
        pairs: `VERIFIED_SCHEMA`, with number.
        facts: `DECISION_FACTS_SCHEMA`.
    """
    ids = {side: pl.format("{} {}", pl.col("number"), pl.lit(side)) for side in ("left", "right")}
    each = pairs.select(
        "number", **{side: f"{side}_id" for side in ids}, **{f"{side}_alone": ids[side] for side in ids}
    )
    known = pl.concat(
        each.select("number", asset_id=side, alone=f"{side}_alone").join(facts, on="asset_id") for side in ids
    )
    known = known.with_columns(asset_id="alone", server_asset=pl.lit(value=True), readable=pl.lit(value=True))
    groups, members = duplicate_groups(pairs.with_columns(left_id=ids["left"], right_id=ids["right"]), known)
    captures = pl.DataFrame(schema=dict.fromkeys(("group_id", "asset_id", "role", "kind"), pl.String))
    decided = decide(decision_sets(groups, members, captures), known, DuplicateSettings())
    certain = decided.members.join(decided.decisions.filter(pl.col("verdict") == "certain"), on="set_id", how="semi")
    return certain.join(known.select("asset_id", "number"), on="asset_id")["number"].unique()


_FILES = """
    SELECT a.asset_id::text AS asset_id, a.path, coalesce(h.error, p.error) AS error
    FROM library.live_asset a
    LEFT JOIN content.file_hash h USING (asset_id) LEFT JOIN content.perceptual_hash p USING (asset_id)"""


def _told(
    files: pl.DataFrame, pairs: pl.DataFrame, groups: pl.DataFrame, members: pl.DataFrame, decisions: Decided
) -> Found:
    paths = files.select("asset_id", "path")
    named = pairs.join(paths.rename({"asset_id": "left_id", "path": "left"}), on="left_id").join(
        paths.rename({"asset_id": "right_id", "path": "right"}), on="right_id"
    )
    classes = groups.select("group_id", group_class="class")
    keepers = decisions.decisions.select("set_id", "keeper_id", "class", "verdict").join(
        paths.rename({"asset_id": "keeper_id", "path": "keeper"}), on="keeper_id"
    )
    losers = decisions.members.filter(pl.col("role") == "loser", pl.col("obstacle").is_null())
    given_up = losers.join(paths, on="asset_id").join(keepers, on="set_id").select("path", "keeper", "class", "verdict")
    return Found(files, named, members.join(paths, on="asset_id").join(classes, on="group_id"), decisions, given_up)

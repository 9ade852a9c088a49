"""Duplicates of the whole library, step by step: which pairs are worth a look, which groups they make, which file of each is kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.candidates import exact_pairs, near_candidates
from immich_pipeline.dedup.cores import Decided, decide_cores_first
from immich_pipeline.dedup.cross_owner import cross_owner_copies
from immich_pipeline.dedup.groups import duplicate_groups
from immich_pipeline.dedup.looks import pairs_to_look_at
from immich_pipeline.dedup.opinions import immich_candidates
from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA
from immich_pipeline.dedup.sets import decision_sets
from immich_pipeline.dedup.verify import verify
from immich_pipeline.grouping.captures import live_pairs
from immich_pipeline.sources.captures import capture_inputs, never_duplicates, rules_of
from immich_pipeline.sources.facts import all_facts, decision_facts
from immich_pipeline.sources.looks import known_looks
from immich_pipeline.sources.opinions import duplicate_records, second_opinions
from immich_pipeline.store import derived
from immich_pipeline.store.decisions import owner_ids
from immich_pipeline.store.dismissals import dismissed
from immich_pipeline.store.frames import Frames, Table
from immich_pipeline.store.verdicts import verdicts


@dataclass(frozen=True)
class Judging:
    """What pairs are judged by; read once, since it is the whole library."""

    candidates: pl.DataFrame
    facts: pl.DataFrame
    captures: pl.DataFrame
    dismissed: pl.DataFrame


def compute_candidates(frames: Frames, settings: Settings) -> pl.DataFrame:
    """Pairs worth a look (`CANDIDATE_SCHEMA`): equal bytes, close hashes, and what only Immich's own groups have."""
    facts = all_facts(frames)
    ours = pl.concat([exact_pairs(facts), near_candidates(facts, settings.near_radius)])
    return pl.concat([ours, immich_candidates(duplicate_records(frames), facts, known=ours)])


def judging(frames: Frames) -> Judging:
    """Everything that the stored candidates are judged by."""
    columns = "owner, left_id::text AS left_id, right_id::text AS right_id, kind, distance"
    candidates = derived.read_table(frames, derived.CANDIDATE, columns)
    typed = candidates.select([pl.col(name).cast(dtype) for name, dtype in CANDIDATE_SCHEMA.items()])
    return Judging(typed, all_facts(frames), never_duplicates(frames), dismissed(frames))


def pairs_to_see(frames: Frames) -> pl.DataFrame:
    """The pairs whose pictures have to be looked at before they can be judged."""
    known = judging(frames)
    seen = known_looks(frames)
    return pairs_to_look_at(known.candidates, known.facts, known.captures, known=seen, dismissed=known.dismissed)


def compute_groups(frames: Frames, settings: Settings) -> Mapping[Table, pl.DataFrame]:
    """Verified pairs, groups, what is decided together, second opinions, and copies that two owners have."""
    known = judging(frames)
    verified = verify(
        known.candidates, known.facts, known.captures, looks=known_looks(frames), dismissed=known.dismissed
    )
    groups, members = duplicate_groups(verified, known.facts, known.captures, dismissed=known.dismissed)
    captures = derived.read_table(frames, derived.CAPTURE_MEMBER, "group_id, asset_id::text AS asset_id, kind, role")
    return {
        derived.VERIFIED_PAIR: verified,
        derived.DUPLICATE_GROUP: groups,
        derived.DUPLICATE_MEMBER: members,
        derived.SET_MEMBER: decision_sets(
            groups, members, captures, live=live_pairs(capture_inputs(frames), rules_of(settings))
        ),
        derived.OPINION: second_opinions(frames, settings, members),
        derived.CROSS_OWNER: cross_owner_copies(known.facts),
    }


def compute_decisions(frames: Frames, settings: Settings) -> Decided:
    """Which file of each set is kept, by the settings and by what a person said; what is identical does not wait for the rest."""
    sets = derived.sets(frames)
    facts = facts_of_sets(frames, settings, sets)
    return decide_cores_first(
        sets,
        group_members(frames),
        facts,
        settings.duplicates,
        verdicts=verdicts(frames),
        owners=owner_ids(frames),
    )


def decision_tables(made: Decided) -> Mapping[Table, pl.DataFrame]:
    """The tables that hold what was decided."""
    return {
        derived.DECISION: made.decisions,
        derived.DECISION_MEMBER: made.members,
        derived.DECIDED_SET: made.sets,
    }


def group_members(frames: Frames) -> pl.DataFrame:
    """How the files of groups stand to their representatives: group_id, asset_id, class."""
    return derived.read_table(frames, derived.DUPLICATE_MEMBER, "group_id, asset_id::text AS asset_id, class")


def facts_of_sets(frames: Frames, settings: Settings, sets: pl.DataFrame) -> pl.DataFrame:
    """What the choice goes by (`DECISION_FACTS_SCHEMA`), of the sets' files and of the videos of their live photos."""
    facts = decision_facts(frames, settings)
    members = facts.join(sets.select("asset_id"), on="asset_id", how="semi")
    videos = members.select(asset_id="live_video_id").drop_nulls().unique()
    return pl.concat([members, facts.join(videos, on="asset_id", how="semi").join(members, on="asset_id", how="anti")])

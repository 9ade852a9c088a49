"""Which pictures are there twice: pairs, verification, groups, report. Pure functions of polars frames."""

from immich_pipeline.dedup.candidates import exact_pairs, near_candidates
from immich_pipeline.dedup.facts import asset_facts
from immich_pipeline.dedup.groups import DuplicateGroups, duplicate_groups
from immich_pipeline.dedup.pairs import near_pairs
from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA, FACTS_SCHEMA, GROUP_SCHEMA, MEMBER_SCHEMA, VERIFIED_SCHEMA
from immich_pipeline.dedup.verify import verify

__all__ = [
    "CANDIDATE_SCHEMA",
    "FACTS_SCHEMA",
    "GROUP_SCHEMA",
    "MEMBER_SCHEMA",
    "VERIFIED_SCHEMA",
    "DuplicateGroups",
    "asset_facts",
    "duplicate_groups",
    "exact_pairs",
    "near_candidates",
    "near_pairs",
    "verify",
]

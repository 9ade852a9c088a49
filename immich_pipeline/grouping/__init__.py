"""Which files are one capture: RAW and JPEG, versions, bursts, brackets, live photos. Pure functions of polars frames."""

from immich_pipeline.grouping.captures import group_captures, kept_whole, live_pairs
from immich_pipeline.grouping.policies import stack_members, with_policies
from immich_pipeline.grouping.rules import GroupingRules, NameRule
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA, CONSTRAINT_SCHEMA, INPUT_SCHEMA, KEPT_WHOLE

__all__ = [
    "CAPTURE_SCHEMA",
    "CONSTRAINT_SCHEMA",
    "INPUT_SCHEMA",
    "KEPT_WHOLE",
    "GroupingRules",
    "NameRule",
    "group_captures",
    "kept_whole",
    "live_pairs",
    "stack_members",
    "with_policies",
]

"""Which files are one capture: RAW and JPEG, bursts, live photos. Pure functions of polars frames."""

from immich_pipeline.grouping.captures import group_captures
from immich_pipeline.grouping.rules import GroupingRules, NameRule
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA, INPUT_SCHEMA

__all__ = ["CAPTURE_SCHEMA", "INPUT_SCHEMA", "GroupingRules", "NameRule", "group_captures"]

"""Do the duplicate groups hold together, and does the report show them?"""

import dagster as dg

from immich_pipeline.defs.group_checks import group_checks
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.whole_library import REPORT_FILES

duplicate_group_checks = group_checks("duplicate_groups", "duplicates", "duplicate_member")
duplicate_decision_checks = group_checks("duplicate_decisions", "duplicates", "decision_member", "set_id")


@dg.asset_check(asset="duplicate_report")
def report_is_there(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """The report is on disk, as HTML, JSON and CSV. If not, materialise duplicate_report again."""
    folder = pipeline.settings().reports
    missing = [name for name in REPORT_FILES if not (folder / name).is_file()]
    return dg.AssetCheckResult(passed=not missing, metadata={"missing": len(missing)})

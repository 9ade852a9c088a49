"""Do the duplicate groups hold together, and does the report show them?"""

import dagster as dg

from immich_pipeline.defs.group_checks import group_checks
from immich_pipeline.defs.resources import PipelineResource

duplicate_group_checks = group_checks("duplicate_groups", "duplicates", "duplicate_member")


@dg.asset_check(asset="duplicate_report")
def report_is_there(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """The HTML and the JSON report are on disk. If not, materialise duplicate_report again."""
    folder = pipeline.settings().reports
    missing = [name for name in ("duplicates.html", "duplicates.json") if not (folder / name).is_file()]
    return dg.AssetCheckResult(passed=not missing, metadata={"missing": len(missing)})

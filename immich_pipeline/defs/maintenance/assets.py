"""Looking after what is there: is every file still what it was?"""

import dagster as dg

from immich_pipeline.defs.metadata import counts_table, markdown_table
from immich_pipeline.defs.partitions import capture_months
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.audit import audit


@dg.asset(
    group_name="maintenance",
    kinds={"postgres"},
    owners=["team:immich-pipeline"],
    code_version="1",
    partitions_def=capture_months,
    deps=[dg.AssetDep("file_hashes", partition_mapping=dg.AllPartitionMapping())],
    pool="file_io",
)
def integrity_audits(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult:
    """Files read again and compared with their SHA-256: bit rot, missing files, unreadable files.

    The audit of a month reads the files taken in that calendar month of any year, so that a year of audits reads the whole library.
    """
    month = context.partition_key[:7]
    outcome = audit(pipeline.database(), pipeline.settings(), month)
    return dg.MaterializeResult(
        metadata={
            "files": outcome.files,
            "bytes": outcome.bytes,
            "findings": sum(outcome.findings.values()),
            "by_kind": counts_table(outcome.findings, "kind"),
            "samples": markdown_table(outcome.samples),
        }
    )

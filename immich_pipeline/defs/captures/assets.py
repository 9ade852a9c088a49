"""Which files are one capture."""

import dagster as dg
import polars as pl

from immich_pipeline.defs.automation import WHEN_INPUTS_CHANGE
from immich_pipeline.defs.metadata import changed, column_schema, counts_table, markdown_table
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.errors import UserError
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA
from immich_pipeline.sources.captures import compute_captures
from immich_pipeline.sources.whole_library import WHOLE_LIBRARY, inputs_of
from immich_pipeline.store import derived, state
from immich_pipeline.store.frames import Changes


@dg.asset(
    group_name="captures",
    kinds={"postgres", "polars"},
    owners=["team:immich-pipeline"],
    code_version=WHOLE_LIBRARY["capture_groups"].code_version,
    deps=["library_snapshot", "photo_metadata", "perceptual_hashes"],
    automation_condition=WHEN_INPUTS_CHANGE,
    metadata={"dagster/column_schema": column_schema(CAPTURE_SCHEMA)},
)
def capture_groups(pipeline: PipelineResource) -> dg.MaterializeResult:
    """Which files are one capture: RAW + JPEG, versions of one photo, a burst, a bracket, a still and its video; one row per member.

    Computed over the whole library, and only when the library or a file's content changed. An asset is in one group at most; groups
    never cross owners; their ids follow from their members.
    """
    database = pipeline.database()
    with database.lock("computing capture_groups"), database.frames() as frames:
        inputs = inputs_of(frames, "capture_groups", pipeline.settings())
        unchanged = state.is_current(frames, "capture_groups", inputs)
        changes = Changes()
        if not unchanged:
            try:
                found = compute_captures(frames, pipeline.settings())
            except UserError as error:
                raise dg.Failure(str(error), allow_retries=False) from error
            tables = {derived.CAPTURE_MEMBER: found.members, derived.KEPT_WHOLE: found.kept_whole}
            changes = derived.write(frames, "captures", tables)
            changes += derived.write(frames, "findings", {derived.FINDING: found.findings})
            state.mark_computed(frames, "capture_groups", inputs)
        stored = derived.read_table(
            frames, derived.CAPTURE_MEMBER, "group_id, asset_id::text AS asset_id, kind, reason"
        )
        samples = derived.capture_samples(frames)
        noticed = derived.capture_findings(frames)
    by_kind = stored.group_by("kind").agg(groups=pl.col("group_id").n_unique(), files=pl.len()).sort("kind")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": stored.height,
            "groups": stored["group_id"].n_unique(),
            "inputs_unchanged": unchanged,
            "by_kind": markdown_table(by_kind),
            "samples": markdown_table(samples),
            "noticed": counts_table(dict(noticed.group_by("finding").len().iter_rows()), "finding"),
            "noticed_samples": markdown_table(noticed.group_by("finding", maintain_order=True).head(5)),
            "noticed_in_full": "immich-pipeline noticed",
            "by_reason": markdown_table(
                stored.group_by("reason").len("files").sort("files", "reason", descending=[True, False]).head(20)
            ),
            **changed(changes),
        }
    )

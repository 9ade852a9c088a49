"""Which captures are the same picture."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from immich_pipeline.dedup.candidates import exact_pairs, near_candidates
from immich_pipeline.dedup.groups import duplicate_groups as group_duplicates
from immich_pipeline.dedup.plots import distance_histogram_png
from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA, GROUP_SCHEMA
from immich_pipeline.dedup.verify import verify
from immich_pipeline.defs.automation import WHEN_INPUTS_CHANGE
from immich_pipeline.defs.metadata import changed, column_schema, markdown_table, picture, thumbnails_table
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.captures import never_duplicates
from immich_pipeline.sources.report import all_facts, write_report
from immich_pipeline.sources.whole_library import WHOLE_LIBRARY, inputs_of
from immich_pipeline.store import derived, state
from immich_pipeline.store.frames import Changes

_OWNERS = ["team:immich-pipeline"]


@dg.asset(
    group_name="duplicates",
    owners=_OWNERS,
    automation_condition=WHEN_INPUTS_CHANGE,
    kinds={"postgres", "polars"},
    code_version=WHOLE_LIBRARY["duplicate_candidates"].code_version,
    deps=["library_snapshot", "file_hashes", "perceptual_hashes"],
    metadata={"dagster/column_schema": column_schema(CANDIDATE_SCHEMA)},
)
def duplicate_candidates(pipeline: PipelineResource) -> dg.MaterializeResult:
    """Pairs worth a look: files of equal bytes (a star round the first), and pictures whose perceptual hashes are close.

    Near pairs are all there are within the radius, found exactly. Flat, truncated and thumbnail-only pictures take no part.
    """
    settings, database = pipeline.settings(), pipeline.database()
    with database.lock("computing duplicate_candidates"), database.frames() as frames:
        inputs = inputs_of(frames, "duplicate_candidates", settings)
        unchanged = state.is_current(frames, "duplicate_candidates", inputs)
        changes = Changes()
        if not unchanged:
            facts = all_facts(frames)
            pairs = pl.concat([exact_pairs(facts), near_candidates(facts, settings.near_radius)])
            changes = derived.write(frames, "candidates", {derived.CANDIDATE: pairs})
            state.mark_computed(frames, "duplicate_candidates", inputs)
        stored = derived.read_table(frames, derived.CANDIDATE, "kind, distance")
    by_kind = stored.group_by("kind").len("pairs").sort("kind")
    near = stored.filter(pl.col("kind") == "near")["distance"]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": stored.height,
            "inputs_unchanged": unchanged,
            "by_kind": markdown_table(by_kind),
            "distances": picture(distance_histogram_png(near), "pairs by Hamming distance"),
            **changed(changes),
        }
    )


@dg.asset(
    group_name="duplicates",
    owners=_OWNERS,
    automation_condition=WHEN_INPUTS_CHANGE,
    kinds={"postgres", "polars"},
    code_version=WHOLE_LIBRARY["duplicate_groups"].code_version,
    deps=[duplicate_candidates, "capture_groups", "photo_metadata"],
    metadata={"dagster/column_schema": column_schema(GROUP_SCHEMA)},
)
def duplicate_groups(pipeline: PipelineResource) -> dg.MaterializeResult:
    """Verified groups of files that hold the same picture, with class, confidence and the space a second copy takes.

    Every member is compared with the group's representative, so there are no chains. Burst neighbours and pictures that merely look
    alike are kept as judged pairs but form no group; the files of one capture are never duplicates of each other.
    """
    settings, database = pipeline.settings(), pipeline.database()
    with database.lock("computing duplicate_groups"), database.frames() as frames:
        inputs = inputs_of(frames, "duplicate_groups", settings)
        unchanged = state.is_current(frames, "duplicate_groups", inputs)
        changes = Changes()
        if not unchanged:
            facts = all_facts(frames)
            candidates = derived.read_table(
                frames, derived.CANDIDATE, "owner, left_id::text AS left_id, right_id::text AS right_id, kind, distance"
            )
            captures = never_duplicates(frames)
            verified = verify(candidates, facts, captures)
            groups, members = group_duplicates(verified, facts, captures)
            tables = {
                derived.VERIFIED_PAIR: verified,
                derived.DUPLICATE_GROUP: groups,
                derived.DUPLICATE_MEMBER: members,
            }
            changes = derived.write(frames, "duplicates", tables)
            state.mark_computed(frames, "duplicate_groups", inputs)
        stored = derived.read_table(frames, derived.DUPLICATE_GROUP, "group_id, class, members, reclaimable_bytes")
        pairs = derived.read_table(frames, derived.VERIFIED_PAIR, "class")
    by_class = stored.group_by("class").agg(
        groups=pl.len(), files=pl.col("members").sum(), reclaimable_bytes=pl.col("reclaimable_bytes").sum()
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": stored.height,
            "reclaimable_bytes": int(stored["reclaimable_bytes"].sum()),
            "inputs_unchanged": unchanged,
            "by_class": markdown_table(by_class.sort("class")),
            "judged_pairs": markdown_table(pairs.group_by("class").len("pairs").sort("class")),
            **changed(changes),
        }
    )


@dg.asset(
    group_name="duplicates",
    owners=_OWNERS,
    automation_condition=WHEN_INPUTS_CHANGE,
    kinds={"html", "json"},
    code_version=WHOLE_LIBRARY["duplicate_report"].code_version,
    deps=[duplicate_groups],
    pool="file_io",
)
def duplicate_report(pipeline: PipelineResource) -> dg.MaterializeResult:
    """The duplicate groups as one self-contained HTML page, side by side, and as JSON. Nothing is decided or changed here."""
    settings = pipeline.settings()
    database = pipeline.database()
    with database.frames() as frames:
        inputs = inputs_of(frames, "duplicate_report", settings)
    outcome = write_report(database, settings, inputs, now=datetime.now(UTC))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": outcome.groups,
            "html": dg.MetadataValue.path(str(outcome.html)),
            "json": dg.MetadataValue.path(str(outcome.json)),
            "inputs_unchanged": outcome.unchanged,
            "groups_shown": outcome.shown,
            "samples": thumbnails_table(outcome.samples, outcome.captions),
        }
    )

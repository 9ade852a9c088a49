"""Which captures are the same picture, and which of them is kept."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from immich_pipeline.dedup.plots import distance_histogram_png
from immich_pipeline.dedup.schema import CANDIDATE_SCHEMA, DECISION_SCHEMA, GROUP_SCHEMA
from immich_pipeline.defs.automation import WHEN_INPUTS_CHANGE
from immich_pipeline.defs.metadata import (
    changed,
    column_schema,
    counts_table,
    markdown_table,
    picture,
    thumbnails_table,
)
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.progress import Progress
from immich_pipeline.sources.duplicates import (
    compute_candidates,
    compute_decisions,
    compute_groups,
    decision_tables,
    pairs_to_see,
)
from immich_pipeline.sources.immich.details import refresh_details
from immich_pipeline.sources.looks import look_at_pairs
from immich_pipeline.sources.report import write_report
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
    """Pairs worth a look: equal bytes (a star round the first), close perceptual hashes, and Immich's own groups.

    Near pairs are all there are within the radius, found exactly. Flat, truncated and thumbnail-only pictures take no part.
    """
    settings, database = pipeline.settings(), pipeline.database()
    with database.lock("computing duplicate_candidates"), database.frames() as frames:
        inputs = inputs_of(frames, "duplicate_candidates", settings)
        unchanged = state.is_current(frames, "duplicate_candidates", inputs)
        changes = Changes()
        if not unchanged:
            changes = derived.write(frames, "candidates", {derived.CANDIDATE: compute_candidates(frames, settings)})
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
    pool="file_io",
)
def duplicate_groups(pipeline: PipelineResource) -> dg.MaterializeResult:
    """Verified groups of files that hold the same picture, with class, confidence and the space a second copy takes.

    What hashes and metadata leave open is looked at picture by picture, once. Every member is compared with the group's representative,
    so there are no chains. Burst neighbours and pictures that merely look alike are kept as judged pairs but form no group; the files of
    one capture are never duplicates of each other. Captures, not files, are what is decided about later.
    """
    settings, database = pipeline.settings(), pipeline.database()
    with database.lock("computing duplicate_groups"):
        with database.frames() as frames:
            inputs = inputs_of(frames, "duplicate_groups", settings)
            unchanged = state.is_current(frames, "duplicate_groups", inputs)
            unseen = None if unchanged else pairs_to_see(frames)
        seen = None
        if unseen is not None and unseen.height:
            seen = look_at_pairs(database, settings, unseen)
        changes = Changes()
        with database.frames() as frames:
            if not unchanged:
                changes = derived.write(frames, "duplicates", dict(compute_groups(frames, settings)))
                if seen is None or not seen.postponed:
                    state.mark_computed(frames, "duplicate_groups", inputs)
            stored = derived.read_table(frames, derived.DUPLICATE_GROUP, "group_id, class, members, reclaimable_bytes")
            pairs = derived.read_table(frames, derived.VERIFIED_PAIR, "class")
            sets = derived.read_table(frames, derived.SET_MEMBER, "set_id")
            foreign = derived.read_table(frames, derived.CROSS_OWNER, "left_owner, right_owner")
    by_class = stored.group_by("class").agg(
        groups=pl.len(), files=pl.col("members").sum(), reclaimable_bytes=pl.col("reclaimable_bytes").sum()
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": stored.height,
            "reclaimable_bytes": int(stored["reclaimable_bytes"].sum()),
            "decided_together": sets["set_id"].n_unique(),
            "inputs_unchanged": unchanged,
            "pairs_looked_at": 0 if seen is None else seen.pairs,
            "pictures_decoded": 0 if seen is None else seen.pictures,
            "pairs_postponed": 0 if seen is None else seen.postponed,
            "not_looked_at": counts_table({} if seen is None else seen.problems, "reason"),
            "by_class": markdown_table(by_class.sort("class")),
            "judged_pairs": markdown_table(pairs.group_by("class").len("pairs").sort("class")),
            "copies_of_two_owners": markdown_table(
                foreign.group_by("left_owner", "right_owner").len("copies").sort("left_owner", "right_owner")
            ),
            **changed(changes),
        }
    )


@dg.asset(
    group_name="duplicates",
    owners=_OWNERS,
    automation_condition=WHEN_INPUTS_CHANGE,
    kinds={"postgres", "polars"},
    code_version=WHOLE_LIBRARY["duplicate_decisions"].code_version,
    deps=[duplicate_groups],
    metadata={"dagster/column_schema": column_schema(DECISION_SCHEMA)},
)
def duplicate_decisions(pipeline: PipelineResource) -> dg.MaterializeResult:
    """Which file of each set of duplicates would be kept, by which step of the policy, and what Immich would have kept and lost.

    Nothing is changed. A set is certain only if its class may be resolved without a person and nothing contradicts; all else is for review.
    Where that holds for what is identical in a set alone, this is decided first, and the rest when it is done.
    """
    settings, database = pipeline.settings(), pipeline.database()
    with database.lock("computing duplicate_decisions"):
        with database.frames() as frames:
            members = derived.read_table(frames, derived.SET_MEMBER, "asset_id::text AS asset_id")["asset_id"]
        read = refresh_details(
            database, settings, members, Progress("reading what the server knows", members.len(), "assets")
        )
        changes = Changes()
        with database.frames() as frames:
            inputs = inputs_of(frames, "duplicate_decisions", settings)
            unchanged = state.is_current(frames, "duplicate_decisions", inputs)
            if not unchanged:
                made = compute_decisions(frames, settings)
                changes = derived.write(frames, "decisions", dict(decision_tables(made)))
                state.mark_computed(frames, "duplicate_decisions", inputs)
            stored = derived.read_table(
                frames, derived.DECISION, "class, verdict, decided_by, conflicts, reclaimable_bytes, immich_loses"
            )
            found, decided = derived.sets(frames).height, derived.decided_sets(frames).height
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": stored.height,
            "inputs_unchanged": unchanged,
            "files_decided_later": found - decided,
            "assets_asked_of_the_server": read.read,
            "not_answered": markdown_table(pl.DataFrame({"problem": list(read.problems)})),
            "by_verdict": markdown_table(_by(stored, "verdict", "class")),
            "decided_by": markdown_table(_by(stored, "decided_by")),
            "conflicts": markdown_table(_by(stored.explode("conflicts").drop_nulls("conflicts"), "conflicts")),
            "immich_would_lose": markdown_table(
                _by(stored.explode("immich_loses").drop_nulls("immich_loses"), "immich_loses")
            ),
            **changed(changes),
        }
    )


def _by(decisions: pl.DataFrame, *columns: str) -> pl.DataFrame:
    counted = decisions.group_by(*columns).agg(sets=pl.len(), reclaimable_bytes=pl.col("reclaimable_bytes").sum())
    return counted.sort("sets", *columns, descending=[True, *(False for _ in columns)])


@dg.asset(
    group_name="duplicates",
    owners=_OWNERS,
    automation_condition=WHEN_INPUTS_CHANGE,
    kinds={"html", "json", "csv"},
    code_version=WHOLE_LIBRARY["duplicate_report"].code_version,
    deps=[duplicate_decisions],
    pool="file_io",
)
def duplicate_report(pipeline: PipelineResource) -> dg.MaterializeResult:
    """The decisions as one self-contained HTML page, side by side, as JSON and as CSV: to read, to correct, to hand back.

    What a person says on the page is saved as a review file, which `immich-pipeline review import` takes.
    """
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
            "csv": dg.MetadataValue.path(str(outcome.csv)),
            "next": "open the page, then: immich-pipeline review import duplicates-review.json",
            "inputs_unchanged": outcome.unchanged,
            "groups_shown": outcome.shown,
            "samples": thumbnails_table(outcome.samples, outcome.captions),
        }
    )

"""What each file's content says, made in one read per file."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from immich_pipeline.defs.jobs import CONTENT_STEP
from immich_pipeline.defs.metadata import column_schema, counts_table, thumbnails_table
from immich_pipeline.defs.partitions import ingest_batches
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.ingest import BatchOutcome, Work, measure_batch, measure_options
from immich_pipeline.sources.report import batch_samples
from immich_pipeline.sources.versions import FILE_HASHES, PERCEPTUAL_HASHES, PHOTO_METADATA, cured_kinds, versions
from immich_pipeline.store.content import FILE_HASH_SCHEMA, PERCEPTUAL_HASH_SCHEMA, PHOTO_METADATA_SCHEMA


def _spec(name: str, code_version: str, schema: Mapping[str, pl.DataType], description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=["library_snapshot", "ingest_batches"],
        kinds={"postgres"},
        owners=["team:immich-pipeline"],
        code_version=code_version,
        skippable=True,
        metadata={"dagster/column_schema": column_schema(schema)},
        description=f"{description} A partition holds the files of one ingest batch; running it again does only what is undone.",
    )


@dg.multi_asset(
    name=CONTENT_STEP,
    partitions_def=ingest_batches,
    group_name="content",
    can_subset=True,
    pool="file_io",
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    specs=[
        _spec(
            "file_hashes",
            FILE_HASHES,
            FILE_HASH_SCHEMA,
            "SHA-256 of each file's bytes, and what the file really is by its signature. "
            "A file that cannot be read is a row with the reason.",
        ),
        _spec(
            "photo_metadata",
            PHOTO_METADATA,
            PHOTO_METADATA_SCHEMA,
            "What the file itself says of the photo: capture time (instant, wall clock, offset, sub-second), camera, lens, "
            "place, burst and content ids.",
        ),
        _spec(
            "perceptual_hashes",
            PERCEPTUAL_HASHES,
            PERCEPTUAL_HASH_SCHEMA,
            "64-bit and 256-bit perceptual hash of the upright picture. Flat, truncated or thumbnail-only pictures are marked "
            "unusable; a picture that cannot be decoded is a row with the reason.",
        ),
    ],
)
def file_contents(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Iterator[dg.MaterializeResult]:
    """Hash, read the metadata of, and perceptually hash every file of a batch that is not done yet."""
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    settings, database = pipeline.settings(), pipeline.database()
    work = Work(versions(), measure_options(settings, selected), tuple(cured_kinds(settings)))
    outcome = measure_batch(database, context.partition_key, settings, work)
    samples = batch_samples(database, context.partition_key, settings) if "perceptual_hashes" in selected else None
    for name in sorted(selected):
        metadata: dict[str, Any] = _numbers(outcome)
        if name == "perceptual_hashes" and samples:
            metadata["samples"] = thumbnails_table(*samples)
        yield dg.MaterializeResult(asset_key=name, metadata=metadata)


def _numbers(outcome: BatchOutcome) -> dict[str, Any]:
    return {
        "files": outcome.files,
        "hashed": outcome.hashed,
        "bytes": outcome.bytes,
        "rows_changed": outcome.changes.total,
        "files_per_second": round(outcome.files / max(outcome.seconds, 1e-6), 1),
        "seconds": round(outcome.seconds, 2),
        "peak_mb": round(outcome.peak_mb, 1),
        "moved_back": outcome.adopted,
        "errors": sum(outcome.errors.values()),
        "top_errors": counts_table(dict(outcome.errors.most_common(20)), "reason"),
    }

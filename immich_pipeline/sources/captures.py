"""What grouping is told of the library, and what comes of it."""

import polars as pl

from immich_pipeline.dedup.facts import with_content
from immich_pipeline.grouping.captures import group_captures, kept_whole
from immich_pipeline.grouping.schema import INPUT_SCHEMA, OPTIONAL_INPUT_SCHEMA
from immich_pipeline.sources.immich.rows import UPLOADS
from immich_pipeline.store import derived
from immich_pipeline.store.choices import choices
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.immich import told_of_captures
from immich_pipeline.store.library import live_assets


def capture_inputs(frames: Frames) -> pl.DataFrame:
    """Every live asset with what grouping goes by: `INPUT_SCHEMA` and what is known of `OPTIONAL_INPUT_SCHEMA`.

    The folder of an upload that the server keeps by a random name is null. Equal bytes have an equal `content_key`.
    """
    contents = with_content(derived.file_hashes(frames).select("asset_id", "sha256", "sha1"))
    keys = contents.select("asset_id", content_key=pl.col("content").bin.encode("hex"))
    joined = live_assets(frames)
    for part in (
        derived.photo_metadata(frames),
        derived.perceptual_hashes(frames).select("asset_id", "width", "height"),
        told_of_captures(frames),
        keys,
    ):
        joined = joined.join(part, on="asset_id", how="left", maintain_order="left")
    random_names = pl.col("is_record").fill_null(value=False) & (pl.col("folder") == UPLOADS)
    wanted = {
        **INPUT_SCHEMA,
        **{name: dtype for name, dtype in OPTIONAL_INPUT_SCHEMA.items() if name in joined.columns},
    }
    return joined.with_columns(folder=pl.when(~random_names).then("folder")).select(
        [pl.col(name).cast(dtype) for name, dtype in wanted.items()]
    )


def compute_captures(frames: Frames) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The capture groups (`CAPTURE_SCHEMA`) and the sets that look alike on purpose, by the rules and a person's choices."""
    inputs = capture_inputs(frames)
    return group_captures(inputs, constraints=choices(frames)), kept_whole(inputs)


def never_duplicates(frames: Frames) -> pl.DataFrame:
    """Which assets are of one capture, or of one set that looks alike on purpose: group_id, asset_id."""
    captures = derived.read_table(frames, derived.CAPTURE_MEMBER, "group_id, asset_id::text AS asset_id")
    sets = derived.read_table(frames, derived.KEPT_WHOLE, "set_id AS group_id, asset_id::text AS asset_id")
    return pl.concat([captures, sets]).unique(maintain_order=True)

"""What grouping is told of the library, and what comes of it."""

from dataclasses import dataclass

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.facts import with_content
from immich_pipeline.errors import UserError
from immich_pipeline.grouping import reports
from immich_pipeline.grouping.captures import group_captures, kept_whole
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import INPUT_SCHEMA, OPTIONAL_INPUT_SCHEMA
from immich_pipeline.sources.immich.rows import UPLOADS
from immich_pipeline.store import derived
from immich_pipeline.store.choices import choices
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.immich import told_of_captures, trashed_assets
from immich_pipeline.store.library import live_assets


@dataclass(frozen=True)
class Captures:
    """What was found.

    Attributes:
        members: `CAPTURE_SCHEMA`.
        kept_whole: set_id, asset_id, kind, reason: sets that look alike on purpose.
        findings: what a person may want to see to: asset_id, finding, detail.
    """

    members: pl.DataFrame
    kept_whole: pl.DataFrame
    findings: pl.DataFrame


def rules_of(settings: Settings) -> GroupingRules:
    """The rules of grouping, with those of the user's file where there is one.

    Raises:
        UserError: the file cannot be read, or says what rules cannot say.
    """
    try:
        return GroupingRules.load(settings.captures.rules)
    except (OSError, ValueError) as error:
        raise UserError(f"captures.rules: {settings.captures.rules} cannot be used: {error}") from error


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
    return _as_inputs(joined.with_columns(is_trashed=pl.lit(value=False)))


def compute_captures(frames: Frames, settings: Settings) -> Captures:
    """The capture groups by the rules and a person's choices, and what stands out."""
    rules, inputs, constraints = rules_of(settings), capture_inputs(frames), choices(frames)
    members = group_captures(inputs, rules, constraints)
    return Captures(members, kept_whole(inputs, rules), _findings(frames, inputs, members, constraints, rules))


def never_duplicates(frames: Frames) -> pl.DataFrame:
    """Which assets are of one capture, or of one set that looks alike on purpose: group_id, asset_id."""
    captures = derived.read_table(frames, derived.CAPTURE_MEMBER, "group_id, asset_id::text AS asset_id")
    sets = derived.read_table(frames, derived.KEPT_WHOLE, "set_id AS group_id, asset_id::text AS asset_id")
    return pl.concat([captures, sets]).unique(maintain_order=True)


def _as_inputs(joined: pl.DataFrame) -> pl.DataFrame:
    random_names = pl.col("is_record").fill_null(value=False) & (pl.col("folder") == UPLOADS)
    wanted = {**INPUT_SCHEMA, **OPTIONAL_INPUT_SCHEMA}
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in wanted.items() if name not in joined.columns]
    return joined.with_columns(*missing, folder=pl.when(~random_names).then("folder")).select(
        [pl.col(name).cast(dtype) for name, dtype in wanted.items()]
    )


def _findings(
    frames: Frames, inputs: pl.DataFrame, members: pl.DataFrame, constraints: pl.DataFrame, rules: GroupingRules
) -> pl.DataFrame:
    with_trash = pl.concat([inputs, _as_inputs(trashed_assets(frames))])
    camera = pl.concat_str("make", "model", separator=" ", ignore_nulls=True)
    halves = reports.halves_in_trash(with_trash, rules)
    found = {
        "RAW without a JPEG": reports.raw_without_rendered(inputs, members, rules).with_columns(detail=pl.lit("")),
        "JPEG whose RAW is in the trash": halves.filter(finding="raw_trashed").with_columns(detail="finding"),
        "RAW whose JPEG is in the trash": halves.filter(finding="rendered_trashed").with_columns(detail="finding"),
        "one name and time, several cameras": reports.mixed_cameras(inputs, rules).with_columns(detail=camera),
        "a choice that cannot be kept": reports.unmet_constraints(inputs, members, constraints, rules).select(
            asset_id="subject", detail=pl.concat_str(pl.col("kind").str.replace("_", " "), "reason", separator=": ")
        ),
        "a person should look": reports.ambiguous(inputs, members, rules).with_columns(detail="reason"),
    }
    rows = [frame.select("asset_id", pl.lit(name).alias("finding"), "detail") for name, frame in found.items()]
    return pl.concat(rows).with_columns(pl.col("detail").fill_null("")).unique(maintain_order=True)

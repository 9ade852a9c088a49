"""What is known of each asset, from all tables, in one frame: for finding duplicates and for choosing between them."""

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.facts import asset_facts
from immich_pipeline.dedup.schema import DECISION_FACTS_SCHEMA, FACTS_SCHEMA
from immich_pipeline.store import derived
from immich_pipeline.store.details import detail_facts
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.library import live_assets

_RECORDS = """
    SELECT r.asset_id::text AS asset_id, r.library_id::text AS library_id, r.time_zone, r.file_created_at, r.is_edited, r.is_favorite,
           r.rating, r.description, nullif(concat_ws(', ', r.city, r.state, r.country), '') AS place,
           r.live_video_id::text AS live_video_id, r.stack_id::text AS stack_id, r.taken_at AS server_taken_at,
           r.local_date_time AS server_local, r.latitude AS server_latitude, r.longitude AS server_longitude, s.trash_days
    FROM library.immich_record r JOIN library.live_asset a USING (asset_id) JOIN library.source s ON s.source_id = a.source_id"""

_ALBUMS = "SELECT asset_id::text AS asset_id, count(*)::int AS albums FROM library.immich_album GROUP BY 1"
_MOUNTED = "SELECT asset_id::text AS asset_id FROM library.asset_file WHERE root IS NOT NULL"


def all_facts(frames: Frames) -> pl.DataFrame:
    """Everything known of each live asset's file, in one frame (`FACTS_SCHEMA`)."""
    return asset_facts(
        live_assets(frames),
        derived.file_hashes(frames),
        derived.photo_metadata(frames),
        derived.perceptual_hashes(frames),
    )


def decision_facts(frames: Frames, settings: Settings) -> pl.DataFrame:
    """What the choice of the kept one goes by, of each live asset (`DECISION_FACTS_SCHEMA`).

    Of a server's asset, time and place are what the server says, since a person may have put them right there; the file's own time
    is kept where the two agree to the second, as it may be finer.
    """
    joined = all_facts(frames)
    parts = (
        live_assets(frames).select("asset_id", "visibility"),
        derived.photo_metadata(frames).select("asset_id", "utc_offset_minutes", "time_source", "software"),
        derived.file_hashes(frames).select("asset_id", format="detected_format"),
        frames.read(_RECORDS).with_columns(server_asset=pl.lit(value=True)),
        frames.read(_ALBUMS),
        detail_facts(frames).select("asset_id", "tags", "people", "faces"),
        frames.read(_MOUNTED).with_columns(mounted=pl.lit(value=True)),
    )
    for part in parts:
        joined = joined.join(part, on="asset_id", how="left", maintain_order="left")
    downloads = settings.immich is not None and settings.immich.originals == "download" and bool(settings.immich.users)
    on_server = pl.col("server_asset").fill_null(value=False)
    joined = joined.with_columns(
        server_asset=on_server,
        readable=pl.col("mounted").fill_null(value=False) | (on_server & downloads),
        albums=pl.when(on_server).then(pl.col("albums").fill_null(0)),
        **_as_the_server_says(),
    )
    return joined.select([pl.col(name).cast(dtype) for name, dtype in DECISION_FACTS_SCHEMA.items()])


def _as_the_server_says() -> dict[str, pl.Expr]:
    place_known = pl.col("server_latitude").is_not_null() & pl.col("server_longitude").is_not_null()
    agree = (pl.col("taken_at") - pl.col("server_taken_at")).abs() <= pl.duration(seconds=1)
    ours = pl.col("server_taken_at").is_null() | agree.fill_null(value=False)
    return {
        "latitude": pl.when(place_known).then("server_latitude").otherwise("latitude"),
        "longitude": pl.when(place_known).then("server_longitude").otherwise("longitude"),
        "taken_at": pl.when(ours).then("taken_at").otherwise(pl.col("server_taken_at").cast(FACTS_SCHEMA["taken_at"])),
        "taken_at_local": pl.when(ours)
        .then("taken_at_local")
        .otherwise(pl.col("server_local").cast(FACTS_SCHEMA["taken_at_local"])),
        "subsec": pl.when(ours).then("subsec"),
    }

"""The duplicate report on disk: read the groups, picture them, write HTML and JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.facts import asset_facts
from immich_pipeline.dedup.report import render_html, report_json
from immich_pipeline.media.measure import FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.sources.immich.remote import preview_tasks
from immich_pipeline.store import derived, state
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.immich import records_of
from immich_pipeline.store.library import live_assets

GROUPS_SHOWN = 200
MEMBERS_PICTURED = 6
_SAMPLES = 8

_GROUPS = "group_id, owner, class, confidence, members, bytes, reclaimable_bytes, diameter"
_FILES = """
    SELECT a.asset_id::text AS asset_id, f.source_kind, f.root, f.real_path, a.extension
    FROM library.live_asset a JOIN library.asset_file f USING (asset_id)"""
_MEMBERS = "group_id, asset_id::text AS asset_id, is_representative, class, distance, distance256, reason"


@dataclass(frozen=True)
class ReportOutcome:
    """What was written, and a few pictures of it."""

    html: Path
    json: Path
    groups: int
    shown: int
    unchanged: bool
    samples: Mapping[str, bytes] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)


def write_report(database: Database, settings: Settings, inputs: str, *, now: datetime) -> ReportOutcome:
    """Write `duplicates.html` and `duplicates.json` into the reports folder, unless they were written from these inputs already."""
    html, document = settings.reports / "duplicates.html", settings.reports / "duplicates.json"
    with database.frames() as frames:
        groups = derived.read_table(frames, derived.DUPLICATE_GROUP, _GROUPS)
        shown = min(groups.height, GROUPS_SHOWN)
        if state.is_current(frames, "duplicate_report", inputs) and html.is_file() and document.is_file():
            return ReportOutcome(html, document, groups.height, shown, unchanged=True)
        members = derived.read_table(frames, derived.DUPLICATE_MEMBER, _MEMBERS)
        facts = all_facts(frames)
        pictured = _pictured(groups, members)
        files = frames.read(f"{_FILES} WHERE a.asset_id::text = ANY($1)", pictured.to_list())
    thumbnails = thumbnails_of(database, files, settings)
    settings.reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    page = render_html(
        groups, members, facts, thumbnails, limit=GROUPS_SHOWN, generated_at=now, library=settings.library_name
    )
    _write_whole(html, page)
    _write_whole(document, json.dumps(report_json(groups, members, facts), indent=1, ensure_ascii=False) + "\n")
    with database.frames() as frames:
        state.mark_computed(frames, "duplicate_report", inputs)
    names = dict(facts.select("asset_id", "name").iter_rows())
    some = [asset for asset in pictured.to_list() if asset in thumbnails][:_SAMPLES]
    return ReportOutcome(
        html,
        document,
        groups.height,
        shown,
        unchanged=False,
        samples={asset: thumbnails[asset] for asset in some},
        captions={asset: names[asset] for asset in some},
    )


def thumbnails_of(database: Database, files: pl.DataFrame, settings: Settings) -> dict[str, bytes]:
    """Small JPEGs of some files (asset_id, source_kind, root, real_path, extension), by asset id; a file without one is left out.

    Of a server's assets the server's own preview is taken.
    """
    local = files.filter(pl.col("source_kind") == "folder")
    tasks = [FileTask(*row) for row in local.select("asset_id", "root", "real_path", "extension").iter_rows()]
    others = files.filter(pl.col("source_kind") != "folder")["asset_id"].to_list()
    if others and settings.immich:
        with database.frames() as frames:
            records = records_of(frames, others)
        tasks += preview_tasks(settings, records)
    if not tasks:
        return {}
    options = MeasureOptions(worker_memory_mb=settings.worker_memory_mb, formats_extra=settings.formats)
    with MeasurePool(options, workers=settings.workers, file_timeout=settings.file_timeout_seconds) as pool:
        made = [thumbnail for part in pool.thumbnails(tasks) for thumbnail in part]
    return {thumbnail.asset_id: thumbnail.jpeg for thumbnail in made if thumbnail.jpeg is not None}


def all_facts(frames: Frames) -> pl.DataFrame:
    """Everything known of each live asset, in one frame (`FACTS_SCHEMA`)."""
    return asset_facts(
        live_assets(frames),
        derived.file_hashes(frames),
        derived.photo_metadata(frames),
        derived.perceptual_hashes(frames),
    )


def _pictured(groups: pl.DataFrame, members: pl.DataFrame) -> pl.Series:
    """The members that the page shows with a picture: those of the groups with the most to save, the representative first."""
    first = (
        groups.sort(["reclaimable_bytes", "group_id"], descending=[True, False]).head(GROUPS_SHOWN).select("group_id")
    )
    ordered = first.join(members, on="group_id", maintain_order="left").sort(
        "is_representative", descending=True, maintain_order=True
    )
    return ordered.group_by("group_id", maintain_order=True).head(MEMBERS_PICTURED)["asset_id"]


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader, or an interruption, never meets half a file."""
    unfinished = path.with_suffix(path.suffix + ".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def batch_samples(
    database: Database, batch_key: str, settings: Settings, count: int = 6
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Thumbnails and names of a few pictures of a batch, for the UI."""
    query = (
        "SELECT a.asset_id::text AS asset_id, f.source_kind, f.root, f.real_path, a.extension, a.name FROM content.file_work w "
        "JOIN content.perceptual_hash p ON p.asset_id = w.asset_id AND p.usable "
        "JOIN library.live_asset a ON a.asset_id = w.asset_id JOIN library.asset_file f ON f.asset_id = a.asset_id "
        "WHERE w.batch_key = $1 ORDER BY a.path LIMIT $2"
    )
    with database.frames() as frames:
        files = frames.read(query, batch_key, count)
    return thumbnails_of(database, files, settings), dict(files.select("asset_id", "name").iter_rows())

"""The duplicate report on disk: read what was decided, picture it, write HTML, JSON and CSV."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.dedup.document import document_text, duplicate_document
from immich_pipeline.dedup.report import SETS_ON_PAGE, render_html
from immich_pipeline.dedup.table_csv import duplicate_csv
from immich_pipeline.dedup.undecided import sets_of_groups, undecided
from immich_pipeline.media.measure import FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool
from immich_pipeline.sources.facts import decision_facts
from immich_pipeline.sources.immich.remote import preview_tasks
from immich_pipeline.store import derived, state
from immich_pipeline.store.database import Database
from immich_pipeline.store.decisions import decisions_are_known
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.immich import records_of

SETS_PICTURED = 1000
FILES_PICTURED = 4
"""Thumbnails of this many files of this many sets are made; the page takes those that fit into it."""
_SAMPLES = 8

_GROUPS = "group_id, owner, class, confidence, members, bytes, reclaimable_bytes, diameter"
_FILES = """
    SELECT a.asset_id::text AS asset_id, f.source_kind, f.root, f.real_path, a.extension
    FROM library.live_asset a JOIN library.asset_file f USING (asset_id)"""
_MEMBERS = "group_id, asset_id::text AS asset_id, is_representative, class, distance, distance256, reason"
_DECISIONS = (
    "set_id, owner, class, confidence, verdict, keeper_unit, keeper_id::text AS keeper_id, decided_by, conflicts, becomes, files, "
    "reclaimable_bytes, immich_keeps::text AS immich_keeps, immich_loses, steps, policy_hash"
)
_DECISION_MEMBERS = "set_id, unit_id, asset_id::text AS asset_id, role, score, obstacle"
_COUNT = {True: "SELECT count(*) FROM duplicates.decision", False: "SELECT count(*) FROM duplicates.duplicate_group"}
_OPINIONS = "group_id, asset_id::text AS asset_id, immich_agrees, clip_distance"


@dataclass(frozen=True)
class ReportOutcome:
    """What was written, and a few pictures of it."""

    html: Path
    json: Path
    csv: Path
    groups: int
    shown: int
    unchanged: bool
    samples: Mapping[str, bytes] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)


class StoredPlan(NamedTuple):
    """What was decided, as it is stored: DECISION, DECISION_MEMBER, SET and opinions."""

    decisions: pl.DataFrame
    members: pl.DataFrame
    sets: pl.DataFrame
    opinions: pl.DataFrame


def write_report(database: Database, settings: Settings, inputs: str, *, now: datetime) -> ReportOutcome:
    """Write `duplicates.html`, `.json` and `.csv` into the reports folder, unless they were written from these inputs already."""
    html, json, csv = (settings.reports / f"duplicates.{ending}" for ending in ("html", "json", "csv"))
    with database.frames() as frames:
        groups = int(frames.scalar(_COUNT[decisions_are_known(frames)]))
        shown = min(groups, SETS_ON_PAGE)
        if state.is_current(frames, "duplicate_report", inputs) and all(path.is_file() for path in (html, json, csv)):
            return ReportOutcome(html, json, csv, groups, shown, unchanged=True)
        plan = read_plan(frames)
        facts = decision_facts(frames, settings)
        document = duplicate_document(
            *plan[:3],
            facts,
            plan.opinions,
            library=settings.library_name,
            fingerprint=sha256(inputs.encode()).hexdigest(),
        )
        pictured = _pictured(document["sets"])
        files = frames.read(f"{_FILES} WHERE a.asset_id::text = ANY($1)", pictured)
    found = thumbnails_of(database, files, settings)
    thumbnails = {asset_id: found[asset_id] for asset_id in pictured if asset_id in found}
    settings.reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_whole(html, render_html(document, thumbnails, generated_at=now))
    _write_whole(json, document_text(document))
    _write_whole(csv, duplicate_csv(document))
    with database.frames() as frames:
        state.mark_computed(frames, "duplicate_report", inputs)
    names = dict(facts.select("asset_id", "name").iter_rows())
    some = list(thumbnails)[:_SAMPLES]
    return ReportOutcome(
        html,
        json,
        csv,
        groups,
        shown,
        unchanged=False,
        samples={asset: thumbnails[asset] for asset in some},
        captions={asset: names[asset] for asset in some},
    )


def read_plan(frames: Frames) -> StoredPlan:
    """What was decided; before anything was, the duplicate groups for a person to look at."""
    opinions = derived.read_table(frames, derived.OPINION, _OPINIONS)
    if decisions_are_known(frames):
        decisions = derived.read_table(frames, derived.DECISION, _DECISIONS)
        members = derived.read_table(frames, derived.DECISION_MEMBER, _DECISION_MEMBERS)
        return StoredPlan(decisions, members, derived.decided_sets(frames), opinions)
    groups = derived.read_table(frames, derived.DUPLICATE_GROUP, _GROUPS)
    of_groups = derived.read_table(frames, derived.DUPLICATE_MEMBER, _MEMBERS)
    return StoredPlan(*undecided(groups, of_groups), sets_of_groups(groups, of_groups), opinions)


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


def _pictured(sets: list[dict[str, Any]]) -> list[str]:
    """The files that the page shows with a picture, the most wanted first.

    Half of them are of the sets with the most to save, half of those that a person has to look at.
    """
    first = sets[: SETS_PICTURED // 2]
    doubtful = [part for part in sets if part["verdict"] == "review"][: SETS_PICTURED // 2]
    rest = sets[SETS_PICTURED // 2 : SETS_PICTURED]
    wanted = [file["asset_id"] for part in (*first, *doubtful, *rest) for file in part["files"][:FILES_PICTURED]]
    return list(dict.fromkeys(wanted))[: SETS_PICTURED * FILES_PICTURED]


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader, or an interruption, never meets half a file."""
    unfinished = path.with_suffix(path.suffix + ".new")
    unfinished.write_bytes(text.encode())
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

"""Take a snapshot of an Immich server: each part is read for itself, in one transaction, all of it or nothing."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.progress import Progress, logger
from immich_pipeline.sources.immich.readers import Broken, Finished, Reader, Reading, Scope
from immich_pipeline.sources.immich.rows import asset_rows
from immich_pipeline.sources.immich.server import ImmichServer, open_reader
from immich_pipeline.sources.immich.trash import look_at_trash
from immich_pipeline.store import immich as store
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import Changes, Frames, Stage
from immich_pipeline.store.library import SKIPPED, record_scan
from immich_pipeline.store.readings import ReadingRow, forget_scopes, readings, record_problem, record_reading


@dataclass(frozen=True)
class ScopeOutcome:
    """How the reading of one part went; with a `problem` what was known of the part is as it was."""

    label: str
    full: bool = False
    read: int = 0
    news: store.ServerNews | None = None
    server_assets: int | None = None
    stored_assets: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    problem: str | None = None


@dataclass(frozen=True)
class ServerOutcome:
    """What a snapshot of a server found and wrote."""

    by: str
    scopes: tuple[ScopeOutcome, ...]
    seconds: float

    @property
    def problems(self) -> dict[str, str]:
        """Why parts could not be read, by their label."""
        return {scope.label: scope.problem for scope in self.scopes if scope.problem}

    @property
    def assets(self) -> int:
        """Assets stored now, of the parts that were read."""
        return sum(scope.stored_assets for scope in self.scopes)

    @property
    def changes(self) -> Changes:
        """What was written."""
        return sum((scope.changes for scope in self.scopes), Changes())

    def counts(self) -> dict[str, int]:
        """How many assets became what."""
        total: Counter[str] = Counter()
        for scope in self.scopes:
            total.update(scope.news.counts if scope.news else {})
        return dict(sorted(total.items()))

    def samples(self) -> pl.DataFrame:
        """A few assets of each sort of news: what, path, before."""
        parts = [scope.news.samples for scope in self.scopes if scope.news]
        empty = pl.DataFrame(schema={"what": pl.String, "path": pl.String, "before": pl.String})
        return pl.concat([empty, *parts]).group_by("what", maintain_order=True).head(10).sort("what", "path")

    def left_out(self) -> dict[str, int]:
        """How many assets were left out, by reason."""
        total: Counter[str] = Counter()
        for scope in self.scopes:
            total.update(scope.left_out)
        return dict(total)

    def sentence(self) -> str:
        """The outcome in one line."""
        said = ", ".join(f"{count:,} {what}" for what, count in self.counts().items()) or "nothing changed"
        return f"Immich, by its {self.by}: {self.assets:,} assets: {said}"


class _CountsDifferError(Exception):
    """After a reading of what changed, another number of assets is stored than the server counts."""


def take_server_snapshot(
    database: Database, server: ImmichServer, *, full: bool = False, allow_empty: bool = False
) -> ServerOutcome:
    """Read every part of a server and bring its rows up to date.

    A part is read from where its last reading ended, and as a whole when it was not read before, when `full_every_hours` have passed,
    when settings that its rows depend on changed, or when the counts differ afterwards. A part that fails keeps the rows it had.

    A part of which nothing is left although it held photos, by the same settings, is believed only with `allow_empty`.

    Raises:
        ImmichError: no part could be read.
    """
    began = time.monotonic()
    with database.lock(f"snapshot of {server.source_id}"):
        try:
            reader = open_reader(server.settings)
            with closing(reader):
                found = _scopes(reader)
                outcomes = _read_all(database, server, reader, found, full=full, allow_empty=allow_empty)
        except ImmichError as error:
            record_problem(database, server.source_id, "server", owner="server", by="none", problem=str(error))
            raise
        outcome = ServerOutcome(reader.by, tuple(outcomes), time.monotonic() - began)
        for label, problem in outcome.problems.items():
            logger.warning("%s was not read, what was known of it stays: %s", label, problem)
        if outcomes and len(outcome.problems) == len(outcomes):
            raise ImmichError("; ".join(f"{label}: {problem}" for label, problem in outcome.problems.items()))
        look_at_trash(database, server)
        return outcome


def _scopes(reader: Reader) -> list[Scope | Broken]:
    found = reader.scopes()
    if not found:
        raise ImmichError("immich.include.users leaves nobody whose assets could be read: correct it")
    return found


def _read_all(
    database: Database,
    server: ImmichServer,
    reader: Reader,
    found: Sequence[Scope | Broken],
    *,
    full: bool,
    allow_empty: bool,
) -> list[ScopeOutcome]:
    with database.frames() as frames:
        known = readings(frames, server.source_id)
    outcomes = []
    for scope in found:
        if isinstance(scope, Scope):
            before = known.get(scope.key)
            cursor = None if full else usable_cursor(server, reader.by, scope, before)
            may_be_empty = allow_empty or not _has_same_settings(server, scope, before)
            outcomes.append(_read_scope(database, server, reader, scope, cursor, allow_empty=may_be_empty))
        else:
            outcomes.append(ScopeOutcome(scope.label, problem=scope.problem))
        problem = outcomes[-1].problem
        if problem:
            record_problem(database, server.source_id, scope.key, owner=scope.label, by=reader.by, problem=problem)
    scopes = [scope for scope in found if isinstance(scope, Scope)]
    with database.frames() as frames:
        # A key that is refused today, or a database that is away, is no reason to forget anybody.
        if len(scopes) == len(found) and server.is_preferred(reader):
            forget_scopes(frames, server.source_id, [scope.key for scope in found])
            store.forget_other_owners(frames, server.source_id, [owner for scope in scopes for owner in scope.owners])
        _write_left_out(frames, server.source_id, outcomes)
        stored = store.stored_assets_of_source(frames, server.source_id)
        record_scan(frames, server.source_id, files=stored, unsettled=False)
    return outcomes


def _read_scope(
    database: Database, server: ImmichServer, reader: Reader, scope: Scope, cursor: str | None, *, allow_empty: bool
) -> ScopeOutcome:
    try:
        try:
            return _attempt(database, server, reader, scope, cursor, allow_empty=allow_empty)
        except _CountsDifferError as difference:
            logger.info("%s: %s; everything is read", scope.label, difference)
            return _attempt(database, server, reader, scope, None, allow_empty=allow_empty)
    except _CountsDifferError as difference:
        return ScopeOutcome(scope.label, problem=f"{difference}, twice; nothing of this reading counts")
    except ImmichError as error:
        return ScopeOutcome(scope.label, problem=str(error))


def usable_cursor(server: ImmichServer, by: str, scope: Scope, before: ReadingRow | None) -> str | None:
    """Where the next reading may begin; None if everything is to be read."""
    if before is None or before.cursor is None or before.full_at is None or before.by != by:
        return None
    if datetime.now(UTC) - before.full_at > timedelta(hours=server.settings.full_every_hours):
        return None
    return str(json.loads(before.cursor)["at"]) if _has_same_settings(server, scope, before) else None


def _has_same_settings(server: ImmichServer, scope: Scope, before: ReadingRow | None) -> bool:
    """Whether what the rows depend on is as it was at the last reading."""
    if before is None or before.cursor is None:
        return False
    return bool(json.loads(before.cursor).get("settings") == server.fingerprint(scope))


def _attempt(
    database: Database, server: ImmichServer, reader: Reader, scope: Scope, cursor: str | None, *, allow_empty: bool
) -> ScopeOutcome:
    reading = reader.read(scope, cursor)
    with database.frames() as frames, store.staging(frames) as stage:
        _take(reading, stage, server, scope)
        finished = reading.finish()
        owners = list(scope.owners)
        if reading.full and not stage.rows and not allow_empty:
            _refuse_emptied(scope, store.stored_assets(frames, server.source_id, owners))
        news = store.apply_reading(frames, stage, server.source_id, owners, full=reading.full, deleted=finished.deleted)
        stored = store.stored_assets(frames, server.source_id, owners)
        _compare_counts(stored, reading, finished)
        changes = news.changes + _surroundings(frames, stage, owners, reading, finished)
        record_reading(
            frames,
            server.source_id,
            scope.key,
            owner=scope.label,
            by=reader.by,
            cursor=json.dumps({"settings": server.fingerprint(scope), "at": finished.cursor}),
            full=reading.full,
            server_assets=finished.server_assets,
            stored_assets=stored,
        )
        return ScopeOutcome(
            scope.label,
            full=reading.full,
            read=stage.rows,
            news=news,
            server_assets=finished.server_assets,
            stored_assets=stored,
            left_out=finished.left_out,
            changes=changes,
        )


def _refuse_emptied(scope: Scope, before: int) -> None:
    """A server that lost its data, or whose database is not the one it was, is no reason to take every photo for gone."""
    if before:
        raise ImmichError(
            f"nothing of {scope.label} is left, but {before:,} photos and videos were there when it was last read: "
            "look at the server, or set IMMICH_PIPELINE_ALLOW_EMPTY=true if they are really gone"
        )


def _compare_counts(stored: int, reading: Reading, finished: Finished) -> None:
    """The server counted before and after; what is stored lies between, or something is missing.

    More than the server counts is possible after a full reading: what was read first may be deleted by now. The next reading sees to it.
    """
    if reading.counted is None or finished.server_assets is None:
        return
    least, most = sorted((reading.counted, finished.server_assets))
    if stored < least or (stored > most and not reading.full):
        raise _CountsDifferError(
            f"{stored:,} assets would be stored where the server counts {finished.server_assets:,}"
        )


def _take(reading: Reading, stage: Stage, server: ImmichServer, scope: Scope) -> None:
    says = reading.full and not reading.tells_progress
    progress = Progress(f"reading {scope.label} of Immich", reading.counted, "assets") if says else None
    for frame in reading.frames():
        stage.append(
            asset_rows(
                frame,
                scope.owners,
                formats=server.formats,
                paths=server.paths,
                media_location=server.settings.media_location,
            )
        )
        if progress:
            progress.at(stage.rows)


def _surroundings(frames: Frames, stage: Stage, owners: Sequence[str], reading: Reading, finished: Finished) -> Changes:
    changes = Changes()
    if finished.stacks is not None:
        changes += store.write_primaries(frames, owners, finished.stacks)
    if finished.albums is not None:
        changes += store.write_albums(frames, owners, finished.albums)
    if finished.extras is not None:
        if reading.full:
            changes += store.write_extras(frames, owners, finished.extras)
        else:
            changes += store.merge_extras(frames, stage, finished.extras)
    return changes


def _write_left_out(frames: Frames, source_id: str, outcomes: Sequence[ScopeOutcome]) -> None:
    """What was left out, one row per scope and reason, the number in the words; kept for parts that failed."""
    rows = [
        (source_id, outcome.label, f"{reason} ({count:,} assets)")
        for outcome in outcomes
        for reason, count in outcome.left_out.items()
    ]
    schema = {"source_id": pl.String, "path": pl.String, "reason": pl.String}
    if not any(outcome.problem for outcome in outcomes):
        frames.replace(SKIPPED, pl.DataFrame(rows, schema=schema, orient="row"), scope={"source_id": source_id})

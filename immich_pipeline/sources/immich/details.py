"""What only a question about each asset tells (tags, people, links), read for the assets that decisions are about."""

import json
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from immich_pipeline.config import Settings
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.details import StateContext, Told, told_of
from immich_pipeline.immich.errors import ApiError
from immich_pipeline.progress import Progress
from immich_pipeline.sources.immich.by_api import ApiReader
from immich_pipeline.store.database import Database
from immich_pipeline.store.details import READ_SCHEMA, outdated, write_details

MAX_AGE = timedelta(hours=24)
_AT_ONCE = 500
_MOST_PROBLEMS = 10


@dataclass(frozen=True)
class Refreshed:
    """What came of it.

    Attributes:
        read: assets that the server told of.
        kept: assets that had not changed since they were read last.
        missing: assets that the server does not know any more.
        failed: assets that could not be read; what is stored of them is as it was.
        changed: assets that are not as they were stored before.
        problems: why assets could not be read: sentences for a person, at most ten.
    """

    read: int
    kept: int
    missing: int
    failed: int
    changed: int
    problems: tuple[str, ...]


def refresh_details(
    database: Database,
    settings: Settings,
    asset_ids: Collection[str],
    progress: Progress | None = None,
    *,
    max_age: timedelta = MAX_AGE,
) -> Refreshed:
    """Read these assets' details that are not stored, or older than what the last snapshot knows of the asset.

    Several assets at a time; what was read is committed every 500 assets, so that a run that is broken off goes on where it stood. What
    goes wrong with one asset is a problem of that asset alone.

    Args:
        database: where they are stored, and what the last snapshot found.
        settings: the server and its users' keys.
        asset_ids: which assets; those that are on no server, or gone, are passed over.
        progress: is told how many are done.
        max_age: what was read longer ago is read again; zero: everything is.

    Raises:
        ImmichError: nothing answers; what was read before is stored.
    """
    with database.frames() as frames:
        known = outdated(frames, asset_ids, max_age)
    wanted = known.filter(pl.col("outdated"))
    tally = _Tally(kept=known.height - wanted.height)
    if wanted.is_empty():
        return tally.result()
    immich = settings.immich
    if immich is None or immich.url is None or not immich.users:
        tally.fail(
            "tags, people and links are told by Immich's API alone: set immich.url and immich.users", wanted.height
        )
        return tally.result()
    with closing(ApiReader(immich)) as reader, ThreadPoolExecutor(immich.concurrency) as pool:
        reader.scopes()
        sources = {owner: _Source(client) for owner, client in reader.clients.items()}
        for part in wanted.iter_slices(_AT_ONCE):
            ids = part["asset_id"].to_list()
            found = list(pool.map(lambda asset, owner: _read(sources.get(owner), asset, owner), ids, part["owner_id"]))
            rows = [(asset, *_row(told)) for asset, told in zip(ids, found, strict=True) if isinstance(told, Told)]
            missing = [asset for asset, told in zip(ids, found, strict=True) if told is None]
            with database.frames() as frames:
                changed = write_details(frames, pl.DataFrame(rows, schema=READ_SCHEMA, orient="row"), missing)
            tally.add(len(rows), len(missing), changed)
            for sentence, assets in Counter(told for told in found if isinstance(told, str)).items():
                tally.fail(sentence, assets)
            if progress is not None:
                progress.advance(part.height)
    return tally.result()


@dataclass
class _Tally:
    kept: int
    read: int = 0
    missing: int = 0
    failed: int = 0
    changed: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    def add(self, read: int, missing: int, changed: int) -> None:
        self.read, self.missing, self.changed = self.read + read, self.missing + missing, self.changed + changed

    def fail(self, sentence: str, assets: int) -> None:
        self.failed += assets
        self.problems[sentence] = self.problems.get(sentence, 0) + assets

    def result(self) -> Refreshed:
        told = tuple(
            f"{sentence} ({assets:,} assets)" for sentence, assets in list(self.problems.items())[:_MOST_PROBLEMS]
        )
        return Refreshed(self.read, self.kept, self.missing, self.failed, self.changed, told)


class _Source:
    """A user's client; a key that is refused is not tried again for every asset."""

    def __init__(self, client: ImmichClient) -> None:
        self.client, self.context = client, StateContext(client)
        self.refused: str | None = None


def _read(source: _Source | None, asset_id: str, owner_id: str) -> Told | str | None:
    """What the server told, a sentence where it could not be asked, None where it does not know the asset.

    Raises:
        Unreachable: nothing answers: the next asset would fare no better.
    """
    if source is None:
        return f"no API key of the user {owner_id} is configured, or it is not accepted: see immich.users"
    if source.refused is not None:
        return source.refused
    try:
        return told_of(source.client, asset_id, source.context)
    except ApiError as error:
        if error.status in (401, 403):
            source.refused = str(error)
        return str(error)


def _row(told: Told) -> tuple[str, datetime]:
    return json.dumps(told.state, ensure_ascii=False), told.updated_at

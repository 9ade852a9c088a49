"""Which assets to look at: some of every owner and library."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import cast

import polars as pl

from immich_pipeline.immich.database import ImmichDatabase
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline.immich.search import SearchQuery
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.sources.doctor.facts import Facts, Key
from immich_pipeline.sources.doctor.limits import Limits
from immich_pipeline.sources.doctor.look import Notes
from immich_pipeline.sources.doctor.owners import UPLOADS
from immich_pipeline.sources.doctor.server import open_client

_ROWS = 1_000
_GROUPS = 40


def candidates(settings: ImmichSettings, facts: Facts, limits: Limits, notes: Notes) -> pl.DataFrame:
    """Up to 1,000 assets of each owner and library that are looked after, offline ones left out; `RECORD_SCHEMA`.

    From the database when it is read, else through the API. Owners who cannot be asked are noted and left out; so are those whose turn
    does not come in time.
    """
    deadline = time.monotonic() + limits.files_seconds / 3
    frames = [pl.DataFrame(schema=RECORD_SCHEMA)]
    source = _from_database if facts.tables and facts.tables.usable and settings.read != "api" else _from_api
    for number, frame in enumerate(source(settings, facts, limits, notes)):
        frames.append(frame)
        if number + 1 >= _GROUPS or time.monotonic() > deadline:
            notes.ok("sample", "not every owner and library was looked at")
            break
    wanted = settings.include.libraries
    found = pl.concat(frames).filter(~pl.col("is_offline"))
    return found.filter(pl.col("library_id").fill_null(UPLOADS).is_in(wanted)) if wanted else found


def spread(found: pl.DataFrame, count: int) -> pl.DataFrame:
    """About `count` of the assets: equally many of each owner and library, evenly spaced among those."""
    groups = found.partition_by("owner_id", "library_id", maintain_order=True)
    if not groups:
        return found
    each = max(1, count // len(groups))
    picked = [
        group[[place * group.height // each for place in range(each)]] if group.height > each else group
        for group in groups
    ]
    return pl.concat(picked).head(max(count, len(groups)))


def _from_database(settings: ImmichSettings, facts: Facts, limits: Limits, notes: Notes) -> Iterator[pl.DataFrame]:
    if settings.database_url is None or facts.tables is None:
        return
    database = ImmichDatabase(settings.database_url, timeout_seconds=max(1, int(limits.step_seconds)))
    of_owner = facts.tables.libraries.select("owner_id", "library_id").rows() if facts.tables.libraries.width else []
    for owner in facts.owners:
        for library in (UPLOADS, *(library for theirs, library in of_owner if theirs == owner)):
            with closing(cast("_Closable", database.records([owner], library_ids=[library], rows=_ROWS))) as pages:
                yield from _one(pages)


def _from_api(settings: ImmichSettings, facts: Facts, limits: Limits, notes: Notes) -> Iterator[pl.DataFrame]:
    for key in _one_each(facts):
        with open_client(settings, settings.users[key.number].api_key, limits) as client:
            try:
                with closing(cast("_Closable", client.search(SearchQuery(size=_ROWS)))) as pages:
                    yield from _one(pages)
            except ImmichError as error:
                notes.problem(f"assets of {key.label}", str(error))


def _one_each(facts: Facts) -> Sequence[Key]:
    by_owner = {key.user_id: key for key in reversed(facts.keys) if key.user_id in facts.owners}
    return list(by_owner.values())


class _Closable(Iterator[pl.DataFrame]):
    """A generator of frames; ended early, it gives its connection back."""

    def close(self) -> None: ...


def _one(pages: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    page = next(pages, None)
    if page is not None and not page.is_empty():
        yield page

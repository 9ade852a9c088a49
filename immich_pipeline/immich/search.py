"""Reading all assets of a user by search, page by page, so that none is lost.

Pages are asked for in the order of the time taken (`fileCreatedAt`), oldest first. Up to v3.1 the server pages by counting rows, so a
row that goes away moves one from the next page to the last, where it would be missed. Hence the second page is never asked for: the
next request begins at the time of the last row (which is sent again and dropped), and counts pages only through rows of one and the
same time. From v3.2 on the server's own cursor is used.

A search with EXIF data leaves out assets that have none yet. So everything is looked at a second time, without EXIF data, and what was
not seen before is added. That also finds what moved past the reader during the first look. What changes still later carries a newer
`updatedAt` and is found by the next search with `updated_after`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import polars as pl

from immich_pipeline.immich.errors import ApiError
from immich_pipeline.immich.records import records_of
from immich_pipeline.immich.versions import Dialect

ENDPOINT = "POST /search/metadata"
ALL_VISIBILITIES = ("timeline", "archive", "hidden")
LARGEST_PAGE = 1000

Ask = Callable[[dict[str, Any]], object]
"""Sends the body of a search and gives the answer's JSON."""


@dataclass(frozen=True)
class SearchQuery:
    """Which assets to read. Locked ones cannot be asked for: the server refuses them to every API key.

    Attributes:
        visibilities: any of timeline, archive, hidden.
        with_trashed: include trashed and offline assets.
        updated_after: only assets whose record changed at this time or later; with a time zone.
        library_id: only this external library.
        album_id: only this album.
        type: only these.
        with_stacked: include what is in a stack; without, the assets on top of stacks are left out as well.
        with_exif: tell EXIF data; without, one look is enough.
        size: rows per page, up to 1000.
    """

    visibilities: tuple[str, ...] = ALL_VISIBILITIES
    with_trashed: bool = True
    updated_after: datetime | None = None
    library_id: str | None = None
    album_id: str | None = None
    type: Literal["image", "video", "audio", "other"] | None = None
    with_stacked: bool = True
    with_exif: bool = True
    size: int = LARGEST_PAGE

    def __post_init__(self) -> None:
        if not self.visibilities or not set(self.visibilities) <= set(ALL_VISIBILITIES):
            raise ValueError(f"visibilities must be of {', '.join(ALL_VISIBILITIES)}")
        if not 1 <= self.size <= LARGEST_PAGE:
            raise ValueError(f"size must be 1 to {LARGEST_PAGE}")
        if self.updated_after is not None and self.updated_after.tzinfo is None:
            raise ValueError("updated_after needs a time zone")


@dataclass
class SearchTally:
    """What a search came across; complete once it has ended.

    Attributes:
        requests: pages asked for.
        rows: assets given.
        partners: assets of other users, left out.
        second_look: assets that only the second look found, most of them without EXIF data.
    """

    requests: int = 0
    rows: int = 0
    partners: int = 0
    second_look: int = 0


class _Window(NamedTuple):
    """One request's part of a query: what to ask, without the place in the paging."""

    visibility: tuple[str, ...]
    exif: bool
    since: datetime | None = None
    until: datetime | None = None


@dataclass
class Search:
    """One search: iterate over `frames()` once."""

    ask: Ask
    dialect: Dialect
    query: SearchQuery
    owner_id: str
    tally: SearchTally
    _seen: set[bytes] = field(default_factory=set, repr=False)
    _partners: set[bytes] = field(default_factory=set, repr=False)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Frames of `RECORD_SCHEMA`, none empty; every asset of the owner's once.

        Raises:
            ImmichError: a page cannot be read, or the paging does not end properly. What was given until then is not everything.
        """
        for part in self._parts():
            for page in self._pages(_Window(part, exif=self.query.with_exif)):
                self._count_partners(page)
                yield from self._given(self._unseen(page))
        for part in self._parts() if self.query.with_exif else ():
            for page in self._pages(_Window(part, exif=False)):
                fresh = self._unseen(page)
                if len(fresh):
                    completed = list(self._given(self._completed(fresh, part)))
                    self.tally.second_look += sum(map(len, completed))
                    yield from completed

    def _parts(self) -> list[tuple[str, ...]]:
        """v2 knows one visibility at a time; v3 gives all but the locked when none is named."""
        wanted = tuple(name for name in ALL_VISIBILITIES if name in self.query.visibilities)
        together = self.dialect == "v3.2" or (self.dialect == "v3" and wanted == ALL_VISIBILITIES)
        return [wanted] if together else [(name,) for name in wanted]

    def _completed(self, fresh: pl.DataFrame, part: tuple[str, ...]) -> pl.DataFrame:
        """Rows that the first look did not give, with the EXIF data of those that have it by now."""
        taken = fresh["file_created_at"].sort()
        window = _Window(part, exif=True, since=taken[0], until=taken[-1])
        found = [page.join(fresh, on="asset_id", how="semi") for page in self._pages(window)]
        rows = pl.concat([*found, fresh]).unique("asset_id", keep="first", maintain_order=True)
        return rows.sort("file_created_at", maintain_order=True)

    def _count_partners(self, page: pl.DataFrame) -> None:
        self._partners.update(id_bytes(page.filter(pl.col("owner_id") != self.owner_id)))
        self.tally.partners = len(self._partners)

    def _unseen(self, page: pl.DataFrame) -> pl.DataFrame:
        """The owner's rows that were not given yet, each once."""
        mine = page.filter((pl.col("owner_id") == self.owner_id) & (pl.col("visibility") != "locked"))
        mine = mine.unique("asset_id", keep="first", maintain_order=True)
        return mine.filter(pl.Series([key not in self._seen for key in id_bytes(mine)], dtype=pl.Boolean()))

    def _given(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        if len(rows):
            self._seen.update(id_bytes(rows))
            self.tally.rows += len(rows)
            yield rows

    def _pages(self, window: _Window) -> Iterator[pl.DataFrame]:
        return self._by_cursor(window) if self.dialect == "v3.2" else self._by_time(window)

    def _by_cursor(self, window: _Window) -> Iterator[pl.DataFrame]:
        used: set[str] = set()
        cursor: str | None = None
        while True:
            page, cursor = self._page(self._filtered(window) | ({"cursor": cursor} if cursor else {}), "nextCursor")
            yield page
            if cursor is None:
                return
            if cursor in used or not len(page):
                raise ApiError(
                    ENDPOINT,
                    None,
                    "the pages go round in circles (a cursor came twice, or an empty page is not the last)",
                )
            used.add(cursor)

    def _by_time(self, window: _Window) -> Iterator[pl.DataFrame]:
        number, in_order = 1, True
        while True:
            page, token = self._page(self._flat(window) | {"page": number}, "nextPage")
            yield page
            if token is None:
                return
            following = int(token) if token.isascii() and token.isdigit() and len(token) < 10 else 0  # noqa: PLR2004 - digits
            if following <= number or not len(page):
                raise ApiError(
                    ENDPOINT, None, f"page {number} is followed by page {token[:20]!r}: the pages do not end properly"
                )
            taken = page["file_created_at"]
            # a server that sorts otherwise than asked is paged by number, which is all that is left then
            in_order = in_order and taken.is_sorted() and (window.since is None or taken[0] >= window.since)
            if in_order and (window.since is None or taken[-1] > window.since):
                window, number = window._replace(since=taken[-1]), 1
            else:
                number = following

    def _page(self, body: dict[str, Any], token_name: str) -> tuple[pl.DataFrame, str | None]:
        self.tally.requests += 1
        answer = self.ask(body)
        assets = answer.get("assets") if isinstance(answer, Mapping) else None
        if not isinstance(assets, Mapping) or "items" not in assets or token_name not in assets:
            raise ApiError(ENDPOINT, None, f"assets.items or assets.{token_name} is missing")
        token = assets[token_name]
        if token is not None and not (isinstance(token, str) and token):
            raise ApiError(ENDPOINT, None, f"assets.{token_name} is no text")
        page = records_of(assets["items"], ENDPOINT)
        if len(page) > self.query.size:
            raise ApiError(ENDPOINT, None, f"a page of {len(page)} assets where {self.query.size} were asked for")
        return page, token

    def _flat(self, window: _Window) -> dict[str, Any]:
        """The body up to v3.1."""
        query = self.query
        visibility = window.visibility[0] if len(window.visibility) == 1 else None
        wanted = {
            "visibility": visibility,
            "updatedAfter": _moment(query.updated_after),
            "takenAfter": _moment(window.since),
            "takenBefore": _moment(window.until),
            "libraryId": query.library_id,
            "albumIds": [query.album_id] if query.album_id else None,
            "type": query.type.upper() if query.type else None,
            "order": "asc",
        }
        return {key: value for key, value in wanted.items() if value is not None} | self._common(window)

    def _filtered(self, window: _Window) -> dict[str, Any]:
        """The body from v3.2 on."""
        query = self.query
        taken = {"gte": _moment(window.since), "lte": _moment(window.until)}
        wanted: dict[str, dict[str, Any]] = {
            "visibility": {"in": list(window.visibility)},
            "updatedAt": {"gte": _moment(query.updated_after)},
            "takenAt": taken,
            "libraryId": {"eq": query.library_id},
            "albumIds": {"any": [query.album_id] if query.album_id else None},
            "type": {"eq": query.type.upper() if query.type else None},
        }
        given = {
            name: {key: value for key, value in test.items() if value is not None} for name, test in wanted.items()
        }
        order = {"field": "fileCreatedAt", "direction": "asc"}
        return {"filter": {name: test for name, test in given.items() if test}, "orderBy": order} | self._common(window)

    def _common(self, window: _Window) -> dict[str, Any]:
        return {
            "size": self.query.size,
            "withDeleted": self.query.with_trashed,
            "withExif": window.exif,
            "withStacked": self.query.with_stacked,
        }


def id_bytes(rows: pl.DataFrame) -> list[bytes]:
    """Their asset ids in 16 bytes each: a million of them are kept."""
    return rows["asset_id"].str.replace_all("-", "", literal=True).str.decode("hex").to_list()


def _moment(time: datetime | None) -> str | None:
    """A time as the API wants it, cut to milliseconds, so that `after` never leaves out what has it."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

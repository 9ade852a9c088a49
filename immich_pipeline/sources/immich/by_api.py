"""Reading an Immich server through its API, each user with their own key."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from immich_pipeline.immich.client import Album, ImmichClient
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.schema import ALBUM_SCHEMA
from immich_pipeline.immich.search import ALL_VISIBILITIES, SearchQuery
from immich_pipeline.immich.settings import ImmichSettings, Include
from immich_pipeline.progress import logger
from immich_pipeline.sources.immich.readers import Broken, Finished, Scope, refuse_unknown
from immich_pipeline.sources.immich.rows import UPLOADS, photos_and_videos
from immich_pipeline.sources.immich.stacks import STACK_SCHEMA, StacksByAsset

OVERLAP = timedelta(minutes=2)
"""Read again before the newest change that was seen: a change that the server's database committed late carries an earlier time."""

_SAID: set[str] = set()


@dataclass(frozen=True)
class ApiCursor:
    """Where a reading by the API ended.

    Attributes:
        updated: the newest change that was seen, but no later than the reading began: what changed behind its back meanwhile is older
            than what it saw last.
        server_assets: the server's own count.
        albums: the albums as they were.
    """

    updated: str
    server_assets: int | None
    albums: str

    @property
    def since(self) -> datetime:
        """The moment to read on from."""
        return datetime.fromisoformat(self.updated) - OVERLAP


class ApiReader:
    """See `Reader`."""

    by = "api"

    def __init__(self, settings: ImmichSettings) -> None:
        """Take over the settings; nothing is asked yet."""
        self._settings = settings
        self._stack = ExitStack()
        self._clients: dict[str, ImmichClient] = {}

    @property
    def clients(self) -> dict[str, ImmichClient]:
        """The client of each owner whose key is accepted, by owner id; `scopes` finds out which."""
        return dict(self._clients)

    def scopes(self) -> list[Scope | Broken]:
        """One per key; a key that is not accepted is broken, a second key of one user as well."""
        found: list[Scope | Broken] = []
        for number, user in enumerate(self._settings.users, start=1):
            label = user.label or f"key {number}"
            try:
                client = self._stack.enter_context(ImmichClient.open(self._settings, user))
                me = client.me()
                self._note_version(client)
            except ImmichError as error:
                found.append(Broken(f"key {number}", label, str(error)))
                continue
            if me.id in self._clients:
                found.append(Broken(f"key {number}", label, f"is a second key of {me.email}: leave one of the two"))
            elif _wanted(self._settings.include, me.id, me.email):
                self._clients[me.id] = client
                found.append(Scope(me.id, user.label or me.email, {me.id: me.email}))
        if not any(isinstance(scope, Broken) for scope in found):
            self._refuse_unknown([scope for scope in found if isinstance(scope, Scope)])
        return found

    def _note_version(self, client: ImmichClient) -> None:
        """Say once what cannot be done with a server of this version, and not again at every look."""
        note = client.support().note
        if note and note not in _SAID:
            logger.warning(note)
            _SAID.add(note)

    def _refuse_unknown(self, scopes: Sequence[Scope]) -> None:
        """Nothing is taken for gone because a name in the settings is misspelt."""
        include = self._settings.include
        owners = {name for scope in scopes for pair in scope.owners.items() for name in pair}
        refuse_unknown("users", include.users, owners)
        if include.albums:
            albums = [album for client in self._clients.values() for album in client.albums()]
            refuse_unknown("albums", include.albums, {name for album in albums for name in (album.id, album.name)})
        refuse_unknown("libraries", include.libraries, {UPLOADS, *filter(self._has_assets, include.libraries)})

    def _has_assets(self, library: str) -> bool:
        """Whether a library holds any asset of these users: the API tells its libraries to administrators alone."""
        if library == UPLOADS:
            return True
        query = SearchQuery(library_id=library, size=1)
        return any(next(client.search(query), None) is not None for client in self._clients.values())

    def read(self, scope: Scope, cursor: str | None) -> "ApiReading":
        """See `Reader`."""
        return ApiReading(self._clients[scope.key], scope, self._settings, _cursor(cursor))

    def news(self, scope: Scope, cursor: str, stored: Callable[[pl.DataFrame], int]) -> str | None:
        """See `Reader`: a page of what changed lately, the server's counts, the list of albums.

        Another asset on top of a stack changes none of these: only a full reading finds it.
        """
        before = _cursor(cursor)
        if before is None:
            return "it was not read before"
        client, include = self._clients[scope.key], self._settings.include
        if before.server_assets is not None and total_of(client) != before.server_assets:
            return "the number of assets changed"
        if album_signature(client.albums()) != before.albums:
            return "albums changed"
        queries = _queries(client, include, before.since)
        for query in queries:
            for page in client.search(query):
                if changed := stored(_within(page, include)):  # one page is reason enough
                    return f"{changed:,} assets changed"
        return None

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()


class ApiReading:
    """See `Reading`."""

    def __init__(self, client: ImmichClient, scope: Scope, settings: ImmichSettings, before: ApiCursor | None) -> None:
        self.tells_progress = False
        include = settings.include
        self._client, self._scope, self._include, self._threads = client, scope, include, settings.concurrency
        self._albums = client.albums()
        self._stacks = pl.DataFrame(schema=STACK_SCHEMA)
        self._signature = album_signature(self._albums)
        # An asset that joins or leaves an album is not itself changed by that.
        if before and include.albums and before.albums != self._signature:
            before = None
        self._before, self.full = before, before is None
        self._began = client.server_time() or datetime.now(UTC)
        self._newest = datetime.fromisoformat(before.updated) if before else datetime.fromtimestamp(0, UTC)
        self._left_out = 0
        self._narrowed = bool(include.libraries or include.albums)
        self.counted: int | None = None if self._narrowed else total_of(client)

    def frames(self) -> Iterator[pl.DataFrame]:
        """See `Reading`."""
        seen: set[str] = set()
        queries = _queries(self._client, self._include, self._before.since if self._before else None)
        stacks = StacksByAsset(self._client, queries, self._began, self._threads)
        for query in queries:
            for page in self._client.search(query):
                frame = _within(page, self._include)
                self._left_out += page.height - frame.height
                if len(queries) > 1:  # an asset may be in several albums
                    frame = frame.filter(~pl.col("asset_id").is_in(list(seen)))
                    seen.update(frame["asset_id"])
                if frame.height:
                    self._newest = max(self._newest, frame["updated_at"].max())  # type: ignore[type-var, assignment]
                    yield stacks.of(frame)
        self._stacks = stacks.found

    def finish(self) -> Finished:
        """See `Reading`."""
        total = None if self._narrowed else total_of(self._client)
        updated = min(self._newest, self._began).isoformat()
        cursor = ApiCursor(updated, total, self._signature)
        unchanged = self._before is not None and self._before.albums == self._signature
        return Finished(
            cursor=json.dumps(asdict(cursor), sort_keys=True),
            server_assets=total,
            albums=None if unchanged else memberships(self._client, self._albums, self._scope),
            stacks=self._stacks,
            left_out={"not in the libraries that are looked after": self._left_out} if self._left_out else {},
        )


def total_of(client: ImmichClient) -> int:
    """How many photos and videos the server counts for a user, those in the trash included, locked ones not."""
    counts = [
        client.statistics(visibility=visibility, trashed=trashed)
        for visibility in ALL_VISIBILITIES
        for trashed in (False, True)
    ]
    return sum(count.images + count.videos for count in counts)


def album_signature(albums: Sequence[Album]) -> str:
    """Differs when albums were added, removed, renamed or changed, or hold another number of assets."""
    told = sorted((album.id, album.name, album.asset_count, album.updated_at) for album in albums)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def memberships(client: ImmichClient, albums: Sequence[Album], scope: Scope) -> pl.DataFrame:
    """Which assets of the scope are in which album (`ALBUM_SCHEMA`)."""
    parts = [pl.DataFrame(schema=ALBUM_SCHEMA)]
    for album in albums:
        if album.asset_count:
            pages = client.search(SearchQuery(album_id=album.id))
            members = [page.filter(pl.col("owner_id").is_in(list(scope.owners))).select("asset_id") for page in pages]
            named = {"album_id": pl.lit(album.id), "album_name": pl.lit(album.name)}
            parts += [member.with_columns(**named).select(ALBUM_SCHEMA.keys()) for member in members]
    return pl.concat(parts)


def _cursor(text: str | None) -> ApiCursor | None:
    if text is None:
        return None
    try:
        return ApiCursor(**json.loads(text))
    except (TypeError, ValueError):
        return None


def _wanted(include: Include, owner_id: str, email: str) -> bool:
    return not include.users or bool({owner_id, email} & set(include.users))


def _queries(client: ImmichClient, include: Include, since: datetime | None) -> list[SearchQuery]:
    if not include.albums:
        return [SearchQuery(updated_after=since)]
    wanted = set(include.albums)
    return [
        SearchQuery(updated_after=since, album_id=album.id)
        for album in client.albums()
        if {album.id, album.name} & wanted
    ]


def _within(records: pl.DataFrame, include: Include) -> pl.DataFrame:
    """Photos and videos of the libraries that are looked after."""
    records = photos_and_videos(records)
    if not include.libraries:
        return records
    library = pl.col("library_id")
    uploads = library.is_null() & pl.lit(UPLOADS in include.libraries)
    return records.filter(uploads | library.is_in(list(include.libraries)))

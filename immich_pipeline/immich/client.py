"""Immich's REST API, as much of it as this program uses: one client per user's API key."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

import polars as pl

from immich_pipeline.immich.answers import (
    Album,
    AssetCounts,
    DuplicateGroup,
    Face,
    KeyInfo,
    Library,
    LinkOutcome,
    Outcome,
    SharedLink,
    Stack,
    Tag,
    Uploaded,
    User,
    read_answer,
    with_owner,
)
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.connection import checked_id
from immich_pipeline.immich.errors import ApiError
from immich_pipeline.immich.libraries import Libraries
from immich_pipeline.immich.merging import Merging, Resolution
from immich_pipeline.immich.records import record_of
from immich_pipeline.immich.search import ENDPOINT as SEARCH
from immich_pipeline.immich.search import Search, SearchQuery, SearchTally
from immich_pipeline.immich.uploading import Present, Upload, Uploading

__all__ = [
    "Album",
    "AssetCounts",
    "DuplicateGroup",
    "Face",
    "ImmichClient",
    "KeyInfo",
    "Library",
    "LinkOutcome",
    "Outcome",
    "Present",
    "Resolution",
    "SearchQuery",
    "SearchTally",
    "SharedLink",
    "Stack",
    "Tag",
    "Upload",
    "Uploaded",
    "User",
]

_LARGEST_PICTURE = 64 * 1024 * 1024


class ImmichClient(Merging, Uploading, Libraries):
    """Talks to one server with one user's API key. May be used by several threads; close it, or use it as a context manager.

    Every method raises `Unreachable` when no Immich answers, and `ApiError` when it answers with an error; `NotFound` and the methods
    that change something also `ReadOnlyServer`, see there. Requests are repeated on 429, 5xx and lost connections, with growing
    pauses; what must not happen twice is repeated only when the server cannot have acted.
    """

    def statistics(
        self, *, trashed: bool | None = None, visibility: str | None = None, favorite: bool | None = None
    ) -> AssetCounts:
        """How many assets the server counts for this user. Permission asset.statistics.

        Args:
            trashed: only trashed ones, or only others; None leaves it to the server.
            visibility: timeline, archive or hidden; None leaves it to the server, which then counts timeline and archive.
            favorite: only favourites, or only others.
        """
        asked = {"isTrashed": trashed, "visibility": visibility, "isFavorite": favorite}
        params = {name: str(value).lower() for name, value in asked.items() if value is not None}
        return self._answer(AssetCounts, Call("GET /assets/statistics", params=params))

    def search(self, query: SearchQuery, tally: SearchTally | None = None) -> Iterator[pl.DataFrame]:
        """All assets of this user that the query means, to the end. Permissions asset.read and user.read.

        Args:
            query: which assets.
            tally: is filled with what was left out, if given.

        Yields:
            Frames of `RECORD_SCHEMA`, in pages; no asset twice. `stack_id` and `stack_primary_id` are null: a search does not tell
            them, `asset_record` does. Assets of partners that the server adds are left out. See `search` about rows that change meanwhile.

        Raises:
            ImmichError: a page could not be read, or the paging does not end properly; what came before is not everything.
        """
        dialect, owner_id = self.support().dialect, self.me().id
        counts = tally if tally is not None else SearchTally()
        yield from Search(self._ask, dialect, query, owner_id, counts).frames()

    def asset(self, asset_id: str) -> dict[str, Any]:
        """One asset as the server tells it. Permission asset.read.

        Raises:
            NotFound: there is none, or it is not this user's, or locked.
        """
        call = Call("GET /assets/{id}", {"id": checked_id(asset_id)})
        answer = self._transport.json(call)
        if not isinstance(answer, dict):
            raise ApiError(call.endpoint, None, "no object")
        return answer

    def asset_record(self, asset_id: str) -> pl.DataFrame:
        """One asset as one row of `RECORD_SCHEMA`, its stack included. As `asset` otherwise."""
        return record_of(self.asset(asset_id), "GET /assets/{id}")

    def stack(self, stack_id: str) -> Stack:
        """One stack, without members that are in the trash, hidden, locked, or not read yet. Permission stack.read.

        Raises:
            NotFound: there is none, or it is not this user's.
        """
        return self._answer(Stack, Call("GET /stacks/{id}", {"id": checked_id(stack_id)}))

    def albums(self) -> list[Album]:
        """The user's albums and those shared with them, by id. Permission album.read."""
        call = Call("GET /albums")
        answers = [self._transport.json(call)]
        if self.support().dialect == "v2":  # which leaves out what others share unless it is asked for
            answers.append(self._transport.json(Call("GET /albums", params={"shared": "true"})))
        found = [album for answer in answers for album in _albums(answer, call.endpoint)]
        return sorted({album.id: album for album in found}.values(), key=lambda album: album.id)

    def tags(self) -> list[Tag]:
        """The user's tags. Permission tag.read."""
        return self._answer(list[Tag], Call("GET /tags"))

    def thumbnail(self, asset_id: str, size: Literal["thumbnail", "preview"]) -> bytes:
        """A small picture (WebP as a rule) or a large one (JPEG as a rule), of the edited asset if it was edited; at most 64 MB.

        Permission asset.view.

        Raises:
            NotFound: the server has none, or the asset is not there.
        """
        call = Call(
            "GET /assets/{id}/thumbnail",
            {"id": checked_id(asset_id)},
            {"size": size, "edited": "true"},
            missing_is_404=True,
            redirects=False,
        )
        return self._transport.content(call, _LARGEST_PICTURE)

    def original(self, asset_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """The file itself, in pieces; entering the context sends the request. Permission asset.download.

        Raises:
            NotFound: the asset or its file is not there.
            Unreachable: also in the middle, when fewer bytes come than announced: it has to be begun anew.
        """
        call = Call("GET /assets/{id}/original", {"id": checked_id(asset_id)}, missing_is_404=True)
        return self._transport.stream(call)

    def _ask(self, body: dict[str, Any]) -> object:
        return self._transport.json(Call(SEARCH, body=body))


def _albums(answer: object, endpoint: str) -> list[Album]:
    albums = [with_owner(album) for album in answer] if isinstance(answer, list) else answer
    return read_answer(list[Album], albums, endpoint)

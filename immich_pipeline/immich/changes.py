"""What this program may change on a server; every method refuses when the server's version is only read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from immich_pipeline.immich.answers import Album, Count, DuplicateGroup, Outcome, Stack, Tag, read_answer, with_owner
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.connection import Connection, checked_id
from immich_pipeline.immich.errors import ReadOnlyServer

_Kind = TypeVar("_Kind")
_AT_ONCE = 1000
_CHANGES = {
    "is_favorite": "isFavorite",
    "visibility": "visibility",
    "description": "description",
    "rating": "rating",
    "date_time_original": "dateTimeOriginal",
    "time_zone": "timeZone",
    "latitude": "latitude",
    "longitude": "longitude",
    "duplicate_id": "duplicateId",
}


class Changes(Connection):
    """The part of `ImmichClient` that changes something."""

    def duplicates(self) -> list[DuplicateGroup]:
        """The groups that the server found. Permission duplicate.read.

        The server tidies up when it is asked: it takes assets out of groups with one visible, unstacked asset of this user, even
        assets of others. So this counts as a change.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        return self._changed(list[DuplicateGroup], Call("GET /duplicates"))

    def update_assets(self, ids: Sequence[str], **changes: object) -> None:
        """Change all these assets alike. Permission asset.update.

        With more than 1,000 assets, some may be changed when it fails. Description, rating, date and position are also written to
        files next to the originals, by the server.

        Args:
            ids: the assets.
            changes: is_favorite, visibility, description, rating, date_time_original, time_zone (a name such as Europe/Paris, or
                UTC+2), latitude, longitude, duplicate_id.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        unknown = sorted(set(changes) - set(_CHANGES))
        if unknown or not changes:
            raise ValueError(f"cannot change {', '.join(unknown) or 'nothing'}")
        body = {_CHANGES[name]: value for name, value in changes.items()}
        for part in in_portions(ids):
            self._change(Call("PUT /assets", body={"ids": part} | body))

    def delete_assets(self, ids: Sequence[str]) -> None:
        """Move assets to the trash, never further. Permission asset.delete.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        for part in in_portions(ids):
            self._change(Call("DELETE /assets", body={"ids": part, "force": False}))

    def restore_assets(self, ids: Sequence[str]) -> int:
        """Take assets out of the trash. Permission asset.delete.

        Returns:
            How many the server counts. It counts offline assets, which it does not restore.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        calls = [Call("POST /trash/restore/assets", body={"ids": part}) for part in in_portions(ids)]
        return sum(self._changed(Count, call).count for call in calls)

    def upsert_tags(self, values: Sequence[str]) -> list[Tag]:
        """Make sure that tags exist, with their parents. Permission tag.create.

        Args:
            values: whole paths, `Trips/France`; upper and lower case differ.

        Returns:
            The tags, in the order given.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        return self._changed(list[Tag], Call("PUT /tags", body={"tags": list(values)})) if values else []

    def tag_assets(self, tag_ids: Sequence[str], asset_ids: Sequence[str]) -> int:
        """Give every asset every tag. Permission tag.asset.

        Returns:
            How many were new. Assets of others are left out without a word.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        tags = [checked_id(tag_id) for tag_id in tag_ids]
        calls = [
            Call("PUT /tags/assets", body={"tagIds": tags, "assetIds": part}) for part in in_portions(asset_ids) if tags
        ]
        return sum(self._changed(Count, call).count for call in calls)

    def create_stack(self, ids: Sequence[str]) -> Stack:
        """Stack assets, the first on top. Permission stack.create.

        A stack whose primary asset is among them is merged into the new one; any other stacked asset is taken out of its stack.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        assets = [checked_id(asset_id) for asset_id in ids]
        return self._changed(Stack, Call("POST /stacks", body={"assetIds": assets}, repeatable=False))

    def update_stack(self, stack_id: str, primary: str) -> Stack:
        """Put another of its assets on top. Permission stack.update.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        body = {"primaryAssetId": checked_id(primary)}
        return self._changed(Stack, Call("PUT /stacks/{id}", {"id": checked_id(stack_id)}, body=body))

    def delete_stack(self, stack_id: str) -> None:
        """Undo a stack; its assets stay. Permission stack.delete.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        self._change(Call("DELETE /stacks/{id}", {"id": checked_id(stack_id)}))

    def remove_from_stack(self, stack_id: str, asset_id: str) -> None:
        """Take an asset, not the primary one, out of a stack. Permission stack.update.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        ids = {"id": checked_id(stack_id), "assetId": checked_id(asset_id)}
        self._change(Call("DELETE /stacks/{id}/assets/{assetId}", ids))

    def create_album(self, name: str, description: str | None = None, asset_ids: Sequence[str] = ()) -> Album:
        """A new album. Permission album.create.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        body: dict[str, object] = {"albumName": name, "assetIds": [checked_id(asset_id) for asset_id in asset_ids]}
        call = Call("POST /albums", body=body | ({"description": description} if description else {}), repeatable=False)
        return read_answer(Album, with_owner(self._change(call)), call.endpoint)

    def add_to_album(self, album_id: str, ids: Sequence[str]) -> list[Outcome]:
        """Put assets into an album. Permission albumAsset.create.

        Returns:
            What became of each; one that was there already is no success, with the error `duplicate`.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        return self._album_change("PUT /albums/{id}/assets", album_id, ids)

    def remove_from_album(self, album_id: str, ids: Sequence[str]) -> list[Outcome]:
        """Take assets out of an album; they stay in the library. Permission albumAsset.delete.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        return self._album_change("DELETE /albums/{id}/assets", album_id, ids)

    def _album_change(self, endpoint: str, album_id: str, ids: Sequence[str]) -> list[Outcome]:
        calls = [Call(endpoint, {"id": checked_id(album_id)}, body={"ids": part}) for part in in_portions(ids)]
        return [outcome for call in calls for outcome in self._changed(list[Outcome], call)]

    def _changed(self, kind: type[_Kind], call: Call) -> _Kind:
        return read_answer(kind, self._change(call), call.endpoint)

    def _change(self, call: Call) -> Any:
        """Send what changes something, to a server of a known version only."""
        support = self.support()
        if not support.can_write:
            raise ReadOnlyServer(f"{call.endpoint} is not done: {support.note}")
        return self._transport.json(call)


def in_portions(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in portions that a request can hold."""
    known = [checked_id(asset_id) for asset_id in ids]
    return (known[start : start + _AT_ONCE] for start in range(0, len(known), _AT_ONCE))

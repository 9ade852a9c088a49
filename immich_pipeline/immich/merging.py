"""What it takes to bring together what several assets have on one of them, and to take it apart again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from immich_pipeline.immich.answers import Album, Face, LinkOutcome, Outcome, SharedLink, read_answer, with_owner
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.changes import Changes, in_portions
from immich_pipeline.immich.connection import checked_id
from immich_pipeline.immich.errors import ApiError

_CHANGES = {
    "is_favorite": "isFavorite",
    "visibility": "visibility",
    "description": "description",
    "rating": "rating",
    "date_time_original": "dateTimeOriginal",
    "latitude": "latitude",
    "longitude": "longitude",
    "live_video_id": "livePhotoVideoId",
}


@dataclass(frozen=True)
class Resolution:
    """What becomes of one of the server's groups of duplicates; every member must be in one of the two lists."""

    duplicate_id: str
    keep_ids: tuple[str, ...]
    trash_ids: tuple[str, ...]


class Merging(Changes):
    """The part of `ImmichClient` that reads and changes what hangs on single assets."""

    def update_asset(self, asset_id: str, **changes: object) -> dict[str, Any]:
        """Change one asset. Permission asset.update.

        Only live_video_id and rating may be None: no video, no rating. An empty description is none. A position or a date can be
        replaced, never taken away.

        Args:
            asset_id: the asset.
            changes: is_favorite, visibility, description, rating (1 to 5, -1 for rejected), date_time_original (ISO 8601; its offset
                becomes the time zone), latitude, longitude (both or neither), live_video_id (a video of the timeline is hidden then;
                None shows the video that was there, as visible as the asset).

        Returns:
            The asset as the server tells it. Date, position, rating and description may follow later: the server writes them to a
            file next to the original and reads them back.

        Raises:
            NotFound: there is none, or it is not this user's, or locked.
            ReadOnlyServer: the server's version is only read.
        """
        unknown = sorted(set(changes) - set(_CHANGES))
        if unknown or not changes:
            raise ValueError(f"cannot change {', '.join(unknown) or 'nothing'}")
        body = {_CHANGES[name]: value for name, value in changes.items()}
        return self._changed(dict[str, Any], Call("PUT /assets/{id}", {"id": checked_id(asset_id)}, body=body))

    def albums_of(self, asset_id: str) -> list[Album]:
        """The albums that hold an asset and that this user sees, by id: own ones and shared ones. Permission album.read."""
        call = Call("GET /albums", params={"assetId": checked_id(asset_id)})
        answer = self._transport.json(call)
        albums = [with_owner(album) for album in answer] if isinstance(answer, list) else answer
        return sorted(read_answer(list[Album], albums, call.endpoint), key=lambda album: album.id)

    def set_album_cover(self, album_id: str, asset_id: str) -> None:
        """Make an asset of an album its cover. Permission album.update.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        body = {"albumThumbnailAssetId": checked_id(asset_id)}
        self._change(Call("PATCH /albums/{id}", {"id": checked_id(album_id)}, body=body))

    def untag_assets(self, tag_id: str, asset_ids: Sequence[str]) -> list[Outcome]:
        """Take a tag away from assets; the tag stays. Permission tag.asset.

        Returns:
            What became of each; one that did not have it is no success, with the error `not_found`.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        ids = {"id": checked_id(tag_id)}
        calls = [Call("DELETE /tags/{id}/assets", ids, body={"ids": part}) for part in in_portions(asset_ids)]
        return [outcome for call in calls for outcome in self._changed(list[Outcome], call)]

    def shared_links(self) -> list[SharedLink]:
        """The links of single assets that this user shares, by id. Permission sharedLink.read.

        The list tells a link's first asset only, so each is asked for on its own. What is in the trash is not told, and comes back
        to its links with the asset.
        """
        listed = self._answer(list[SharedLink], Call("GET /shared-links"))
        links = [self._shared_link(link.id) for link in listed if link.of_assets]
        return sorted((link for link in links if link is not None), key=lambda link: link.id)

    def _shared_link(self, link_id: str) -> SharedLink | None:
        """One link; None if it was removed meanwhile."""
        try:
            return self._answer(SharedLink, Call("GET /shared-links/{id}", {"id": link_id}))
        except ApiError as error:
            if error.status == 400:  # noqa: PLR2004 - HTTP
                return None
            raise

    def add_to_link(self, link_id: str, asset_ids: Sequence[str]) -> list[LinkOutcome]:
        """Show assets under a link of single assets. Permission sharedLink.update.

        v2 names no permission for this; a key that has not all of them may be refused.

        Returns:
            What became of each; one that was there already is no success, with the error `duplicate`.

        Raises:
            ApiError: also when it is the link of an album.
            ReadOnlyServer: the server's version is only read.
        """
        return self._link_change("PUT /shared-links/{id}/assets", link_id, asset_ids)

    def remove_from_link(self, link_id: str, asset_ids: Sequence[str]) -> list[LinkOutcome]:
        """Show assets under a link of single assets no longer. Permission sharedLink.update.

        Returns:
            What became of each; one that was not there is no success, with the error `not_found`.

        Raises:
            ApiError: also when it is the link of an album.
            ReadOnlyServer: the server's version is only read.
        """
        return self._link_change("DELETE /shared-links/{id}/assets", link_id, asset_ids)

    def faces(self, asset_id: str) -> list[Face]:
        """The faces on an asset, with who it is where that is known. Permission face.read.

        Raises:
            NotFound: there is no such asset, or it is not this user's.
        """
        return self._answer(list[Face], Call("GET /faces", params={"id": checked_id(asset_id)}))

    def create_face(
        self, asset_id: str, person_id: str, box: tuple[float, float, float, float], size: tuple[int, int]
    ) -> None:
        """Say who is where on an asset. Permission face.create. The server does not tell the face's id: ask `faces`.

        Args:
            asset_id: the asset.
            person_id: who it is; may be a person without a name.
            box: left, top, right and bottom, relative: 0 to 1.
            size: width and height of the picture that the box is of, pixels, upright.

        Raises:
            NotFound: the asset or the person is not there, or not this user's.
            ReadOnlyServer: the server's version is only read.
        """
        (left, top, right, bottom), (width, height) = box, size
        x, y = round(left * width), round(top * height)
        body = {
            "assetId": checked_id(asset_id),
            "personId": checked_id(person_id),
            "imageWidth": width,
            "imageHeight": height,
            "x": x,
            "y": y,
            "width": max(round(right * width) - x, 1),
            "height": max(round(bottom * height) - y, 1),
        }
        self._change(Call("POST /faces", body=body, repeatable=False))

    def delete_face(self, face_id: str) -> None:
        """Take a face off an asset, for good. Permission face.delete.

        Raises:
            NotFound: there is none, or it is not this user's.
            ReadOnlyServer: the server's version is only read.
        """
        self._change(Call("DELETE /faces/{id}", {"id": checked_id(face_id)}, body={"force": True}))

    def resolve_duplicates(self, resolutions: Sequence[Resolution]) -> list[Outcome]:
        """Let the server resolve its own groups: it merges what it merges and trashes the rest. Permission duplicate.delete.

        Returns:
            What became of each group, by the group's id; a group that was resolved before is not found.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        groups = [
            {
                "duplicateId": checked_id(one.duplicate_id),
                "keepAssetIds": [checked_id(asset_id) for asset_id in one.keep_ids],
                "trashAssetIds": [checked_id(asset_id) for asset_id in one.trash_ids],
            }
            for one in resolutions
        ]
        call = Call("POST /duplicates/resolve", body={"groups": groups}, repeatable=False)
        return self._changed(list[Outcome], call) if groups else []

    def _link_change(self, endpoint: str, link_id: str, asset_ids: Sequence[str]) -> list[LinkOutcome]:
        ids = {"id": checked_id(link_id)}
        calls = [Call(endpoint, ids, body={"assetIds": part}) for part in in_portions(asset_ids)]
        return [outcome for call in calls for outcome in self._changed(list[LinkOutcome], call)]

"""Putting a file onto the server again: after its trash was emptied, this is what undoing is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from immich_pipeline.immich.answers import UploadChecks, Uploaded
from immich_pipeline.immich.calls import Call, Form
from immich_pipeline.immich.changes import Changes
from immich_pipeline.immich.connection import checked_id

_AT_ONCE = 1000
_DEVICE = "immich-pipeline"


@dataclass(frozen=True)
class Upload:
    """A file that is put onto the server.

    Attributes:
        path: where its bytes are here.
        name: what it is called there, with its extension.
        sha1: of its bytes; the server answers at once when it has them.
        created_at: when it was taken, as the file says; the server reads its metadata itself.
        modified_at: when the file was last modified.
        favourite: it is marked.
        visibility: where it is shown; None leaves that to the server.
        live_video_id: the video of this live photo, which must be there already.
        sidecar: an XMP file that goes with it.
    """

    path: Path
    name: str
    sha1: bytes
    created_at: datetime
    modified_at: datetime
    favourite: bool = False
    visibility: Literal["timeline", "archive", "hidden"] | None = None
    live_video_id: str | None = None
    sidecar: Path | None = None


@dataclass(frozen=True)
class Present:
    """An asset with the bytes that were asked for."""

    asset_id: str
    trashed: bool


class Uploading(Changes):
    """The part of `ImmichClient` that brings files to the server."""

    def upload(self, upload: Upload) -> Uploaded:
        """Send a file. Permission asset.upload. It is read while it is sent; memory does not grow with it.

        Sent again when the connection is lost: bytes that the server has already become no second asset.

        Returns:
            The asset's id, and `created`, or `duplicate` when this user has these bytes already, maybe in the trash. After a lost
            connection it says `duplicate` of what this very call has created.

        Raises:
            ImmichError: the file cannot be read here.
            ReadOnlyServer: the server's version is only read.
        """
        fields = {
            "fileCreatedAt": _instant(upload.created_at),
            "fileModifiedAt": _instant(upload.modified_at),
            "filename": upload.name,
            "isFavorite": "true" if upload.favourite else "false",
        }
        if upload.visibility is not None:
            fields["visibility"] = upload.visibility
        if upload.live_video_id is not None:
            fields["livePhotoVideoId"] = checked_id(upload.live_video_id)
        if self.support().dialect == "v2":  # which wants to know the device that a file comes from
            fields |= {"deviceId": _DEVICE, "deviceAssetId": f"{upload.name}-{upload.sha1.hex()}"}
        files = {"assetData": (upload.name, upload.path)}
        if upload.sidecar is not None:
            files["sidecarData"] = (f"{upload.name}.xmp", upload.sidecar)
        headers = {"x-immich-checksum": upload.sha1.hex()}
        return self._changed(Uploaded, Call("POST /assets", form=Form(fields, files), headers=headers))

    def present(self, sha1s: Sequence[bytes]) -> Mapping[bytes, Present]:
        """Which of these bytes this user has already uploaded, by SHA-1; what is missing there is not in it. Permission asset.upload.

        Files of external libraries are not found by their bytes.
        """
        found: dict[bytes, Present] = {}
        for start in range(0, len(sha1s), _AT_ONCE):
            asked = [{"id": sha1.hex(), "checksum": sha1.hex()} for sha1 in sha1s[start : start + _AT_ONCE]]
            answer = self._answer(UploadChecks, Call("POST /assets/bulk-upload-check", body={"assets": asked}))
            there = {check.id: check for check in answer.results if check.asset_id is not None}
            for one in asked:
                if (check := there.get(one["id"])) and check.asset_id:
                    found[bytes.fromhex(check.id)] = Present(check.asset_id, check.trashed)
        return found


def _instant(moment: datetime) -> str:
    """As the API writes times: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

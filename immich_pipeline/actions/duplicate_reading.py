"""What a server says of a set of duplicates, and what there are copies of."""

import base64
import hashlib
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.stacking import Stacked
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.details import StateContext, asset_state, state_of
from immich_pipeline.immich.errors import NotFound

_BESIDE = ("albums", "covers", "links", "people", "unassigned_faces")
"""What the answer about an asset does not tell, which is asked for by itself."""

_LINKS_OLD_AFTER = 60.0  # seconds; they take a request each


class SetReader:
    """Reads states of sets, for one owner with one client."""

    def __init__(self, client: ImmichClient, backups: BackupStore) -> None:
        """Take over; nothing is asked yet."""
        self._client, self._backups = client, backups
        self._context = StateContext(client)
        self._hashes: dict[Path, bytes] = {}
        self._links: dict[str, set[str]] = {}
        self._links_at = self.read_at = -math.inf

    def read(self, action: Action) -> dict[str, Any]:
        """The state of a set.

        Returns:
            `assets`: by id the ASSET STATE, null where it is not there; of all subjects and of the losers' live videos. `backups`: by id of
            a loser or of its video `sha256` (hex) and `verified`, null where there is no copy. `stacks`: by id primary and members, which
            are shown ones only. `own_albums`: which of the albums that an asset is the cover of are the owner's own. `again`: by id of an
            asset that is gone id and state of the one that has its bytes now. `album`: id of the album that losers go to, or null.
        """
        self.read_at = time.monotonic()
        self._renew_links()
        videos = list(dict.fromkeys(action.payload["follows"].values()))
        assets = {asset_id: self.asset(asset_id) for asset_id in (*action.subjects, *videos)}
        leaving = [*action.payload["losers"], *videos]
        again = self._again(action, [asset_id for asset_id in leaving if assets[asset_id] is None])
        states = [state for state in (*assets.values(), *(one["state"] for one in again.values())) if state is not None]
        return {
            "assets": assets,
            "backups": {asset_id: self._backup(asset_id) for asset_id in leaving},
            "stacks": self._stacks(states),
            "own_albums": self._own_albums(assets),
            "again": again,
            "album": self._album(action),
        }

    def read_again(self, state: State) -> dict[str, Any]:
        """A state that was read moments ago, since when nothing was changed but what the assets themselves tell: only these are asked."""
        assets = {asset_id: self.asset(asset_id, known) for asset_id, known in state["assets"].items()}
        return {**state, "assets": assets}

    def asset(self, asset_id: str, known: State | None = None) -> dict[str, Any] | None:
        """One asset; with `known`, what hangs on it is taken from there."""
        if known is None:
            state = asset_state(self._client, asset_id, self._context)
            if state is not None and asset_id in self._links:
                state["links"] = sorted(self._links[asset_id])
            return state
        try:
            answer = self._client.asset(asset_id)
        except NotFound:
            return None
        return state_of(answer, (), (), ()) | {name: known[name] for name in _BESIDE}

    def sha1(self, action: Action, asset_id: str) -> bytes | None:
        """Of the bytes of an asset: as the server said it, else of its copy; None where neither is known."""
        planned = action.preconditions["states"].get(asset_id)
        if planned is not None and planned["library"] is None:
            return base64.b64decode(planned["checksum"])
        backup = self._backups.verified(asset_id)
        return None if backup is None else self.sha1_of(backup.path)

    def sha1_of(self, path: Path) -> bytes:
        """Of a copy, which does not change."""
        if path not in self._hashes:
            with path.open("rb") as file:
                self._hashes[path] = hashlib.file_digest(file, "sha1").digest()
        return self._hashes[path]

    def note_links(self, asset_id: str, *, more: Iterable[str] = (), fewer: Iterable[str] = ()) -> None:
        """What was just done to the links of an asset, as the server confirmed it: to ask anew takes a request per link of the user."""
        known = self._links.setdefault(asset_id, set(self._context.links_of(asset_id)))
        known |= set(more)
        known -= set(fewer)

    def forget_links(self) -> None:
        """A call about them may have been made or not: ask anew when a set is read next."""
        self._links_at = -math.inf

    def _renew_links(self) -> None:
        if time.monotonic() - self._links_at > _LINKS_OLD_AFTER:
            self._context.refresh()
            self._links.clear()
            self._links_at = time.monotonic()

    def _backup(self, asset_id: str) -> dict[str, Any] | None:
        backup = self._backups.verified(asset_id)
        return None if backup is None else {"sha256": backup.sha256.hex(), "verified": True}

    def _stacks(self, states: Iterable[State]) -> dict[str, Any]:
        found = {}
        for stack_id in sorted({state["stack"] for state in states if state["stack"]}):
            try:
                told = self._client.stack(stack_id)
            except NotFound:
                continue
            if told.asset_ids:
                found[stack_id] = Stacked.told(told.primary_asset_id, told.asset_ids).as_json()
        return found

    def _own_albums(self, assets: Mapping[str, State | None]) -> list[str]:
        covering = [asset_id for asset_id, state in assets.items() if state is not None and state["covers"]]
        mine = self._client.me().id if covering else ""
        albums = [album for asset_id in covering for album in self._client.albums_of(asset_id)]
        return sorted({album.id for album in albums if album.owner_id == mine})

    def _again(self, action: Action, missing: Iterable[str]) -> dict[str, Any]:
        hashes = {asset_id: sha1 for asset_id in missing if (sha1 := self.sha1(action, asset_id)) is not None}
        present = self._client.present(list(hashes.values())) if hashes else {}
        found = {}
        for asset_id, sha1 in hashes.items():
            one = present.get(sha1)
            state = None if one is None or one.asset_id in action.subjects else self.asset(one.asset_id)
            if one is not None and state is not None:
                found[asset_id] = {"id": one.asset_id, "state": state}
        return found

    def _album(self, action: Action) -> str | None:
        if action.operation != "album":
            return None
        mine = self._client.me().id
        named = [
            album.id
            for album in self._client.albums()
            if album.name == action.payload["album"] and album.owner_id == mine
        ]
        return min(named, default=None)

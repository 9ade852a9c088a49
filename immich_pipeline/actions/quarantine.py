"""Move the losing files of a folder into its quarantine, and back: the operation `quarantine` of a plan of duplicates.

`<root>/<quarantine>/<action id>/<path below the root>`: on the same file system, by renaming, never over anything. What is done next is
written into the manifest first (`quarantine_manifest`), so that a process that was killed at any moment has left each file at exactly one
of both places, and the next attempt goes on from there.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from immich_pipeline.actions.duplicate_memory import StoredDecisions
from immich_pipeline.actions.model import Action, State
from immich_pipeline.actions.quarantine_manifest import open_manifest
from immich_pipeline.actions.quarantine_pieces import Facts, Piece, Pieces, device_of
from immich_pipeline.actions.safe_folders import (
    move,
    open_file,
    open_folder,
    readable,
    remove_empty,
    sha256_of,
    status_of,
)
from immich_pipeline.config import Settings
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.errors import UserError
from immich_pipeline.store.database import Database

OPERATION = "quarantine"
_STAYS = frozenset({"keeper", "kept"})


class Memory(Protocol):
    """What the pipeline's database knows by now."""

    def is_looked_after(self, root: bytes, owner: str) -> bool:
        """Whether a folder is one of this owner's folders of photos."""
        ...

    def decided(self, set_id: str, keeper_id: str, loser_ids: Collection[str]) -> bool:
        """Whether this set is still decided like this."""
        ...

    def roles(self, asset_ids: Collection[str]) -> set[tuple[str, str]]:
        """Asset and role of these in all decisions there are."""
        ...


class QuarantineExecutor:
    """Implements `model.Executor` for actions of the operation `quarantine`."""

    kind = "duplicates"

    def __init__(self, database: Database, settings: Settings, memory: Memory | None = None) -> None:
        """Take over; nothing is touched yet.

        Args:
            database: the pipeline's.
            settings: name the quarantine.
            memory: asked instead of the database, if given.
        """
        self._memory = memory or StoredDecisions(database, policy_hash(settings.duplicates))
        self._quarantine = settings.duplicates.quarantine

    def read(self, action: Action) -> State:
        """What lies where the files were planned to be, and in their places in the quarantine.

        Returns:
            `kept`: by key `Facts` or null (nothing is there); `moved`: by key `here` and `there`, each likewise.

        Raises:
            UserError: a folder of photos cannot be read.
        """
        pieces = Pieces.of(action, self._quarantine)
        devices = {root: device_of(root, self._quarantine) for root in pieces.roots}
        return {
            "kept": {piece.key: piece.here() for piece in pieces.kept},
            "moved": {
                piece.key: {"here": piece.here(devices[piece.root]), "there": piece.there()} for piece in pieces.moved
            },
        }

    def check(self, action: Action, state: State) -> str | None:
        """Each file is as planned and at one of both places, and the decision is still the same.

        What files hold is read by `execute`, right before they are moved.
        """
        pieces = Pieces.of(action, self._quarantine)
        for root in pieces.roots:
            if not self._memory.is_looked_after(root, action.owner_id):
                return f"{readable(root)} is no folder of {action.owner_id} that is looked after any more"
        for piece in pieces.kept:
            reason = _unfit(piece, state["kept"][piece.key])
            if reason:
                return f"{piece}, which is kept, {reason}"
        left = [piece for piece in pieces.moved if not _is_moved(piece, state)]
        for piece in left:
            found = state["moved"][piece.key]
            reason = _unfit(piece, found["here"])
            if found["there"] is not None:
                reason = "has something else in its place in the quarantine"
            if reason:
                return f"{piece} {reason}"
        return self._undecided(action, is_begun=len(left) < len(pieces.moved), left={piece.key for piece in left})

    def is_done(self, action: Action, state: State) -> bool:
        """Every file that is given up lies in the quarantine, and every kept one where it was."""
        pieces = Pieces.of(action, self._quarantine)
        return all(_is_moved(piece, state) for piece in pieces.moved) and all(
            piece.is_as_planned(state["kept"][piece.key]) for piece in pieces.kept
        )

    def execute(self, action: Action, state: State) -> Mapping[str, Any]:
        """Move what is not moved yet; returns `moved`, how many files that were.

        Kept files are read whole before the first move and after the last, each of the others right before its own.

        Raises:
            UserError: a file is not what was planned, or cannot be moved. What was moved until then is put back when a kept file is not
                right; otherwise it stays in the quarantine, and the next attempt goes on from there.
        """
        pieces = Pieces.of(action, self._quarantine)
        moved: list[Piece] = []
        with _readable_errors():
            _prove(pieces.kept)
            for piece in pieces.moved:
                if not _is_moved(piece, state):
                    self._move(piece, action)
                    moved.append(piece)
            try:
                _prove(pieces.kept)
            except (UserError, OSError):
                for piece in reversed(moved):
                    self._move_back(piece, action)
                raise
        return {"moved": len(moved)}

    def made(self, action: Action, before: State, after: State) -> Mapping[str, Any]:
        """The keys of the files that we moved (`moved`); nothing when there is none."""
        moved = [
            key
            for key, found in before["moved"].items()
            if found["there"] is None and after["moved"][key]["there"] is not None
        ]
        return {"moved": sorted(moved)} if moved else {}

    def undo(self, action: Action, before: State, made: Mapping[str, Any], now: State) -> str | None:
        """Put the files back where they were, with their names and times; never over a file that is there by now."""
        ours = [piece for piece in Pieces.of(action, self._quarantine).moved if piece.key in made.get("moved", ())]
        back = []
        for piece in ours:
            was, found = before["moved"][piece.key]["here"], now["moved"][piece.key]
            if found["there"] is None and found["here"] == was:
                continue
            if found["there"] is None:
                return f"{piece} is not in the quarantine any more"
            if found["here"] is not None:
                return f"{piece} is there again by now: take it away first"
            if not _is_same(found["there"], was):
                return f"{piece} was changed in the quarantine"
            back.append(piece)
        with _readable_errors():
            for piece in reversed(back):
                self._move_back(piece, action)
        return None

    def is_undone(self, action: Action, before: State, now: State) -> bool:
        """Every file that is given up is where it was, as it was."""
        return all(
            now["moved"][key]["there"] == found["there"] and _is_same(now["moved"][key]["here"], found["here"])
            for key, found in before["moved"].items()
        )

    def _undecided(self, action: Action, *, is_begun: bool, left: Collection[str]) -> str | None:
        """Why the decision is not the planned one any more. Once files are moved they are out of it: only the others are asked about."""
        payload = action.payload
        if not is_begun and not self._memory.decided(payload["set"], payload["keeper"], payload["losers"]):
            return "it is decided otherwise by now"
        roles = self._memory.roles([*action.subjects, *left])
        if any(asset_id in left and role in _STAYS for asset_id, role in roles):
            return "a file that was to be given up is kept by another decision now"
        if any(
            asset_id not in left and role not in _STAYS and asset_id == payload["keeper"] for asset_id, role in roles
        ):
            return "the kept file is given up by another decision now"
        return None

    def _move(self, piece: Piece, action: Action) -> None:
        """Move one file, if it still is the planned one."""
        with (
            open_manifest(piece.root, self._quarantine) as manifest,
            open_folder(piece.root, piece.folder) as source,
            open_folder(piece.root, piece.target, create=True) as target,
            open_file(source, piece.name) as file,
        ):
            opened, sha256 = os.fstat(file.fileno()), sha256_of(file)
            if opened.st_size != piece.size or piece.sha256 not in {None, sha256}:
                raise UserError(f"{piece} has another content than when it was planned")
            found = {"sha256": sha256.hex(), "size": opened.st_size, "mtime_ns": opened.st_mtime_ns}
            manifest.note("move", piece, found, _about(action))
            _see_that_it_is(source, piece, opened)
            move(source, piece.name, target, piece.name)
            os.fsync(target)
            os.fsync(source)
            try:
                _see_that_it_is(target, piece, opened)
            except UserError:
                move(target, piece.name, source, piece.name)
                raise

    def _move_back(self, piece: Piece, action: Action) -> None:
        with (
            open_manifest(piece.root, self._quarantine) as manifest,
            open_folder(piece.root, piece.target) as source,
            open_folder(piece.root, piece.folder, create=True, mode=0o777) as target,
            open_file(source, piece.name) as file,
        ):
            status = os.fstat(file.fileno())
            manifest.note("back", piece, {"size": status.st_size, "mtime_ns": status.st_mtime_ns}, _about(action))
            move(source, piece.name, target, piece.name)
            os.fsync(target)
            os.fsync(source)
        remove_empty(piece.root, piece.target, keep=1)


def _about(action: Action) -> dict[str, str]:
    return {"set": action.payload["set"], "action": action.action_id("duplicates")}


def _is_moved(piece: Piece, state: State) -> bool:
    """Whether the file lies in the quarantine as it was planned; what came to its old place since is none of ours."""
    return piece.is_as_planned(state["moved"][piece.key]["there"])


def _is_same(facts: Facts | None, other: Facts | None) -> bool:
    if facts is None or other is None:
        return facts is other
    return (facts["size"], facts["mtime_ns"]) == (other["size"], other["mtime_ns"])


def _unfit(piece: Piece, facts: Facts | None) -> str | None:
    if facts is None:
        return "is not there any more"
    if facts["problem"] is not None:
        return f"cannot be dealt with: {facts['problem']}"
    return None if piece.is_as_planned(facts) else "was changed since"


def _prove(kept: Collection[Piece]) -> None:
    """Read every kept file whole.

    Raises:
        UserError: one has another content than planned; OSError: one cannot be read.
    """
    for piece in kept:
        with open_folder(piece.root, piece.folder) as folder, open_file(folder, piece.name) as file:
            if sha256_of(file) != piece.sha256:
                raise UserError(f"{piece}, which is kept, has another content than when it was planned")


def _see_that_it_is(folder: int, piece: Piece, opened: os.stat_result) -> None:
    """See that the name still means the file that was read.

    Raises:
        UserError: somebody has put another one there, or has written to it.
    """
    now = status_of(folder, piece.name)
    if (
        now is None
        or not os.path.samestat(now, opened)
        or (now.st_size, now.st_mtime_ns) != (opened.st_size, opened.st_mtime_ns)
    ):
        raise UserError(f"{piece} was changed just now")


@contextmanager
def _readable_errors() -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise UserError("something has the name that a file was to get: nothing is written over") from error
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UserError(
            f"a file could not be moved ({reason}): the folder of photos must be mounted so that this user may write to it, "
            "and the quarantine must be on the same file system"
        ) from error

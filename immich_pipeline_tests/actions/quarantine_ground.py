"""A folder of photos, actions on it, and a process that ends at any line of the code that moves files."""

import base64
import hashlib
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from immich_pipeline.actions import safe_folders
from immich_pipeline.actions.model import Action, State, plain
from immich_pipeline.actions.quarantine import QuarantineExecutor
from immich_pipeline.config import Settings
from immich_pipeline.store.database import Database
from immich_pipeline_tests.actions.shelf import Crash

QUARANTINE = ".immich-pipeline-quarantine"
_ACTIONS = Path(safe_folders.__file__).parent


@dataclass
class Agreeing:
    """Implements `quarantine.Memory`."""

    looked_after: bool = True
    is_decided: bool = True
    known_roles: set[tuple[str, str]] = field(default_factory=set)

    def is_looked_after(self, root: bytes, owner: str) -> bool:
        return self.looked_after and owner == "local"

    def decided(self, set_id: str, keeper_id: str, loser_ids: Collection[str]) -> bool:
        return self.is_decided

    def roles(self, asset_ids: Collection[str]) -> set[tuple[str, str]]:
        return {(asset_id, role) for asset_id, role in self.known_roles if asset_id in asset_ids}


def executor(memory: Agreeing | None = None) -> QuarantineExecutor:
    return QuarantineExecutor(Database("unused"), Settings(home=Path("/nowhere")), memory or Agreeing())


def at(root: bytes, path: bytes) -> Path:
    """A path of any bytes."""
    return Path(os.fsdecode(root), os.fsdecode(path))


def put(root: bytes, path: bytes, content: bytes, mtime_ns: int = 1_500_000_000_123_456_789) -> None:
    whole = at(root, path)
    whole.parent.mkdir(parents=True, exist_ok=True)
    whole.write_bytes(content)
    os.utime(whole, ns=(mtime_ns, mtime_ns))


def entry(root: bytes, path: bytes, sidecars: Collection[bytes] = ()) -> dict[str, Any]:
    """A file as a plan names it; its id is its path."""
    found = _entry(root, path) | {"asset_id": os.fsencode(path).hex(), "root": base64.b64encode(root).decode()}
    found["sha256"] = hashlib.sha256(at(root, path).read_bytes()).hexdigest()
    return found | {"sidecars": [_entry(root, sidecar) for sidecar in sidecars]}


def _entry(root: bytes, path: bytes) -> dict[str, Any]:
    status = at(root, path).stat()
    return {"path": base64.b64encode(path).decode(), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def quarantining(
    root: bytes,
    keeper: bytes,
    losers: Collection[bytes],
    *,
    kept: Collection[bytes] = (),
    sidecars: Mapping[bytes, Collection[bytes]] | None = None,
    follows: Mapping[bytes, bytes] | None = None,
) -> Action:
    follows = follows or {}
    paths = [keeper, *kept, *losers, *follows.values()]
    payload = {
        "set": "set-1",
        "class": "exact",
        "keeper": keeper.hex(),
        "kept": [path.hex() for path in kept],
        "losers": [path.hex() for path in losers],
        "follows": {path.hex(): video.hex() for path, video in follows.items()},
        "files": [entry(root, path, (sidecars or {}).get(path, ())) for path in paths],
    }
    subjects = tuple(path.hex() for path in (keeper, *kept, *losers))
    return Action("quarantine", "local", subjects, plain(payload), {"states": {}, "contents": {}}, "a reason")


def tree(root: bytes) -> dict[bytes, tuple[bytes, int]]:
    """Content and time of every file, by path below the root."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            whole = at(folder, name)
            found[os.path.relpath(os.fsencode(whole), root)] = (whole.read_bytes(), whole.stat().st_mtime_ns)
    return found


def photos(root: bytes) -> dict[bytes, tuple[bytes, int]]:
    """As `tree`, without the quarantine."""
    return {path: facts for path, facts in tree(root).items() if not path.startswith(QUARANTINE.encode())}


def stowed(root: bytes, action: Action) -> dict[bytes, tuple[bytes, int]]:
    """What the quarantine holds of an action, by path below the root as it was."""
    return tree(os.fsencode(at(root, QUARANTINE.encode()) / action.action_id("duplicates")))


def attempt(action: Action, by: QuarantineExecutor, crash_at: int = 0) -> str | None:
    """What the engine does to apply an action, ended at the n-th line of doing so; returns why not."""
    state = plain(by.read(action))
    if by.is_done(action, state):
        return None
    reason = by.check(action, state)
    if reason is None:
        with ending_at(crash_at, crash):
            by.execute(action, state)
        assert by.is_done(action, plain(by.read(action)))
    return reason


def back(action: Action, before: State, by: QuarantineExecutor, crash_at: int = 0) -> str | None:
    """What the engine does to undo an action, ended at the n-th line of doing so; returns why not."""
    now = plain(by.read(action))
    if by.is_undone(action, before, now):
        return None
    made = plain(by.made(action, before, now))
    with ending_at(crash_at, crash):
        return by.undo(action, before, made, now)


@contextmanager
def ending_at(line: int, end: Callable[[], None], only: str = "quarantine") -> Iterator[list[int]]:
    """Call `end` at the n-th line of the modules of actions with these names that is run (0: never); yields the count as a list."""
    count = [0]
    if line == 0:
        yield count
        return

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        file = Path(frame.f_code.co_filename)
        if file.parent != _ACTIONS or not file.name.startswith((only, "safe_folders")):
            return None
        if event == "line":
            count[0] += 1
            if count[0] == line:
                end()
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(former)


def crash() -> None:
    raise Crash

"""Whether the files that are kept are there: nothing is given up for a file that only the server's memory has.

A server goes on showing previews of files that its disk has lost, and of a file in an external library it knows no more than where it lies.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.backup_source import Mounted
from immich_pipeline.actions.model import Action, State
from immich_pipeline.errors import UserError
from immich_pipeline.immich.errors import ImmichError

ONE_FILE = "the kept one and a copy may be one file under two names, which only their folders can tell: mount them (immich.paths)"
_SHA256_DIGITS = 64


def prove_kept(action: Action, state: State, backups: BackupStore, fetch: Callable[[str], Any]) -> None:
    """See that every kept file can be read, and is none of those that are given up.

    Of an upload the beginning is enough: the server checked its content when it came and never writes to it. A file of an external library
    is read whole where its content is known, since anybody may have written to it.

    Args:
        action: names the files, and what they held when it was planned.
        state: what the server says of them.
        backups: knows where files are mounted here.
        fetch: by the id of an asset how to get its bytes from the server.

    Raises:
        UserError: a kept file cannot be read, holds something else, or is a file that is to be given up under another name.
    """
    for asset_id in (action.payload["keeper"], *action.payload["kept"]):
        external = state["assets"][asset_id]["library"] is not None
        content = action.preconditions["contents"].get(asset_id) if external else None
        mounted = backups.mounted(asset_id)
        if not (mounted and _is_there(mounted, content)) and not _is_on_server(fetch(asset_id), content):
            raise UserError(f"the file of asset {asset_id}, which is to be kept, holds something else by now")
        for loser_id in action.payload["losers"] if external else ():
            other = backups.mounted(loser_id) if state["assets"][loser_id]["library"] is not None else None
            if mounted and other and _is_one_file(mounted, other):
                raise UserError(f"assets {asset_id} and {loser_id} are one file under two names: it would be gone")
            both_mounted = mounted is not None and other is not None
            if may_be_one_file(state["assets"][asset_id], state["assets"][loser_id], both_mounted=both_mounted):
                raise UserError(ONE_FILE)


def may_be_one_file(kept: Mapping[str, Any], loser: Mapping[str, Any], *, both_mounted: bool) -> bool:
    """Whether two files of external libraries may be one under two names (a link, a folder mounted twice), and it cannot be seen here.

    Args:
        kept: the ASSET STATE of the one.
        loser: of the other.
        both_mounted: both can be looked at, which is done right before one of them is given up.
    """
    return (
        not both_mounted
        and kept["library"] is not None
        and loser["library"] is not None
        and (kept["size"], kept["file_modified"]) == (loser["size"], loser["file_modified"])
    )


def _is_there(mounted: Mounted, content: str | None) -> bool:
    with mounted.open() as opened:
        return opened is not None and (
            not _is_sha256(content) or hashlib.file_digest(opened[2], "sha256").hexdigest() == content  # type: ignore[arg-type]
        )


def _is_on_server(fetch: Callable[[], AbstractContextManager[Any]], content: str | None) -> bool:
    digest = hashlib.sha256()
    with ExitStack() as stack:
        try:
            pieces = stack.enter_context(fetch())
        except ImmichError as error:
            raise UserError(f"the file of the kept one cannot be read: {error}") from error
        for piece in pieces:
            if not _is_sha256(content):
                return True
            digest.update(piece)
    return _is_sha256(content) and digest.hexdigest() == content


def _is_sha256(content: str | None) -> bool:
    return content is not None and len(content) == _SHA256_DIGITS


def _is_one_file(left: Mounted, right: Mounted) -> bool:
    try:
        return os.path.samefile(left.place.path, right.place.path)  # noqa: PTH121 - as links lead
    except OSError:
        return True  # what cannot be looked at is not given up

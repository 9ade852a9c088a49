"""Ids of assets, computed and never drawn: a fresh run over an equal folder gives equal ids."""

import uuid
from collections.abc import Iterable, Set
from hashlib import sha1


def new_asset_ids(source_id: str, real_paths: Iterable[bytes], taken: Set[str]) -> list[str]:
    """An id for each new file, from its source and its real path.

    An id that is taken (an asset first seen at that path has moved on, or is gone) is replaced by that of the path's second
    asset, and so on.

    Args:
        source_id: uuid of the source.
        real_paths: each path once.
        taken: every asset id of this source, gone assets included.

    Returns:
        Name-based uuids (RFC 9562, version 5) as text, in the order of the paths.
    """
    namespace = uuid.UUID(source_id).bytes
    return [_free_id(namespace, real_path, taken) for real_path in real_paths]


def _free_id(namespace: bytes, real_path: bytes, used: Set[str]) -> str:
    occurrence = 0
    while True:
        # A path holds no NUL byte, so path and number cannot run into each other.
        digest = sha1(b"%b%b\0%d" % (namespace, real_path, occurrence), usedforsecurity=False).digest()
        asset_id = str(uuid.UUID(bytes=digest[:16], version=5))
        if asset_id not in used:
            return asset_id
        occurrence += 1

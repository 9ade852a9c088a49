"""Paths of copies: of originals under the target's prefix, of Immich's own files under the copy's id."""

import hashlib

from psycopg import sql

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.media_folder import sound

_COPIED_PATH = """(
  SELECT replace(
    CASE WHEN right(folder, 7) = '/' || left({source_id}, 2) || '/' || substr({source_id}, 3, 2) || '/'
    THEN left(folder, -6) || left({target_id}, 2) || '/' || substr({target_id}, 3, 2) || '/' ELSE folder END,
    '/' || {source_owner} || '/', '/' || {target_owner} || '/'
  ) || {target_id} || substr(name, length({source_id}) + 1)
  FROM (SELECT name, left({path}, length({path}) - length(name)) AS folder FROM split_part({path}, '/', -1) AS name) AS parts
  WHERE starts_with(name, {source_id}) AND substr(name, length({source_id}) + 1, 1) ~ '[^0-9A-Za-z]'
)"""


class PathOutside(UserError):  # noqa: N818 - what it says is the error
    """A path that has no place under the target's prefix."""


def remapped(path: str, source_prefix: str, target_prefix: str) -> str:
    """Where the target sees an original.

    Args:
        path: of the source's original, as Immich sees it.
        source_prefix: the folder that it lies below, without a slash at the end.
        target_prefix: what the target sees in place of it.

    Returns:
        A path that lies below `target_prefix`, whatever was asked.

    Raises:
        PathOutside: it is not below the source's prefix by whole components, or has empty parts, `.`, `..`, or what no file name can hold.
    """
    if not path.startswith(f"{source_prefix}/"):
        raise PathOutside(f"{path!r} is not below {source_prefix}")
    below = path[len(source_prefix) + 1 :]
    if not sound(below):
        raise PathOutside(f"{path!r} is no path that stays below {source_prefix}")
    return f"{target_prefix}/{below}"


def path_checksum(path: str) -> bytes:
    """What Immich writes as checksum (algorithm sha1-path) of a file in an external library: SHA-1 of `path:` and its path."""
    return hashlib.sha1(f"path:{path}".encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()


def copied_path(
    path: sql.Composable,
    source_owner: sql.Composable,
    target_owner: sql.Composable,
    source_id: sql.Composable,
    target_id: sql.Composable,
) -> sql.Composed:
    """The path of a file of Immich's own (thumbnails, encoded videos, a person's portrait) as it is for a copy.

    Exact components are replaced: the owner's id, the id that the last component begins with, and the two folders before it that repeat
    the id's first characters. Nothing else is. Null when the last component does not begin with the id: such a file would be shared by
    two assets, and deleted with the first of them.

    Args:
        path: text, as all that follow.
        source_owner: id.
        target_owner: id of the copy's owner.
        source_id: of the asset, or of a person whose portrait it is.
        target_id: of the copy.
    """
    return sql.SQL(_COPIED_PATH).format(
        path=path, source_owner=source_owner, target_owner=target_owner, source_id=source_id, target_id=target_id
    )

"""Compare a scan with what is known: which file is which asset. Pure functions of frames.

A version of a file is its size, modification time and inode. An asset keeps its id while its file is changed in place or renamed within
a file system; what is copied elsewhere and deleted here is recognised after hashing, by `adopt_moves`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import polars as pl

from immich_pipeline.sources.identity import new_asset_ids
from immich_pipeline.sources.protocol import FILE_SCHEMA

ROW_SCHEMA: dict[str, pl.DataType] = {"asset_id": pl.String(), **FILE_SCHEMA}
"""A full asset row: what a scan says of a file, and the id of its asset."""

_CONTENT = ["size", "mtime_ns"]
_INODE = ["device", "inode", *_CONTENT]
_DETAILS = ["owner", "path", "folder", "name", "extension", "kind", "format", "device", "inode"]


@dataclass(frozen=True)
class Reconciled:
    """What became of the assets; frames have the columns of `ROW_SCHEMA` and are sorted by real_path.

    Attributes:
        added: files never seen before, with new asset ids.
        changed: the file at the asset's path is another version (touched or edited).
        moved: the asset's file has another path; the frame also has `old_path` (String) and `old_real_path` (Binary).
        refreshed: the content is as it was, but the row is not: another inode or device (a remount), owner, kind or format.
        revived: assets that were gone and are back at their path.
        gone: ids of assets whose file is not there any more, sorted.
        unchanged: number of assets whose row stays as it is.
        kept: number of assets kept as last seen, since their folder could not be read.
    """

    added: pl.DataFrame
    changed: pl.DataFrame
    moved: pl.DataFrame
    refreshed: pl.DataFrame
    revived: pl.DataFrame
    gone: list[str]
    unchanged: int
    kept: int

    @property
    def rows(self) -> pl.DataFrame:
        """Every row to write (`ROW_SCHEMA`), sorted by real_path."""
        parts = (self.added, self.changed, self.moved, self.refreshed, self.revived)
        return pl.concat([part.select(ROW_SCHEMA.keys()) for part in parts]).sort("real_path")


def reconcile(
    known: pl.DataFrame, scan_files: pl.DataFrame, source_id: str, unreadable_folders: Iterable[bytes] = ()
) -> Reconciled:
    """Give every scanned file exactly one asset, and every known asset its fate.

    In this order:

    1. Same path, same version: unchanged.
    2. The version (with its device) of a known asset that is not at its path any more: that asset moved. Hard links share a version;
       those left over after step 1 are paired in the order of their paths.
    3. Same path: same size and time, the asset is refreshed; otherwise it changed.
    4. An asset that was gone, at the same path with the same size and time: revived.
    5. Everything else is new; assets left over are gone, unless they are below a folder that could not be read.

    Args:
        known: every asset of the source, gone ones included: asset_id, real_path, path, owner, folder, name, extension, kind, size,
            mtime_ns, inode, device, gone (Boolean); `format` where it is stored. At most one asset that is not gone per path.
        scan_files: `FILE_SCHEMA`, each path once.
        source_id: uuid of the source; new ids come from it.
        unreadable_folders: real paths of folders and files that could not be looked at.

    Returns:
        The same for any order of rows. Reconciling again what it says to write finds nothing to do.
    """
    files = scan_files.select([pl.col(name).cast(dtype) for name, dtype in FILE_SCHEMA.items()]).sort("real_path")
    living = known.filter(~pl.col("gone"))
    in_place = _at_same_path(files, living)
    same = in_place.filter(_equal(*_CONTENT, "inode"))
    other = _without(files, same)
    moved = _moved(other, living.join(same, on="asset_id", how="anti"))
    left = _without(other, moved)
    still = in_place.join(left, on="real_path", how="semi").join(moved, on="asset_id", how="anti")
    revived = _revived(_without(left, still), known.filter(pl.col("gone")))
    fresh = _without(_without(left, still), revived)
    added = fresh.with_columns(_new_ids(source_id, fresh["real_path"], known["asset_id"]))
    lost = _lost(living, (same, moved, still))
    unread = _unread(lost["real_path"], unreadable_folders) & ~lost["real_path"].is_in(files["real_path"].implode())
    details = [name for name in _DETAILS if name in known.columns]
    refreshed = pl.concat([same.filter(~_equal(*details)), still.filter(_equal(*_CONTENT))])
    return Reconciled(
        added=_rows(added),
        changed=_rows(still.filter(~_equal(*_CONTENT))),
        moved=moved.select(*ROW_SCHEMA, "old_path", "old_real_path").sort("real_path"),
        refreshed=_rows(refreshed),
        revived=_rows(revived),
        gone=lost.filter(~unread)["asset_id"].sort().to_list(),
        unchanged=same.filter(_equal(*details)).height,
        kept=int(unread.sum()),
    )


def _rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(ROW_SCHEMA.keys()).sort("real_path")


def _without(files: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    return files.join(taken, on="real_path", how="anti", maintain_order="left")


def _equal(*columns: str) -> pl.Expr:
    """All these columns are the same in the scan and in what is known (suffix `_known`); null equals null."""
    return pl.all_horizontal([pl.col(column).eq_missing(pl.col(f"{column}_known")) for column in columns])


def _at_same_path(files: pl.DataFrame, living: pl.DataFrame) -> pl.DataFrame:
    """Each scanned file whose path is an asset's, with the asset's id and its columns with the suffix `_known`."""
    before = living.rename(lambda name: name if name in ("asset_id", "real_path") else f"{name}_known")
    return files.join(before, on="real_path")


def _moved(files: pl.DataFrame, living: pl.DataFrame) -> pl.DataFrame:
    """Pairs of a file without an asset and an asset without its file that are one version; their number within it breaks ties."""
    number = pl.int_range(pl.len()).over(_INODE).alias("number")
    # Some network file systems have no inodes and say 0 for every file.
    arrived = files.filter(pl.col("inode") != 0).sort("real_path").with_columns(number)
    departed = living.sort("real_path", "asset_id").select(
        *_INODE, number, "asset_id", old_path="path", old_real_path="real_path"
    )
    return arrived.join(departed, on=[*_INODE, "number"])


def _revived(files: pl.DataFrame, tombstones: pl.DataFrame) -> pl.DataFrame:
    """Files that are what a gone asset of the same path was; of several such assets the one with the same inode, then by id."""
    pairs = files.join(
        tombstones.select("asset_id", "real_path", *_CONTENT, "inode"), on=["real_path", *_CONTENT], suffix="_known"
    )
    other_inode = pl.col("inode") != pl.col("inode_known")
    return pairs.sort("real_path", other_inode, "asset_id").unique("real_path", keep="first", maintain_order=True)


def _new_ids(source_id: str, real_paths: pl.Series, taken: pl.Series) -> pl.Series:
    known = frozenset(taken) if len(real_paths) else frozenset()
    return pl.Series("asset_id", new_asset_ids(source_id, real_paths, known), dtype=pl.String)


def _lost(living: pl.DataFrame, found: Iterable[pl.DataFrame]) -> pl.DataFrame:
    ids = pl.concat([frame.select("asset_id") for frame in found])
    return living.join(ids, on="asset_id", how="anti")


def _unread(real_paths: pl.Series, unreadable: Iterable[bytes]) -> pl.Series:
    """Whether each path is, or is below, one that could not be looked at."""
    blocked = frozenset(unreadable)
    marks = [bool(blocked) and _is_below(path, blocked) for path in real_paths]
    return pl.Series(marks, dtype=pl.Boolean)


def _is_below(path: bytes, blocked: Collection[bytes]) -> bool:
    while path and path not in blocked:
        path = path.rpartition(b"/")[0]
    return path in blocked


def adopt_moves(candidates: pl.DataFrame) -> list[tuple[str, str]]:
    """Which new asset is which gone one: a file that was copied elsewhere and deleted here.

    Args:
        candidates: pairs of a live asset and a gone one that have the same owner, source, content and size: new_id, name, folder, path
            of the live one; old_id, old_name, old_folder, old_path of the gone one.

    Returns:
        (new asset_id, old asset_id), each id in one pair at most: pairs of one name first, then of one folder, then in the order of
        the paths. The same for any order of rows.
    """
    other_name = pl.col("name") != pl.col("old_name")
    other_folder = pl.col("folder") != pl.col("old_folder")
    ranked = candidates.sort(other_name, other_folder, "old_path", "path", "old_id", "new_id")
    adopted: dict[str, str] = {}
    returned: set[str] = set()
    # One by one: whether a pair still holds depends on the pairs before. There are as many as files moved, not as files.
    for new_id, old_id in ranked.select("new_id", "old_id").iter_rows():
        if new_id not in adopted and old_id not in returned:
            adopted[new_id] = old_id
            returned.add(old_id)
    return list(adopted.items())

"""Where a path that Immich names is on this machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from immich_pipeline.errors import UserError
from immich_pipeline.immich.settings import PathMapping

LOCATED_SCHEMA: dict[str, pl.DataType] = {"root": pl.Binary(), "real_path": pl.Binary()}
"""`root` is the mounted folder, `real_path` the file below it; bytes as the file system has them, both null outside the mappings."""

# What `locate` has to look at: not absolute, an empty, '.' or '..' segment, a trailing slash, or what no file name can hold.
_ODD = r"^[^/]|^$|//|/\.{1,2}(/|$)|/$|\x00"


@dataclass(frozen=True, slots=True)
class Located:
    """A file on this machine.

    Attributes:
        root: the mounted folder that it is in, absolute.
        real_path: where it is below that folder; never empty, never absolute, without '.' and '..'.
    """

    root: bytes
    real_path: bytes

    @property
    def path(self) -> Path:
        """The whole path."""
        return Path(os.fsdecode(os.path.join(self.root, self.real_path)))  # noqa: PTH118 - bytes


class PathMap:
    """Translates Immich's paths by the longest mapping that fits, in whole components: /data does not cover /database.

    What is guaranteed of every answer, whatever the path: joined to its root it names something below that root, by its text. Segments '.'
    and '..' are worked out by text first, as Immich itself does before it stores a path.

    What is not guaranteed: that the file is there, and that no symbolic link on the way leads somewhere else. Immich follows links in
    its libraries, so links may well be there: ask `contained` or `resolved` before a file is opened. Both look at the links as they are
    at that moment; someone who can write to the library could put another link in place before the file is opened. `media.opening`
    refuses a link as the last component, so of a path that `resolved` gave only the folders could be swapped. Mount libraries read-only,
    and do not run the pipeline with more rights than it needs.
    """

    def __init__(self, mappings: Sequence[PathMapping]) -> None:
        """Take over the mappings.

        Raises:
            UserError: a folder is mapped twice, or lies above '/'.
        """
        roots: dict[str, bytes] = {}
        for mapping in mappings:
            prefix = _normal(mapping.immich)
            if prefix is None:
                raise UserError(
                    f"paths: {mapping.immich!r} is no folder that Immich could see: write it as Immich does"
                )
            if prefix in roots:
                raise UserError(f"paths: {mapping.immich!r} is mapped twice: leave one of the two out")
            roots[prefix] = os.path.realpath(os.fsencode(mapping.here))
        # The longest first; each with the slash that makes it end at a component.
        self._roots = sorted(
            ((prefix.rstrip("/") + "/", root) for prefix, root in roots.items()),
            key=lambda entry: len(entry[0]),
            reverse=True,
        )

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The mounted folders."""
        return tuple(root for _, root in self._roots)

    def locate(self, immich_path: str) -> Located | None:
        """Translate one path.

        Args:
            immich_path: as Immich tells it, absolute. Any Unicode; bytes that are no UTF-8 as Python escapes them (surrogateescape).

        Returns:
            None when the path is below no mapping (a mapped folder is not below itself), or can be no file's.
        """
        path = _normal(immich_path)
        if path is None:
            return None
        for prefix, root in self._roots:
            if path.startswith(prefix) and len(path) > len(prefix):
                return Located(root, path[len(prefix) :].encode("utf-8", "surrogateescape"))
        return None

    def locate_all(self, paths: pl.Series) -> pl.DataFrame:
        """Translate many paths, as `locate` does.

        Args:
            paths: String; nulls stay nulls.

        Returns:
            `LOCATED_SCHEMA`, a row per path in the same order.
        """
        frame = pl.DataFrame({"path": paths.cast(pl.String)})
        place = pl.lit(None, pl.Int32)
        for index, (prefix, _) in reversed(list(enumerate(self._roots))):
            place = pl.when(pl.col("path").str.starts_with(prefix)).then(pl.lit(index, pl.Int32)).otherwise(place)
        odd = pl.col("path").str.contains(_ODD)
        lengths = [len(prefix.encode()) for prefix, _ in self._roots]
        table = pl.DataFrame(
            {"place": range(len(self._roots)), "root": self.roots, "length": lengths},
            schema={"place": pl.Int32(), "root": pl.Binary(), "length": pl.Int64()},
        )
        found = frame.with_columns(pl.when(~odd).then(place).alias("place"), odd.fill_null(value=False).alias("odd"))
        plain = found.join(table, on="place", how="left", maintain_order="left").select(
            "root", pl.col("path").cast(pl.Binary).bin.slice(pl.col("length")).alias("real_path"), "path", "odd"
        )
        plain = plain.with_columns(pl.when(pl.col("root").is_not_null()).then("real_path").alias("real_path"))
        if not plain["odd"].any():
            return plain.select(*LOCATED_SCHEMA)
        return self._with_odd(plain)

    def contained(self, root: bytes, real_path: bytes) -> bool:
        """Whether a file really is below one of the mapped folders, every symbolic link followed.

        A link from one mapped folder into another is fine. A file that is not there is judged by the folders that are.
        """
        return self.resolved(Located(root, real_path)) is not None

    def resolved(self, located: Located) -> Located | None:
        """The same file by a path without links, below the mapped folder that it really is in; None when it is in none of them."""
        real = os.path.realpath(os.path.join(located.root, located.real_path))  # noqa: PTH118 - bytes
        for root in self._real_roots:
            below = root.rstrip(b"/") + b"/"
            if real.startswith(below) and len(real) > len(below):
                return Located(root, real[len(below) :])
        return None

    @cached_property
    def _real_roots(self) -> tuple[bytes, ...]:
        return tuple(sorted((os.path.realpath(root) for _, root in self._roots), key=len, reverse=True))

    def _with_odd(self, plain: pl.DataFrame) -> pl.DataFrame:
        """The same rows with those that need a closer look done one by one."""
        paths = plain.filter("odd").select(pl.col("path").unique())
        located = [self.locate(path) for path in paths["path"]]
        closer = paths.with_columns(
            pl.Series("odd_root", [file.root if file else None for file in located], dtype=pl.Binary),
            pl.Series("odd_path", [file.real_path if file else None for file in located], dtype=pl.Binary),
        )
        return plain.join(closer, on="path", how="left", maintain_order="left").select(
            pl.when("odd").then("odd_root").otherwise("root").alias("root"),
            pl.when("odd").then("odd_path").otherwise("real_path").alias("real_path"),
        )


def _normal(path: str) -> str | None:
    """The path without '.', '..' and empty segments; None when it is not absolute, climbs above '/', or can be no file's."""
    if not path.startswith("/") or "\0" in path:
        return None
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    normal = "/" + "/".join(parts)
    try:
        normal.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair: no file system can hold it
        return None
    return normal

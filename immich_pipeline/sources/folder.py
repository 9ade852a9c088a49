"""A folder of photos on this machine, or mounted on it."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl

from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.ignore import IgnoreTable
from immich_pipeline.sources.names import display_text, with_names
from immich_pipeline.sources.protocol import (
    FILE_SCHEMA,
    FOLDER_SCHEMA,
    Scan,
    SourceError,
    source_id_of,
)
from immich_pipeline.sources.sidecars import link_sidecars
from immich_pipeline.sources.walk import Walked, walk

_STAT_COLUMNS = ("real_path", "size", "mtime_ns", "inode", "device")
# Longer "extensions" are no extensions, and would make every such file a reason of its own.
_LONGEST_EXTENSION = 8


class LocalFolder:
    """The photos below one folder; see `PhotoSource`."""

    kind = "folder"

    def __init__(
        self,
        root: Path,
        owner: str = "local",
        name: str | None = None,
        formats: FormatTable | None = None,
        ignore: IgnoreTable | None = None,
    ) -> None:
        """Describe the source; nothing is read yet.

        Args:
            root: the folder; links in its own path are followed.
            owner: whose photos these are.
            name: what people call the source. A named source keeps its id when it is mounted somewhere else.
            formats: the known formats; the package's own by default.
            ignore: names of systems and programs to leave out; the package's own by default.
        """
        self.root = root.absolute()
        self.owner = owner
        self.name = name or self.root.name or str(self.root)
        key = name.encode() if name else os.path.realpath(os.fsencode(self.root))
        self.source_id = source_id_of(self.kind, key)
        self._formats = formats or FormatTable.load()
        self._ignore = ignore or IgnoreTable.load()

    def scan(self, progress: Callable[[int], None] | None = None) -> Scan:
        """Look at every file below the folder, by name, size and times only.

        Links are not followed; hard links are files like any other. The result does not depend on the order in which the file
        system lists its entries.

        Args:
            progress: called now and then with the number of files seen so far.

        Raises:
            SourceError: the folder itself cannot be read.
        """
        check_root(self.root)
        found = walk(os.fsencode(self.root), self._ignore, progress)
        files = self._classified(found)
        sidecars = files.filter(pl.col("kind") == "sidecar")
        media = files.filter(pl.col("kind") != "sidecar").select(FILE_SCHEMA.keys())
        return Scan(
            files=media,
            sidecars=link_sidecars(sidecars, media),
            skipped=_skipped(found, files.filter(pl.col("kind").is_null())),
            folders=pl.DataFrame(found.folders, schema=FOLDER_SCHEMA, orient="row").sort("real_path"),
            unreadable_folders=tuple(sorted(found.unreadable)),
        )

    def _classified(self, found: Walked) -> pl.DataFrame:
        """Every file that was seen, in the columns of `FILE_SCHEMA`; `kind` and `format` are null for what is no photo or video."""
        columns = {name: pl.Series(name, getattr(found.files, name), dtype=FILE_SCHEMA[name]) for name in _STAT_COLUMNS}
        files = with_names(pl.DataFrame(columns).sort("real_path"))
        extensions = files["extension"].unique().to_list()
        formats = {extension: self._formats.by_extension(extension) for extension in extensions}
        table = pl.DataFrame(
            [(extension, fmt.kind, fmt.name) for extension, fmt in formats.items() if fmt is not None],
            schema={"extension": pl.String, "kind": pl.String, "format": pl.String},
            orient="row",
        )
        return files.join(table, on="extension", how="left", maintain_order="left").with_columns(
            pl.lit(self.owner).alias("owner"), pl.lit(self.source_id).alias("source_id")
        )


def check_root(root: Path) -> None:
    """Make sure that a folder of photos can be read.

    Raises:
        SourceError: it is missing, no folder, or not readable.
    """
    try:
        with os.scandir(root):
            return
    except FileNotFoundError:
        problem = "does not exist: check its spelling, or mount the disk that it is on"
    except NotADirectoryError:
        problem = "is a file, not a folder: name the folder that the photos are in"
    except PermissionError:
        problem = "may not be read by this user: give read permission, or run as its owner"
    except OSError as error:
        problem = f"cannot be read ({(error.strerror or 'unknown reason').lower()}): check the disk or network mount that it is on"
    raise SourceError(f"the photo folder {root} {problem}")


def _skipped(found: Walked, strangers: pl.DataFrame) -> pl.DataFrame:
    """What was left out, and why, sorted by path."""
    seen = pl.DataFrame(found.skipped, schema={"real_path": pl.Binary, "reason": pl.String}, orient="row")
    extension = pl.col("extension")
    plain = extension.str.contains(rf"^[a-z0-9]{{1,{_LONGEST_EXTENSION}}}$")
    reason = (
        pl.when(plain)
        .then(pl.format("not a photo or video (.{})", extension))
        .otherwise(pl.lit("not a photo or video"))
    )
    rows = pl.concat([seen, strangers.select("real_path", reason.alias("reason"))]).sort("real_path")
    return rows.select(display_text(rows["real_path"]).alias("path"), "reason")

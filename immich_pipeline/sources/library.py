"""The library that the settings name: a folder of photos, an Immich server, both, or the generated demo library."""

import os
from dataclasses import dataclass
from pathlib import Path

from immich_pipeline.config import Settings
from immich_pipeline.demo.library import PHOTOS, DemoSummary, make_demo_library
from immich_pipeline.errors import UserError
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.progress import Progress, logger
from immich_pipeline.sources.folder import LocalFolder, check_root
from immich_pipeline.sources.immich.server import ImmichServer, open_server
from immich_pipeline.store.library import SourceRow


@dataclass(frozen=True)
class Folder:
    """A folder that can be scanned, and how the database knows it."""

    source: LocalFolder
    row: SourceRow


@dataclass(frozen=True)
class Library:
    """What is looked after: a folder, an Immich server, or both."""

    folder: Folder | None
    server: ImmichServer | None

    @property
    def rows(self) -> list[SourceRow]:
        """How the database knows each source."""
        return [source.row for source in (self.folder, self.server) if source]


def open_library(settings: Settings) -> Library:
    """Open the sources that the settings name, generating the demo library when they name none.

    Raises:
        UserError: the folder is missing, is no folder, or cannot be read; or the demo library's folder holds something else.
    """
    return Library(open_folder(settings), open_server(settings))


def open_folder(settings: Settings) -> Folder | None:
    """The folder of photos, if one is looked after; see `open_library`."""
    root = settings.folder
    if root is None:
        return None
    if settings.photos is None:
        generate_demo(settings.demo_library)
    check_root(root)
    _refuse_own_data(root, settings.home)
    source = LocalFolder(root, owner=settings.owner, formats=FormatTable.load(settings.formats))
    row = SourceRow(
        source_id=source.source_id,
        kind=source.kind,
        name=source.name,
        owner=source.owner,
        root=os.fsencode(root.resolve()),
    )
    return Folder(source, row)


def _refuse_own_data(root: Path, home: Path) -> None:
    """The data folder below the photos would be scanned as part of them, and change with every scan."""
    photos, data = root.resolve(), home.resolve()
    if data.is_relative_to(photos) and not any(part.startswith(".") for part in data.relative_to(photos).parts):
        raise UserError(
            f"the data folder {home} lies in the photo folder {root}: set IMMICH_PIPELINE_HOME to a folder outside of it"
        )


def generate_demo(folder: Path) -> DemoSummary:
    """Generate the demo library into a folder, saying how far it is, unless it is there already.

    Raises:
        UserError: the folder holds something else.
    """
    progress = Progress("generating the demo library", PHOTOS)
    summary = make_demo_library(folder, progress=progress.at)
    if summary.made:
        logger.info(f"demo library: {summary.files} files in {folder}")
    return summary

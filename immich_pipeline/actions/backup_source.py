"""The file of an asset where it is mounted here, and the sidecars that lie beside it."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

from immich_pipeline.actions.backup_files import blocks_of
from immich_pipeline.actions.safe_folders import components, open_file, open_folder
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import Located, PathMap

Opened: TypeAlias = tuple[int, bytes, BinaryIO]
"""The folder, the name in it, and the file."""


@dataclass(frozen=True)
class Mounted:
    """A file on this machine, by a path without links.

    Attributes:
        place: the file.
        beside: its sidecars, and what is added to the name of the copy for each.
    """

    place: Located
    beside: tuple[tuple[str, Located], ...]

    @contextmanager
    def open(self) -> Iterator[Opened | None]:
        """The file; None when it is not there or may not be read."""
        with _opened(self.place) as opened:
            yield opened

    def sidecars(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """What is added to the name, and the bytes, of each sidecar that is there; one per addition."""
        seen = set()
        for addition, place in self.beside:
            with _opened(place) as opened:
                if opened is not None and addition not in seen:
                    seen.add(addition)
                    yield addition, blocks_of(opened[2])


def mounted_of(
    settings: Settings, source: Mapping[str, Any], sidecars: Sequence[tuple[bytes, bytes]]
) -> Mounted | None:
    """Where the file of an asset is, if anywhere here.

    Links in a server's folders are followed as the server does, as long as they stay in mapped folders.

    Args:
        settings: say where Immich's folders are, and whether originals are read there.
        source: as `store.backups.source_of` tells it.
        sidecars: root and path of those that a scan found.
    """
    if source["root"] is None:
        return None
    place: Located | None = Located(source["root"], source["real_path"])
    if source["source_kind"] == "immich":
        place = _on_the_mount(settings, Located(source["root"], source["real_path"]))
    if place is None:
        return None
    stem = os.path.splitext(place.real_path)[0]  # noqa: PTH122 - bytes
    guessed = [(".xmp", Located(place.root, name + b".xmp")) for name in (place.real_path, stem)]
    scanned = [(os.fsdecode(os.path.splitext(path)[1]).lower(), Located(root, path)) for root, path in sidecars]  # noqa: PTH122 - bytes
    named = [(extension, beside) for extension, beside in scanned if extension[1:].isalnum() and extension.isascii()]
    return Mounted(place, (*guessed, *named))


def _on_the_mount(settings: Settings, place: Located) -> Located | None:
    if settings.immich is None or settings.immich.originals == "never":
        return None
    return PathMap(settings.immich.paths).resolved(place)


@contextmanager
def _opened(place: Located) -> Iterator[Opened | None]:
    """A regular file, no link on the way; None when there is none or it may not be read."""
    opened: Opened | None = None
    with ExitStack() as stack:
        with suppress(OSError, UserError):
            *folders, name = components(place.real_path)
            folder = stack.enter_context(open_folder(place.root, folders))
            opened = (folder, name, stack.enter_context(open_file(folder, name)))
        yield opened

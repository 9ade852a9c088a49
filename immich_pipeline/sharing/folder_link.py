"""The link by which the target's library sees the source's folder: what it must say, whether it is there, and how it is made.

Immich follows it inside its container, so what it says must hold there. Where both folders are mounted here in the same way, a relative
link holds in both places; else it is absolute, as Immich sees it, and leads nowhere on this machine, which does no harm.
"""

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import PathMap

State = Literal["there", "to make", "not mounted", "in the way"]


@dataclass(frozen=True)
class FolderLink:
    """A symbolic link.

    Attributes:
        path: where it is, as Immich sees it.
        text: what it says.
        here: where it is on this machine; None: that folder is not mounted here.
        state: there; to make; not mounted: somebody else must make it; in the way: something else has its name.
    """

    path: str
    text: str
    here: Path | None
    state: State

    @property
    def command(self) -> str:
        """What a person types where Immich's folders are."""
        return f"ln -s '{self.text}' '{self.path}'"

    def make(self) -> None:
        """Make it, with the folders above it.

        Raises:
            UserError: that is not allowed here, or something else has its name by now.
        """
        if self.here is None:
            raise ValueError("a link that is not mounted here cannot be made here")
        try:
            self.here.parent.mkdir(parents=True, exist_ok=True)
            self.here.symlink_to(self.text)
        except OSError as error:
            raise UserError(f"cannot make the link {self.here} ({error.strerror}): run {self.command}") from error


def folder_link(paths: PathMap, target_prefix: str, source_prefix: str) -> FolderLink:
    """The link that must lead from `target_prefix` to `source_prefix`, both as Immich sees them."""
    relative = posixpath.relpath(source_prefix, posixpath.dirname(target_prefix))
    here, source = _place(paths, target_prefix), _place(paths, source_prefix)
    same_here = here is not None and source is not None and os.path.relpath(source, here.parent) == relative
    text = relative if same_here else source_prefix
    return FolderLink(target_prefix, text, here, _state(here, target_prefix, source_prefix))


def _place(paths: PathMap, path: str) -> Path | None:
    found = paths.locate(path)
    return found.path if found else None


def _state(here: Path | None, target_prefix: str, source_prefix: str) -> State:
    if here is None:
        return "not mounted"
    try:
        said = here.readlink()
    except FileNotFoundError:
        return "to make"
    except OSError:  # it is there, and no link
        return "in the way"
    leads_to = posixpath.normpath(posixpath.join(posixpath.dirname(target_prefix), str(said)))
    return "there" if leads_to == source_prefix else "in the way"


def is_link_here(paths: PathMap, target_prefix: str) -> bool:
    """Whether the target's folder is a symbolic link, as far as it is mounted here."""
    here = _place(paths, target_prefix)
    return here is not None and here.is_symlink()

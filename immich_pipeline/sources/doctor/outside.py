"""Assets that lie outside of every mapped folder, and which mapping would take them in."""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.sources.doctor.facts import Facts
from immich_pipeline.sources.doctor.look import Notes

_SHOWN = 10


def note_outside(settings: ImmichSettings, facts: Facts, located: pl.DataFrame, notes: Notes) -> int:
    """Tell which folders of Immich's are not mapped.

    Args:
        settings: of the server.
        facts: for the libraries' import paths.
        located: `RECORD_SCHEMA`, and root, which is null outside of every mapping.
        notes: where to tell it.

    Returns:
        How many of the assets are outside.
    """
    outside = located.filter(pl.col("root").is_null())
    if outside.is_empty():
        return 0
    imports: dict[str, list[str]] = {}
    if facts.tables and facts.tables.libraries.width:
        imports = dict(facts.tables.libraries.select("library_id", "import_paths").rows())
    folders = top_folders(outside, settings.media_location, imports)
    for folder, count in folders.most_common(_SHOWN):
        text = f"{count:,} of {located.height:,} assets looked at are in this folder, which is not mapped"
        if not folder.startswith("/"):
            notes.warning(
                folder, f"{text}: a path that is not absolute cannot be", "run Immich's 'storage migration' job"
            )
        elif settings.paths and settings.originals == "mount":
            notes.problem(folder, f"{text}: these files cannot be read as a whole", suggestion(folder))
        else:
            notes.warning(folder, f"{text}: these files cannot be read from a mount", suggestion(folder))
    return outside.height


def suggestion(folder: str) -> str:
    """The mapping that takes a folder in."""
    return f"mount it here and add to 'paths' in the settings:  - {{immich: {folder}, here: WHERE IT IS MOUNTED}}"


def top_folders(outside: pl.DataFrame, media_location: str, imports: Mapping[str, Sequence[str]]) -> Counter[str]:
    """The folders that should be mapped, with the number of assets in each.

    That is the media folder for what is in it, the import path of an external library, else the folder that a library's assets have in
    common.
    """
    found: Counter[str] = Counter()
    for group in outside.partition_by("library_id"):
        library = group["library_id"][0]
        roots = [media_location.rstrip("/"), *(path.rstrip("/") for path in imports.get(library, ()))]
        rest = []
        for path in group["original_path"]:
            root = max((root for root in roots if root and path.startswith(f"{root}/")), key=len, default=None)
            if root:
                found[root] += 1
            else:
                rest.append(path)
        found += _common(rest)
    return found


def _common(paths: Sequence[str]) -> Counter[str]:
    """The folder that paths have in common; when that is the root of everything, the first folder of each."""
    found: Counter[str] = Counter()
    absolute = [path for path in paths if path.startswith("/")]
    for path in paths:
        if not path.startswith("/"):
            found[path.partition("/")[0] or "(no path)"] += 1
    if absolute:
        common = posixpath.commonpath([posixpath.dirname(path) for path in absolute])
        for path in absolute:
            found[common if common != "/" else f"/{path.lstrip('/').partition('/')[0]}"] += 1
    return found

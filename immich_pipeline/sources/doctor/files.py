"""Are the mounted files the ones that Immich means? A sample of assets is looked up, measured, and in part read."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from immich_pipeline.immich.paths import Located, PathMap
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.media.opening import open_regular, reading_error
from immich_pipeline.media.reasons import MediaError
from immich_pipeline.sources.doctor.candidates import candidates, spread
from immich_pipeline.sources.doctor.facts import Facts, Files
from immich_pipeline.sources.doctor.limits import Limits
from immich_pipeline.sources.doctor.look import Notes
from immich_pipeline.sources.doctor.outside import note_outside

Verdict = Literal["same", "missing", "unreadable", "elsewhere", "other size", "other bytes"]
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Compared:
    """An asset's file as it was found, below the mounted folder `root`."""

    root: bytes
    path: str
    by_content: bool
    verdict: Verdict
    hashed: bool = False
    reason: str = ""


def look_at_files(settings: ImmichSettings, facts: Facts, limits: Limits, notes: Notes) -> Files:
    """Compare a sample of assets with the mounted files.

    Raises:
        ImmichError: neither the database nor the API tells any asset.
    """
    deadline = time.monotonic() + limits.files_seconds * 0.8
    found = candidates(settings, facts, limits, notes)
    if found.is_empty():
        notes.ok("sample", "the server has no assets to look at")
        return Files()
    paths = PathMap(settings.paths)
    located = pl.concat([found, paths.locate_all(found["original_path"])], how="horizontal")
    outside = note_outside(settings, facts, located, notes)
    picked = spread(located.filter(pl.col("root").is_not_null()), limits.files)
    compared = list(_compare(picked, paths, limits, deadline))
    for mapping in settings.paths:
        _note_mapping(str(mapping.here), [file for file in compared if file.root == os.fsencode(mapping.here)], notes)
    previews = _note_previews(settings, picked, paths, notes)
    same = sum(file.verdict == "same" for file in compared)
    return Files(looked_at=len(compared), outside=outside, same=same, previews=previews)


def _compare(picked: pl.DataFrame, paths: PathMap, limits: Limits, deadline: float) -> Iterator[Compared]:
    """Compare what was picked; some of the files whose checksum is that of their bytes are read as a whole."""
    small = (pl.col("checksum_algorithm") == "sha1") & (pl.col("size") <= limits.hashed_bytes)
    to_read = set(spread(picked.filter(small), limits.hashed)["asset_id"].head(limits.hashed))
    for row in picked.iter_rows(named=True):
        if time.monotonic() > deadline:
            return
        yield compare(row, paths, limits.hashed_bytes if row["asset_id"] in to_read else None)


def compare(row: dict[str, Any], paths: PathMap, hash_up_to: int | None) -> Compared:
    """Compare one asset's record with its file.

    Args:
        row: columns of `RECORD_SCHEMA`, and root and real_path.
        paths: the mapped folders, which the file must really be in.
        hash_up_to: read the file as a whole, unless it is larger than this; None: do not.
    """
    known = {"root": row["root"], "path": row["original_path"], "by_content": row["checksum_algorithm"] == "sha1"}
    try:
        real = paths.resolved(Located(row["root"], row["real_path"]))
        if real is None:
            return Compared(**known, verdict="elsewhere")
        with open_regular(os.path.join(real.root, real.real_path)) as (file, status):  # noqa: PTH118 - bytes
            if row["size"] is not None and status.st_size != row["size"]:
                reason = f"{status.st_size:,} bytes here, {row['size']:,} in Immich"
                return Compared(**known, verdict="other size", reason=reason)
            if hash_up_to is None:
                return Compared(**known, verdict="same")
            digest = hashlib.sha1(usedforsecurity=False)
            for _ in range(hash_up_to // _BLOCK + 1):
                digest.update(file.read(_BLOCK))
            verdict: Verdict = "same" if digest.digest() == row["checksum"] else "other bytes"
            return Compared(**known, verdict=verdict, hashed=True)
    except MediaError as error:
        return Compared(**known, verdict="missing" if error.kind == "missing" else "unreadable", reason=str(error))
    except OSError as error:
        return Compared(**known, verdict="unreadable", reason=str(reading_error(error)))


def _note_mapping(here: str, compared: Sequence[Compared], notes: Notes) -> None:
    """One finding for what was found below a mounted folder, by the worst of it."""
    if not compared:
        return
    counts = Counter(file.verdict for file in compared)
    total, hashed = len(compared), sum(file.hashed for file in compared)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    bad = {
        verdict: next(file for file in compared if file.verdict == verdict) for verdict in counts if verdict != "same"
    }
    changed = [file for file in compared if file.verdict in ("other size", "other bytes") and file.by_content]
    if not bad:
        equal = f"; SHA-1 equal for the {hashed} that were read" if hashed else ""
        notes.ok(here, f"{total} files looked at: there, and of the size that Immich says{equal}")
    elif counts["missing"] + counts["elsewhere"] == total:
        notes.problem(
            here,
            f"{total} files looked at, none is there, e.g. {compared[0].path}",
            "another folder than Immich's is mounted: correct 'immich' and 'here' of this mapping",
        )
    elif "unreadable" in bad:
        file = bad["unreadable"]
        notes.problem(
            here, f"{total} files looked at: {said}; {file.path}: {file.reason}", "let this user read the files in it"
        )
    elif changed:
        file = changed[0]
        notes.problem(
            here,
            f"{total} files looked at: {said}; uploads are never changed, but this one is: {file.path} {file.reason}".rstrip(),
            "see that the folder is Immich's own and not an older copy of it; restore files that are damaged from a backup",
        )
    else:
        file = next(iter(bad.values()))
        notes.warning(
            here,
            f"{total} files looked at: {said}; e.g. {file.path} {file.reason}".rstrip(),
            "have Immich scan its libraries; files behind links that leave the mapped folders are not read",
        )


def _note_previews(settings: ImmichSettings, picked: pl.DataFrame, paths: PathMap, notes: Notes) -> bool:
    """Look for Immich's previews when the folder with them is mapped; false when there are none of those that should be."""
    if paths.locate(f"{settings.media_location}/thumbs") is None:
        return True
    made = picked.filter(pl.col("thumbhash").is_not_null() & ~pl.col("is_edited") & (pl.col("visibility") != "hidden"))
    places = [preview_path(settings.media_location, *row) for row in made.select("owner_id", "asset_id").rows()]
    if not places:
        return True
    located = [paths.locate(place) for place in places]
    there = sum(file is not None and os.path.isfile(file.path) for file in located)  # noqa: PTH113 - this one never raises
    subject = f"{settings.media_location}/thumbs"
    if there:
        others = "" if there == len(places) else "; others come through the API, if there are keys"
        notes.ok(subject, f"{there} of {len(places)} previews are there{others}")
    else:
        notes.warning(
            subject,
            f"none of {len(places)} previews is there, e.g. {places[0]}",
            "set media_location to Immich's media folder as Immich sees it; run Immich's 'migration' job if its folders were moved",
        )
    return there > 0


def preview_path(media_location: str, owner_id: str, asset_id: str) -> str:
    """Where Immich keeps an asset's preview, as Immich sees it."""
    return f"{media_location}/thumbs/{owner_id}/{asset_id[:2]}/{asset_id[2:4]}/{asset_id}_preview.jpeg"

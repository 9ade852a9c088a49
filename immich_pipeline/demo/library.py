"""Generate the demo library: about 150 photos with everything that the pipeline is there to find."""

import json
import os
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from immich_pipeline.demo.copies import can_write_heic, files_of, painted, view
from immich_pipeline.demo.oddities import odd_files
from immich_pipeline.demo.plan import Group, Photo, make_plan
from immich_pipeline.demo.scenes import choose_variants
from immich_pipeline.errors import UserError

MARKER = ".immich-pipeline-demo.json"
VERSION = 1
SEED = 20240601
PHOTOS = 150

_MOST_THREADS = 4


@dataclass(frozen=True)
class DemoSummary:
    """What the library holds.

    Attributes:
        made: whether it was generated now; otherwise it was there, and was left as it is.
        seed: what it was generated from.
        version: of the generator.
        counts: files by sort: original, raw, exact, reencoded, chat, edited, png, webp, heic, upright, sidecar, video, special, broken,
            mislabelled, system, other.
        duplicate_groups: paths by class; a group's class is that of the copy furthest from the original.
        capture_groups: paths by kind.
        sidecars: path of each sidecar and of its photo.
    """

    made: bool
    seed: int
    version: int
    counts: dict[str, int]
    duplicate_groups: tuple[Group, ...]
    capture_groups: tuple[Group, ...]
    sidecars: dict[str, str]

    @property
    def files(self) -> int:
        """All files but the marker."""
        return sum(self.counts.values())


def make_demo_library(
    folder: Path, seed: int = SEED, photos: int = PHOTOS, progress: Callable[[int], None] | None = None
) -> DemoSummary:
    """Generate the demo library, unless it is there. The same seed gives the same bytes and file times.

    A library that was interrupted while it was generated is generated again; a finished one, of whatever version, is left as it is.

    Args:
        folder: where to; made if missing.
        seed: what everything random comes from.
        photos: about how many photos there shall be, copies included.
        progress: called with the number of files written so far.

    Raises:
        UserError: the folder holds something else, or cannot be written to.
    """
    try:
        there = _existing(folder)
        return there or _generate(folder, seed, photos, progress or _silent)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UserError(
            f"cannot write the demo library to {folder} ({reason}): name another folder, or make room"
        ) from None


def _silent(_: int) -> None:
    """Nobody wants to know."""


def _existing(folder: Path) -> DemoSummary | None:
    """The finished library in a folder; None if one can be generated there."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: name a folder for the demo library")
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    marker = folder / MARKER
    if not marker.is_file():
        raise UserError(f"{folder} holds something that is no demo library: name an empty or a new folder")
    try:
        return _from_marker(json.loads(marker.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"the file {marker} is damaged: delete the demo library's folder, or name another") from None


def _from_marker(found: dict[str, object]) -> DemoSummary | None:
    if not found["complete"]:
        return None
    summary = dict(found["summary"])  # type: ignore[call-overload]
    for name in ("duplicate_groups", "capture_groups"):
        summary[name] = tuple(Group(kind, tuple(paths)) for kind, paths in summary[name])
    return DemoSummary(made=False, **summary)


def _generate(folder: Path, seed: int, photos: int, progress: Callable[[int], None]) -> DemoSummary:
    folder.mkdir(parents=True, exist_ok=True)
    _write_marker(folder, {"complete": False})
    plan = make_plan(photos, heic=can_write_heic())
    counts: Counter[str] = Counter()
    with closing(_written(folder, seed, plan.photos, choose_variants(seed, plan.scenes))) as written:
        for photo in written:
            counts.update(["original", *(copy.how for copy in photo.copies)])
            counts["raw"] += len(photo.raw_paths)
            progress(counts.total())
    for odd in odd_files(seed, plan):
        _write(folder / odd.path, odd.content, odd.shot.nanoseconds)
        counts[odd.sort] += 1
        progress(counts.total())
    summary = DemoSummary(
        made=True,
        seed=seed,
        version=VERSION,
        counts=dict(sorted(counts.items())),
        duplicate_groups=tuple(plan.duplicates),
        capture_groups=tuple(plan.captures),
        sidecars=dict(sorted(plan.sidecars.items())),
    )
    _write_marker(folder, {"complete": True, "summary": _as_json(summary)})
    return summary


def _written(folder: Path, seed: int, photos: list[Photo], variants: list[int]) -> Generator[Photo, None, None]:
    """Paint and save on all cores (Pillow and numpy let threads run side by side); yields each photo once its files are there."""

    def work(scene: list[Photo]) -> list[Photo]:
        painting = painted(seed, variants[scene[0].scene], scene[0])
        for photo in scene:
            for path, content in files_of(photo, view(painting, photo)):
                _write(folder / path, content, photo.shot.nanoseconds)
        return scene

    pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
    try:
        scenes = groupby(photos, key=lambda photo: photo.scene)
        for done in [pool.submit(work, list(frames)) for _, frames in scenes]:
            yield from done.result()
    finally:
        # Whoever interrupts this does not wait for the rest.
        pool.shutdown(cancel_futures=True)


def _write(path: Path, content: bytes, mtime_ns: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def _as_json(summary: DemoSummary) -> dict[str, object]:
    groups = {
        name: [[group.kind, list(group.paths)] for group in getattr(summary, name)]
        for name in ("duplicate_groups", "capture_groups")
    }
    return {
        "seed": summary.seed,
        "version": summary.version,
        "counts": summary.counts,
        "sidecars": summary.sidecars,
        **groups,
    }


def _write_marker(folder: Path, content: dict[str, object]) -> None:
    (folder / MARKER).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

"""Which files are one capture, over a library in which every rule has work to do.

    python -m benchmarks.grouping --n 100000 1000000

The library is generated: RAW+JPEG pairs, edits, bursts by id and by name, exposure brackets, live photos, formats, video
variants, copies, single pictures and uploads without a folder whose camera counters have run over; three owners, one in ten
names beyond ASCII, shuffled. "groups_expected" is known from how it was made. The peer is what a script would do: a group_by of
owner, folder and the name without its extension, with no look at times or cameras. "added_mb" is the highest resident memory
less what the process had with the library loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl

from benchmarks.report import arguments, peak_mb, progress, report, timed
from immich_pipeline.grouping import INPUT_SCHEMA, group_captures
from immich_pipeline.grouping.schema import OPTIONAL_INPUT_SCHEMA

Result = TypeVar("Result")

FILES_PER_BLOCK = 40
GROUPS_PER_BLOCK = 12
UPLOADED, UNICODE = 3, 7  # which blocks of ten

# What every 40 files hold: the end of the name, kind, seconds after the block's shot, and what else is known of the file.
_BLOCK: list[tuple[str, str, float, dict[str, object]]] = [
    *[(f"a{shot}.{end}", kind, 10 * shot, {}) for shot in range(4) for end, kind in (("CR3", "raw"), ("JPG", "image"))],
    ("b1.ARW", "raw", 60, {}),
    ("b1.jpg", "image", 60 + 7200, {}),
    ("b1-Edit.tif", "image", 60, {}),
    ("c.jpg", "image", 70, {}),
    ("c-edited.jpg", "image", 70, {}),
    *[(f"d{frame}.HEIC", "image", 80 + frame / 10, dict[str, object](burst_id="burst")) for frame in range(4)],
    *[(f"e_BURST{frame:03}.jpg", "image", 90 + frame / 10, {}) for frame in range(4)],
    *[(f"f{frame}.CR3", "raw", 120 + frame, dict[str, object](exposure_bias=2.0 * frame - 2)) for frame in range(3)],
    ("g.HEIC", "image", 200, {"content_id": "live"}),
    ("g.MOV", "video", 200, {"content_id": "live", "duration_ms": 2500}),
    ("h.heic", "image", 210, {"width": 4032, "height": 3024}),
    ("h.jpg", "image", 210, {"width": 4032, "height": 3024}),
    ("i.mov", "video", 300, {"duration_ms": 12_000}),
    ("i.mp4", "video", 300, {"duration_ms": 12_100}),
    ("j.jpg", "image", 400, {}),
    ("j (1).jpg", "image", 400, {}),
    *[(f"k{shot}.jpg", "image", 500 + 60 * shot, {}) for shot in range(8)],
]


def library(n: int) -> pl.DataFrame:
    """About n assets, shuffled."""
    if len(_BLOCK) != FILES_PER_BLOCK:
        raise AssertionError(len(_BLOCK))
    optional = {column: OPTIONAL_INPUT_SCHEMA[column] for column in ("width", "height", "duration_ms", "exposure_bias")}
    ids = {"burst_id": pl.String(), "content_id": pl.String()}
    files = pl.DataFrame(
        [
            {
                "end": end,
                "kind": kind,
                "after": after,
                "place_in_block": place,
                **dict.fromkeys([*optional, *ids]),
                **known,
            }
            for place, (end, kind, after, known) in enumerate(_BLOCK)
        ],
        schema={
            "end": pl.String,
            "kind": pl.String,
            "after": pl.Float64,
            "place_in_block": pl.Int64,
            **optional,
            **ids,
        },
    )
    blocks = pl.DataFrame({"block": pl.int_range(n // FILES_PER_BLOCK, eager=True)})
    block = pl.col("block")
    # One block in ten was uploaded: no folder, and the names of 200 blocks come again and again.
    uploaded = block % 10 == UPLOADED
    unicode_name = pl.when(block % 10 == UNICODE).then(pl.lit("Ünter den Bäumen ")).otherwise(pl.lit("IMG_"))
    counter = pl.when(uploaded).then(block % 200).otherwise(block)
    return (
        blocks.join(files, how="cross")
        .sample(fraction=1, shuffle=True, seed=1)
        .select(
            asset_id=pl.format("{}-{}", (block * FILES_PER_BLOCK + pl.col("place_in_block")).hash(1), block),
            source_id=pl.lit("library"),
            owner=pl.format("owner {}", block % 3),
            folder=pl.when(~uploaded).then(pl.format("{}/{}", 2000 + block % 25, block // 50)),
            name=pl.concat_str(unicode_name, counter.cast(pl.String), "end"),
            extension=pl.col("end").str.extract(r"\.([^.]+)$").str.to_lowercase(),
            kind="kind",
            size=pl.lit(4_000_000) + block,
            taken_at=pl.lit(None, INPUT_SCHEMA["taken_at"]),
            taken_at_local=pl.datetime(2010, 5, 1)
            + pl.duration(seconds=block * 3600)
            + pl.duration(milliseconds=pl.col("after") * 1000),
            subsec=pl.format("{}", block % 90 + 10),
            make=pl.lit("Canon"),
            model=pl.format("R{}", block % 4),
            burst_id=pl.format("{} {}", "burst_id", block),
            content_id=pl.format("{} {}", "content_id", block),
            **{column: pl.col(column) for column in optional},
        )
    )


def name_groups(assets: pl.DataFrame) -> pl.DataFrame:
    """The peer: files of one owner and folder whose names are equal but for the extension."""
    stem = pl.col("name").str.replace(r"\.[^.]+$", "").str.to_lowercase()
    return assets.group_by("owner", "folder", stem).agg("asset_id").filter(pl.col("asset_id").list.len() > 1)


def peak_while(work: Callable[[], Result]) -> tuple[Result, float]:
    """The work's result, and the most resident memory in MB while it ran (the whole process's so far, where that is unknown)."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return work(), peak_mb()
    done, peak = threading.Event(), [_resident_mb(status)]

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], _resident_mb(status))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return work(), peak[0]
    finally:
        done.set()
        watcher.join()


def _resident_mb(status: Path) -> float:
    pages = int(status.read_text().split()[1])
    return pages * 4096 / 1e6


def measure(n: int) -> None:
    """Group one library."""
    assets = library(n)
    before = _resident_mb(Path("/proc/self/statm")) if Path("/proc/self/statm").exists() else peak_mb()
    progress(f"{assets.height:,} assets")
    (seconds, members), peak = peak_while(lambda: timed(lambda: group_captures(assets)))
    progress(f"{members.height:,} members in {seconds:.2f} s; now names alone")
    peer_seconds, _ = timed(lambda: name_groups(assets))
    report(
        "group_captures",
        n=assets.height,
        seconds=seconds,
        peer="group_by of owner, folder and name",
        peer_seconds=peer_seconds,
        peak=peak,
        added_mb=round(peak - before, 1),
        members=members.height,
        groups=members["group_id"].n_unique(),
        groups_expected=assets.height // FILES_PER_BLOCK * GROUPS_PER_BLOCK,
        kinds=dict(members.group_by("kind").agg(pl.col("group_id").n_unique()).sort("kind").iter_rows()),
    )


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "", n=1_000_000, n_help="assets; several numbers are measured one after the other")
    parser.set_defaults(n=[100_000, 1_000_000])
    for action in parser._actions:
        if action.dest == "n":
            action.nargs = "+"
    for n in sorted(parser.parse_args().n):
        measure(n)


if __name__ == "__main__":
    main()

"""Which files are one capture, over a library in which every rule has work to do.

    python -m benchmarks.grouping --n 100000 1000000

The library is generated: captures of every rule, copies, files that are not shown, single pictures, and uploads without a folder
whose camera counters have run over; three owners, one in ten names beyond ASCII, shuffled. "groups_expected" is known from how it
was made. The peer is what a script would do: a group_by of owner, folder and the name without its extension, with no look at
times or cameras. Every measurement is a process of its own, which reads the library from a file: "loaded_mb" is its highest memory up to
then, "peak_mb" with the grouping.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from benchmarks.report import alone, peak_mb, progress, report, timed
from immich_pipeline.grouping import INPUT_SCHEMA, GroupingRules, group_captures
from immich_pipeline.grouping.schema import OPTIONAL_INPUT_SCHEMA

UPLOADED, UNICODE = 3, 7  # which blocks of ten

GOALS: dict[int, tuple[float, float]] = {100_000: (2.0, inf), 1_000_000: (10.0, 1000.0)}
"""Seconds and MB for so many assets."""

RULES = GroupingRules.load({"switched_on": ["leica", "epson_front", "epson_back"], "time_burst_ms": 400})
"""Every rule, those included that a user has to switch on."""


class File(NamedTuple):
    """One file of every block.

    Attributes:
        group: kind and name of the group that it belongs to; None: to none.
        name: with {} for what the block's names begin with, {4} ... {17} for the block's number in so many digits.
        after: seconds after the block's shot; None: its time is not known.
        known: what else is known of it; `below`: the folder in the block's, which an upload has not.
    """

    group: str | None
    name: str
    after: float | None = 0
    known: Mapping[str, object] = {}

    @property
    def extension(self) -> str:
        """In lower case, without the dot."""
        return self.name.rpartition(".")[2].lower()

    @property
    def kind(self) -> str:
        """As the table of formats has it."""
        raw, video = {"cr3", "arw", "nef", "dng"}, {"mov", "mp4", "mp"}
        return "raw" if self.extension in raw else "video" if self.extension in video else "image"


def _pair(group: str, one: str, other: str, after: float | None, **known: object) -> list[File]:
    return [File(group, one, after, known), File(group, other, after, known)]


_FULL: dict[str, object] = {"width": 4032, "height": 3024}
BLOCK: list[File] = [
    # RAW and JPEG: at one time, in two time zones, moments apart, at no known time, in a folder of its own
    *[file for shot in range(4) for file in _pair(f"raw_jpeg a{shot}", f"{{}}a{shot}.CR3", f"{{}}a{shot}.JPG", 10 * shot)],
    File("raw_jpeg b", "{}b.ARW", 60),
    File("raw_jpeg b", "{}b.jpg", 60 + 7200),
    File("raw_jpeg b", "{}b-Edit.tif", 60),
    File("raw_jpeg near", "{}near.CR3", 70),
    File("raw_jpeg near", "{}near.JPG", 72),
    *_pair("raw_jpeg timeless", "{}timeless.CR3", "{}timeless.JPG", None, below="."),
    File("raw_jpeg below", "{}below.CR3", 90, {"below": "RAW"}),
    File("raw_jpeg below", "{}below.JPG", 90, {"below": "."}),
    File("raw_jpeg pixel", "PXL_20240101_{9}.RAW-01.COVER.jpg", 100),
    File("raw_jpeg pixel", "PXL_20240101_{9}.RAW-02.ORIGINAL.dng", 110),
    *_pair("raw_jpeg leica", "L{7}.dng", "DO0{7}.jpg", 130),
    # versions, by every mark
    *_pair("versions tilde", "{}c.jpg", "{}c~2.jpg", 150),
    *_pair("versions edited", "{}d.jpg", "{}d-bearbeitet.jpg", 160),
    *_pair("versions automatic", "{}e.jpg", "{}e-effects.jpg", 170),
    *_pair("versions underscore", "{}f.jpg", "{}f_crop.jpg", 180),
    *_pair("versions enhanced", "{}g.CR3", "{}g-Enhanced-NR.dng", 190),
    *_pair("versions dxo", "{}h.NEF", "{}h-DxO_DeepPRIME.dng", 200),
    *_pair("versions dot", "{}i.jpg", "{}i.edit.jpg", 210),
    *_pair("versions numbered", "{}j_v1.jpg", "{}j_v2.jpg", 220),
    *_pair("versions motion", "{}k.jpg", "{}k_MP.jpg", 230),
    *_pair("versions weak", "{}l.jpg", "{}l-2.jpg", 240),
    *_pair("versions weaker", "{}m.jpg", "{}m_02.jpg", 250),
    File("versions folder", "{}n.jpg", 260, {"below": "."}),
    File("versions folder", "{}n.jpg", 260, {"below": "edited"}),
    *_pair("versions apple", "IMG_{4}.HEIC", "IMG_E{4}.HEIC", 270),
    *_pair("versions mv", "IMG_20240101_{6}.jpg", "MVIMG_20240101_{6}.jpg", 280),
    *_pair("scan sides", "{}o_a.jpg", "{}o_b.jpg", 290),
    *_pair("format_pair p", "{}p.heic", "{}p.jpg", 300, **_FULL),
    # sequences: by id, by name, by time, by exposure, by folder
    *[File("burst id", f"{{}}q{frame}.HEIC", 310 + frame / 10, {"burst_id": "q"}) for frame in range(4)],
    File("burst id", "{}q0-edited.HEIC", 310),
    *[File("burst generic", f"{{}}r_BURST{frame:03}.jpg", 320 + frame / 10) for frame in range(4)],
    File("burst sony", "DSC_0001_BURST{17}.JPG", 330),
    File("burst sony", "DSC_0002_BURST{17}_COVER.JPG", 331),
    File("burst nexus", "00001IMG_00001_BURST{13}.jpg", 340),
    File("burst nexus", "00002IMG_00002_BURST{13}_COVER.jpg", 341),
    *[File("burst samsung", f"20240101_{{6}}_00{frame}.jpg", 350 + frame) for frame in (1, 2)],
    *[File("burst time", f"{{}}s{frame}.jpg", 360 + frame / 4) for frame in range(3)],
    *[File("bracket exposure", f"{{}}t{frame}.CR3", 370 + frame, {"exposure_bias": 2.0 * frame - 2}) for frame in range(3)],
    *[File("bracket suffix", f"{{}}u ({step}0.7).jpg", 380 + second) for second, step in enumerate("-+")],
    *[File("panorama stitch", f"ST{letter}_{{4}}.JPG", 390 + 10 * place) for place, letter in enumerate("AB")],
    *[File("panorama name", f"{{}}v_pano_{frame}.jpg", 440 + 10 * frame) for frame in (1, 2)],
    *[File("focus_stack name", f"{{}}w_focus_{frame}.jpg", 480 + 5 * frame) for frame in (1, 2)],
    *[File("panorama folder", f"DJI_000{frame}.JPG", 510 + 10 * frame, {"below": "PANORAMA/101_{4}"}) for frame in range(3)],
    # videos, and the moving parts of stills
    *_pair("live id", "{}x.HEIC", "{}x.MOV", 560, content_id="x", duration_ms=2500),
    File("live server", "{}y.HEIC", 570, {"live_video": "{}y moves.MOV"}),
    File("live server", "{}y moves.MOV", 571, {"visibility": "hidden", "duration_ms": 2500}),
    *_pair("live part", "{}z.MP.jpg", "{}z.MP", 580),
    *_pair("live name", "{}aa.jpg", "{}aa.mp4", 590, duration_ms=2500),
    File("video_variant bb", "{}bb.mov", 600, {"duration_ms": 12_000}),
    File("video_variant bb", "{}bb_1080p.mp4", 600, {"duration_ms": 12_100}),
    # what is in no group: copies, other cameras, what is not shown, single pictures
    File(None, "{}cc.jpg", 610),
    File(None, "{}cc (1).jpg", 610),
    File(None, "{}dd.CR3", 620),
    File(None, "{}dd.JPG", 620, {"make": "Sony"}),
    *_pair("", "{}ee.CR3", "{}ee.JPG", 630, is_trashed=True),
    *_pair("", "{}ff.CR3", "{}ff.JPG", 640, visibility="locked"),
    *_pair("", "{}gg.CR3", "{}gg.JPG", 650, manual_stack="by hand"),
    File(None, "{}hh.CR3", 660),
    File(None, "{}hh.JPG", 660, {"visibility": "hidden"}),
    *[File(None, f"{{}}ii{shot}.jpg", 700 + 60 * shot) for shot in range(20)],
]  # fmt: skip


def library(n: int) -> pl.DataFrame:
    """About n assets, shuffled: what `group_captures` reads, and `expected` (kind and name of the group, and the block; null: none)."""
    blocks = pl.DataFrame({"block": pl.int_range(n // len(BLOCK), eager=True)})
    whole = blocks.join(_files(), how="cross").with_columns(uploaded=pl.col("block") % 10 == UPLOADED)
    # An upload has no folder, and so no folder below it.
    whole = whole.filter(~pl.col("uploaded") | pl.col("below").is_null()).sample(fraction=1, shuffle=True, seed=1)
    # The names of 200 uploaded blocks come again and again, as those of a camera whose counter has run over.
    counter = pl.when("uploaded").then(pl.col("block") % 200).otherwise("block")
    whole = whole.with_columns(counter=counter.cast(pl.String))
    return whole.select(_inputs())


def _files() -> pl.DataFrame:
    optional = {name: OPTIONAL_INPUT_SCHEMA[name] for name in _TOLD}
    ids = {"burst_id": pl.String(), "content_id": pl.String(), "make": pl.String()}
    rows = [
        {
            "group": file.group or None,
            "name": file.name,
            "extension": file.extension,
            "kind": file.kind,
            "after": file.after,
            "below": file.known.get("below"),
            "live_video": file.known.get("live_video"),
            **{name: file.known.get(name) for name in (*optional, *ids)},
        }
        for file in BLOCK
    ]
    texts = {name: pl.String() for name in ("group", "name", "extension", "kind", "below", "live_video")}
    return pl.DataFrame(rows, schema={**texts, "after": pl.Float64(), **optional, **ids})


_TOLD = ("width", "height", "duration_ms", "exposure_bias", "visibility", "is_trashed", "manual_stack")


def _inputs() -> list[pl.Expr]:
    block = pl.col("block")
    milliseconds = pl.col("after") * 1000 + 10 * (block % 90)
    shot = pl.datetime(2010, 5, 1) + pl.duration(seconds=block * 3600) + pl.duration(milliseconds=milliseconds)
    prefix = pl.when(block % 10 == UNICODE).then(pl.lit("Ünter den Bäumen ")).otherwise(pl.lit("IMG_"))

    def named(column: str) -> pl.Expr:
        text = pl.col(column).str.replace("{}", prefix + pl.col("counter") + "-", literal=True)
        for digits in (4, 6, 7, 9, 13, 17):
            text = text.str.replace(f"{{{digits}}}", pl.col("counter").str.zfill(digits).str.tail(digits), literal=True)
        return text

    folder = pl.format("{}/{}", 2000 + block % 25, block // 50)
    below = pl.when(pl.col("below").is_null() | (pl.col("below") == ".")).then(folder)
    return [
        _asset_id("name").alias("asset_id"),
        pl.lit("library").alias("source_id"),
        pl.format("owner {}", block % 3).alias("owner"),
        pl.when(~pl.col("uploaded")).then(below.otherwise(folder + "/" + named("below"))).alias("folder"),
        named("name").alias("name"),
        pl.col("extension", "kind", *_TOLD),
        (pl.lit(4_000_000) + block).alias("size"),
        pl.lit(None, INPUT_SCHEMA["taken_at"]).alias("taken_at"),
        shot.dt.truncate("1s").alias("taken_at_local"),
        shot.dt.millisecond().cast(pl.String).str.zfill(3).alias("subsec"),
        pl.col("make").fill_null("Canon"),
        pl.format("R{}", block % 4).alias("model"),
        *(
            pl.when(pl.col(name).is_not_null()).then(pl.format("{} {}", name, block)).alias(name)
            for name in ("burst_id", "content_id")
        ),
        pl.when(pl.col("live_video").is_not_null()).then(_asset_id("live_video")).alias("live_video_id"),
        pl.when(pl.col("group").is_not_null()).then(pl.format("{} {}", "group", block)).alias("expected"),
    ]


def _asset_id(name: str) -> pl.Expr:
    """Of the file of that name in the block."""
    return pl.format("{}-{}", (pl.col(name).hash(1) + pl.col("below").fill_null("").hash(2)), "block")


def name_groups(assets: pl.DataFrame) -> pl.DataFrame:
    """The peer: files of one owner and folder whose names are equal but for the extension."""
    stem = pl.col("name").str.replace(r"\.[^.]+$", "").str.to_lowercase()
    return assets.group_by("owner", "folder", stem).agg("asset_id").filter(pl.col("asset_id").list.len() > 1)


def write_library(n: int, to: Path) -> int:
    """A library's file; how many groups are in it."""
    made = library(n)
    made.drop("expected").write_parquet(to)
    return made["expected"].drop_nulls().n_unique()


class Measured(NamedTuple):
    """What one process found; memory is its highest, in MB: with the library loaded, and once it was grouped."""

    assets: int
    seconds: float
    loaded_mb: float
    peak: float
    members: int
    kinds: dict[str, int]


def ours(path: Path) -> Measured:
    """The library comes from a file, as a user's comes from the database."""
    assets = pl.read_parquet(path)
    loaded = peak_mb()
    seconds, members = timed(lambda: group_captures(assets, RULES))
    kinds = dict(members.group_by("kind").agg(pl.col("group_id").n_unique()).sort("kind").iter_rows())
    return Measured(assets.height, seconds, loaded, peak_mb(), members.height, kinds)


def peer(path: Path) -> float:
    """Seconds of grouping by names alone."""
    assets = pl.read_parquet(path)
    return timed(lambda: name_groups(assets))[0]


def measure(n: int, path: Path, rounds: int) -> None:
    """Group one library; the best time and the highest memory of the rounds count."""
    expected = alone(write_library, n, path)
    tries = [alone(ours, path) for _ in range(rounds)]
    best = min(tries, key=lambda one: one.seconds)
    progress(f"{best.assets:,} assets: {best.members:,} members in {best.seconds:.2f} s; now names alone")
    goal = GOALS.get(n)
    peak = max(one.peak for one in tries)
    report(
        "group_captures",
        n=best.assets,
        seconds=best.seconds,
        peer="group_by of owner, folder and name",
        peer_seconds=min(alone(peer, path) for _ in range(rounds)),
        peak=peak,
        loaded_mb=round(best.loaded_mb, 1),
        members=best.members,
        groups=sum(best.kinds.values()),
        groups_expected=expected,
        kinds=best.kinds,
        goal=goal and f"at most {goal[0]:g} s, {goal[1]:g} MB",
        met=goal and best.seconds <= goal[0] and peak <= goal[1],
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=sorted(GOALS), help="assets, one size after the other")
    parser.add_argument("--rounds", type=int, default=3, help="the best counts (default 3)")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        for n in sorted(options.n):
            measure(n, Path(folder) / f"{n}.parquet", options.rounds)


if __name__ == "__main__":
    main()

"""What a near pair is: judged by hashes and metadata, then by the pictures themselves.

    python -m benchmarks.verify --n 1000000 [--photos 40] [--workers 2]

Stage 1 judges n pairs by their hashes and metadata, in polars, beside the same few rules in a Python loop over some of the
pairs, whose time is scaled up, as its name says. Memory is that of this process (of stage 2 it means nothing: the photos are made in it).

Stage 2 looks at pictures: camera-sized JPEGs (12 megapixels with sensor noise) and 250-pixel WebP thumbnails of them, each
picture with its re-encoded copy and a few neighbours, so that a picture is in four pairs or so. Ours decodes each once, in
worker processes; the time includes starting and stopping the pool. The peer is what most programs do: for each pair open
both files and compare their hashes (imagehash.phash, 64 and 256 bit) on one core; on 12-megapixel files it does some of the
pairs, scaled. "whole" decodes every original in full and hashes its pixels as well, as for pictures of one size.
"""

from __future__ import annotations

import os
import tempfile
import time
from datetime import datetime
from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
import polars as pl
from PIL import Image

from benchmarks.phash import CAMERA_SIZE, NOISE, camera_like, synthetic
from benchmarks.report import arguments, peak_mb, progress, report, timed
from immich_pipeline.dedup import CANDIDATE_SCHEMA, FACTS_SCHEMA, verify
from immich_pipeline.dedup.looks import Compared, compare_looks, pairs_to_look_at
from immich_pipeline.media.looks import LookTask, PictureLook
from immich_pipeline.media.measure import MeasureOptions
from immich_pipeline.media.pool import MeasurePool, available_cores

SAMPLE_PAIRS = 20_000
SAMPLE_PICTURE_PAIRS = 12
PER_SCENE = 4
THUMBNAIL = (333, 250)

Pairs = list[tuple[Path, Path]]


def made_up_library(n: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Facts of n / 2 photos and n near pairs among them: copies, neighbours and chance, a third of them worth a look."""
    photos = max(3, n // 2)
    hashes = rng.integers(-(2**63), 2**63 - 1, photos, dtype=np.int64)
    fine = rng.integers(0, 256, (photos, 32), dtype=np.uint8)
    fine[:, 2:] = 7  # some 16 bits between two pictures, of 24 that are allowed at most
    seconds = rng.integers(0, 3 * photos, photos)
    known = pl.DataFrame(
        {
            "asset_id": [f"{number:012d}" for number in range(photos)],
            "owner": ["me"] * photos,
            "kind": ["image"] * photos,
            "content": [number.to_bytes(32, "big") for number in range(photos)],
            "phash": hashes,
            "phash256": [row.tobytes() for row in fine],
            "usable": [True] * photos,
            "width": rng.choice([4000, 2000], photos),
            "height": [3000] * photos,
            "make": ["Maker"] * photos,
            "model": pl.Series(rng.choice(["One", "Two", ""], photos, p=[0.5, 0.1, 0.4])).replace("", None),
            "taken_at_local": pl.Series(seconds * 1_000_000).cast(pl.Duration("us")) + datetime(2020, 1, 1),
        }
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in FACTS_SCHEMA.items() if name not in known.columns]
    facts = known.with_columns(missing).select([pl.col(name).cast(dtype) for name, dtype in FACTS_SCHEMA.items()])
    left = np.arange(n) % (photos - 2)
    right = left + 1 + (np.arange(n) >= photos - 2)
    ids = facts["asset_id"]
    candidates = pl.DataFrame(
        {"owner": ["me"] * n, "left_id": ids.gather(left), "right_id": ids.gather(right), "kind": ["near"] * n}
    ).with_columns(distance=pl.Series(2 * rng.integers(0, 5, n)))
    return candidates.select([pl.col(name).cast(dtype) for name, dtype in CANDIDATE_SCHEMA.items()]), facts


def judged_in_a_loop(candidates: pl.DataFrame, facts: pl.DataFrame) -> int:
    """The same rules, a pair at a time; the number of pairs worth a look."""
    known = {row["asset_id"]: row for row in facts.iter_rows(named=True)}
    found = 0
    for pair in candidates.iter_rows(named=True):
        left, right = known[pair["left_id"]], known[pair["right_id"]]
        same_camera = left["model"] and right["model"] and left["model"] == right["model"]
        if left["model"] and right["model"] and not same_camera:
            continue
        if same_camera and abs((left["taken_at_local"] - right["taken_at_local"]).total_seconds()) > 1:
            continue
        fine = (int.from_bytes(left["phash256"], "big") ^ int.from_bytes(right["phash256"], "big")).bit_count()
        shape = left["width"] * right["height"] == left["height"] * right["width"]
        found += pair["distance"] <= 8 and fine <= 12 and shape  # noqa: PLR2004 - the limits of classes.toml
    return found


def first_stage(n: int) -> None:
    """Pairs per second by hashes and metadata."""
    candidates, facts = made_up_library(n, np.random.default_rng(1))
    sample = candidates.head(SAMPLE_PAIRS)
    # the peer first: it is small, and so adds nothing to the memory measured
    peer_seconds, _ = timed(lambda: judged_in_a_loop(sample, facts.head(SAMPLE_PAIRS + 3)))
    before, cpu = peak_mb(), time.process_time()
    seconds, judged = timed(lambda: verify(candidates, facts))
    cpu = time.process_time() - cpu
    looking, pairs = timed(lambda: pairs_to_look_at(candidates, facts))
    report(
        "verify by hashes and metadata",
        n=n,
        seconds=seconds,
        peer=f"Python loop, {sample.height} of {n} pairs measured, scaled",
        peer_seconds=peer_seconds * n / sample.height,
        pairs_per_second=round(judged.height / seconds),
        cpu_seconds=round(cpu, 4),
        peak_before_mb=round(before, 1),
        to_look_at=pairs.height,
        to_look_at_seconds=round(looking, 4),
    )


def photos_in(folder: Path, count: int) -> list[Path]:
    """Photos of a camera's size: each scene several times, re-encoded."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, NOISE, (CAMERA_SIZE[1], CAMERA_SIZE[0], 3)).astype(np.int16)
    files = []
    for number in range(0, count, PER_SCENE):
        image = camera_like(synthetic(rng), noise, rng)
        for copy in range(min(PER_SCENE, count - number)):
            files.append(folder / f"{number:05d}-{copy}.jpg")
            image.save(files[-1], quality=92 - 8 * copy)
        progress(f"making photos: {len(files)} of {count}")
    return files


def thumbnails_in(folder: Path, photos: list[Path]) -> list[Path]:
    """Thumbnails of photos, as a server makes them."""
    files = []
    for photo in photos:
        files.append(folder / f"{photo.stem}.webp")
        with Image.open(photo) as image:
            image.draft("RGB", CAMERA_SIZE)
            image.resize(THUMBNAIL).save(files[-1], quality=80)
    return files


def pairs_among(files: list[Path]) -> Pairs:
    """Every pair of one scene."""
    return [
        pair for start in range(0, len(files), PER_SCENE) for pair in combinations(files[start : start + PER_SCENE], 2)
    ]


def ours(pairs: Pairs, workers: int, *, whole: bool) -> list[Compared]:
    """Each picture decoded once, each pair compared."""
    files = dict.fromkeys(file for pair in pairs for file in pair)
    tasks = [
        LookTask(str(file), os.fsencode(file.parent), os.fsencode(file.name), file.suffix[1:], whole=whole)
        for file in files
    ]
    looks: dict[str, PictureLook] = {}
    with MeasurePool(MeasureOptions(), workers=workers) as pool:
        for part in pool.looks(tasks):
            looks |= {look.asset_id: look for look in part}
    return [compare_looks(looks[str(left)], looks[str(right)]) for left, right in pairs]


def peer_loop(pairs: Pairs) -> list[tuple[int, int]]:
    """Both pictures of each pair opened and hashed, again and again."""
    found = []
    for pair in pairs:
        images = [Image.open(file) for file in pair]
        found.append(
            (
                imagehash.phash(images[0]) - imagehash.phash(images[1]),
                imagehash.phash(images[0], hash_size=16) - imagehash.phash(images[1], hash_size=16),
            )
        )
    return found


def second_stage(name: str, files: list[Path], workers: int, *, whole: bool = False) -> None:
    """Pictures and pairs per second."""
    pairs = pairs_among(files)
    sample = pairs[:SAMPLE_PICTURE_PAIRS]
    seconds, compared = timed(lambda: ours(pairs, workers, whole=whole))
    peer_seconds, _ = timed(lambda: peer_loop(sample))
    report(
        f"verify by {name}",
        n=len(pairs),
        seconds=seconds,
        peer=f"imagehash loop, each pair decoded, {len(sample)} of {len(pairs)} pairs measured, scaled",
        peer_seconds=peer_seconds * len(pairs) / len(sample),
        workers=workers,
        pictures=len(files),
        pictures_per_second=round(len(files) / seconds, 1),
        pairs_per_second=round(len(pairs) / seconds, 1),
        lowest_correlation=round(min(seen.correlation for seen in compared), 3),
    )


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "", n=1_000_000, n_help="pairs judged by hashes and metadata")
    parser.add_argument("--photos", type=int, default=40, help="camera-sized photos to look at (default 40)")
    parser.add_argument(
        "--workers", type=int, default=min(2, available_cores()), help="our worker processes (default 2)"
    )
    args = parser.parse_args()
    first_stage(args.n)
    with tempfile.TemporaryDirectory() as name:
        photos = photos_in(Path(name), args.photos)
        thumbnails = thumbnails_in(Path(name), photos)
        ours(pairs_among(thumbnails[:PER_SCENE]), args.workers, whole=False)  # the server that workers are forked from
        second_stage("250-pixel thumbnails", thumbnails, args.workers)
        second_stage("12-megapixel JPEGs", photos, args.workers)
        second_stage("12-megapixel JPEGs, whole", photos, args.workers, whole=True)


if __name__ == "__main__":
    main()

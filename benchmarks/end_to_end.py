"""A folder of small files, end to end: `python -m benchmarks.end_to_end --n 20000`.

Times `immich-pipeline run --once` over a fresh folder with a fresh data folder, then once more over the unchanged folder. The peer of
the first run is reading and hashing the same files with sha256sum on as many cores; the peer of the second run is the first.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import arguments, progress, report

GOAL_NO_OP = 0.05
COPY_EVERY = 20


def make_files(folder: Path, count: int) -> None:
    """Small JPEGs, every twentieth a copy of the one before."""
    generator = np.random.default_rng(1)
    before = b""
    for number in range(count):
        place = folder / f"{number // 500:03d}"
        place.mkdir(exist_ok=True)
        path = place / f"IMG_{number:06d}.jpg"
        if number % COPY_EVERY == COPY_EVERY - 1:
            path.write_bytes(before)
            continue
        noise = Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        noise.resize((320, 240), Image.Resampling.BICUBIC).save(path, "JPEG", quality=85)
        before = path.read_bytes()


def one_pass(home: Path, photos: Path, summary: Path) -> tuple[float, dict[str, object]]:
    """Run the program once; seconds of wall time and its summary."""
    began = time.perf_counter()
    environment = {**os.environ, "IMMICH_PIPELINE_HOME": str(home)}
    command = [
        sys.executable,
        "-m",
        "immich_pipeline",
        "run",
        "--once",
        "--photos",
        str(photos),
        "--summary",
        str(summary),
    ]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, json.loads(summary.read_text())


def sha256sum(photos: Path) -> float:
    """Seconds that sha256sum takes over the folder on all cores."""
    began = time.perf_counter()
    find = subprocess.Popen(["find", str(photos), "-type", "f", "-print0"], stdout=subprocess.PIPE)
    cores = str(len(os.sched_getaffinity(0)))
    subprocess.run(
        ["xargs", "-0", "-P", cores, "-n", "64", "sha256sum"], stdin=find.stdout, stdout=subprocess.DEVNULL, check=True
    )
    find.wait()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print one line of JSON per measurement."""
    options = arguments(__doc__, n=20_000, n_help="files").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos, home, summary = Path(folder) / "photos", Path(folder) / "home", Path(folder) / "summary.json"
        photos.mkdir()
        progress(f"making {options.n:,} small photos")
        make_files(photos, options.n)
        progress("first run")
        first, found = one_pass(home, photos, summary)
        peer = sha256sum(photos)
        progress(f"{options.n / first:,.0f} files/s; {found['duplicate_groups']}")
        report(
            "end_to_end_first",
            n=options.n,
            seconds=first,
            peak=float(str(found["peak_mb"])),
            peer="sha256sum",
            peer_seconds=peer,
        )
        progress("second run, nothing changed")
        second, again = one_pass(home, photos, summary)
        progress(f"{second / first:.1%} of the first run (goal: at most {GOAL_NO_OP:.0%})")
        progress(f"{again['hashed']} hashed, {again['rows_changed']} rows changed")
        report(
            "end_to_end_second",
            n=options.n,
            seconds=second,
            peak=float(str(again["peak_mb"])),
            peer="first run",
            peer_seconds=first,
        )


if __name__ == "__main__":
    main()

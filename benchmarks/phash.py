"""Perceptual hashing of real JPEGs: our pool beside a plain imagehash loop and the czkawka binding.

    python -m benchmarks.phash --n 100 [--photos DIR] [--workers 2]

All work on the same files in the same run, each in processes of its own, and take turns; the best of three rounds
counts. Ours computes both hashes (64 and 256 bit) in worker processes; its time includes starting and stopping the pool,
while the server they are forked from starts once per program (0.2 to 0.5 s), in the first round. The loop is what most
programs do: imagehash.phash(Image.open(file)), 64 bit, one core. czkawka uses all cores, searches for pairs as well (a
few ms) and gets a new home each time, since it keeps a cache on disk. Starting Python counts for neither peer.

The photos are those of DIR (its JPEGs) and, up to n, full-size variants made of them: crops enlarged to 12 megapixels
with sensor noise, which gives a camera's file sizes (1.5 to 6 MB). The last line counts how many photos of DIR have a
hash within 2 bits of imagehash's on the upright full picture.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from benchmarks.report import arguments, progress, report, timed
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions
from immich_pipeline.media.pool import MeasurePool, available_cores

CAMERA_SIZE = (4032, 3024)
NOISE = 5  # standard deviation, of 255
SMALLEST_SIDE = 300
NEAR_BITS = 2
ROUNDS = 3
LOOP_PROGRAM = """
import sys, time
from pathlib import Path
import imagehash
from PIL import Image
started = time.perf_counter()
for file in Path(sys.argv[1]).iterdir():
    imagehash.phash(Image.open(file))
print(time.perf_counter() - started)
"""
CZKAWKA_PROGRAM = """
import sys, time
from czkawka import ImageSimilarity
finder = ImageSimilarity()
finder.set_directories([sys.argv[1]])
finder.set_similarity(10)
started = time.perf_counter()
finder.find_similar()
print(time.perf_counter() - started)
"""
PEERS = {"imagehash loop": LOOP_PROGRAM, "czkawka": CZKAWKA_PROGRAM}


def default_photos() -> Path:
    """The sample photos beside the repository."""
    return Path(__file__).resolve().parents[1] / "../shared/samples"


def real_photos(folder: Path) -> list[Path]:
    """JPEGs under a folder that decode and are large enough to be photos, one per content."""
    found: dict[bytes, Path] = {}
    for file in sorted(folder.rglob("*.jp*g")):
        content = file.read_bytes()
        try:
            with Image.open(file) as image:
                image.load()
                if min(image.size) >= SMALLEST_SIDE:
                    found.setdefault(content, file)
        except (OSError, ValueError, SyntaxError):
            continue
    return list(found.values())


def synthetic(rng: np.random.Generator) -> Image.Image:
    """A picture with structure at all scales, when there are no real ones."""
    picture = np.zeros((1024, 1536, 3))
    for cells in (4, 16, 64, 256):
        noise = rng.integers(0, 256, (cells, cells * 3 // 2, 3), dtype=np.uint8)
        picture += (
            np.asarray(Image.fromarray(noise).resize((1536, 1024), Image.Resampling.BICUBIC), dtype=float) / cells**0.5
        )
    return Image.fromarray((picture * (255 / picture.max())).astype(np.uint8))


def camera_like(source: Image.Image, noise: npt.NDArray[np.int16], rng: np.random.Generator) -> Image.Image:
    """A random crop, enlarged to the shape of the noise, with the noise, shifted at random."""
    width, height = source.size
    left, top = (int(rng.integers(0, max(1, side // 5))) for side in (width, height))
    crop = source.crop((left, top, left + width * 4 // 5, top + height * 4 // 5))
    pixels = np.asarray(crop.resize(noise.shape[1::-1], Image.Resampling.BICUBIC), dtype=np.int16)
    shifted = np.roll(noise, int(rng.integers(0, noise.size)))
    return Image.fromarray(np.clip(pixels + shifted, 0, 255).astype(np.uint8))


def fill(folder: Path, photos: list[Path], n: int) -> list[Path]:
    """Copy the photos into a folder and add variants up to n files."""
    rng = np.random.default_rng(1)
    lying = rng.normal(0, NOISE, (CAMERA_SIZE[1], CAMERA_SIZE[0], 3)).astype(np.int16)
    standing = lying.transpose(1, 0, 2)
    files = []
    for number in range(n):
        file = folder / f"{number:05d}.jpg"
        if number < min(len(photos), n // 2):
            file.write_bytes(photos[number].read_bytes())
        else:
            source = Image.open(photos[number % len(photos)]).convert("RGB") if photos else synthetic(rng)
            image = camera_like(source, lying if number % 3 else standing, rng)
            image.save(file, quality=92, subsampling=2 if number % 2 else 0)
        files.append(file)
        if number % 20 == 0:
            progress(f"making photos: {number} of {n}")
    return files


def ours(files: Iterable[Path], workers: int) -> list[FileMeasurement]:
    """Both hashes of every file by our pool, its start and end included."""
    options = MeasureOptions(hash=False, metadata=False)
    tasks = [FileTask(str(file), os.fsencode(file.parent), os.fsencode(file.name), "jpg") for file in files]
    with MeasurePool(options, workers=workers) as pool:
        return [result for results in pool.measure(tasks) for result in results]


def peer_seconds(program: str, folder: Path) -> float:
    """Time that a program of a peer takes over a folder, without its start, in a process and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), home)
        command = [sys.executable, "-c", program, str(folder)]
        done = subprocess.run(command, env={**os.environ, **places}, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def distance(measurement: FileMeasurement) -> int:
    """Bits between our hash and imagehash's of the upright full picture."""
    with Image.open(measurement.asset_id) as image:
        reference = int(str(imagehash.phash(ImageOps.exif_transpose(image))), 16)
    return (reference ^ ((measurement.phash or 0) % 2**64)).bit_count()


def main() -> None:
    """Run the benchmark."""
    parser = arguments(__doc__ or "", n=100, n_help="photos")
    parser.add_argument("--photos", type=Path, default=default_photos(), help="folder with real JPEGs")
    parser.add_argument(
        "--workers", type=int, default=min(2, available_cores()), help="our worker processes (default 2)"
    )
    args = parser.parse_args()
    photos = real_photos(args.photos)
    with tempfile.TemporaryDirectory() as name:
        files = fill(Path(name), photos, args.n)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        progress(f"{args.n} photos, {megabytes:.0f} MB, {min(len(photos), args.n // 2)} of them as they are")
        times = []
        for number in range(ROUNDS):
            progress(f"round {number + 1} of {ROUNDS}")
            seconds, results = timed(lambda: ours(files, args.workers))
            times.append((seconds, *(peer_seconds(program, Path(name)) for program in PEERS.values())))
    best, *peers_best = (min(column) for column in zip(*times, strict=True))
    peak = max(result.peak_rss_mb for result in results)
    for peer, took in zip(PEERS, peers_best, strict=True):
        report("phash", n=args.n, seconds=best, peer=peer, peer_seconds=took, peak=peak, workers=args.workers)
    compare(photos, args.workers)


def compare(photos: list[Path], workers: int) -> None:
    """Report how near our hashes of the photos themselves are to imagehash's."""
    if not photos:
        progress("no photos to compare hashes on")
        return
    seconds, results = timed(lambda: ours(photos, workers))
    reference_seconds, distances = timed(lambda: [distance(result) for result in results])
    near = sum(bits <= NEAR_BITS for bits in distances)
    report(
        "phash within 2 bits",
        n=len(photos),
        seconds=seconds,
        peer="imagehash upright",
        peer_seconds=reference_seconds,
        peak=max(result.peak_rss_mb for result in results),
        near=near,
        share=round(near / len(photos), 4),
        farthest=max(distances),
    )


if __name__ == "__main__":
    main()

"""Content hashing per core: SHA-256 and SHA-1 in one pass, beside the sha256sum command over the same files in the same run.

    python -m benchmarks.sha256 --n 100

Both run in one thread and read from the page cache. sha256sum's time includes starting it once for all files.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.report import arguments, best_of, progress, report
from immich_pipeline.media.hashing import digests_of

FILE_BYTES = 4_000_000  # a 12-megapixel JPEG
ROUNDS = 5


def make_files(folder: Path, n: int) -> list[Path]:
    """Write n files of random bytes."""
    files = [folder / f"{i:06d}.bin" for i in range(n)]
    for file in files:
        file.write_bytes(os.urandom(FILE_BYTES))
    return files


def ours(files: list[Path]) -> list[str]:
    """Hex digests by our function."""
    digests = []
    for file in files:
        with file.open("rb") as fh:
            digests.append(digests_of(fh).sha256.hex())
    return digests


def peer(files: list[Path]) -> list[str]:
    """Hex digests by sha256sum."""
    done = subprocess.run(["sha256sum", *map(str, files)], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


def main() -> None:
    """Run the benchmark."""
    n = arguments(__doc__ or "", n=100, n_help="files of 4 MB").parse_args().n
    with tempfile.TemporaryDirectory() as folder:
        progress(f"writing {n} files of {FILE_BYTES / 1e6:g} MB")
        files = make_files(Path(folder), n)
        if ours(files) != peer(files):
            raise SystemExit("the digests differ")
        progress(f"{ROUNDS} rounds of each, taking turns; the best counts")
        seconds, peer_seconds = best_of(ROUNDS, partial(ours, files), partial(peer, files))
    megabytes = n * FILE_BYTES / 1e6
    report(
        "sha256",
        n=n,
        seconds=seconds,
        peer="sha256sum",
        peer_seconds=peer_seconds,
        mb_per_second=round(megabytes / seconds),
    )


if __name__ == "__main__":
    main()

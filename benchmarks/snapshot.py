"""Reading a whole Immich library: `python -m benchmarks.snapshot [--n 1000000] [--http-n 100000] [--version 3.2.2]`.

`snapshot_database`: n assets from a database with Immich's tables, as frames that are dropped; its peer is COPY of the same columns to a
file by psycopg. `snapshot_http`: assets from the stand-in server by the API client; its peer is a plain loop that fetches as many pages
of the same search and drops them. Each is read by a process of its own, whose peak memory is told; "base_mb" of it is what the imports
alone take. They take turns, and the best of the rounds counts, so that a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import httpx
import psycopg
from pydantic import SecretStr

from benchmarks.report import arguments, best_of, peak_mb, progress, report
from immich_pipeline.immich import queries
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.database import ImmichDatabase
from immich_pipeline.immich.search import ALL_VISIBILITIES, SearchQuery, SearchTally
from immich_pipeline.progress import Progress, speak_on_stderr
from immich_pipeline.store import server
from immich_pipeline_tests.immich_db.bulk import bulk_assets
from immich_pipeline_tests.immich_db.create import create_immich_database
from immich_pipeline_tests.immich_stub import StubServer
from immich_pipeline_tests.immich_world import World

GOAL = "at most twice the peer's time"
HTTP_GOAL = "to the end, memory bounded"
ROUNDS = 3
URL_VARIABLE, KEY_VARIABLE = "BENCHMARK_URL", "BENCHMARK_KEY"


def own_peak_mb() -> float:
    """Highest resident memory of this process alone; what `peak_mb` tells of a child begins with the memory of its parent."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_mb()
    (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak) * 1024 / 1e6


def read_database(database: ImmichDatabase, owners: list[str], total: int) -> None:
    """Read every asset; each frame is dropped when the next one comes."""
    rows = sum(frame.height for frame in database.records(owners, total=total))
    if rows != total:
        raise ValueError(f"{rows} of {total} assets")


def copy_to_file(url: str, owners: list[str], file: Path) -> None:
    """COPY the same columns of the same assets, in the types they have."""
    query = queries.records(queries.Scope(owners), None).as_string(None).replace("::text", "")
    copy = f"COPY ({query}) TO STDOUT"
    with psycopg.connect(url) as connection, connection.cursor().copy(copy) as rows, file.open("wb") as out:
        for row in rows:
            out.write(row)


def measure_database(url: str) -> None:
    """Measure in this process and report."""
    base = own_peak_mb()
    database = ImmichDatabase(SecretStr(url))
    owners = database.owners()["owner_id"].to_list()
    total = sum(database.count(owners).values())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "assets.copy"
        ours, peer = best_of(
            ROUNDS, partial(read_database, database, owners, total), partial(copy_to_file, url, owners, file)
        )
        size = file.stat().st_size
    report(
        "snapshot_database",
        n=total,
        seconds=ours,
        peak=own_peak_mb(),
        peer="COPY TO a file",
        peer_seconds=peer,
        goal=GOAL,
        met=ours <= 2 * peer,
        assets_per_second=round(total / ours),
        base_mb=round(base, 1),
        copy_mb=round(size / 1e6),
    )


def search_all(client: ImmichClient, total: int, tally: SearchTally) -> None:
    """Search to the end; each frame is dropped when the next one comes."""
    said = Progress("searching the stand-in server", total, "assets")
    for frame in client.search(SearchQuery(), tally):
        said.advance(frame.height)
    if said.done != total:
        raise ValueError(f"{said.done} of {total} assets")


def fetch_pages(url: str, key: str, version: str) -> int:
    """Fetch the pages of the same searches, with and without EXIF data, and drop them; the number of pages."""
    pages = 0
    with httpx.Client(headers={"x-api-key": key}, timeout=60) as client:
        for visibility in [None] if version >= "3" else ALL_VISIBILITIES:
            for exif in (True, False):
                body: dict[str, object] = {"size": 1000, "withDeleted": True, "withExif": exif, "withStacked": True}
                body |= {"visibility": visibility} if visibility else {}
                page: str | None = "1"
                while page is not None:
                    answer = client.post(f"{url}/api/search/metadata", json=body | {"page": int(page)})
                    page = answer.raise_for_status().json()["assets"]["nextPage"]
                    pages += 1
    return pages


def measure_http(url: str, key: str, version: str, total: int) -> None:
    """Measure in this process and report."""
    base = own_peak_mb()
    tally = SearchTally()
    pages: list[int] = []
    with ImmichClient(url, SecretStr(key), requests_per_second=10_000) as client:

        def ours() -> None:
            nonlocal tally
            tally = SearchTally()
            search_all(client, total, tally)

        seconds, peer = best_of(ROUNDS, ours, lambda: pages.append(fetch_pages(url, key, version)))
    report(
        "snapshot_http",
        n=total,
        seconds=seconds,
        peak=own_peak_mb(),
        peer="fetching pages with httpx",
        peer_seconds=peer,
        goal=HTTP_GOAL,
        met=True,  # search_all raises when assets are missing
        assets_per_second=round(total / seconds),
        base_mb=round(base, 1),
        requests=tally.requests,
        peer_requests=pages[-1],
        version=version,
    )


def in_a_child(part: str, url: str, key: str = "", **options: object) -> None:
    """Run one measurement in a process of its own, which prints its line; what it connects to goes through the environment."""
    command = [sys.executable, "-m", "benchmarks.snapshot", "--part", part]
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    subprocess.run(command, check=True, env=os.environ | {URL_VARIABLE: url, KEY_VARIABLE: key})


def database_part(n: int, version: str) -> None:
    """Fill a database on a server of its own, and have it read."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # as root, the server runs as another user, who must get through
        with server.running(home) as server_url:
            progress(f"filling a database of Immich {version} with {n:,} assets")
            url = create_immich_database(server_url, "immich_benchmark", version)
            bulk_assets(url, n)
            in_a_child("database", url)


def http_part(n: int, version: str) -> None:
    """Serve a library from this process, and have it read by another."""
    progress(f"serving {n:,} assets as Immich {version}")
    world = World(version=version)
    user = world.add_user("alice")
    for number in range(n):
        world.add_asset(user, f"/data/library/alice/{number // 1000}/IMG_{number:06d}.jpg")
    with StubServer(world, validate=False) as stub:
        in_a_child("http", stub.url, world.key_of(user).secret, version=version, n=n)


def options_given() -> argparse.Namespace:
    """The command line."""
    parser = arguments(__doc__ or "", n=1_000_000, n_help="assets in the database")
    parser.add_argument("--http-n", type=int, default=100_000, help="assets of the server (default 100000)")
    parser.add_argument("--version", default="3.2.2", help="of Immich: 2.7.5, 3.1.0 or 3.2.2 (default)")
    parser.add_argument("--part", choices=("database", "http"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure and print one line of JSON per measurement."""
    options = options_given()
    speak_on_stderr()
    if options.part == "database":
        measure_database(os.environ[URL_VARIABLE])
    elif options.part == "http":
        measure_http(os.environ[URL_VARIABLE], os.environ[KEY_VARIABLE], options.version, options.n)
    else:
        database_part(options.n, options.version)
        http_part(options.http_n, options.version)


if __name__ == "__main__":
    main()

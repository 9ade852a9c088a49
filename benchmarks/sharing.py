"""One user's assets in another's library: `python -m benchmarks.sharing [--n 5000] [--growth 5000 20000 50000] [--shared 100000]`.

Immich 3.1's tables with pgvector, on the embedded server. Photos have EXIF, two pictures on disk, an embedding, and two faces each with an
embedding of its own, of one in a hundred people.

`sharing_copy`: a cycle that copies n assets, with HNSW indexes on both tables of embeddings as Immich has them. Its peer is what no program
could do without: the bare `INSERT ... SELECT` statements of the same rows, in one transaction, from a mapping of ids that is there, in a
twin of the same database; no files, no tracking. They take turns and the best of the rounds counts. `rest_per_second`: assets per second
of all of the cycle but the statements that insert embeddings; files and tracking are in it.
`sharing_growth`: the same for other n, one round, without the indexes of embeddings (`--indexed-growth`: with them; hours).
`sharing_steady`: `--shared` assets are shared and ten things changed at the source; its peer is a cycle that compares everything.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from pydantic import SecretStr

from benchmarks.report import arguments, progress, report, timed
from benchmarks.snapshot import own_peak_mb
from immich_pipeline.sharing.cycle import run_cycle
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.reports import CycleReport
from immich_pipeline.sharing.session import open_session
from immich_pipeline.store import server
from immich_pipeline_tests.databases import copy_database, drop_database
from immich_pipeline_tests.immich_db.create import create_immich_database
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, MEDIA, House
from immich_pipeline_tests.sharing.many import add_many, drop_vector_indexes

VERSION = "3.1.0"
MOST_OVER_PEER, LEAST_PER_SECOND, MOST_SECONDS = 1.15, 2000, 2.0
GOAL = "at most 1.15 times the peer; without embeddings at least 2,000 assets a second"
STEADY_GOAL = "at most 2 seconds"
ROUNDS = 3
_VECTORS = re.compile(r'INSERT INTO (public\.)?"?(public"\.")?(smart_search|face_search)\b')

# The same rows, of a mapping that is there: nothing else could make them faster.
_MAPPING = """
CREATE TEMPORARY TABLE pair AS SELECT id AS source_id, gen_random_uuid() AS target_id FROM asset WHERE "ownerId" = {source};
CREATE TEMPORARY TABLE person_pair AS SELECT id AS source_id, gen_random_uuid() AS target_id FROM person WHERE "ownerId" = {source};
CREATE TEMPORARY TABLE face_pair AS SELECT id AS source_id, gen_random_uuid() AS target_id FROM asset_face;
ALTER TABLE pair ADD PRIMARY KEY (source_id);
ALTER TABLE person_pair ADD PRIMARY KEY (source_id);
ALTER TABLE face_pair ADD PRIMARY KEY (source_id);
ANALYZE pair; ANALYZE person_pair; ANALYZE face_pair;
"""
_BARE = {
    "asset": (
        "pair",
        "id",
        {
            "id": "p.target_id",
            "ownerId": "{target}",
            "libraryId": "{library}",
            "originalPath": """'/external/bob/alice' || substr(s."originalPath", 16)""",
            "checksum": "decode(md5('copy ' || s.id), 'hex')",
        },
    ),
    "asset_exif": ("pair", "assetId", {"assetId": "p.target_id"}),
    "asset_job_status": ("pair", "assetId", {"assetId": "p.target_id"}),
    "asset_file": (
        "pair",
        "assetId",
        {
            "assetId": "p.target_id",
            "id": "gen_random_uuid()",
            "path": 'replace(s.path, s."assetId"::text, p.target_id::text)',
        },
    ),
    "smart_search": ("pair", "assetId", {"assetId": "p.target_id"}),
    "person": ("person_pair", "id", {"id": "p.target_id", "ownerId": "{target}", "faceAssetId": "NULL"}),
    "asset_face": ("face_pair", "id", {"id": "p.target_id", "assetId": "a.target_id", "personId": "o.target_id"}),
    "face_search": ("face_pair", "faceId", {"faceId": "p.target_id"}),
}
_FACE_JOINS = 'JOIN pair AS a ON a.source_id = s."assetId" JOIN person_pair AS o ON o.source_id = s."personId"'


class Library(NamedTuple):
    """A source that is filled, to be copied again and again."""

    url: str
    job: Job
    media: Path


@contextmanager
def filled(server_url: str, home: Path, n: int, *, indexed: bool) -> Iterator[Library]:
    """A database and a media folder with n assets of alice's."""
    progress(f"making {n:,} assets{' with indexes of their embeddings' if indexed else ''} ...")
    name = f"sharing_{n}_{'indexed' if indexed else 'plain'}"
    with tempfile.TemporaryDirectory(dir=home) as media:
        house = House(create_immich_database(server_url, name, VERSION), VERSION, Path(media))
        drop_vector_indexes(house)
        add_many(house, n)
        if indexed:
            _make_indexes(house)
        library = Library(house.url, house.job(), Path(media))
        house.close()
        yield library
    drop_database(server_url, name)


def _make_indexes(house: House) -> None:
    """As Immich's are; of a whole table it is quicker than row by row."""
    house.db.execute("SET maintenance_work_mem = '2GB'")
    for name, table in (("clip_index", "smart_search"), ("face_index", "face_search")):
        house.db.execute(
            sql.SQL("CREATE INDEX {} ON {} USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16)").format(
                sql.Identifier(name), sql.Identifier(table)
            )
        )  # fmt: skip


@contextmanager
def twin(server_url: str, library: Library) -> Iterator[str]:
    """A copy of the database, with its pages written."""
    name = "sharing_twin"
    url = copy_database(server_url, name, urlsplit(library.url).path.lstrip("/"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    yield url
    drop_database(server_url, name)


class Shares:
    """How long statements that insert embeddings took, beside everything else."""

    def __init__(self) -> None:
        self.vectors = 0.0
        self.links = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Take the time of what is done within."""
        execute, link = psycopg.Cursor.execute, MediaFolder.link_all

        def timed_execute(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            result = execute(cursor, query, *args, **options)
            text = query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
            if _VECTORS.search(text):
                self.vectors += time.perf_counter() - began
            return result

        def timed_link(*args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return link(*args, **options)
            finally:
                self.links += time.perf_counter() - began

        with patch.object(psycopg.Cursor, "execute", timed_execute), patch.object(MediaFolder, "link_all", timed_link):
            yield


class Took(NamedTuple):
    """How long something took.

    Attributes:
        seconds: by the clock.
        cpu: of this process and of the server's that serves it, which other work on the machine does not lengthen much.
    """

    seconds: float
    cpu: float


def took(connection: psycopg.Connection[Any], work: Callable[[], object]) -> Took:
    """Do something that uses one connection."""
    statistics = Path(f"/proc/{connection.info.backend_pid}/stat")

    def cpu() -> float:
        fields = statistics.read_text().rpartition(")")[2].split() if statistics.exists() else []
        server_seconds = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        return time.process_time() + server_seconds

    before = cpu()
    seconds = timed(work)[0]
    return Took(seconds, cpu() - before)


def cycle(url: str, library: Library, **options: Any) -> tuple[Took, CycleReport]:
    """One cycle, as the role that shares."""
    role = re.sub(r"//[^@]*@", "//immich_share@", url)
    told: list[CycleReport] = []
    with open_session(SecretStr(role)) as connection:
        media = MediaFolder(MEDIA, library.media)
        time_taken = took(connection, lambda: told.append(run_cycle(connection, library.job, media, **options)))
    return time_taken, told[0]


def bare(url: str, library: Library) -> Took:
    """The statements alone; making the mapping is not counted."""
    job = library.job
    words = {"source": job.source_owner, "target": job.target_owner, "library": job.target_library}
    literals = {name: sql.Literal(word) for name, word in words.items()}
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL(_MAPPING).format(**literals).as_string(connection).encode())
        statements = [_bare_statement(connection, table, literals) for table in _BARE]
        connection.commit()
        return took(connection, lambda: _run(connection, statements))


def _run(connection: psycopg.Connection[Any], statements: list[sql.Composed]) -> None:
    for statement in statements:
        connection.execute(statement)
    connection.commit()


def _bare_statement(connection: psycopg.Connection[Any], table: str, literals: dict[str, sql.Literal]) -> sql.Composed:
    pair, key, overrides = _BARE[table]
    columns = [
        name
        for (name,) in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s", [table]
        )
    ]  # fmt: skip
    values = [
        sql.SQL(overrides[name]).format(**literals) if name in overrides else sql.Identifier("s", name) for name in columns
    ]  # fmt: skip
    text = "INSERT INTO {table} ({columns}) SELECT {values} FROM {pair} AS p JOIN {table} AS s ON s.{key} = p.source_id {more}"
    return sql.SQL(text).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        pair=sql.Identifier(pair),
        key=sql.Identifier(key),
        more=sql.SQL(_FACE_JOINS if table == "asset_face" else ""),
    )


def _forget_links(library: Library) -> None:
    """The target's pictures of a round before."""
    for kind in ("thumbs", "encoded-video"):
        folder = library.media / kind / library.job.target_owner
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


def measure_copy(server_url: str, home: Path, n: int, *, name: str, indexed: bool, rounds: int) -> None:
    """Ours and the peer in turn, each in a twin of the same database."""
    ours: list[tuple[Took, Shares]] = []
    peers: list[Took] = []
    with filled(server_url, home, n, indexed=indexed) as library:
        for number in range(rounds):
            progress(f"{name}: {n:,} assets, round {number + 1} of {rounds} ...")
            with twin(server_url, library) as url:
                peers.append(bare(url, library))
            with twin(server_url, library) as url:
                shares = Shares()
                with shares.measured():
                    time_taken, told = cycle(url, library)
                if told.copied != n or told.failures:
                    raise AssertionError(f"not copied: {told}")
                ours.append((time_taken, shares))
            _forget_links(library)
    (seconds, _), shares = min(ours, key=lambda pair: pair[0])
    peer = min(peers).seconds
    cpu = min(one.cpu for one, _ in ours) / min(one.cpu for one in peers)
    rest = seconds - shares.vectors
    report(
        name, n=n, seconds=seconds, peak=own_peak_mb(), peer="bare INSERT ... SELECT of the same rows", peer_seconds=peer, goal=GOAL,
        met=seconds <= MOST_OVER_PEER * peer and n / rest >= LEAST_PER_SECOND, over_peer=round(seconds / peer, 3),
        cpu_over_peer=round(cpu, 3), indexed=indexed, assets_per_second=round(n / seconds), embeddings_seconds=round(shares.vectors, 2),
        links_seconds=round(shares.links, 2), rest_seconds=round(rest, 2), rest_per_second=round(n / rest),
    )  # fmt: skip


def ten_changes(house: House, round_number: int, shared: int) -> None:
    """Photos that come and go, a face that moves, what a person wrote, pictures and text made anew."""
    dice = random.Random(round_number)  # noqa: S311 - no secret

    def some() -> str:
        return str(house.value("SELECT md5('asset ' || %s)::uuid::text", str(dice.randint(1, shared))))

    new = [house.add_photo(f"{EXTERNAL}/new/{round_number} {place}.jpg") for place in range(2)]
    house.add_face(new[0], house.value("SELECT id::text FROM person ORDER BY id LIMIT 1"))
    for place in range(3):
        changes.set_exif(house, some(), description=f"round {round_number} {place}")
    changes.regenerate_pictures(house, some(), f"round {round_number}")
    changes.read_text_again(house, some(), f"round {round_number}")
    asset = some()
    face, person = house.rows('SELECT id::text, "personId"::text FROM asset_face WHERE "assetId" = %s LIMIT 1', asset)[
        0
    ]
    changes.move_face(
        house, face, house.value("SELECT id::text FROM person WHERE id <> %s ORDER BY id LIMIT 1", person)
    )
    changes.embed_again(house, some())
    changes.trash(house, some())


def measure_steady(server_url: str, home: Path, shared: int) -> None:
    """A cycle with ten changes among many assets, and one with none."""
    progress(f"sharing {shared:,} assets ...")
    with tempfile.TemporaryDirectory(dir=home) as media:
        house = House(create_immich_database(server_url, "sharing_steady", VERSION), VERSION, Path(media))
        drop_vector_indexes(house)
        add_many(house, shared)
        library = Library(house.url, house.job(), Path(media))
        first, told = cycle(house.url, library)
        progress(f"copied {told.copied:,} in {first.seconds:.1f} s; vacuum ...")
        house.db.execute("VACUUM (ANALYZE)")
        idle = min(cycle(house.url, library)[0] for _ in range(ROUNDS))
        busy: list[Took] = []
        written = 0
        for number in range(ROUNDS):
            ten_changes(house, number, shared)
            time_taken, told = cycle(house.url, library)
            busy.append(time_taken)
            written += told.written
        whole, _ = cycle(house.url, library, full=True)
        house.close()
    longest = max(busy)
    report(
        "sharing_steady", n=shared, seconds=longest.seconds, peak=own_peak_mb(), peer="a cycle that compares everything",
        peer_seconds=whole.seconds, goal=STEADY_GOAL, met=longest.seconds <= MOST_SECONDS, changes=10, rows_written=round(written / ROUNDS),
        rounds=[round(one.seconds, 3) for one in busy], cpu_seconds=[round(one.cpu, 3) for one in busy],
        idle_seconds=round(idle.seconds, 3), idle_cpu_seconds=round(idle.cpu, 3), first_copy_seconds=round(first.seconds, 1),
    )  # fmt: skip


def main() -> None:
    """Parse the command line and measure."""
    parser = arguments("Sharing between users.", n=5000, n_help="assets that are copied, with two faces each; 0: none")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of the copy (default {ROUNDS})")
    parser.add_argument("--growth", type=int, nargs="*", default=[5000, 20_000, 50_000], help="numbers of assets")
    parser.add_argument(
        "--indexed-growth", action=argparse.BooleanOptionalAction, default=False, help="with HNSW indexes"
    )
    parser.add_argument("--shared", type=int, default=100_000, help="assets in the steady state; 0: not measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        with server.running(home / "home") as url:
            if options.n:
                measure_copy(url, home, options.n, name="sharing_copy", indexed=True, rounds=options.rounds)
            for n in options.growth:
                measure_copy(url, home, n, name="sharing_growth", indexed=options.indexed_growth, rounds=1)
            if options.shared:
                measure_steady(url, home, options.shared)


if __name__ == "__main__":
    main()

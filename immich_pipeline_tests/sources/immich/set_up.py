"""A pipeline's database beside an Immich server that is read by its API or by its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
from pydantic import SecretStr

from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources
from immich_pipeline_tests.immich_db.fill import fill, write_changes
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World

VERSIONS = ("2.7.5", "3.1.0", "3.2.2")
DATABASES = {"2.7.5": "2.7.5", "3.1.0": "3.1.0", "3.2.2": "3.2"}


def api_settings(world: World, url: str, **more: Any) -> ImmichSettings:
    users = tuple(ImmichUser(api_key=SecretStr(key.secret)) for key in world.keys.values())
    return ImmichSettings(url=url, users=users, **{"requests_per_second": 10_000} | more)


class Lab:
    """One world, seen through both ways."""

    def __init__(self, world: World, stub: StubServer, database_url: str) -> None:
        self.world, self.stub, self.database_url = world, stub, database_url

    def settings(self, way: str, **more: Any) -> ImmichSettings:
        if way == "api":
            return api_settings(self.world, self.stub.url, **more)
        return ImmichSettings(database_url=SecretStr(self.database_url), **more)

    def server(self, way: str, database: Database, **more: Any) -> ImmichServer:
        server = ImmichServer(self.settings(way, **more), FormatTable.load())
        activate_sources(database, [server.row])
        return server

    def publish(self) -> None:
        """Bring the database to what the world is now; the stand-in serves the world itself."""
        write_changes(self.database_url, self.world)


@contextmanager
def lab_of(world: World, make_immich_database: Callable[[str], str]) -> Iterator[Lab]:
    url = make_immich_database(DATABASES[world.version])
    fill(url, world)
    with StubServer(world) as stub:
        yield Lab(world, stub, url)


def stored_records(database: Database) -> pl.DataFrame:
    """Everything stored of the assets that are not gone."""
    columns = ", ".join(f"r.{name}::text" if name.endswith("_id") else f"r.{name}" for name in RECORD_SCHEMA)
    with database.frames() as frames:
        return frames.read(
            f"SELECT {columns}, a.owner, a.path, a.folder, a.name, a.extension, a.kind, a.format, a.size AS bytes, a.mtime_ns, "
            "a.visibility AS seen, a.is_trashed AS in_trash, a.is_offline AS off "
            "FROM library.immich_record r JOIN library.asset a USING (asset_id) WHERE a.gone_at IS NULL ORDER BY r.asset_id"
        )
